"""Boxes that are ticked and bubbles that are filled, by their ink beside the printed form's."""

import cv2
import numpy as np

from tenfold.forms.form import Field
from tenfold.forms.reference import Mask
from tenfold.forms.result import FieldReading
from tenfold.reading.result import Status

# Of a box without its frame, the share of ink: less is none, more a tick, much more is blotted out.
EMPTY, TICKED, BLOTTED = 0.012, 0.035, 0.75
FRAME = 0.14  # of the box's lower side
# Of a bubble, how dark its inside is beyond the print, as a share of the print's darkness.
OPEN, FILLED, INSIDE = 0.25, 0.5, 0.5


def read_tick(field: Field, ink_HW: Mask, known_HW: Mask, strength: float) -> FieldReading:
    """Whether a box is ticked: `yes`, `no`, or the likelier one with a message."""
    height, width = ink_HW.shape
    inset = max(1, round(FRAME * min(height, width)))
    inside = slice(inset, height - inset), slice(inset, width - inset)
    near_HW = cv2.dilate(known_HW, np.ones((3, 3), np.uint8))
    is_new_HW = (ink_HW > max(25.0, 0.35 * strength)) & (near_HW < 40)
    share = float(is_new_HW[inside].mean()) if is_new_HW[inside].size else 0.0
    value = "yes" if share > (EMPTY + TICKED) / 2 else "no"
    message = None
    if EMPTY < share < TICKED:
        message = "a small mark: perhaps no tick"
    elif share > BLOTTED:
        message = "the box is blotted out: perhaps a tick that was taken back"
    status = Status.READ if message is None else Status.UNCERTAIN
    return FieldReading(field.name, field.kind, value, status, message)


def read_bubbles(field: Field, ink_HW: Mask, known_HW: Mask, strength: float) -> FieldReading:
    """The labels of the filled bubbles: of one, or one in each column or row."""
    fills = _measure_fills(field, ink_HW, known_HW) / strength
    labels = np.array(field.labels)
    rows, columns = fills.shape
    if len(labels) == rows * columns:
        groups = [fills.ravel()]
    elif len(labels) == rows:
        groups = list(fills.T)
    else:
        groups = list(fills)
    values, messages = [], []
    for group in groups:
        filled = np.flatnonzero(group >= FILLED)
        between = np.flatnonzero((group > OPEN) & (group < FILLED))
        values.append("+".join(labels[filled]))
        if len(between) or len(filled) > 1:
            messages.append("several bubbles are filled" if len(filled) > 1 else "half filled")
    num_empty = values.count("")
    if 0 < num_empty < len(values):
        messages.append("a bubble is missing")
        values = [value or "?" for value in values]
    value = "".join(values)
    if messages:
        message = "; ".join(dict.fromkeys(messages))
        return FieldReading(field.name, field.kind, value, Status.UNCERTAIN, message)
    return FieldReading(field.name, field.kind, value, Status.READ if value else Status.BLANK)


def _measure_fills(
    field: Field, ink_HW: Mask, known_HW: Mask
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """How much darker than on the form the middle of each bubble is, [rows, columns]."""
    height, width = ink_HW.shape
    fills = np.zeros((field.rows, field.columns))
    more_HW = cv2.subtract(ink_HW, known_HW).astype(np.float64)
    for row in range(field.rows):
        for column in range(field.columns):
            middle = (row + 0.5) * height / field.rows, (column + 0.5) * width / field.columns
            reach = INSIDE * min(height / field.rows, width / field.columns) / 2
            top, bottom = round(middle[0] - reach), round(middle[0] + reach)
            left, right = round(middle[1] - reach), round(middle[1] + reach)
            part = more_HW[max(0, top) : bottom + 1, max(0, left) : right + 1]
            fills[row, column] = float(part.mean()) if part.size else 0.0
    return fills
