"""Images as files: in a folder for each digit, or in a pair of IDX files."""

import warnings
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from tenfold.data.idx import load_idx
from tenfold.data.pixels import Arrays, Part
from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES
from tenfold.errors import DataError

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")  # of file managers, in lower case

FILE_PREFIXES = MappingProxyType[Part, str]({"train": "train", "test": "t10k"})


def find_idx_file(folder: Path, name: str) -> Path | None:
    """An IDX file with one of MNIST's names, plain or gzipped; None if there is none."""
    for stem in (name, name.replace("-idx", ".idx")):  # some archivers write a dot
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    return None


def find_idx_pair(folder: Path, part: Part) -> dict[str, Path | None]:
    """The paths of a part's images and labels by the names that they have without .gz."""
    prefix = FILE_PREFIXES[part]
    names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    return {name: find_idx_file(folder, name) for name in names}


def load_idx_pair(images_path: Path, labels_path: Path) -> Arrays:
    """Images and labels from two IDX files.

    Raises DataError if a file cannot be used, or if the numbers of images and labels differ.
    """
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
    return images_NHW, labels_N


def load_image_folders(folder: Path) -> Arrays:
    """Images from the folders 0 ... 9, in the order of digits and file names.

    Raises DataError if a folder is missing, or a file is not an image that can be used.
    """
    images, labels = [], []
    for digit in range(NUM_CLASSES):
        digit_folder = folder / str(digit)
        if not digit_folder.is_dir():
            raise DataError(f"{digit_folder}: no such folder; it must have the images of {digit}")
        for path in sorted(digit_folder.iterdir()):
            if not path.name.startswith(".") and path.name.lower() not in SYSTEM_FILES:
                images.append(load_image(path, str(path)))
                labels.append(digit)
    if not images:
        raise DataError(f"{folder}: there are no images in its folders 0 ... 9")
    return np.stack(images), np.array(labels, dtype=np.uint8)


def load_image(file: Path | IO[bytes], where: str) -> npt.NDArray[np.uint8]:
    """An image file as uint8 [28, 28]; `where` names it in an error. Raises DataError."""
    try:
        # Pillow only warns about some damage; turn the warnings into errors.
        with (
            warnings.catch_warnings(action="error"),
            Image.open(file, formats=IMAGE_FORMATS) as image,
        ):
            # Checked before the pixels are decoded.
            if image.size != (IMAGE_SIZE_PX, IMAGE_SIZE_PX):
                raise DataError(
                    f"{where}: the image is {image.width}x{image.height} pixels, but must be "
                    f"{IMAGE_SIZE_PX}x{IMAGE_SIZE_PX}"
                )
            transparency = " with transparency" * ("transparency" in image.info)
            if image.mode not in ("1", "L", "P", "RGB") or transparency:
                raise DataError(
                    f"{where}: the colour mode is {image.mode}{transparency}, but must be 8-bit "
                    "grey or RGB without transparency"
                )
            return np.asarray(image.convert("L"), dtype=np.uint8)
    except UnidentifiedImageError as error:
        advice = "; move it out of the folder" if isinstance(file, Path) else ""
        formats = ", ".join(IMAGE_FORMATS)
        raise DataError(f"{where}: not an image ({formats}){advice}") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise DataError(f"{where}: the image cannot be read: {error}") from error
