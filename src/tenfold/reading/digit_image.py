"""Digit normalisation: a glyph as a digit image in the form of MNIST's, 28x28, bright on black.

Training prepares its images with the same function.

Array names carry their axes: H rows, W columns.
"""

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.digits import IMAGE_SIZE_PX
from tenfold.reading.ink import Map
from tenfold.reading.percentiles import find_percentile

DigitImage = npt.NDArray[np.uint8]

BOX_PX = 20  # longer side of a digit in MNIST (LeCun et al. 1998)
# Nearly all strokes of MNIST's training images are within these widths, in pixels of the image.
MIN_STROKE_PX, MAX_STROKE_PX = 1.8, 3.8
FINE = 4  # strokes are measured and changed on a copy enlarged this many times
FAINT_SHARE = 0.2  # of the strongest ink: fainter ink is ignored when a glyph is measured; by eye


def normalise_digit(strength_HW: Map) -> DigitImage:
    """A glyph's ink, float32 [H, W] from 0 to 1, as a digit image, uint8 [28, 28].

    As MNIST was made (LeCun et al. 1998, section III.A): the longer side becomes 20 pixels, and
    the centre of mass becomes the centre of the image. Strokes thinner or thicker than nearly all
    of MNIST's are thickened or thinned first. Without ink the image is black.
    """
    box_HW = _crop(strength_HW)
    if box_HW is None:
        return np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    fine_HW = _enlarge(box_HW)
    width_px = _measure_stroke_width(fine_HW)
    target_px = min(max(width_px, MIN_STROKE_PX), MAX_STROKE_PX)
    if target_px != width_px:
        box_HW = _crop(_change_stroke_width(fine_HW, width_px, target_px))
        assert box_HW is not None
    if max(box_HW.shape) != BOX_PX:
        box_HW = _resize(box_HW, BOX_PX)
    return _centre(box_HW)


def _crop(strength_HW: Map) -> Map | None:
    """The glyph without the empty rows and columns around it; None if there is no ink."""
    strongest = float(strength_HW.max(initial=0.0))
    if strongest <= 0:
        return None
    is_ink_HW = strength_HW > FAINT_SHARE * strongest
    rows, columns = np.flatnonzero(is_ink_HW.any(axis=1)), np.flatnonzero(is_ink_HW.any(axis=0))
    return strength_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resize(box_HW: Map, size_px: int) -> Map:
    """The box with a longer side of `size_px`."""
    scale = size_px / max(box_HW.shape)
    height, width = (max(1, round(side * scale)) for side in box_HW.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.clip(cv2.resize(box_HW, (width, height), interpolation=how), 0, 1)


def _enlarge(box_HW: Map) -> Map:
    """The box at FINE times its size in a digit image, with FINE empty pixels around it."""
    fine_HW = _resize(box_HW, FINE * BOX_PX)
    # Strokes thinner than a pixel of the copy were averaged with the paper beside them.
    strong = find_percentile(fine_HW[fine_HW > FAINT_SHARE * fine_HW.max()], 75)
    return _pad(np.minimum(fine_HW * np.float32(1 / strong), 1), FINE)


def _pad(fine_HW: Map, margin: int) -> Map:
    """np.pad in a fifth of its time."""
    edges = (margin, margin, margin, margin)
    return cv2.copyMakeBorder(fine_HW, *edges, borderType=cv2.BORDER_CONSTANT, value=0.0)


def _find_ridges(fine_HW: Map) -> tuple[Map, npt.NDArray[np.bool_]]:
    """The distance of each ink pixel from paper, and which pixels are its ridges."""
    depth_HW = cv2.distanceTransform((fine_HW > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    ridge_HW = (depth_HW > 0) & (depth_HW >= cv2.dilate(depth_HW, np.ones((3, 3), np.uint8)))
    return depth_HW, ridge_HW


def _measure_stroke_width(fine_HW: Map) -> float:
    """The median stroke width in pixels of the digit image: twice the depth of the ridges."""
    depth_HW, ridge_HW = _find_ridges(fine_HW)
    depths = depth_HW[ridge_HW]
    return 2 * find_percentile(depths, 50) / FINE if len(depths) else 1 / FINE


def _change_stroke_width(fine_HW: Map, width_px: float, target_px: float) -> Map:
    """Thicken or thin strokes on both sides; a stroke too thin to be thinned keeps its ridge."""
    radius = max(1, round(FINE * abs(target_px - width_px) / 2))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    if target_px > width_px:
        return cv2.dilate(_pad(fine_HW, radius), disc)
    _, ridge_HW = _find_ridges(fine_HW)
    kept_HW = cv2.dilate(ridge_HW.astype(np.float32), np.ones((3, 3), np.uint8))
    return np.maximum(cv2.erode(fine_HW, disc), kept_HW)


def _centre(box_HW: Map) -> DigitImage:
    """The box on black with its centre of mass at the image's centre, as far as it fits."""
    height, width = box_HW.shape
    mass = float(box_HW.sum()) or 1.0
    row = float(box_HW.sum(axis=1) @ np.arange(height)) / mass
    column = float(box_HW.sum(axis=0) @ np.arange(width)) / mass
    # The centres of mass of all 60,000 training images are within half a pixel of (14, 14).
    top = min(max(round(IMAGE_SIZE_PX // 2 - row), 0), IMAGE_SIZE_PX - height)
    left = min(max(round(IMAGE_SIZE_PX // 2 - column), 0), IMAGE_SIZE_PX - width)
    image_HW = np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    image_HW[top : top + height, left : left + width] = np.rint(box_HW * 255)
    return image_HW
