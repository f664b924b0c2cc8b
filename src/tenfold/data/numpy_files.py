"""Images as NumPy's files: .npy, and .npz as Keras, EMNIST and MedMNIST are distributed."""

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tenfold.data.idx import MAX_DATA_BYTES
from tenfold.data.pixels import Arrays, Part, check_counts, convert_images, convert_labels
from tenfold.errors import DataError

# In lower case; None is a file of one set of images.
IMAGE_NAMES: Mapping[Part | None, tuple[str, ...]] = MappingProxyType(
    {
        "train": ("x_train", "train_images", "training_images"),
        "test": ("x_test", "test_images", "testing_images"),
        None: ("images", "x", "arr_0"),
    }
)
LABEL_NAMES: Mapping[Part | None, tuple[str, ...]] = MappingProxyType(
    {
        "train": ("y_train", "train_labels", "training_labels"),
        "test": ("y_test", "test_labels", "testing_labels"),
        None: ("labels", "y", "arr_1"),
    }
)


def load_npy(path: Path) -> Arrays:
    """Images without labels from a .npy file. Raises DataError."""
    with _reporting(str(path)), path.open("rb") as file:
        values = _read_array(file, str(path))
    return convert_images(values, str(path)), None


def find_npy_pair(folder: Path, part: Part) -> tuple[Path, Path | None] | None:
    """The .npy files of a part's images and labels in a folder; None if there are no images."""
    names = {path.name.lower(): path for path in folder.glob("*.npy")}
    images = [names[f"{one}.npy"] for one in IMAGE_NAMES[part] if f"{one}.npy" in names]
    labels = [names[f"{one}.npy"] for one in LABEL_NAMES[part] if f"{one}.npy" in names]
    return (images[0], labels[0] if labels else None) if images else None


def load_npy_pair(images_path: Path, labels_path: Path | None) -> Arrays:
    """Images and labels from two .npy files; without the second, no labels. Raises DataError."""
    images_NHW, labels_N = load_npy(images_path)[0], None
    if labels_path is not None:
        with _reporting(str(labels_path)), labels_path.open("rb") as file:
            labels_N = convert_labels(_read_array(file, str(labels_path)), str(labels_path))
        check_counts(images_NHW, labels_N, str(labels_path))
    return images_NHW, labels_N


def load_npz(path: Path, part: Part | None) -> Arrays:
    """The images of a part, and its labels or None, from an .npz file.

    Without a part, the only images of the file, or else its test images. Raises DataError.
    """
    with _reporting(str(path)), zipfile.ZipFile(path) as archive:
        names = {
            name.lower().removesuffix(".npy"): name
            for name in archive.namelist()
            if name.lower().endswith(".npy")
        }
        chosen = _choose_arrays(list(names), part, path)
        images, labels = (
            None if name is None else _read_member(archive, names[name], path) for name in chosen
        )
    assert images is not None
    images_NHW = convert_images(images, f"{path}, {chosen[0]}")
    labels_N = None if labels is None else convert_labels(labels, f"{path}, {chosen[1]}")
    check_counts(images_NHW, labels_N, str(path))
    return images_NHW, labels_N


def _choose_arrays(names: list[str], part: Part | None, path: Path) -> tuple[str, str | None]:
    """The names of the images and of their labels, if these are there."""
    parts: list[Part | None] = ["test", None] if part is None else [part]
    if part == "train":
        parts.append(None)  # one set of images is taken for training images
    for each in parts:
        images = next((name for name in IMAGE_NAMES[each] if name in names), None)
        if images is not None:
            return images, next((name for name in LABEL_NAMES[each] if name in names), None)
    if part == "test" and any(
        name in names for key in ("train", None) for name in IMAGE_NAMES[key]
    ):
        raise DataError(f"{path}: has training images only, no test images such as x_test")
    wanted = " or ".join(name for each in parts for name in IMAGE_NAMES[each])
    raise DataError(f"{path}: has no array {wanted}; its arrays are {', '.join(names) or 'none'}")


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> npt.NDArray[Any]:
    with archive.open(name) as file:
        return _read_array(file, f"{path}, {name.removesuffix('.npy')}")


def _read_array(file: IO[bytes], where: str) -> npt.NDArray[Any]:
    """Read an array whose header is checked first: its size is allocated before it is read."""
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise DataError(
            f"{where}: is an array of pickled Python objects, which are not loaded, as they can "
            "run any program; save it as numbers"
        )
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes > MAX_DATA_BYTES:
        raise DataError(
            f"{where}: the shape {list(shape)} of {dtype} has {num_bytes} bytes, more than the "
            f"limit of {MAX_DATA_BYTES}"
        )
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


@contextmanager
def _reporting(where: str) -> Iterator[None]:
    """Turn the errors of damaged files into DataError."""
    try:
        yield
    except DataError:
        raise
    # RuntimeError and its kind are of archives with a password or an unknown compression.
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise DataError(f"{where}: is damaged, or not a file of NumPy arrays: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {where}: {error.strerror or error}") from error
