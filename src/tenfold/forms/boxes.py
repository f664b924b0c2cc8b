"""The boxes that are printed on a sheet.

Array names carry their axes: H rows, W columns, M boxes.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

# Of the sheet's diagonal (A4: 364 mm): the shortest line, the least and the most of a box's sides.
LINE, MIN_BOX, MAX_BOX = 0.011, 0.009, 0.5
MIN_RECTANGLE = 0.82  # of a box's bounds that it fills
MIN_INK = 0.012  # of a box, without its edge, that has ink

Mask = npt.NDArray[np.uint8]
Pixels = tuple[int, int, int, int]  # left, top, right, bottom


def find_boxes(ink_HW: Mask) -> list[Pixels]:
    """What printed lines enclose: rectangles, from the top left, up to the middle of the lines."""
    diagonal = math.hypot(*ink_HW.shape)
    length = max(9, round(LINE * diagonal))
    is_ink_HW = (ink_HW > 50).view(np.uint8)
    is_ink_HW = cv2.morphologyEx(is_ink_HW, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    lines_HW = np.zeros_like(is_ink_HW)
    for kernel in (np.ones((1, length), np.uint8), np.ones((length, 1), np.uint8)):
        lines_HW |= cv2.morphologyEx(is_ink_HW, cv2.MORPH_OPEN, kernel)
    lines_HW = cv2.dilate(lines_HW, np.ones((3, 3), np.uint8))
    _, _, table_M5, _ = cv2.connectedComponentsWithStats(1 - lines_HW, connectivity=4)
    boxes = []
    for left, top, width, height, area in table_M5[1:].tolist():
        sides = width / diagonal, height / diagonal
        if min(sides) < MIN_BOX or max(sides) > MAX_BOX or area < MIN_RECTANGLE * width * height:
            continue
        if left <= 1 or top <= 1 or left + width >= ink_HW.shape[1] - 1:
            continue
        boxes.append((left - 2, top - 2, left + width + 2, top + height + 2))
    return sorted(boxes, key=lambda box: (box[1], box[0]))


def has_ink_in(ink_HW: Mask, box: Pixels) -> bool:
    """Whether there is print or writing in a box, without its edge."""
    left, top, right, bottom = box
    inset = 3 + round(0.08 * min(right - left, bottom - top))
    inside_HW = ink_HW[top + inset : bottom - inset, left + inset : right - inset]
    return bool(inside_HW.size) and float((inside_HW > 70).mean()) > MIN_INK
