"""Find connected components of ink, and remove ruled lines, grids and frames first.

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
# Ruled lines. Chosen by eye on photos of ruled and squared paper; docs/reading.md tells what other
# rules did to the bars of fives and the stems of ones.
MIN_RULED_PX = 40  # shorter side of an image that may have ruled lines
RULED_COPY_PX = 256  # longer side of the copy on which a rough or slightly oblique line is straight
RULED_COVERAGE = 0.25  # share of a pixel of the copy that makes it ink
EDGE_SHARE = 0.03  # of an image's side: how far from the edges a line may start and end
MIN_RULED_INK = 0.8  # share of a line's length that is ink
MIN_RULED_ASPECT = 12  # length over thickness
# In an image of one text line, the stem of a digit may also go from edge to edge, but it leans.
TEXT_LINE_SHARE = 0.6  # of an image's other side: a shorter side is as high as one text line
MAX_RULED_LEAN = 0.03  # of a line's length


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


def find_components(
    ink: Ink, *, level: float | None = None, keep_ruled_lines: bool = False
) -> Components:
    """The components of an image, at most MAX_COMPONENTS; `level` replaces the ink's own level."""
    mask_HW = (ink.strength_HW > (ink.level if level is None else level)).astype(np.uint8)
    if not keep_ruled_lines:
        mask_HW = remove_ruled_lines(mask_HW)
    labels_HW, table_M5 = _label(mask_HW)
    if len(table_M5):
        gap = round(find_weighted_median(table_M5[:, 3], table_M5[:, 4]) * MAX_GAP_SHARE)
        if gap:
            kernel = np.ones((2 * gap + 1, 2 * gap + 1), np.uint8)
            labels_HW, table_M5 = _label(cv2.morphologyEx(mask_HW, cv2.MORPH_CLOSE, kernel))
    order_M = np.argsort(-table_M5[:, 4], kind="stable")[:MAX_COMPONENTS]
    boxes_M4, areas_M = table_M5[order_M, :4], table_M5[order_M, 4]
    boxes_M4[:, 2:] += boxes_M4[:, :2]
    return Components(labels_HW, order_M + 1, boxes_M4, areas_M)


def _label(mask_HW: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Labels from 1, and the left, top, width, height and area of each component, [M, 5]."""
    _, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(mask_HW, connectivity=8)
    return labels_HW, table_M5[1:].astype(np.int64)


def remove_ruled_lines(mask_HW: Mask) -> Mask:
    """The mask without straight lines from edge to edge; strokes that cross them stay."""
    height, width = mask_HW.shape
    if min(height, width) < MIN_RULED_PX:
        return mask_HW
    scale = min(1.0, RULED_COPY_PX / max(height, width))
    small_HW = mask_HW
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shares_HW = cv2.resize(mask_HW * np.uint8(255), size, interpolation=cv2.INTER_AREA)
        small_HW = (shares_HW > 255 * RULED_COVERAGE).astype(np.uint8)
    for is_row in (True, False):
        lines_HW, thickness = _find_ruled_lines(small_HW, is_row)
        if lines_HW is None:
            continue
        if scale < 1:
            lines_HW = cv2.resize(lines_HW, (width, height), interpolation=cv2.INTER_NEAREST)
        mask_HW = _erase(mask_HW, lines_HW, max(1, round(thickness / scale)), is_row)
    return mask_HW


def _find_ruled_lines(mask_HW: Mask, is_row: bool) -> tuple[Mask | None, float]:
    """A mask of the lines along rows or columns and their thickness; None without lines."""
    length, across = mask_HW.shape[::-1] if is_row else mask_HW.shape
    segment = max(10, length // 12)  # a line at any angle is straight for this long
    # Dilated, a line that steps from one row to the next stays connected.
    thicker_HW = cv2.dilate(mask_HW, _make_bar(3, not is_row))
    segments_HW = cv2.morphologyEx(thicker_HW, cv2.MORPH_OPEN, _make_bar(segment, is_row))
    # Close gaps where a line is faint; the gaps in a row of digits are wider.
    straight_HW = cv2.morphologyEx(segments_HW, cv2.MORPH_CLOSE, _make_bar(segment | 1, is_row))
    count, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(straight_HW, connectivity=8)
    if count == 1:
        return None, 0.0
    starts, lengths = (table_M5[:, i if is_row else i + 1].astype(float) for i in (0, 2))
    thickness = np.maximum(table_M5[:, 4] / np.maximum(lengths, 1) - 2, 1)
    is_line = (starts <= EDGE_SHARE * length) & (starts + lengths >= (1 - EDGE_SHARE) * length)
    is_line &= thickness <= lengths / MIN_RULED_ASPECT
    if length < TEXT_LINE_SHARE * across:
        leans = table_M5[:, 3 if is_row else 2] - 2 - 2 * thickness
        is_line &= leans <= MAX_RULED_LEAN * length
    is_line[0] = False  # the background
    for i in np.flatnonzero(is_line):
        left, top, width, height = table_M5[i, :4]
        box = slice(top, top + height), slice(left, left + width)
        is_ink_HW = (labels_HW[box] == i) & (segments_HW[box] > 0)
        is_line[i] = is_ink_HW.any(axis=0 if is_row else 1).mean() >= MIN_RULED_INK
    if not is_line.any():
        return None, 0.0
    median = float(np.median(thickness[is_line]))
    lines_HW = is_line[labels_HW].astype(np.uint8)
    # A wide stroke that crosses a line is connected with it, but far thicker.
    strokes_HW = cv2.morphologyEx(
        lines_HW, cv2.MORPH_OPEN, _make_bar(round(2 * median) + 4, not is_row)
    )
    return lines_HW & (1 - strokes_HW), median


def _erase(mask_HW: Mask, lines_HW: Mask, thickness: int, is_row: bool) -> Mask:
    """The mask without the lines, but with strokes that continue on both sides of a line."""
    lines_HW = cv2.dilate(lines_HW, _make_bar(2 * (thickness // 2 + 1) + 1, not is_row))
    rest_HW = mask_HW & (1 - lines_HW)
    bridge = _make_bar(2 * (3 * thickness + 2) + 1, not is_row)
    crossing_HW = cv2.morphologyEx(rest_HW, cv2.MORPH_CLOSE, bridge)
    return rest_HW | (crossing_HW & mask_HW & lines_HW)


def _make_bar(length: int, is_row: bool) -> Mask:
    return np.ones((1, length) if is_row else (length, 1), np.uint8)
