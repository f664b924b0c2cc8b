"""A glyph to a digit image: MNIST's own form, 28x28, bright on black, in a 20-px box, centred.

In: the ink of one glyph, cut out. Out: a digit image. Training makes its images with the same
function.

Array names carry their axes: H rows, W columns.
"""

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.digits import IMAGE_SIZE_PX
from tenfold.reading.percentiles import find_percentile

Map = npt.NDArray[np.float32]
DigitImage = npt.NDArray[np.uint8]

BOX_PX = 20
# Strokes are measured and changed on an enlarged copy, so many of its pixels for one.
FINE = 4
# Narrower and wider strokes than nearly all of MNIST's, in pixels of the digit image, become these.
NARROWEST_STROKE_PX, WIDEST_STROKE_PX = 1.8, 3.8
FAINTEST = 0.2  # of the strongest: what is fainter does not decide where a glyph ends


def frame(strength_HW: Map) -> DigitImage:
    """A glyph's ink, float32 [H, W] from 0 to 1, as a digit image, uint8 [28, 28].

    As MNIST was made (LeCun et al. 1998, section III.A): the glyph's longer side becomes 20 pixels,
    and its centre of mass the image's centre. Strokes that are thinner or thicker than nearly all
    of MNIST's are thickened or thinned first. Without ink the image is black.
    """
    box_HW = _cut_box(strength_HW)
    if box_HW is None:
        return np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    fine_HW = _enlarge(box_HW)
    width_px = _measure_stroke(fine_HW)
    wanted_px = min(max(width_px, NARROWEST_STROKE_PX), WIDEST_STROKE_PX)
    if wanted_px != width_px:
        box_HW = _cut_box(_change_stroke(fine_HW, width_px, wanted_px))
        assert box_HW is not None
    if max(box_HW.shape) != BOX_PX:
        box_HW = _resize(box_HW, BOX_PX)
    return _centre(box_HW)


def _cut_box(strength_HW: Map) -> Map | None:
    """The glyph without the empty rows and columns around it; None if there is no ink."""
    strongest = float(strength_HW.max(initial=0.0))
    if strongest <= 0:
        return None
    is_ink_HW = strength_HW > FAINTEST * strongest
    rows, columns = np.flatnonzero(is_ink_HW.any(axis=1)), np.flatnonzero(is_ink_HW.any(axis=0))
    return strength_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resize(box_HW: Map, size_px: int) -> Map:
    """The box with a longer side of so many pixels: averaged over areas, or smoothly enlarged."""
    scale = size_px / max(box_HW.shape)
    height, width = (max(1, round(side * scale)) for side in box_HW.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.clip(cv2.resize(box_HW, (width, height), interpolation=how), 0, 1)


def _enlarge(box_HW: Map) -> Map:
    """The box at FINE times its size in a digit image, with one pixel of that as a margin."""
    fine_HW = _resize(box_HW, FINE * BOX_PX)
    # Strokes that are thinner than a pixel of the copy were averaged with the paper beside them.
    strong = find_percentile(fine_HW[fine_HW > FAINTEST * fine_HW.max()], 75)
    fine_HW = np.minimum(fine_HW * np.float32(1 / strong), 1)
    return _pad(fine_HW, FINE)


def _pad(fine_HW: Map, margin: int) -> Map:
    """What np.pad does, in a fifth of the time."""
    edges = (margin, margin, margin, margin)
    return cv2.copyMakeBorder(fine_HW, *edges, borderType=cv2.BORDER_CONSTANT, value=0.0)


def _measure_stroke(fine_HW: Map) -> float:
    """The median width of the strokes, in pixels of the digit image: twice the ridges' depth."""
    is_ink_HW = (fine_HW > 0.5).astype(np.uint8)
    depth_HW = cv2.distanceTransform(is_ink_HW, cv2.DIST_L2, 3)
    ridge_HW = (depth_HW > 0) & (depth_HW >= cv2.dilate(depth_HW, np.ones((3, 3), np.uint8)))
    depths = depth_HW[ridge_HW]
    return 2 * find_percentile(depths, 50) / FINE if len(depths) else 1 / FINE


def _change_stroke(fine_HW: Map, width_px: float, wanted_px: float) -> Map:
    """The strokes grown or shrunk on both sides alike; what would vanish is left a little."""
    radius = max(1, round(FINE * abs(wanted_px - width_px) / 2))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    if wanted_px > width_px:
        room_HW = _pad(fine_HW, radius)
        return cv2.dilate(room_HW, disc)
    thinned_HW = cv2.erode(fine_HW, disc)
    # Where a stroke is thin already it keeps its middle.
    return np.maximum(thinned_HW, _find_middle(fine_HW))


def _find_middle(fine_HW: Map) -> Map:
    depth_HW = cv2.distanceTransform((fine_HW > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    ridge_HW = (depth_HW > 0) & (depth_HW >= cv2.dilate(depth_HW, np.ones((3, 3), np.uint8)))
    return cv2.dilate(ridge_HW.astype(np.float32), np.ones((3, 3), np.uint8))


def _centre(box_HW: Map) -> DigitImage:
    """The box on black so that its centre of mass is the image's, as far as it fits."""
    height, width = box_HW.shape
    mass = float(box_HW.sum()) or 1.0
    row = float(box_HW.sum(axis=1) @ np.arange(height)) / mass
    column = float(box_HW.sum(axis=0) @ np.arange(width)) / mass
    # MNIST's centres of mass lie within half a pixel of the pixel (14, 14), all 60,000.
    top = min(max(round(IMAGE_SIZE_PX // 2 - row), 0), IMAGE_SIZE_PX - height)
    left = min(max(round(IMAGE_SIZE_PX // 2 - column), 0), IMAGE_SIZE_PX - width)
    image_HW = np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    image_HW[top : top + height, left : left + width] = np.rint(box_HW * 255)
    return image_HW
