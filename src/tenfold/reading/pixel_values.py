"""Scale pixel values of any type to bytes, by the range that they have."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

BAND_PIXELS = 1_000_000  # converted at a time
# The white of masks, and of 8, 10, 12, 14 and 16 bits.
WHITES = (1, 255, 1023, 4095, 16383, 65535)
# Values whose largest lies between 1 and this have no such white.
LEAST_WHITE = 20


def scale_values(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Booleans, integers or floats, [H, W] or [H, W, C], as bytes.

    The type alone does not say which value is white: masks have ones, sixteen bits often hold
    eight or twelve. So white is the least of 1, 255, 1023, 4095, 16383 and 65535 that no value
    exceeds; for bytes it is 1 or 255. If a value is negative or above 65535, or the largest is
    between 1 and 20, the least value becomes black and the largest white. NaN and infinities count
    as 0.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    low, high = _find_range(values)
    if values.dtype == np.uint8:
        return values * np.uint8(255) if high <= 1 else values
    white = next((white for white in WHITES if high <= white), None)
    if low < 0 or white is None or 1 < high < LEAST_WHITE:
        black, scale, dtype = low, 255 / (high - low) if high > low else 0.0, np.dtype(np.float64)
    elif values.dtype.kind in "iu":
        levels = np.rint(np.arange(white + 1) / white * 255).astype(np.uint8)
        return convert_rows(values, lambda rows: levels[rows])
    else:
        black, scale, dtype = 0.0, 255 / white, values.dtype

    def convert(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        finite = np.nan_to_num(rows.astype(dtype), nan=0.0, posinf=0.0, neginf=0.0)
        return np.rint((finite - black) * scale).clip(0, 255)

    return convert_rows(values, convert)


def convert_rows(
    values: npt.NDArray[Any], convert: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> npt.NDArray[np.uint8]:
    """Convert values to bytes in bands of rows, as intermediate results are much larger."""
    converted = np.empty(values.shape, np.uint8)
    num_rows = max(1, BAND_PIXELS // values.shape[1])
    for start in range(0, len(values), num_rows):
        converted[start : start + num_rows] = convert(values[start : start + num_rows])
    return converted


def _find_range(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The least and the largest value of those that are finite."""
    low, high = float(values.min()), float(values.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
