"""Marks to glyphs: which marks are one character, and which are none.

In: ink and its marks. Out: glyphs, each the ink of a box with nothing else in it: the one glyph of
an image that has one, or lines of pieces in reading order. Whether two pieces are one digit, or
one piece two, a network says better than geometry: here pieces are only joined and split.

Array names carry their axes: H rows, W columns, M marks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.components import Marks
from tenfold.reading.ink import Ink, Map

Box = tuple[int, int, int, int]
# A mark that touches the image's edge and is so narrow is a bit of a neighbour, a line or a frame.
EDGE_STRIP_SHARE = 0.12
SMALLEST_PART = 0.03  # of the main mark's area: what is smaller is no part of the glyph
WIDEST_GAP = 0.25  # of the glyph's longer side, between its parts
# Of the height of a line's digits:
LOWEST_BODY = 0.45  # lower marks are dots, dashes, or parts of others
LONGEST_STROKE = 1.6
LEAST_SHARED = 0.4  # of the lower of two boxes' heights, for them to be in one line
# A blot: how much of its box and of its hull is ink, and how long it may be for its width.
BLOT_PX = 48  # the longer side of the copy that is looked at
LEAST_FILLED, MOST_FILLED, SOLID_BLOT, LONGEST_BLOT = 0.5, 0.93, 0.87, 2.4
SMALLEST_PX = 4  # smaller marks are legible to nobody
# Of a touch of the pen, at least, in squares as wide as its strokes, and as high as digits.
LEAST_TOUCH, SMALLEST_DOT = 0.7, 0.003
BAR_SHARE = 0.15  # of the image's other side, at most
STRAIGHT_SHARE = 0.12  # of its length: a mark along an axis that is narrower is a piece of a line


@dataclass(frozen=True)
class Glyph:
    """The ink in a box (left, top, right, bottom), float32 [H, W], without what is not the glyph's.

    `is_cut` says that ink went on where it ends.
    """

    box: Box
    strength_HW: Map
    is_cut: bool = False

    @property
    def width(self) -> int:
        """In pixels of the image."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> int:
        """In pixels of the image."""
        return self.box[3] - self.box[1]


def is_blot(glyph: Glyph) -> bool:
    """Whether a glyph is a filled spot: convex, without a hole, hardly longer than it is wide.

    A filled rectangle is none: a one that was stretched to a square looks like that.
    """
    strength_HW = glyph.strength_HW
    scale = BLOT_PX / max(strength_HW.shape)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in strength_HW.shape[::-1])
        strength_HW = cv2.resize(strength_HW, size, interpolation=cv2.INTER_AREA)
    mask_HW = (strength_HW > 0.5 * strength_HW.max(initial=0.0)).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(mask_HW)
    mask_HW = mask_HW[top : top + height, left : left + width]
    if not LEAST_FILLED * width * height < cv2.countNonZero(mask_HW) < MOST_FILLED * width * height:
        return False
    contours, _ = cv2.findContours(mask_HW, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(contours))
    outline_HW = cv2.fillConvexPoly(np.zeros_like(mask_HW), hull, 1)
    _, (width, height), _ = cv2.minAreaRect(hull)
    is_round = max(width, height) + 1 < LONGEST_BLOT * (min(width, height) + 1)
    return bool(is_round and mask_HW.sum() > SOLID_BLOT * outline_HW.sum())


class Scene:
    """An image's ink and marks, with what geometry says of each mark."""

    def __init__(self, ink: Ink, marks: Marks) -> None:
        self.ink, self.marks = ink, marks
        height, width = ink.strength_HW.shape
        left, top, right, bottom = marks.boxes_M4.T
        self.widths_M, self.heights_M = right - left, bottom - top
        self.sizes_M = np.maximum(self.widths_M, self.heights_M)
        self.on_edge_M = (left <= 1) | (top <= 1) | (right >= width - 1) | (bottom >= height - 1)
        self.is_strip_M = np.zeros(len(marks), bool)
        if max(height, width) > 32:
            thickness_M = np.minimum(self.widths_M, self.heights_M)
            is_narrow_M = thickness_M < EDGE_STRIP_SHARE * min(width, height)
            is_long_M = self.sizes_M > 0.3 * max(width, height)
            self.is_strip_M = self.on_edge_M & is_narrow_M & is_long_M
        off_x, off_y = (left + right) / (2 * width) - 0.5, (top + bottom) / (2 * height) - 0.5
        scores_M = np.sqrt(marks.areas_M) * self.sizes_M * np.exp(-2 * (off_x**2 + off_y**2))
        scores_M *= np.where(self.on_edge_M, 0.5, 1.0) * np.where(self.is_strip_M, 0.05, 1.0)
        self.main = int(np.argmax(scores_M)) if len(marks) else -1

    def cut(self, parts: Sequence[int]) -> Glyph:
        """Some marks as one glyph."""
        left, top, right, bottom = find_box(self.marks.boxes_M4[list(parts)].tolist())
        # The level cuts off the soft edge of a stroke, which framing needs.
        rim = max(1, round(max(right - left, bottom - top) / 100))
        height, width = self.ink.strength_HW.shape
        left, top = max(0, left - rim), max(0, top - rim)
        right, bottom = min(width, right + rim), min(height, bottom + rim)
        labels_HW = self.marks.labels_HW[top:bottom, left:right]
        if len(parts) == 1:
            is_part_HW = labels_HW == self.marks.numbers_M[parts[0]]
        else:
            is_part_HW = np.isin(labels_HW, self.marks.numbers_M[list(parts)])
        kernel = np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)
        mask_HW = cv2.dilate(is_part_HW.view(np.uint8), kernel)
        strength_HW = self.ink.strength_HW[top:bottom, left:right] * mask_HW
        return Glyph((left, top, right, bottom), strength_HW)

    def find_single(self) -> Glyph | None:
        """The one glyph of an image that has one: the main mark and what belongs to it.

        The main mark is large, near the middle, and no strip along the edge. None without marks.
        """
        if self.main < 0:
            return None
        main, areas_M, boxes_M4 = self.main, self.marks.areas_M, self.marks.boxes_M4
        is_part_M = areas_M >= SMALLEST_PART * areas_M[main]
        is_part_M &= ~self.is_strip_M & ~(self.on_edge_M & (areas_M < 0.2 * areas_M[main]))
        is_part_M &= measure_gaps(boxes_M4, boxes_M4[main]) < WIDEST_GAP * self.sizes_M[main]
        is_part_M[main] = True
        return self.cut(np.flatnonzero(is_part_M).tolist())

    def find_lines(self) -> list[list[Glyph]]:
        """Pieces of digits, line by line from the top, each line from the left.

        What is far lower than the digits is a part of one that it overlaps or, left alone, a piece
        of its own, which a dash or a dot turns out to be.
        """
        if self.main < 0:
            return []
        marks = self.marks
        usual = self.usual_height
        is_candidate_M = ~self.is_strip_M & (self.sizes_M >= max(0.08 * usual, SMALLEST_PX))
        # Pieces of lines that are no whole line: straight, and longer than a digit or at the edge.
        thickness_M = np.minimum(self.widths_M, self.heights_M)
        is_straight_M = thickness_M < STRAIGHT_SHARE * self.sizes_M
        is_long_M = self.sizes_M > LONGEST_STROKE * usual
        is_candidate_M &= ~(is_straight_M & (is_long_M | (self.on_edge_M & (self.sizes_M > usual))))
        is_candidate_M &= ~self._find_bars()
        is_body_M = is_candidate_M & (self.heights_M >= LOWEST_BODY * usual)
        groups = [[int(i)] for i in np.flatnonzero(is_body_M)]
        boxes = [marks.boxes_M4[group[0]] for group in groups]
        groups, boxes = _join_stacked(groups, boxes, usual)
        alone = []
        boxes_N4 = np.array(boxes).reshape(-1, 4)
        for i in np.flatnonzero(is_candidate_M & ~is_body_M):
            owner = _find_owner(marks.boxes_M4[i], boxes_N4, usual)
            if owner is not None:
                groups[owner].append(int(i))
                boxes_N4[owner] = _unite(boxes_N4[owner], marks.boxes_M4[i])
            elif not self.on_edge_M[i] and marks.areas_M[i] >= 0.01 * usual**2:
                alone.append(int(i))
        groups += [[i] for i in alone]
        boxes = [*boxes_N4, *(marks.boxes_M4[i] for i in alone)]
        return [[self.cut(groups[i]) for i in line] for line in _sort_into_lines(boxes, usual)]

    def find_touches(self) -> npt.NDArray[np.int64]:
        """The boxes [N, 4] of low marks as large as a pen leaves when it touches the paper.

        Some are too small to be pieces of lines: a fine pen's dots.
        """
        marks = self.marks
        if len(marks) < 2:
            return marks.boxes_M4[:0]
        usual = self.usual_height
        is_touch_M = ~self.on_edge_M & (marks.areas_M >= SMALLEST_DOT * usual**2)
        is_touch_M &= (self.sizes_M >= SMALLEST_PX) & (self.sizes_M < LOWEST_BODY * usual)
        if is_touch_M.any():
            thickness = measure_thickness(self.cut([self.main]).strength_HW)
            is_touch_M &= marks.areas_M >= LEAST_TOUCH * thickness**2
        return marks.boxes_M4[is_touch_M]

    def _find_bars(self) -> npt.NDArray[np.bool_]:
        """Which marks are straight bars from edge to edge: shadows' edges, lines that were left."""
        height, width = self.ink.strength_HW.shape
        left, top, right, bottom = self.marks.boxes_M4.T
        is_upright_M = (top <= 1) & (bottom >= height - 1) & (self.widths_M < BAR_SHARE * width)
        is_level_M = (left <= 1) & (right >= width - 1) & (self.heights_M < BAR_SHARE * height)
        is_bar_M: npt.NDArray[np.bool_] = is_upright_M | is_level_M
        return is_bar_M

    @cached_property
    def usual_height(self) -> float:
        """How high the image's digits are: the median over marks, each as heavy as its area."""
        if len(self.marks) == 1:
            return float(self.heights_M[0])
        is_likely_M = ~self.is_strip_M & (self.heights_M >= 0.35 * self.heights_M[self.main])
        is_likely_M[self.main] = True
        heights = self.heights_M[is_likely_M]
        weights = self.marks.areas_M[is_likely_M].astype(float)
        order = np.argsort(heights)
        middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
        return float(heights[order][min(int(middle), len(heights) - 1)])


def measure_thickness(strength_HW: Map) -> float:
    """How thick strokes are in pixels: half of their area for each pixel of their outlines."""
    mask_HW = (strength_HW > 0.5 * strength_HW.max(initial=0.0)).astype(np.uint8)
    contours, _ = cv2.findContours(mask_HW, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    around = sum(cv2.arcLength(contour, True) for contour in contours)
    return 2 * float(mask_HW.sum()) / max(1.0, around)


def find_box(boxes: Sequence[Sequence[int]]) -> Box:
    """The box around several."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def merge(glyphs: Sequence[Glyph]) -> Glyph:
    """Several glyphs as one."""
    left, top, right, bottom = find_box([glyph.box for glyph in glyphs])
    strength_HW = np.zeros((bottom - top, right - left), np.float32)
    for glyph in glyphs:
        rows = slice(glyph.box[1] - top, glyph.box[3] - top)
        columns = slice(glyph.box[0] - left, glyph.box[2] - left)
        part_HW = strength_HW[rows, columns]
        np.maximum(part_HW, glyph.strength_HW, out=part_HW)
    return Glyph((left, top, right, bottom), strength_HW, any(glyph.is_cut for glyph in glyphs))


def measure_gaps(
    boxes_M4: npt.NDArray[np.int64], box: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The distance of each box from one, along the axis where it is larger; below 0 if none."""
    across_M = np.maximum(boxes_M4[:, 0] - box[2], box[0] - boxes_M4[:, 2])
    down_M = np.maximum(boxes_M4[:, 1] - box[3], box[1] - boxes_M4[:, 3])
    return np.maximum(across_M, down_M)


def _unite(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])])


def _share_columns(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    """How much of the narrower box's width lies above or below the other."""
    both = min(one[2], other[2]) - max(one[0], other[0])
    return float(both / max(1, min(one[2] - one[0], other[2] - other[0])))


def _join_stacked(
    groups: list[list[int]], boxes: list[npt.NDArray[np.int64]], usual: float
) -> tuple[list[list[int]], list[npt.NDArray[np.int64]]]:
    """Join bodies that lie on one another and are together no higher than a digit may be."""
    order = sorted(range(len(groups)), key=lambda i: int(boxes[i][0]))
    joined: list[list[int]] = []
    around: list[npt.NDArray[np.int64]] = []
    for i in order:
        for k in range(len(joined) - 1, max(-1, len(joined) - 12), -1):
            both = _unite(around[k], boxes[i])
            is_high = both[3] - both[1] > 1.35 * usual
            gap = max(around[k][1] - boxes[i][3], boxes[i][1] - around[k][3])
            if not is_high and gap < 0.3 * usual and _share_columns(around[k], boxes[i]) > 0.5:
                joined[k] += groups[i]
                around[k] = both
                break
        else:
            joined.append(list(groups[i]))
            around.append(boxes[i])
    return joined, around


def _find_owner(
    box: npt.NDArray[np.int64], boxes_N4: npt.NDArray[np.int64], usual: float
) -> int | None:
    """The body that a small mark is part of: it lies over it, under it or in it, and close."""
    if not len(boxes_N4):
        return None
    left, top, right, bottom = boxes_N4.T
    gaps_N = np.maximum(
        np.maximum(box[0] - right, left - box[2]), np.maximum(box[1] - bottom, top - box[3])
    )
    heights_N = np.maximum(bottom, box[3]) - np.minimum(top, box[1])
    shared_N = np.minimum(right, box[2]) - np.maximum(left, box[0])
    narrower_N = np.maximum(1, np.minimum(right - left, box[2] - box[0]))
    is_owner_N = (gaps_N < WIDEST_GAP * usual) & (heights_N <= 1.4 * usual)
    is_owner_N &= shared_N > 0.4 * narrower_N
    if not is_owner_N.any():
        return None
    return int(np.argmin(np.where(is_owner_N, gaps_N, np.iinfo(np.int64).max)))


def _sort_into_lines(boxes: list[npt.NDArray[np.int64]], usual: float) -> list[list[int]]:
    """Indices of boxes by line from the top, each line from the left.

    A box belongs to the line whose last boxes it overlaps most in height, if that is enough.
    """
    if len(boxes) == 1:
        return [[0]]
    order = sorted(range(len(boxes)), key=lambda i: int(boxes[i][0] + boxes[i][2]))
    lines: list[list[int]] = []
    # Where each line lies now: the mean of its last three boxes that are high enough.
    tops, bottoms = np.empty(len(boxes)), np.empty(len(boxes))
    for i in order:
        top, bottom = float(boxes[i][1]), float(boxes[i][3])
        k = len(lines)
        both_L = np.minimum(bottoms[:k], bottom) - np.maximum(tops[:k], top)
        shares_L = both_L / np.maximum(1.0, np.minimum(bottoms[:k] - tops[:k], bottom - top))
        if k and shares_L.max() > LEAST_SHARED:
            k = int(shares_L.argmax())
            lines[k].append(i)
        else:
            lines.append([i])
        # A dot or a dash says less of where the line lies than what is as high as digits.
        bodies = [j for j in lines[k] if boxes[j][3] - boxes[j][1] >= LOWEST_BODY * usual]
        last = [boxes[j] for j in (bodies or lines[k])[-3:]]
        tops[k] = sum(float(box[1]) for box in last) / len(last)
        bottoms[k] = sum(float(box[3]) for box in last) / len(last)
    lines.sort(key=lambda line: float(np.mean([boxes[i][1] + boxes[i][3] for i in line])))
    return lines
