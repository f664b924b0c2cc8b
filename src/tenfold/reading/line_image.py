"""A line of writing to a strip: 32 pixels high, bright on black, as wide as the line is long.

In: the ink of one line, cut out. Out: a strip, which a network reads from left to right. Training
makes its strips with the same function.

Array names carry their axes: H rows, W columns.
"""

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.percentiles import find_percentile

Map = npt.NDArray[np.float32]
Strip = npt.NDArray[np.uint8]

HEIGHT_PX = 32
MARGIN_PX = 2  # above and below the ink
SIDE_PX = 4  # left and right of it
COLUMN_PX = 4  # a network answers once for so many
WIDEST_PX = 1024  # a longer line is squeezed
FAINTEST = 0.2  # of the strongest: fainter ink does not decide how strong strokes are


def frame_strip(strength_HW: Map) -> Strip:
    """A line's ink, float32 [H, W] from 0 to 1, as a strip, uint8 [32, W], W a multiple of 4.

    The line's height becomes 28 pixels, and its strong strokes white.
    """
    height, width = strength_HW.shape
    scale = measure_scale(height, width)
    rows = HEIGHT_PX - 2 * MARGIN_PX
    columns = max(1, round(width * scale))
    how = cv2.INTER_AREA if rows < height else cv2.INTER_LINEAR
    small_HW = np.clip(cv2.resize(strength_HW, (columns, rows), interpolation=how), 0, 1)
    strongest = float(small_HW.max())
    if strongest > 0:
        strong = find_percentile(small_HW[small_HW > FAINTEST * strongest], 80)
        small_HW = np.minimum(small_HW / np.float32(strong), 1)
    whole = -(-(columns + 2 * SIDE_PX) // COLUMN_PX) * COLUMN_PX
    strip_HW = np.zeros((HEIGHT_PX, whole), np.uint8)
    inside = slice(MARGIN_PX, HEIGHT_PX - MARGIN_PX), slice(SIDE_PX, SIDE_PX + columns)
    strip_HW[inside] = np.rint(small_HW * 255)
    return strip_HW


def measure_scale(height: int, width: int) -> float:
    """How many of a strip's columns one column of a line's ink becomes."""
    rows = HEIGHT_PX - 2 * MARGIN_PX
    return min(rows / height, (WIDEST_PX - 2 * SIDE_PX) / width)
