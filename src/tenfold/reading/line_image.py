"""Line normalisation: a text line as a line image, 40 pixels high, bright on black.

Training prepares its line images with the same function.

Array names carry their axes: H rows, W columns.
"""

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.digit_image import FAINT_SHARE
from tenfold.reading.ink import Map
from tenfold.reading.percentiles import find_percentile

LineImage = npt.NDArray[np.uint8]

# The geometry that the bundled network was trained with.
HEIGHT_PX = 40
MARGIN_PX = 2  # above and below the ink
SIDE_PX = 6  # left and right of it
COLUMN_PX = 4  # the first network gives one output for this many pixels along the line
COARSE_COLUMN_PX = 6.4  # the second network: eight pixels of an image enlarged 1.25 times
MAX_WIDTH_PX = 1024  # longer lines are squeezed


def normalise_line(strength_HW: Map) -> LineImage:
    """A text line's ink, float32 [H, W] from 0 to 1, as uint8 [40, W], W a multiple of 4.

    The line's height becomes 36 pixels, and its strong strokes white.
    """
    height, width = strength_HW.shape
    rows = HEIGHT_PX - 2 * MARGIN_PX
    columns = max(1, round(width * find_scale(height, width)))
    how = cv2.INTER_AREA if rows < height else cv2.INTER_LINEAR
    small_HW = np.clip(cv2.resize(strength_HW, (columns, rows), interpolation=how), 0, 1)
    strongest = float(small_HW.max())
    if strongest > 0:
        strong = find_percentile(small_HW[small_HW > FAINT_SHARE * strongest], 80)
        small_HW = np.minimum(small_HW / np.float32(strong), 1)
    whole = -(-(columns + 2 * SIDE_PX) // COLUMN_PX) * COLUMN_PX
    image_HW = np.zeros((HEIGHT_PX, whole), np.uint8)
    inside = slice(MARGIN_PX, HEIGHT_PX - MARGIN_PX), slice(SIDE_PX, SIDE_PX + columns)
    image_HW[inside] = np.rint(small_HW * 255)
    return image_HW


def find_scale(height: int, width: int) -> float:
    """How many columns of a line image one column of a line's ink becomes."""
    rows = HEIGHT_PX - 2 * MARGIN_PX
    return min(rows / height, (MAX_WIDTH_PX - 2 * SIDE_PX) / width)
