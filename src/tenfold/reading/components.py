"""Ink to marks: connected pieces of ink, without what paper has printed on it.

In: ink. Out: marks with their boxes, and a map of which pixel belongs to which. Ruled lines, grids
and frames are taken out first; which marks make one glyph, others say.

Array names carry their axes: H rows, W columns, M marks.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.ink import Ink, Mask

MAX_MARKS = 4096  # of the largest; an image of noise has a million
SMALLEST_RULED_PX = 40
LINE_SIZE_PX = 256  # the longer side of the copy on which lines are sought
LINE_COVERAGE = 0.25  # of a pixel of the copy, for it to be ink
# Lines go from edge to edge, but for this share, and are so many times longer than thick.
EDGE_SHARE = 0.03
LINE_INK = 0.8  # of a line's length, at least, is ink
LINE_ASPECT = 12
MOST_LEANING = 0.03  # of its length: where a stem may go from edge to edge, a line leans less
SHORT_SHARE = 0.6  # of an image's other side: shorter, it is a single line of writing
GAP_SHARE = 0.008  # of a piece's height, on either side: a gap of the camera, not the writer


@dataclass(frozen=True)
class Marks:
    """Connected pieces of ink: `labels_HW` is 0 for paper; mark i has the number `numbers_M[i]`.

    Largest first. Boxes are left, top, right, bottom, [M, 4]; areas are in pixels [M].
    """

    labels_HW: npt.NDArray[np.int32]
    numbers_M: npt.NDArray[np.int64]
    boxes_M4: npt.NDArray[np.int64]
    areas_M: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers_M)


def find_marks(ink: Ink, *, level: float | None = None, with_lines: bool = False) -> Marks:
    """The marks of an image, at most MAX_MARKS; `level` is where ink begins, if not its own."""
    mask_HW = (ink.strength_HW > (ink.level if level is None else level)).astype(np.uint8)
    if not with_lines:
        mask_HW = remove_lines(mask_HW)
    labels_HW, table_M5 = _label(mask_HW)
    gap = round(_find_usual_height(table_M5) * GAP_SHARE)
    if gap:
        kernel = np.ones((2 * gap + 1, 2 * gap + 1), np.uint8)
        labels_HW, table_M5 = _label(cv2.morphologyEx(mask_HW, cv2.MORPH_CLOSE, kernel))
    order_M = np.argsort(-table_M5[:, 4], kind="stable")[:MAX_MARKS]
    boxes_M4, areas_M = table_M5[order_M, :4], table_M5[order_M, 4]
    boxes_M4[:, 2:] += boxes_M4[:, :2]
    return Marks(labels_HW, order_M + 1, boxes_M4, areas_M)


def _label(mask_HW: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Numbers the connected pieces from 1; left, top, width, height, area of each, [M, 5]."""
    _, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(mask_HW, connectivity=8)
    return labels_HW, table_M5[1:].astype(np.int64)


def _find_usual_height(table_M5: npt.NDArray[np.int64]) -> float:
    """The median height of pieces, each as heavy as its area; 0 without any."""
    if not len(table_M5):
        return 0.0
    order_M = np.argsort(table_M5[:, 3], kind="stable")
    weights_M = np.cumsum(table_M5[order_M, 4])
    return float(table_M5[order_M[np.searchsorted(weights_M, weights_M[-1] / 2)], 3])


def remove_lines(mask_HW: Mask) -> Mask:
    """The mask without straight lines from edge to edge; strokes that cross them stay."""
    height, width = mask_HW.shape
    if min(height, width) < SMALLEST_RULED_PX:
        return mask_HW
    # On a smaller copy a rough or slightly oblique line is smooth and straight.
    scale = min(1.0, LINE_SIZE_PX / max(height, width))
    small_HW = mask_HW
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shares_HW = cv2.resize(mask_HW * np.uint8(255), size, interpolation=cv2.INTER_AREA)
        small_HW = (shares_HW > 255 * LINE_COVERAGE).astype(np.uint8)
    for is_row in (True, False):
        lines_HW, thickness = _find_lines_along(small_HW, is_row)
        if lines_HW is None:
            continue
        if scale < 1:
            lines_HW = cv2.resize(lines_HW, (width, height), interpolation=cv2.INTER_NEAREST)
        mask_HW = _take_out(mask_HW, lines_HW, max(1, round(thickness / scale)), is_row)
    return mask_HW


def _find_lines_along(mask_HW: Mask, is_row: bool) -> tuple[Mask | None, float]:
    """A mask of the lines along rows or columns, and how thick they are; None if there are none."""
    length, across = mask_HW.shape[::-1] if is_row else mask_HW.shape
    piece = max(10, length // 12)  # straight for so long, whatever its angle
    # Thicker, a line that steps from one row to the next stays whole.
    thicker_HW = cv2.dilate(mask_HW, _make_bar(3, not is_row))
    pieces_HW = cv2.morphologyEx(thicker_HW, cv2.MORPH_OPEN, _make_bar(piece, is_row))
    # A line may be interrupted where it is faint, but not as often as a row of digits.
    straight_HW = cv2.morphologyEx(pieces_HW, cv2.MORPH_CLOSE, _make_bar(piece | 1, is_row))
    count, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(straight_HW, connectivity=8)
    if count == 1:
        return None, 0.0
    starts, lengths = (table_M5[:, i if is_row else i + 1].astype(float) for i in (0, 2))
    thickness = np.maximum(table_M5[:, 4] / np.maximum(lengths, 1) - 2, 1)
    is_line = (starts <= EDGE_SHARE * length) & (starts + lengths >= (1 - EDGE_SHARE) * length)
    is_line &= thickness <= lengths / LINE_ASPECT
    if length < SHORT_SHARE * across:
        # Here a digit's stem goes from edge to edge too, but it leans.
        leans = table_M5[:, 3 if is_row else 2] - 2 - 2 * thickness
        is_line &= leans <= MOST_LEANING * length
    is_line[0] = False
    for i in np.flatnonzero(is_line):
        left, top, width, height = table_M5[i, :4]
        box = slice(top, top + height), slice(left, left + width)
        is_piece_HW = (labels_HW[box] == i) & (pieces_HW[box] > 0)
        is_line[i] = is_piece_HW.any(axis=0 if is_row else 1).mean() >= LINE_INK
    if not is_line.any():
        return None, 0.0
    usual = float(np.median(thickness[is_line]))
    lines_HW = is_line[labels_HW].astype(np.uint8)
    # A wide stroke that crosses a line is connected with it, but far thicker.
    strokes_HW = cv2.morphologyEx(
        lines_HW, cv2.MORPH_OPEN, _make_bar(round(2 * usual) + 4, not is_row)
    )
    return lines_HW & (1 - strokes_HW), usual


def _take_out(mask_HW: Mask, lines_HW: Mask, thickness: int, is_row: bool) -> Mask:
    """The mask without the lines, but with what goes on beyond a line on both its sides."""
    lines_HW = cv2.dilate(lines_HW, _make_bar(2 * (thickness // 2 + 1) + 1, not is_row))
    rest_HW = mask_HW & (1 - lines_HW)
    bridge = _make_bar(2 * (3 * thickness + 2) + 1, not is_row)
    crossing_HW = cv2.morphologyEx(rest_HW, cv2.MORPH_CLOSE, bridge)
    return rest_HW | (crossing_HW & mask_HW & lines_HW)


def _make_bar(length: int, is_row: bool) -> Mask:
    return np.ones((1, length) if is_row else (length, 1), np.uint8)
