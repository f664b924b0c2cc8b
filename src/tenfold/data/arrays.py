"""Images and labels that a program has in memory: one rule for what they may be.

Array names carry their axes: N images, H rows, W columns.
"""

import hashlib
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages, Part
from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES, WHITE
from tenfold.errors import ArrayError

NUM_PIXELS = IMAGE_SIZE_PX**2
# Between 1 and this, the largest value does not tell which value is white: scikit-learn's
# load_digits has 16, and resampled floats slightly more than 1.
LEAST_WHITE = 20
IMAGES_AT_A_TIME = 5000  # converted; the results of each step are larger than bytes
FORM = "((images, labels), (test images, test labels))"

Labelled = tuple[Any, Any]  # images and labels, as NumPy understands them
ArrayData = Labelled | tuple[Labelled, Labelled]


def load_array_part(data: ArrayData, part: Part) -> LabelledImages:
    """The training or the test part of ((images, labels), (test images, test labels)).

    The test part may be missing, also as (images, labels); the other part is not looked at.
    The checksums are those of IDX files with the same content. Raises ArrayError.
    """
    parts = data
    if _is_pair(data) and not _is_pair(data[0]):
        parts = (data, None)
    if not _is_pair(parts) or not _is_pair(parts[0]):
        raise ArrayError(f"data must be a path, or {FORM}, not of the type {type(data).__name__}")
    chosen, prefix = (parts[0], "") if part == "train" else (parts[1], "test ")
    if chosen is None:
        raise ArrayError(f"data has no test images; pass {FORM}, or (images, labels) with holdout")
    if not _is_pair(chosen):
        raise ArrayError(f"data must be {FORM}; the second is of the type {type(chosen).__name__}")
    images_NHW = convert_images(chosen[0], f"{prefix}images")
    labels_N = convert_labels(chosen[1], f"{prefix}labels")
    if len(images_NHW) != len(labels_N):
        raise ArrayError(
            f"there are {len(images_NHW)} {prefix}images, but {len(labels_N)} {prefix}labels"
        )
    return build_labelled_images(images_NHW, labels_N)


def _is_pair(value: object) -> TypeGuard[tuple[Any, Any]]:
    return isinstance(value, tuple) and len(value) == 2


def build_labelled_images(
    images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8]
) -> LabelledImages:
    """Images, uint8 [N, 28, 28], and labels, uint8 [N], with their checksums."""
    images, labels = (
        hashlib.sha256(dump_idx(array)).hexdigest() for array in (images_NHW, labels_N)
    )
    return LabelledImages(images_NHW=images_NHW, labels_N=labels_N, checksums=(images, labels))


def convert_images(images: Any, name: str = "images") -> npt.NDArray[np.uint8]:  # noqa: ANN401
    """Images of any numeric type as uint8 [N, 28, 28], white (255) on black (0).

    They are [N, 28, 28] or [N, 784]. Whole numbers are 0 to 255 and booleans black and white.
    Floats are 0 to 1 if none is above 1, otherwise 0 to 255, and are rounded. Values that are
    negative, above 255 or not finite are refused, and so are images whose largest value lies
    between 1 (for floats, above 1) and 20, as it is unclear which value is white.

    `name` is what an error calls them. Raises ArrayError.
    """
    values = _to_array(images, name)
    if values.shape[1:] not in ((IMAGE_SIZE_PX, IMAGE_SIZE_PX), (NUM_PIXELS,)):
        raise ArrayError(
            f"{name} must have the shape [N, {IMAGE_SIZE_PX}, {IMAGE_SIZE_PX}] or "
            f"[N, {NUM_PIXELS}], not {list(values.shape)}"
        )
    if len(values) == 0:
        raise ArrayError(f"there are no {name}")
    values = values.reshape(-1, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(WHITE)
    if values.dtype.kind not in "iuf":
        raise ArrayError(f"{name} must be numbers, not of the type {values.dtype}")
    return _scale(values, _find_scale(values, name))


def _find_scale(values: npt.NDArray[Any], name: str) -> int:
    """What makes the white of these values 255."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= WHITE):  # also for NaN
        found = low if not low >= 0 else high
        raise ArrayError(f"{name} must be 0 to {WHITE}, or floats of 0 to 1, but one is {found}")
    is_float = values.dtype.kind == "f"
    if is_float and high <= 1:
        return WHITE
    if 0 < high < LEAST_WHITE:
        raise ArrayError(
            f"{name}: it is unclear which value is white, as the largest is {high}; scale them so "
            f"that it is {WHITE}, or 1.0 as a float"
        )
    return 1


def _scale(values: npt.NDArray[Any], scale: int) -> npt.NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    scaled = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), IMAGES_AT_A_TIME):
        some = slice(first, first + IMAGES_AT_A_TIME)
        scaled[some] = np.rint(values[some] * scale)
    return scaled


def convert_labels(labels: Any, name: str = "labels") -> npt.NDArray[np.uint8]:  # noqa: ANN401
    """Labels as uint8 [N]: digits as whole numbers 0 to 9, also as floats or as text ("7").

    `name` is what an error calls them. Raises ArrayError.
    """
    values = _to_array(labels, name)
    if values.ndim != 1:
        raise ArrayError(f"{name} must have the shape [N], not {list(values.shape)}")
    known = np.arange(NUM_CLASSES)
    if values.dtype.kind in "OUST":
        values, known = values.astype(str), known.astype(str)
    elif values.dtype.kind not in "iuf":
        raise ArrayError(f"{name} must be whole numbers, not of the type {values.dtype}")
    is_wrong = ~np.isin(values, known)
    if is_wrong.any():
        first = int(is_wrong.argmax())
        raise ArrayError(
            f"{name} must be 0 to {NUM_CLASSES - 1}, but number {first}, counted from 0, is "
            f"{values[first].item()!r}"
        )
    return values.astype(np.uint8)


def _to_array(values: Any, name: str) -> npt.NDArray[Any]:  # noqa: ANN401
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # of NumPy, or of a tensor on a GPU
        raise ArrayError(f"{name} cannot be made an array: {error}") from error
    return array
