"""Corner marks of a form: four filled squares, discs or rings of one size near its corners."""

from collections.abc import Iterator

import cv2
import numpy as np

from tenfold.forms.reference import Floats, Mask

MIN_SIDE, MAX_SIDE = 0.008, 0.05  # of the longer side of the picture
MAX_ASPECT, MIN_FILL, MAX_UNLIKE = 1.45, 0.62, 1.5
MIN_SPREAD = 0.35  # of the picture's sides, between marks beside and above each other
MAX_MARKS = 60


def find_corner_marks(ink_HW: Mask) -> Floats | None:
    """The middles of the marks, clockwise from the top left, [4, 2]; None if there are not four."""
    height, width = ink_HW.shape
    is_dark_HW = (ink_HW > 110).view(np.uint8)
    contours, _ = cv2.findContours(is_dark_HW, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours:
        (x, y), (across, down), _ = cv2.minAreaRect(contour)
        least, most = min(across, down), max(across, down)
        longer = max(height, width)
        if not MIN_SIDE * longer <= least <= most <= MAX_SIDE * longer:
            continue
        is_round = most <= MAX_ASPECT * least
        if is_round and cv2.contourArea(contour) >= MIN_FILL * across * down:
            found.append((x, y, least))
    if not 4 <= len(found) <= MAX_MARKS:
        return None
    places = np.array([each[:2] for each in found])
    # The outermost in each diagonal direction, for a sheet that is about upright or on its side.
    sums, differences = places.sum(axis=1), places[:, 0] - places[:, 1]
    chosen = [sums.argmin(), differences.argmax(), sums.argmax(), differences.argmin()]
    sides = np.array([found[i][2] for i in chosen])
    if len(set(map(int, chosen))) < 4 or sides.max() > MAX_UNLIKE * sides.min():
        return None
    corners = places[chosen]
    spread = np.ptp(corners, axis=0)
    if (spread < MIN_SPREAD * np.array((width, height))).any():
        return None
    return np.asarray(corners, np.float64)


def list_turns(corners_42: Floats) -> Iterator[Floats]:
    """The four marks as they are called if the sheet lies upright, or turned by quarters."""
    for quarters in range(4):
        yield np.roll(corners_42, quarters, axis=0)
