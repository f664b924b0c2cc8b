"""Writing beside the boxes of fields: an amount below its box, or a tick next to it.

Array names carry their axes: H rows, W columns, N fields.
"""

import math
from collections.abc import Iterator

import cv2
import numpy as np

from tenfold.forms.form import Field
from tenfold.forms.reference import SIDE, Mask, Reference
from tenfold.forms.registration import Registration

REACH = 0.5  # of a field's lower side: how far from its box writing may be
# Of the height of a box, or of both sides of one to tick: what is smaller is the end of a stroke.
MIN_SIZE, MIN_TICK_SIZE = 0.45, 0.4
MIN_HEIGHT_SHARE = 0.005  # of the sheet's diagonal: 1.8 mm on A4
LARGE = 4.0  # heights of a box: what is larger is a shadow, a fold or the edge of the sheet


def find_writing_beside(
    reference: Reference, registration: Registration, strength: float
) -> frozenset[str]:
    """The names of fields beside whose box is ink that is not printed and in no other box."""
    fields = reference.form.fields
    boxes_N4 = np.array([reference.to_pixels(field.box) for field in fields], np.float64)
    found = set()
    for left, top, width, height in _list_marks(reference, registration, strength):
        across_N = np.maximum(boxes_N4[:, 0] - left - width, left - boxes_N4[:, 2])
        down_N = np.maximum(boxes_N4[:, 1] - top - height, top - boxes_N4[:, 3])
        gaps_N = np.hypot(across_N.clip(0), down_N.clip(0))
        middles_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
        away_N = np.hypot(*(middles_N2 - (left + width / 2, top + height / 2)).T)
        nearest = int(np.lexsort((away_N, gaps_N))[0])
        field = fields[nearest]
        across, down = boxes_N4[nearest, 2:] - boxes_N4[nearest, :2]
        down /= field.rows
        if gaps_N[nearest] <= REACH * min(across, down) and _is_writing(field, width, height, down):
            found.add(field.name)
    return frozenset(found)


def _is_writing(field: Field, width: int, height: int, down: float) -> bool:
    """Whether a mark is as large as what is written in a field so high."""
    if field.kind == "tick":
        return MIN_TICK_SIZE * down <= max(width, height) <= LARGE * down
    return MIN_SIZE * down <= height <= LARGE * down


def _list_marks(
    reference: Reference, registration: Registration, strength: float
) -> Iterator[tuple[int, int, int, int]]:
    """The left, top, width and height of each mark outside of all boxes."""
    diagonal = math.hypot(*reference.size)
    # The interiors of boxes end before their lines; what is written there may reach beyond those.
    more = 4 * round(max(2.0, SIDE * diagonal)) + 1
    outside_HW = cv2.erode(reference.open_HW, np.ones((more, more), np.uint8))
    seen_HW = cv2.erode(registration.seen_HW, np.ones((9, 9), np.uint8), borderValue=0)
    near_HW = cv2.dilate(reference.whole_HW, np.ones((7, 7), np.uint8))
    is_new_HW = registration.print_HW > max(25.0, 0.3 * strength)
    is_new_HW &= (near_HW < 40) & (outside_HW > 0) & (seen_HW > 250)
    joined_HW: Mask = np.asarray(
        cv2.morphologyEx(is_new_HW.view(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    )
    table_M5 = cv2.connectedComponentsWithStats(joined_HW)[2][1:]
    for left, top, width, height, _ in table_M5.tolist():
        if max(width, height) >= MIN_HEIGHT_SHARE * diagonal:
            yield left, top, width, height
