"""Labelled digit images from MNIST or a folder, and the hold-out split.

Array names carry their axes: N images, H rows, W columns.
"""

import dataclasses
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from tenfold.data.idx import dump_idx, load_idx
from tenfold.data.training_data import find_training_data
from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES
from tenfold.errors import DataError

HOLDOUT_SHARE = 6  # one training image in six: 10,000 of MNIST's 60,000
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")  # of file managers, in lower case

Part = Literal["train", "test"]
Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]  # images [N, 28, 28], labels [N]

FILE_PREFIXES: Mapping[Part, str] = MappingProxyType({"train": "train", "test": "t10k"})

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
    `checksums` are the SHA-256 of the unpacked IDX files (images, labels); for image files, of the
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


def load_part(folder: Path | None, part: Part) -> LabelledImages:
    """Load the training or the test part of MNIST (`folder` None) or of a folder.

    A folder contains either IDX files, gzipped or not, under MNIST's names
    (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., also with a dot for the last dash),
    or image files of 28x28 pixels, white on black, in train/0 ... train/9 and test/0 ... test/9.
    Files of the other part are not opened. Hidden files, Thumbs.db, desktop.ini and __MACOSX are
    skipped.

    Raises DataError if a file is missing or cannot be used, or if the numbers of images and labels
    differ.
    """
    try:
        return _load_part(folder, part)
    except OSError as error:  # such as a name that is too long
        raise DataError(f"cannot read {folder}: {error.strerror or error}") from error


def _load_part(folder: Path | None, part: Part) -> LabelledImages:
    if folder is None:
        bundled = find_training_data("mnist")
        loaded = _load_idx_pair(bundled, part)
        if loaded.checksums != MNIST_CHECKSUMS[part]:
            raise DataError(
                f"{bundled}: the {part} files are damaged: their checksum is not MNIST's; "
                "install the training data again"
            )
        return loaded
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {reason}; --data takes a folder of IDX files or of images")
    if (folder / part).is_dir():
        return _load_image_folders(folder / part)
    return _load_idx_pair(folder, part)


def split_holdout(training: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """Split training images into a training part and a sixth for validation.

    MNIST is split into its first 50,000 and last 10,000 images, as usual. Other data may be sorted
    by label and are shuffled first, always in the same way. Both parts keep the checksums of the
    whole. Raises DataError for fewer than 6 images.
    """
    num_training = len(training) - len(training) // HOLDOUT_SHARE
    if num_training == len(training):
        raise DataError(
            f"a hold-out needs at least {HOLDOUT_SHARE} training images, but there are "
            f"{len(training)}"
        )
    order = np.arange(len(training))
    if training.checksums != MNIST_CHECKSUMS["train"]:
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
    """Training images without those in MISLABELLED; data other than MNIST stay unchanged."""
    if training.checksums != MNIST_CHECKSUMS["train"]:
        return training
    return training.select(np.setdiff1d(np.arange(len(training)), MISLABELLED))


def _load_idx_pair(folder: Path, part: Part) -> LabelledImages:
    prefix = FILE_PREFIXES[part]
    images_path = _find_file(folder, part, f"{prefix}-images-idx3-ubyte")
    labels_path = _find_file(folder, part, f"{prefix}-labels-idx1-ubyte")
    images_NHW = load_idx(images_path, (None, IMAGE_SIZE_PX, IMAGE_SIZE_PX))
    labels_N = load_idx(labels_path, (None,))
    if len(images_NHW) != len(labels_N):
        raise DataError(
            f"{labels_path}: has {len(labels_N)} labels, but {images_path.name} has "
            f"{len(images_NHW)} images"
        )
    wrong = np.flatnonzero(labels_N >= NUM_CLASSES)
    if len(wrong):
        raise DataError(
            f"{labels_path}: label {wrong[0]} is {labels_N[wrong[0]]}, but labels are 0 to 9"
        )
    return _build(images_NHW, labels_N)


def _find_file(folder: Path, part: Part, name: str) -> Path:
    for stem in (name, name.replace("-idx", ".idx")):  # some archivers write a dot
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    raise DataError(
        f"{folder}: there is neither {name} (or {name}.gz) nor a folder {part} with images in "
        f"{part}/0 ... {part}/9"
    )


def _load_image_folders(folder: Path) -> LabelledImages:
    images, labels = [], []
    for digit in range(NUM_CLASSES):
        digit_folder = folder / str(digit)
        if not digit_folder.is_dir():
            raise DataError(f"{digit_folder}: no such folder; it must have the images of {digit}")
        for path in sorted(digit_folder.iterdir()):
            if not path.name.startswith(".") and path.name.lower() not in SYSTEM_FILES:
                images.append(_load_image(path))
                labels.append(digit)
    if not images:
        raise DataError(f"{folder}: there are no images in its folders 0 ... 9")
    return _build(np.stack(images), np.array(labels, dtype=np.uint8))


def _load_image(path: Path) -> npt.NDArray[np.uint8]:
    try:
        # Pillow only warns about some damage; turn the warnings into errors.
        with (
            warnings.catch_warnings(action="error"),
            Image.open(path, formats=IMAGE_FORMATS) as image,
        ):
            # Checked before the pixels are decoded.
            if image.size != (IMAGE_SIZE_PX, IMAGE_SIZE_PX):
                raise DataError(
                    f"{path}: the image is {image.width}x{image.height} pixels, but must be "
                    f"{IMAGE_SIZE_PX}x{IMAGE_SIZE_PX}"
                )
            transparency = " with transparency" * ("transparency" in image.info)
            if image.mode not in ("1", "L", "P", "RGB") or transparency:
                raise DataError(
                    f"{path}: the colour mode is {image.mode}{transparency}, but must be 8-bit "
                    "grey or RGB without transparency"
                )
            return np.asarray(image.convert("L"), dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: not an image ({', '.join(IMAGE_FORMATS)}); move it out of the folder"
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise DataError(f"{path}: the image cannot be read: {error}") from error


def _build(images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8]) -> LabelledImages:
    images, labels = (hashlib.sha256(dump_idx(array)) for array in (images_NHW, labels_N))
    checksums = images.hexdigest(), labels.hexdigest()
    return LabelledImages(images_NHW=images_NHW, labels_N=labels_N, checksums=checksums)
