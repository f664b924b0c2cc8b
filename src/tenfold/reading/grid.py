"""The cells of a printed or ruled grid: what its lines enclose, in rows and columns.

Lines are followed in the ink itself, as thin ones have gaps in the page network's small map; the
map says where lines may be, and what is writing. The ink is first warped so that the grid's lines
lie along its rows and columns.

Array names carry their axes: H rows, W columns of pixels, M line segments or marks, S strips
across a line, L and K lines along the rows and the columns.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.ink import Map, Mask
from tenfold.reading.page_segmenter import PageMap
from tenfold.reading.result import Cell

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Chosen on drawn, photographed tables.
MIN_RULES_PX, WEAK_RULE = 60, 0.15  # of the network's map: a grid has so many, of this probability
MIN_TEXT, MIN_MARK_PX = 0.3, 6  # of the map: probability and size of writing
SEGMENTS_PX, AREA_PX = 120_000, 600_000  # of the copies for directions and for lines
MIN_SEGMENT_PX, MAX_SLOPE, SLOPE_ERROR = 8, 0.6, 0.04  # of segments that show directions
MAX_CONVERGENCE, NUM_TRIED = 0.4, 40  # difference of slopes from middle to edge; segments tried
# Of a line: grey levels, and multiples of the noise.
MIN_STRENGTH, NOISE = 13.0, 4.0
MIN_COVER, MIN_RULE, USUAL_RULE = 0.8, 0.3, 0.04  # of a strip; probability there, and in the mean
MIN_SEEN, SOLID = 0.6, 0.8  # of a line between its ends; one that has accidental gaps only
MIN_SEEN_SIDE, MIN_KNOWN_SIDE, MIN_SOLID_SIDE = 0.3, 0.4, 0.15  # of the side of a cell
MAX_TEXT = 0.4  # mean probability of writing along it: more is a stroke of a high digit
MAX_HIDDEN = 0.6  # by writing, of what is seen of a line: more is a line of printed words
MAX_LINES = 150
# Of the digits' height:
MIN_SIDE = 4.0  # of the image
MAX_THICKNESS, LONG = 0.35, 4.0  # of lines; a stroke that is this long is no part of a digit
STRIP, SMOOTH, GAP, REACH, BEND, APART = 0.25, 0.12, 0.2, 0.1, 0.3, 0.4
MIN_ROW_LENGTH, MIN_COLUMN_LENGTH = 2.0, 1.0
MIN_WIDTH, MIN_HEIGHT, MIN_USUAL_HEIGHT = 0.4, 0.5, 0.8  # of cells; squared paper has lower ones


@dataclass(frozen=True)
class _Lines:
    """Where each line is in each strip, in pixels, and whether it is seen there, both [L, S].

    `seen_LS` is 1 or 0, and not a number where writing hides what there is.
    """

    at_LS: Integers
    seen_LS: Floats
    strip_px: float

    def find_sides(self, crossings_LK: Floats) -> Bools:
        """Whether each line is a side of a cell between its crossings with the others, [L, K - 1].

        A digit's stroke ends within a cell.
        """
        num_strips = self.seen_LS.shape[1]
        at_LK = np.rint(crossings_LK / self.strip_px).astype(np.int64).clip(0, num_strips)
        first, last = at_LK[:, :-1], np.maximum(at_LK[:, :-1], at_LK[:, 1:])
        is_seen_LS, is_known_LS = self.seen_LS == 1, ~np.isnan(self.seen_LS)
        seen, known = (
            np.pad(np.cumsum(is_LS, axis=1), ((0, 0), (1, 0)))
            for is_LS in (is_seen_LS, is_known_LS)
        )

        def count(sums: Integers, start: Integers, end: Integers) -> Integers:
            return np.take_along_axis(sums, end, 1) - np.take_along_axis(sums, start, 1)

        reach = np.maximum(1, (last - first + 2) // 3)
        is_side = count(seen, first, last) >= MIN_KNOWN_SIDE * count(known, first, last)
        is_side &= count(seen, first, last) >= MIN_SEEN_SIDE * (last - first)
        for start, end in ((first, np.minimum(first + reach, last)), (last - reach, last)):
            start = np.maximum(start, first)
            is_side &= (count(seen, start, end) > 0) | (count(known, start, end) == 0)
        # Within a line that has accidental gaps only, a side may be missing for the most part.
        is_solid_L = _measure_seen(is_seen_LS) >= SOLID
        middle = (first + last) / 2
        is_within = middle > is_seen_LS.argmax(axis=1)[:, None]
        is_within &= middle < num_strips - is_seen_LS[:, ::-1].argmax(axis=1)[:, None]
        is_side |= (
            is_solid_L[:, None]
            & is_within
            & (count(seen, first, last) > MIN_SOLID_SIDE * (last - first))
        )
        return np.asarray(is_side & (count(seen, first, last) > 0))


def find_cells(ink_HW: Map, page_map: PageMap, digit_height: float) -> tuple[Cell, ...]:
    """The cells of the grids in an image, by rows, with boxes in its pixels.

    A box touches the middles of its cell's sides. There are none if fewer than two are found, or
    if digits are higher than they.
    """
    is_text_HW = (page_map.text_HW > page_map.rules_HW) & (page_map.text_HW > MIN_TEXT)
    _, _, table_M5, _ = cv2.connectedComponentsWithStats(is_text_HW.view(np.uint8))
    heights_M = table_M5[1:, 3][table_M5[1:, 4] >= MIN_MARK_PX]
    num_rules = np.count_nonzero(page_map.rules_HW > WEAK_RULE)
    if num_rules < MIN_RULES_PX or not len(heights_M):
        return ()
    height, width = ink_HW.shape
    scale = min(1.0, math.sqrt(AREA_PX / (height * width)))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled_HW = cv2.resize(_to_grey(ink_HW), size, interpolation=cv2.INTER_AREA)
    map_scale = size[1] / page_map.rules_HW.shape[0]
    # Where lines are taken for writing, they join digits, in one of the two more than in the other.
    in_map = max(float(np.percentile(heights_M, 75)) - 1, 4.0) * map_scale
    digit = min(in_map, digit_height * scale)
    if max(size) < MIN_SIDE * digit:
        return ()
    flatten, flat_size = _find_directions(scaled_HW, page_map)
    enlarge = np.diag([size[0] / page_map.rules_HW.shape[1], map_scale, 1.0])
    near_text_HW = cv2.dilate(is_text_HW.view(np.uint8) * np.uint8(255), np.ones((3, 3), np.uint8))
    near_text_HW[page_map.rules_HW >= 0.5] = 0
    layers = (scaled_HW, flatten), (_to_grey(page_map.rules_HW), flatten @ enlarge)
    flat = [
        np.asarray(cv2.warpPerspective(layer_HW, matrix, flat_size), np.uint8)
        for layer_HW, matrix in (*layers, (near_text_HW, flatten @ enlarge))
    ]
    rows = _follow(flat, digit, MIN_ROW_LENGTH)
    columns = _follow([np.ascontiguousarray(each.T) for each in flat], digit, MIN_COLUMN_LENGTH)
    crossings_LK2 = _cross(rows, columns)
    found = []
    for lines in _enclose(rows, columns, crossings_LK2):
        left, top, right, bottom = lines
        quad = crossings_LK2[[top, top, bottom, bottom], [left, right, right, left]]
        if _is_large(quad, digit):
            found.append((lines, quad))
    heights = [box[3] - box[1] for box in (_find_box(quad) for _, quad in found)]
    usual_digit = min(digit, float(np.median(heights_M)) * map_scale)
    if len(found) < 2 or np.median(heights) < MIN_USUAL_HEIGHT * usual_digit:
        return ()
    lines_N4, apart = np.array([lines for lines, _ in found]), MIN_WIDTH * digit
    row_N, row_span_N = _number(lines_N4[:, 1], lines_N4[:, 3], rows, apart)
    column_N, column_span_N = _number(lines_N4[:, 0], lines_N4[:, 2], columns, apart)
    to_image = np.diag([1 / scale, 1 / scale, 1.0]) @ np.linalg.inv(flatten)
    cells = []
    for i, (_, quad) in enumerate(found):
        corners_42 = cv2.perspectiveTransform(quad[None], to_image)[0]
        left, top, right, bottom = (round(value) for value in _find_box(corners_42))
        corners = tuple((float(x), float(y)) for x, y in corners_42)
        place = row_N[i], column_N[i], row_span_N[i], column_span_N[i]
        cells.append(Cell((left, top, right, bottom), *place, corners))
    return tuple(sorted(cells, key=lambda cell: (cell.row, cell.column)))


def _to_grey(values_HW: Map) -> Mask:
    return np.asarray(cv2.convertScaleAbs(values_HW, alpha=255), np.uint8)


def _find_directions(ink_HW: Mask, page_map: PageMap) -> tuple[Floats, tuple[int, int]]:
    """The matrix that lays lines along rows and columns, for points of the ink, and its size."""
    height, width = ink_HW.shape
    scale = min(1.0, math.sqrt(SEGMENTS_PX / (height * width)))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small_HW = cv2.resize(ink_HW, size, interpolation=cv2.INTER_AREA)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE).detect(small_HW)[0]
    ends_M4 = np.empty((0, 4)) if found is None else found.reshape(-1, 4).astype(np.float64)
    steps_M2, middles_M2 = ends_M4[:, 2:] - ends_M4[:, :2], (ends_M4[:, :2] + ends_M4[:, 2:]) / 2
    in_map = np.array(page_map.rules_HW.shape[::-1]) / size
    column_M, row_M = (middles_M2 * in_map).astype(np.int64).T
    rules_HW = cv2.dilate(page_map.rules_HW, np.ones((3, 3), np.uint8))
    lengths_M = np.hypot(*steps_M2.T)
    weights_M = lengths_M * (0.05 + rules_HW[row_M, column_M])
    weights_M[(lengths_M < MIN_SEGMENT_PX) | (page_map.text_HW[row_M, column_M] >= 0.5)] = 0
    middles_M2 = middles_M2 / scale - (width / 2, height / 2)
    slope, turn = _fit_pencil(steps_M2, middles_M2, weights_M)
    lean, turn_aside = _fit_pencil(steps_M2[:, ::-1], middles_M2[:, ::-1], weights_M)
    # Four lines, along the image's edges, show where its corners go.
    source = []
    for y in (-height / 2, height / 2):
        for x in (-width / 2, width / 2):
            falls, leans = slope + turn * y, lean + turn_aside * x
            across = (x + leans * y) / (1 - leans * falls)
            source.append((across + width / 2, y + falls * across + height / 2))
    target = np.array([(0, 0), (width, 0), (0, height), (width, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(np.array(source, np.float32), target)
    corners = cv2.perspectiveTransform(target[None].astype(np.float64), matrix)[0]
    shift = np.eye(3)
    shift[:2, 2] = -corners.min(axis=0)
    extent = np.minimum(np.ceil(np.ptp(corners, axis=0)), (1.6 * width, 1.6 * height))
    return shift @ matrix, (int(extent[0]), int(extent[1]))


def _fit_pencil(steps_M2: Floats, middles_M2: Floats, weights_M: Floats) -> tuple[float, float]:
    """The a and b of lines y = y0 + (a + b y0) x, from segments of some of them.

    Photographed lines that are parallel on paper meet in a point, so that two give all.
    """
    is_near_M = (np.abs(steps_M2[:, 1]) < MAX_SLOPE * np.abs(steps_M2[:, 0])) & (weights_M > 0)
    if not is_near_M.any():
        return 0.0, 0.0
    slopes_M = steps_M2[is_near_M, 1] / steps_M2[is_near_M, 0]
    weights_M, (x_M, y_M) = weights_M[is_near_M], middles_M2[is_near_M].T
    feet_M = y_M - slopes_M * x_M
    extent = float(np.abs(y_M).max()) + 1e-6
    best = np.argsort(-weights_M, kind="stable")[:NUM_TRIED]
    one, other = best[np.stack(np.triu_indices(len(best)))]  # also each with itself: parallel lines
    apart = feet_M[one] - feet_M[other]
    is_apart = np.abs(apart) > 0.1 * extent
    turns = np.where(is_apart, slopes_M[one] - slopes_M[other], 0) / np.where(is_apart, apart, 1)
    is_likely = (is_apart | (one == other)) & (np.abs(turns) * extent < MAX_CONVERGENCE)
    turns, starts = turns[is_likely], (slopes_M[one] - turns * feet_M[one])[is_likely]
    errors = np.abs(slopes_M - starts[:, None] - turns[:, None] * feet_M)
    scores = np.maximum(0, 1 - errors / SLOPE_ERROR) @ weights_M
    which = int((scores * (1 - 0.3 * np.abs(turns) * extent)).argmax())
    return float(starts[which]), float(turns[which])


def _follow(flat: Sequence[Mask], digit: float, min_length: float) -> _Lines:
    """Lines along the rows, from the ink, where the network sees rules, and where writing.

    A strip of a line is seen where the network sees a rule, too, or far beyond a digit's strokes.
    """
    ink_HW, rules_HW, text_HW = flat
    height, width = ink_HW.shape
    unit = min(digit, max(ink_HW.shape) / 12)  # lines are as close and as bent beside large digits
    num_strips = max(2, round(width / max(3.0, STRIP * unit)))
    strip_px = width / num_strips
    bar = np.ones((max(3, round(MAX_THICKNESS * digit)) | 1, 1), np.uint8)
    ridge_HW = cv2.morphologyEx(ink_HW, cv2.MORPH_TOPHAT, bar)
    ridge_HW = cv2.blur(ridge_HW, (max(3, round(SMOOTH * unit)), 1))
    sample = ridge_HW[::2, ::3]
    usual = float(np.median(sample))
    noise = 1.4826 * float(np.median(np.abs(sample - usual)))
    level = usual + max(NOISE * noise, MIN_STRENGTH)
    mask_HW = (ridge_HW > level).view(np.uint8) * np.uint8(255)
    gap = np.ones((1, round(GAP * unit) | 1), np.uint8)
    mask_HW = cv2.dilate(cv2.morphologyEx(mask_HW, cv2.MORPH_CLOSE, gap), np.ones((3, 1), np.uint8))
    size = (num_strips, height)
    cover_HS, rules_HS, text_HS = (
        cv2.resize(layer_HW, size, interpolation=cv2.INTER_AREA) / np.float32(255)
        for layer_HW in (mask_HW, rules_HW, text_HW)
    )
    reach = np.ones((2 * max(1, round(REACH * unit)) + 1, 1), np.uint8)
    rules_HS = cv2.dilate(rules_HS, reach)
    is_ink_HS = (cv2.dilate(cover_HS, np.ones((3, 1), np.uint8)) >= MIN_COVER).view(np.uint8)
    long = np.ones((1, max(3, round(LONG * digit / strip_px))), np.uint8)
    is_line_HS = cv2.morphologyEx(is_ink_HS, cv2.MORPH_OPEN, long)
    is_line_HS |= is_ink_HS & (rules_HS > MIN_RULE) & (text_HS < 0.5)

    num_H = cv2.dilate(is_line_HS, reach).sum(axis=1, dtype=np.float64)
    starts: list[int] = []
    for y in np.argsort(-num_H - 0.5 * (cover_HS * is_line_HS).sum(axis=1), kind="stable").tolist():
        if num_H[y] * strip_px < min_length * unit or len(starts) >= MAX_LINES:
            break
        if all(abs(y - other) >= max(2, round(APART * unit)) for other in starts):
            starts.append(y)
    if not starts:
        return _Lines(np.empty((0, num_strips), np.int64), np.empty((0, num_strips)), strip_px)
    at_LS = _trace(cover_HS + is_line_HS, np.array(sorted(starts)), max(2, round(BEND * unit)))
    at_LS = at_LS[np.argsort(at_LS.mean(axis=1), kind="stable")]
    every = (at_LS, np.arange(num_strips)[None])
    is_seen_LS = is_line_HS[every] > 0
    num_seen_L = is_seen_LS.sum(axis=1)
    is_line_L = _measure_seen(is_seen_LS) >= MIN_SEEN
    is_line_L &= num_seen_L * strip_px >= min_length * unit
    is_line_L &= (rules_HS[every] * is_seen_LS).sum(axis=1) >= USUAL_RULE * num_seen_L
    is_line_L &= (text_HS[every] * is_seen_LS).sum(axis=1) <= MAX_TEXT * num_seen_L
    is_hidden_LS = ~is_seen_LS & (text_HS[every] >= 0.5)
    is_line_L &= is_hidden_LS.sum(axis=1) <= MAX_HIDDEN * num_seen_L
    kept: list[int] = []
    for i in np.argsort(-num_seen_L, kind="stable").tolist():
        is_same_LS = np.abs(at_LS[kept] - at_LS[i]) < APART * unit
        is_same_LS &= is_seen_LS[kept] & is_seen_LS[i]
        if is_line_L[i] and (is_same_LS.sum(axis=1) < num_seen_L[i] / 2).all():
            kept.append(i)
    seen_LS = np.where(is_hidden_LS, np.nan, is_seen_LS)
    return _Lines(at_LS[sorted(kept)], seen_LS[sorted(kept)], strip_px)


def _measure_seen(is_seen_LS: Bools) -> Floats:
    """On which share of the way between its ends each line is seen, [L]."""
    first_L = is_seen_LS.argmax(axis=1)
    last_L = is_seen_LS.shape[1] - is_seen_LS[:, ::-1].argmax(axis=1)
    return np.asarray(is_seen_LS.sum(axis=1) / (last_L - first_L))


def _trace(clear_HS: Map, starts_L: Integers, bend: int) -> Integers:
    """The clearest path of each line within `bend` pixels of where it starts, [L, S]."""
    offsets = np.arange(-bend, bend + 1)
    rows_LD = (starts_L[:, None] + offsets).clip(0, len(clear_HS) - 1)
    values_LDS = clear_HS[rows_LD] - (0.02 * np.abs(offsets) / bend)[None, :, None]
    best_LD = values_LDS[:, :, 0]
    moves = []
    padded_LD = np.full((len(starts_L), len(offsets) + 2), -np.inf)
    for s in range(1, clear_HS.shape[1]):
        padded_LD[:, 1:-1] = best_LD
        options = np.stack([padded_LD[:, :-2] - 0.3, padded_LD[:, 1:-1], padded_LD[:, 2:] - 0.3])
        moves.append(options.argmax(axis=0) - 1)
        best_LD = options.max(axis=0) + values_LDS[:, :, s]
    at_L, every = best_LD.argmax(axis=1), np.arange(len(starts_L))
    path = [rows_LD[every, at_L]]
    for move_LD in reversed(moves):
        at_L = at_L + move_LD[every, at_L]
        path.append(rows_LD[every, at_L])
    return np.stack(path[::-1], axis=1)


def _cross(rows: _Lines, columns: _Lines) -> Floats:
    """Where lines along rows and columns cross: x and y, [L, K, 2]."""
    shape = len(rows.at_LS), len(columns.at_LS)
    y_LK, x_LK = np.zeros(shape), np.broadcast_to(columns.at_LS.mean(axis=1), shape)
    lines_L1, lines_1K = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    for _ in range(3):
        strips_LK = (x_LK / rows.strip_px).astype(np.int64).clip(0, rows.at_LS.shape[1] - 1)
        y_LK = rows.at_LS[lines_L1, strips_LK]
        strips_LK = (y_LK / columns.strip_px).astype(np.int64).clip(0, columns.at_LS.shape[1] - 1)
        x_LK = columns.at_LS[lines_1K, strips_LK]
    return np.stack([x_LK, y_LK], axis=-1).astype(np.float64)


def _enclose(
    rows: _Lines, columns: _Lines, crossings_LK2: Floats
) -> list[tuple[int, int, int, int]]:
    """The lines on the left, top, right and bottom of each cell.

    In the plan every second row and column is a line. What lies between is open, and so are sides
    that are not seen: there a cell spans several.
    """
    num_rows, num_columns = crossings_LK2.shape[:2]
    if min(num_rows, num_columns) < 2:
        return []
    plan = np.ones((2 * num_rows + 1, 2 * num_columns + 1), np.uint8)
    plan[1:-1:2, 1:-1:2] = 0
    plan[1:-1:2, 2:-1:2] = ~rows.find_sides(crossings_LK2[..., 0])
    plan[2:-1:2, 1:-1:2] = ~columns.find_sides(crossings_LK2[..., 1].T).T
    _, labels, table_M5, _ = cv2.connectedComponentsWithStats(plan, connectivity=4)
    found = []
    for i, (left, top, width, height, _) in enumerate(table_M5.tolist()):
        is_inside = i not in (0, labels[0, 0])
        if is_inside and (labels[top : top + height : 2, left : left + width : 2] == i).all():
            lines = (left // 2 - 1, top // 2 - 1, (left + width) // 2, (top + height) // 2)
            found.append(lines)
    return found


def _find_box(quad: Floats) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the middles of a quadrangle's sides."""
    middles = (quad + np.roll(quad, 1, axis=0)) / 2
    (left, top), (right, bottom) = middles.min(axis=0).tolist(), middles.max(axis=0).tolist()
    return left, top, right, bottom


def _is_large(quad: Floats, digit: float) -> bool:
    left, top, right, bottom = _find_box(quad)
    return right - left > MIN_WIDTH * digit and bottom - top > MIN_HEIGHT * digit


def _number(
    first_N: Integers, last_N: Integers, lines: _Lines, apart: float
) -> tuple[list[int], list[int]]:
    """The first row, or column, of each cell, and how many it spans, from its first and last lines.

    Lines that are not apart start the same row: those of cells that do not quite touch.
    """
    at_L = lines.at_LS.mean(axis=1)
    starts: list[float] = []
    for at in sorted(at_L[np.unique(first_N)].tolist()):
        if not starts or at > starts[-1] + apart:
            starts.append(at)
    number_N = np.searchsorted(starts, at_L[first_N], side="right") - 1
    end_N = np.searchsorted(starts, at_L[last_N] - apart, side="right")
    return number_N.tolist(), np.maximum(1, end_N - number_N).tolist()
