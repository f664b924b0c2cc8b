"""Labelled digit images from MNIST or other data, and the hold-out split.

Array names carry their axes: N images, H rows, W columns.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from tenfold.data.handwriting import HOLDOUT_EVERY, find_held_out
from tenfold.data.idx import dump_idx
from tenfold.data.pixels import Part as Part
from tenfold.data.sources import load_arrays
from tenfold.data.training_data import find_training_data
from tenfold.errors import DataError

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]  # images [N, 28, 28], labels [N]

# SHA-256 of the unpacked files (images, labels) as published on yann.lecun.com.
MNIST_CHECKSUMS: Mapping[Part, tuple[str, str]] = MappingProxyType(
    {
        "train": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "test": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    }
)

# Indices of training images with a wrong label or without a legible digit; 40144, a clear 3, is
# labelled 5. Found by looking at the images on which trained networks contradict the label most.
MISLABELLED = (
    *(2676, 7080, 10994, 21601, 24798, 25678, 26560, 29922, 31727, 40144, 40466, 43454),
    *(51248, 53396, 54264, 57662, 59915),
)


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Digit images with their labels.

    `images_NHW` is uint8 [N, 28, 28], white (255) on black; `labels_N` is uint8 [N], 0 to 9.
    `checksums` are the SHA-256 of the unpacked IDX files (images, labels); for other files, of the
    IDX files with the same content.
    """

    images_NHW: npt.NDArray[np.uint8]
    labels_N: npt.NDArray[np.uint8]
    checksums: tuple[str, str]

    def __len__(self) -> int:
        return len(self.labels_N)

    def select(self, rows: npt.NDArray[np.int64]) -> "LabelledImages":
        """Some of the images, with the checksums of the whole."""
        images_NHW, labels_N = self.images_NHW[rows], self.labels_N[rows]
        return dataclasses.replace(self, images_NHW=images_NHW, labels_N=labels_N)


def load_mnist() -> tuple[Arrays, Arrays]:
    """MNIST as two pairs of arrays: training and test.

        (train_images, train_labels), (test_images, test_labels) = tenfold.load_mnist()

    There are 60,000 training and 10,000 test images, uint8 [N, 28, 28], white (255) on black (0);
    labels are uint8 [N], 0 to 9. The arrays are new at every call.

    Raises DataError if the files of tenfold-training-data are missing or damaged.
    """
    training, test = load_part(None, "train"), load_part(None, "test")
    return (
        (training.images_NHW.copy(), training.labels_N.copy()),
        (test.images_NHW.copy(), test.labels_N.copy()),
    )


def load_part(data: Path | None, part: Part) -> LabelledImages:
    """Load the training or the test part of MNIST (`data` None), or of a folder or file.

    A folder contains IDX files, gzipped or not, under MNIST's names (train-images-idx3-ubyte,
    train-labels-idx1-ubyte, t10k-..., also with a dot for the last dash); image files of 28x28
    pixels, white on black, in train/0 ... train/9 and test/0 ... test/9; or CSV, NumPy or Parquet
    files, as docs/data.md says. Files of the other part are not opened. Hidden files, Thumbs.db,
    desktop.ini and __MACOSX are skipped.

    Raises DataError if a file is missing or cannot be used, if the numbers of images and labels
    differ, or if there are no labels.
    """
    source = find_training_data("mnist") if data is None else data
    images_NHW, labels_N = load_arrays(source, part)
    if labels_N is None:
        reason = "which training needs"
        if part == "test":
            reason = f"which `tenfold predict RUN --data {data}` predicts once there is a run"
        raise DataError(f"{data}: the {part} images have no labels, {reason}")
    loaded = label_images(images_NHW, labels_N)
    if data is None and loaded.checksums != MNIST_CHECKSUMS[part]:
        raise DataError(
            f"{source}: the {part} files are damaged: their checksum is not MNIST's; "
            "install the training data again"
        )
    return loaded


def label_images(
    images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8]
) -> LabelledImages:
    """Images, uint8 [N, 28, 28], and labels, uint8 [N], with their checksums."""
    checksums = hash_idx(images_NHW), hash_idx(labels_N)
    return LabelledImages(images_NHW=images_NHW, labels_N=labels_N, checksums=checksums)


def split_holdout(
    training: LabelledImages, *, leaves_out_mislabelled: bool = False
) -> tuple[LabelledImages, LabelledImages]:
    """Split training images into five sixths for training and a sixth for validation.

    MNIST is split by writer, into 49,995 images by 449 writers and 10,005 by 90 others. Other data,
    whose writers are unknown, may be sorted by label and are shuffled first, always in the same
    way. Both parts keep the checksums of the whole. With `leaves_out_mislabelled` the training part
    is without the images in MISLABELLED.

    Raises DataError for fewer than 6 images, and for MNIST if the list of its writers, which is in
    the training data, is not installed.
    """
    if training.checksums == MNIST_CHECKSUMS["train"]:
        is_held_out_N = find_held_out()
        rows = np.flatnonzero(~is_held_out_N)
        if leaves_out_mislabelled:
            rows = np.setdiff1d(rows, MISLABELLED)
        return training.select(rows), training.select(np.flatnonzero(is_held_out_N))
    num_training = len(training) - len(training) // HOLDOUT_EVERY
    if num_training == len(training):
        raise DataError(
            f"a hold-out needs at least {HOLDOUT_EVERY} training images, but there are "
            f"{len(training)}"
        )
    order = np.random.default_rng(0).permutation(len(training))
    return training.select(order[:num_training]), training.select(order[num_training:])


def load_evaluated(
    folder: Path | None, *, holdout: bool, checksums: tuple[str, str], owner: str
) -> LabelledImages:
    """The images that a run or study was evaluated on: for a hold-out validation, else test.

    `checksums` are those in its config; `owner` names it in an error. Raises DataError if the files
    cannot be used or have other checksums.
    """
    part: Part = "train" if holdout else "test"
    loaded = load_part(folder, part)
    pairs = zip(("images", "labels"), checksums, loaded.checksums, strict=True)
    for name, expected, found in pairs:
        if expected != found:
            raise DataError(
                f"{folder or 'the MNIST of tenfold-training-data'}: not the {part} {name} of "
                f"{owner}: their SHA-256 is {found}, not {expected}"
            )
    return split_holdout(loaded)[1] if holdout else loaded


def leave_out_mislabelled(training: LabelledImages) -> LabelledImages:
    """All training images but those in MISLABELLED; data other than MNIST stay unchanged."""
    if training.checksums != MNIST_CHECKSUMS["train"]:
        return training
    return training.select(np.setdiff1d(np.arange(len(training)), MISLABELLED))


def hash_idx(array: npt.NDArray[np.uint8]) -> str:
    """The SHA-256 of the IDX file with an array."""
    return hashlib.sha256(dump_idx(array)).hexdigest()
