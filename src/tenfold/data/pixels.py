"""Images and labels of files in the one form that all data have.

Array names carry their axes: N images, H rows, W columns.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES, WHITE
from tenfold.errors import DataError

Part = Literal["train", "test"]
# uint8 [N, 28, 28], and uint8 [N] or None for images without labels.
Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]

NUM_PIXELS = IMAGE_SIZE_PX**2
SHAPES = f"[N, {IMAGE_SIZE_PX}, {IMAGE_SIZE_PX}] or [N, {NUM_PIXELS}]"
# Between 1 and this, the largest value does not tell which value is white: scikit-learn's
# load_digits has 16.
LEAST_WHITE = 20


def convert_images(values: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    """Images, white on black, as uint8 [N, 28, 28].

    They are [N, 28, 28] or [N, 784], also with one channel, of whole numbers from 0 to 255; floats
    may also be 0 to 1. `where` names them in an error. Raises DataError.
    """
    sizes = tuple(size for size in values.shape[1:] if size != 1)
    if sizes not in ((IMAGE_SIZE_PX, IMAGE_SIZE_PX), (NUM_PIXELS,)):
        raise DataError(f"{where}: the shape is {list(values.shape)}, but must be {SHAPES}")
    if len(values) == 0:
        raise DataError(f"{where}: there are no images")
    if values.dtype.kind not in "uif":
        raise DataError(f"{where}: the type is {values.dtype}, but must be a number")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= WHITE):  # also for NaN
        wrong = np.argwhere(~((values >= 0) & (values <= WHITE)))[0]
        value = values[tuple(wrong)]
        row, column = np.unravel_index(
            int(np.ravel_multi_index(tuple(wrong[1:]), values.shape[1:])),
            (IMAGE_SIZE_PX, IMAGE_SIZE_PX),
        )
        raise DataError(
            f"{where}: image {wrong[0]}, row {row}, column {column}, counted from 0, is {value}, "
            f"but pixels are 0 to {WHITE}"
        )
    is_float = values.dtype.kind == "f"
    scale = WHITE if is_float and high <= 1 else 1
    if scale == 1 and 0 < high < LEAST_WHITE:
        raise DataError(
            f"{where}: it is unclear which value is white, as the largest is {high}; scale the "
            f"images so that white is {WHITE}"
        )
    images = np.rint(values * scale) if is_float else values
    return images.astype(np.uint8).reshape(-1, IMAGE_SIZE_PX, IMAGE_SIZE_PX)


def convert_labels(values: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    """Labels as uint8 [N]: whole numbers from 0 to 9, [N] or [N, 1].

    `where` names them in an error. Raises DataError.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{where}: the shape is {list(values.shape)}, but must be [N]")
    if values.dtype.kind not in "uif":
        raise DataError(f"{where}: the type is {values.dtype}, but must be a whole number")
    is_wrong = ~np.isin(values, np.arange(NUM_CLASSES))
    if is_wrong.any():
        first = int(is_wrong.argmax())
        raise DataError(
            f"{where}: label {first}, counted from 0, is {values[first]}, but labels are 0 to "
            f"{NUM_CLASSES - 1}"
        )
    return values.astype(np.uint8)


def check_counts(
    images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8] | None, where: str
) -> None:
    """Raise DataError unless there is a label for each image, or there are none."""
    if labels_N is not None and len(images_NHW) != len(labels_N):
        raise DataError(f"{where}: has {len(labels_N)} labels for {len(images_NHW)} images")
