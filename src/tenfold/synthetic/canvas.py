"""Ink on a canvas, float32 [H, W] from 0 to 1: bounding boxes, pasting, resizing, distortion."""

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.synthetic.strokes import Rng

InkMap = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom


def find_box(ink_HW: InkMap) -> Box | None:
    """The bounding box of the ink, None if there is none."""
    is_ink_HW = ink_HW > 0.4
    rows, columns = (np.flatnonzero(is_ink_HW.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def crop_to_ink(ink_HW: InkMap) -> InkMap | None:
    """The part within the bounding box of the ink, None if there is none."""
    box = find_box(ink_HW)
    return None if box is None else ink_HW[box[1] : box[3], box[0] : box[2]]


def shrink(ink_HW: InkMap, width: float, height: float, *, min_px: int = 1) -> InkMap:
    """Resize by averaging areas, to rounded sides of at least `min_px`."""
    size = (max(min_px, round(width)), max(min_px, round(height)))
    return cv2.resize(ink_HW, size, interpolation=cv2.INTER_AREA)


def paste(canvas_HW: InkMap, ink_HW: InkMap, left: int, top: int) -> None:
    """Add ink to a canvas; what lies outside the canvas is cut off."""
    height, width = canvas_HW.shape
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + ink_HW.shape[1]), min(height, top + ink_HW.shape[0])
    if x0 < x1 and y0 < y1:
        part_HW = canvas_HW[y0:y1, x0:x1]
        np.maximum(part_HW, ink_HW[y0 - top : y1 - top, x0 - left : x1 - left], out=part_HW)


def centre(ink_HW: InkMap, side: int) -> InkMap:
    """Ink in the middle of a square canvas."""
    canvas_HW = np.zeros((side, side), np.float32)
    paste(canvas_HW, ink_HW, (side - ink_HW.shape[1]) // 2, (side - ink_HW.shape[0]) // 2)
    return canvas_HW


def displace(ink_HW: InkMap, fields_2HW: InkMap) -> InkMap:
    """Move pixels along x and y by coarse fields of displacements, in pixels."""
    size = (ink_HW.shape[1], ink_HW.shape[0])
    across, down = (cv2.resize(field, size, interpolation=cv2.INTER_CUBIC) for field in fields_2HW)
    x, y = (np.arange(length, dtype=np.float32) for length in size)
    return cv2.remap(ink_HW, across + x[None, :], down + y[:, None], cv2.INTER_LINEAR)


def add_grain(ink_HW: InkMap, min_ink: float, rng: Rng) -> InkMap:
    """Uneven ink, like that of graphite or of a pen running dry."""
    height, width = ink_HW.shape
    grain = rng.normal(0, 1, (max(2, height // 3), max(2, width // 3))).astype(np.float32)
    grain_HW = cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    return ink_HW * np.clip(1 - np.float32(rng.uniform(0, 0.5)) * np.abs(grain_HW), min_ink, 1)
