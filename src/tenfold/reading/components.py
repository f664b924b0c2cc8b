"""Find connected components of ink.

Array names carry their axes: H rows, W columns, M components.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.ink import Ink, Mask
from tenfold.reading.percentiles import find_weighted_median

MAX_COMPONENTS = 4096  # the largest are kept; an image of noise has a million
# Gaps of the camera, not of the writer, are closed up to this share of the components' height.
# A share of the image would join the digits of a dense sheet.
MAX_GAP_SHARE = 0.008
MAX_CIRCLES, MIN_CIRCLED_HEIGHT = 64, 0.25  # how many may be circles; height of what is in one
# A circle by hand need not be closed, unless it is so many times wider than high.
MAX_COMPACT, DIRECTIONS, MIN_SEEN = 2, 48, 0.85


@dataclass(frozen=True)
class Components:
    """Connected components of ink, largest first.

    `labels_HW` is 0 for paper and `numbers_M[i]` for the pixels of component i. Boxes are left,
    top, right, bottom, [M, 4]; areas are in pixels, [M].
    """

    labels_HW: npt.NDArray[np.int32]
    numbers_M: npt.NDArray[np.int64]
    boxes_M4: npt.NDArray[np.int64]
    areas_M: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers_M)


def find_components(ink: Ink, *, level: float | None = None) -> Components:
    """The components of an image, at most MAX_COMPONENTS; `level` replaces the ink's own level."""
    mask_HW = (ink.strength_HW > (ink.level if level is None else level)).astype(np.uint8)
    labels_HW, table_M5 = _label(mask_HW)
    if len(table_M5):
        gap = round(find_weighted_median(table_M5[:, 3], table_M5[:, 4]) * MAX_GAP_SHARE)
        if gap:
            kernel = np.ones((2 * gap + 1, 2 * gap + 1), np.uint8)
            labels_HW, table_M5 = _label(cv2.morphologyEx(mask_HW, cv2.MORPH_CLOSE, kernel))
    order_M = np.argsort(-table_M5[:, 4], kind="stable")[:MAX_COMPONENTS]
    boxes_M4, areas_M = table_M5[order_M, :4], table_M5[order_M, 4]
    boxes_M4[:, 2:] += boxes_M4[:, :2]
    is_kept_M = ~_find_circles(labels_HW, order_M + 1, boxes_M4)
    return Components(labels_HW, *(each[is_kept_M] for each in (order_M + 1, boxes_M4, areas_M)))


def _find_circles(
    labels_HW: npt.NDArray[np.int32],
    numbers_M: npt.NDArray[np.int64],
    boxes_M4: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Which components are drawn around another that is large: circles and frames by hand."""
    is_circle_M = np.zeros(len(numbers_M), bool)
    left, top, right, bottom = boxes_M4.T
    heights_M = bottom - top
    for i in range(min(len(numbers_M), MAX_CIRCLES)):
        x0, y0, x1, y1 = boxes_M4[i]
        is_inside_M = (left > x0) & (top > y0) & (right < x1) & (bottom < y1)
        is_inside_M &= heights_M >= MIN_CIRCLED_HEIGHT * heights_M[i]
        for k in np.flatnonzero(is_inside_M):
            inside_HW = labels_HW[top[k] : bottom[k], left[k] : right[k]]
            own_HW = labels_HW[y0:y1, x0:x1] == numbers_M[i]
            middle = (left[k] + right[k]) // 2 - x0, (top[k] + bottom[k]) // 2 - y0
            is_compact = x1 - x0 <= MAX_COMPACT * (y1 - y0)
            is_around = is_compact or _is_around(own_HW, middle)
            if is_around and not (inside_HW == numbers_M[i]).any():
                is_circle_M[i] = True
                break
    return is_circle_M


def _is_around(mark_HW: npt.NDArray[np.bool_], middle: tuple[int, int]) -> bool:
    """Whether a mark is seen in nearly all directions from a point, and not only on most sides.

    Digits that a ruled line joins are on three sides of another that stands between them.
    """
    y, x = np.nonzero(mark_HW)
    angles = np.arctan2(y - middle[1], x - middle[0])
    seen = np.unique(np.floor((angles + np.pi) / (2 * np.pi) * DIRECTIONS).astype(int))
    return len(seen) >= MIN_SEEN * DIRECTIONS


def _label(mask_HW: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Labels from 1, and the left, top, width, height and area of each component, [M, 5]."""
    _, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(mask_HW, connectivity=8)
    return labels_HW, table_M5[1:].astype(np.int64)
