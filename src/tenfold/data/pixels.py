"""Images and labels of files and arrays in the one form that all data have.

Array names carry their axes: N images, H rows, W columns.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES, WHITE
from tenfold.errors import ArrayError

Part = Literal["train", "test"]
# uint8 [N, 28, 28], and uint8 [N] or None for images without labels.
Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]

Scale = Literal[1, 255]  # what makes the white of given values 255
NUM_PIXELS = IMAGE_SIZE_PX**2
SHAPES = f"[N, {IMAGE_SIZE_PX}, {IMAGE_SIZE_PX}] or [N, {NUM_PIXELS}]"
# Between 1 and this, the largest value does not tell which value is white: scikit-learn's
# load_digits has 16, and resampled floats slightly more than 1.
LEAST_WHITE = 20
IMAGES_AT_A_TIME = 5000  # converted; the results of each step are larger than bytes


def convert_images(
    values: npt.NDArray[Any], where: str, *, scale: int | None = None
) -> npt.NDArray[np.uint8]:
    """Images of any numeric type, white on black, as uint8 [N, 28, 28].

    They are [N, 28, 28] or [N, 784], also with one channel. Whole numbers are 0 to 255 and booleans
    black and white. Floats are 0 to 1 if none is above 1, otherwise 0 to 255, and are rounded.
    Values that are negative, above 255 or not finite are refused, and so are images whose largest
    value lies between 1 (for floats, above 1) and 20, as it is unclear which value is white.

    `scale` is that of floats, if it is known from earlier images (`find_scale`). Values outside it
    are clipped, and images are refused only if they seem to have the other scale, 0 to 1.

    `where` names them in an error. Raises ArrayError.
    """
    sizes = tuple(size for size in values.shape[1:] if size != 1)
    if sizes not in ((IMAGE_SIZE_PX, IMAGE_SIZE_PX), (NUM_PIXELS,)):
        raise ArrayError(f"{where}: the shape is {list(values.shape)}, but must be {SHAPES}")
    if len(values) == 0:
        raise ArrayError(f"{where}: there are no images")
    if values.dtype.kind not in "buif":
        raise ArrayError(f"{where}: the type is {values.dtype}, but must be a number")
    if scale is not None and values.dtype.kind == "f":
        _check_scale(values, scale, where)
        values = np.clip(values, 0, WHITE / scale)
    else:
        _check_values(values, where)
        scale = find_scale(values)
    images_NHW = values.reshape(-1, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    if images_NHW.dtype == np.uint8:
        return np.ascontiguousarray(images_NHW)
    scaled_NHW = np.empty(images_NHW.shape, np.uint8)
    for first in range(0, len(images_NHW), IMAGES_AT_A_TIME):
        some = slice(first, first + IMAGES_AT_A_TIME)
        scaled_NHW[some] = np.rint(images_NHW[some] * np.float64(scale))
    return scaled_NHW


def find_scale(values: npt.NDArray[Any]) -> Scale:
    """What makes the white of these values 255, if they are images."""
    kind = values.dtype.kind
    return 255 if kind == "b" or (kind == "f" and values.max() <= 1) else 1


def _check_scale(values: npt.NDArray[Any], scale: int, where: str) -> None:
    high = values.max()
    if not np.isfinite(values).all():
        raise ArrayError(f"{where}: has values that are not finite numbers")
    if scale == 1 and 0 < high <= 1:
        raise ArrayError(
            f"{where}: the largest value is {high}, but the earlier images were 0 (black) to "
            f"{WHITE} (white); scale these as they were"
        )


def _check_values(values: npt.NDArray[Any], where: str) -> None:
    if values.dtype.kind == "b":
        return
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= WHITE):  # also for NaN
        wrong = np.argwhere(~((values >= 0) & (values <= WHITE)))[0]
        row, column = np.unravel_index(
            int(np.ravel_multi_index(tuple(wrong[1:]), values.shape[1:])),
            (IMAGE_SIZE_PX, IMAGE_SIZE_PX),
        )
        raise ArrayError(
            f"{where}: image {wrong[0]}, row {row}, column {column}, counted from 0, is "
            f"{values[tuple(wrong)]}, but pixels are 0 to {WHITE}"
            f"{', or 0 to 1; standardised pixels do not fit' * (values.dtype.kind == 'f')}"
        )
    is_unit = values.dtype.kind == "f" and high <= 1
    if 0 < high < LEAST_WHITE and not is_unit:
        raise ArrayError(
            f"{where}: it is unclear which value is white, as the largest is {high}; scale the "
            f"images so that white is {WHITE}, or 1.0 as a float"
        )


def convert_labels(values: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    """Labels, [N] or [N, 1], as uint8 [N]: whole numbers 0 to 9, also as floats or as text ("7").

    `where` names them in an error. Raises ArrayError.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ArrayError(f"{where}: the shape is {list(values.shape)}, but must be [N]")
    known = np.arange(NUM_CLASSES)
    if values.dtype.kind in "OUST":
        values, known = values.astype(str), known.astype(str)
    elif values.dtype.kind not in "uif":
        raise ArrayError(f"{where}: the type is {values.dtype}, but must be a whole number")
    is_wrong_N = ~np.isin(values, known)
    if is_wrong_N.any():
        first = int(is_wrong_N.argmax())
        raise ArrayError(
            f"{where}: label {first}, counted from 0, is {values[first].item()!r}, but labels are "
            f"0 to {NUM_CLASSES - 1}"
        )
    return values.astype(np.uint8)


def check_counts(
    images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8] | None, where: str
) -> None:
    """Raise ArrayError unless there is a label for each image, or there are none."""
    if labels_N is not None and len(images_NHW) != len(labels_N):
        raise ArrayError(f"{where}: has {len(labels_N)} labels for {len(images_NHW)} images")
