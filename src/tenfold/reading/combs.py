"""Combs: evenly spaced ticks on a printed line, or boxes in a row, for one character each.

The page network takes some of their ticks and walls for writing, and a line network takes what is
left of them for ones, slashes and commas. Where four or more are evenly spaced on a line, and what
is written stands between them, they can be told from both.

Array names carry their axes: H rows, W columns of the page network's map, M marks, T ticks.
"""

from itertools import chain

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.ink import Mask

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]

# Chosen on drawn, photographed boxes and combs. In pixels of the map:
MIN_RULES_PX, MIN_WIDTH_PX, MIN_TICK_PX, MIN_PITCH_PX = 40, 40, 4, 6
JOIN_PX = (3, 7)  # rows and columns: parts of a comb are this close to one another
RIM_PX = 1.5  # beyond a tick's edges
MIN_TICKS, MAX_TICKS = 4, 40
MAX_BETWEEN = 3  # of two neighbouring ticks, one is at most so many lines further
MAX_COMBS = 100  # that are looked for
# Squared paper has more lines along, writing crosses more of those across, and they are longer, by
# a share of the pitch.
MAX_LINES, MAX_CROSSED, MAX_LONGER = 2, 0.3, 0.15
MIN_HIGH, MIN_BETWEEN = 0.6, 0.5  # of the highest mark of writing; of the marks as high as that
MAX_BEYOND = 0.35  # of the pitch: how far the line of a comb goes beyond its ticks
MIN_SEEN = 0.7  # of the ticks, and of the upright lines that are ticks
MIN_HEIGHT = 0.2  # of the highest tick
MIN_LINE, MIN_COVER = 0.8, 0.5  # of the pitch: an unbroken line; of the comb's width, by lines
# Of the pitch: how far off a tick and one of two walls may be, writing that is part of it, and that
# crosses it.
MAX_OFF, MAX_WALL_OFF, REACH, MIN_CROSSING = 0.1, 0.2, 0.12, 0.08


def find_combs(is_text_HW: npt.NDArray[np.bool_], is_rule_HW: npt.NDArray[np.bool_]) -> Mask:
    """A mask of the combs in an image, with what seems to be writing but is a part of a tick."""
    comb_HW = np.zeros(is_rule_HW.shape, np.uint8)
    if np.count_nonzero(is_rule_HW) < MIN_RULES_PX:
        return comb_HW
    text_HW, rule_HW = is_text_HW.view(np.uint8), is_rule_HW.view(np.uint8)
    joined_HW = cv2.dilate(text_HW | rule_HW, np.ones(JOIN_PX, np.uint8))
    _, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(joined_HW)
    widest = 1 + np.argsort(-table_M5[1:, 2])[:MAX_COMBS]
    for i in widest[table_M5[widest, 2] >= MIN_WIDTH_PX]:
        left, top, width, height, _ = table_M5[i].tolist()
        box = slice(top, top + height), slice(left, left + width)
        own_HW = rule_HW[box] * (labels_HW[box] == i)
        if np.count_nonzero(own_HW) >= MIN_RULES_PX:
            _mark_comb(np.ascontiguousarray(own_HW), text_HW[box], comb_HW[box])
    return comb_HW


def _mark_comb(rule_HW: Mask, text_HW: Mask, comb_HW: Mask) -> None:
    """Mark the comb that one connected mark is, if it is one."""
    padded_HW = cv2.copyMakeBorder(rule_HW, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distances_HW = cv2.distanceTransform(padded_HW, cv2.DIST_L2, 3)
    # The pixels of a line are (width + 2) / 4 from the next pixel beyond it, in the mean.
    line_px = max(1.0, 4 * float(distances_HW[padded_HW > 0].mean()) - 2)
    upright = np.ones((max(MIN_TICK_PX, round(2 * line_px)), 1), np.uint8)
    upright_HW = cv2.morphologyEx(rule_HW, cv2.MORPH_OPEN, upright)
    x_M, areas_M = _find_upright(upright_HW, 3 * line_px + 2)
    ticks = _space_evenly(_join(x_M, areas_M, 2 * line_px), max(MIN_PITCH_PX, 3 * line_px))
    if ticks is None:
        return
    x_T, pitch = ticks
    line_HW = cv2.morphologyEx(
        rule_HW, cv2.MORPH_OPEN, np.ones((1, round(MIN_LINE * pitch)), np.uint8)
    )
    if np.count_nonzero(line_HW.any(axis=0)) < MIN_COVER * pitch * (len(x_T) - 1):
        return
    reach = line_px / 2 + RIM_PX
    is_other = _is_other(upright_HW, line_HW, x_T, pitch) or _are_crossed(text_HW, x_T, reach)
    if is_other or not _is_between(text_HW, x_T, pitch):
        return
    # Digits part the line into pieces, some of them short.
    line_HW |= rule_HW & cv2.dilate(line_HW, np.ones((3, 2 * round(pitch) + 1), np.uint8))
    comb_HW |= cv2.dilate(line_HW, np.ones((3, 3), np.uint8)) & (1 - text_HW)
    # Boxes that do not touch have two walls for a tick.
    off_M = np.abs(x_M[:, None] - x_T).min(axis=1)
    apart = float(np.median(off_M[off_M <= MAX_WALL_OFF * pitch]))
    comb_HW |= _find_parts(text_HW, x_T, max(REACH * pitch, line_px + 1) + apart)
    rows = np.flatnonzero(upright_HW.any(axis=1))
    inside = slice(max(0, rows[0] - 2), rows[-1] + 3)
    padded_text_HW = np.pad(text_HW, ((0, 0), (1, 1)))
    for x in x_T:
        wall = _select(x, reach + apart, text_HW.shape[1])
        comb_HW[inside, wall] |= 1 - text_HW[inside, wall]
        # A digit that crosses it continues at one of its sides.
        wide = _select(x, max(MIN_CROSSING * pitch, line_px / 2 + 2) + apart, text_HW.shape[1])
        is_free_H = padded_text_HW[:, [wide.start, wide.stop + 1]].max(axis=1) == 0
        comb_HW[inside, wide] |= text_HW[inside, wide] & is_free_H[inside, None]


def _find_upright(upright_HW: Mask, max_width: float) -> tuple[Floats, Integers]:
    """The middles, [M], and areas of upright lines that are no wider, but for very low ones."""
    _, _, table_M5, middles_M2 = cv2.connectedComponentsWithStats(upright_HW)
    table_M5, x_M = table_M5[1:], middles_M2[1:, 0]
    is_narrow_M = table_M5[:, 2] <= max_width
    table_M5, x_M = table_M5[is_narrow_M], x_M[is_narrow_M]
    is_high_M = table_M5[:, 3] >= MIN_HEIGHT * table_M5[:, 3].max(initial=0)
    return x_M[is_high_M], table_M5[is_high_M, 4]


def _are_crossed(text_HW: Mask, x_T: Floats, reach: float) -> bool:
    """Whether there is writing from one side of many ticks to the other."""
    columns = [_select(x, reach, text_HW.shape[1]) for x in x_T]
    is_crossed_T = np.array([text_HW[:, each].all(axis=1).any() for each in columns])
    return bool(is_crossed_T.mean() > MAX_CROSSED)


def _is_between(text_HW: Mask, x_T: Floats, pitch: float) -> bool:
    """Whether most high marks of writing are between ticks; digits beside ones are in their row."""
    _, _, table_M5, middles_M2 = cv2.connectedComponentsWithStats(text_HW, connectivity=8)
    heights_M, x_M = table_M5[1:, 3], middles_M2[1:, 0]
    x_M = x_M[heights_M >= MIN_HIGH * heights_M.max(initial=0)]
    off_M = np.abs(x_M[:, None] - x_T).min(axis=1)
    return len(x_M) > 0 and bool(np.mean(off_M > MAX_WALL_OFF * pitch) > MIN_BETWEEN)


def _is_other(upright_HW: Mask, line_HW: Mask, x_T: Floats, pitch: float) -> bool:
    """Whether it is squared paper, or ones on a ruled line, rather than a comb.

    Squared paper has many lines along, or those across go on at both sides of them. The line of a
    comb ends at its outer ticks.
    """
    across_HT = upright_HW[:, np.clip(np.rint(x_T).astype(int), 0, upright_HW.shape[1] - 1)]
    between_HT = line_HW[:, np.rint((x_T[:-1] + x_T[1:]) / 2).astype(int)]
    num_lines = np.median(np.count_nonzero(np.diff(between_HT, axis=0, prepend=0) == 1, axis=0))
    above_px = _find_first(between_HT) - _find_first(across_HT)
    below_px = _find_first(between_HT[::-1]) - _find_first(across_HT[::-1])
    longer_px = MAX_LONGER * pitch + 2
    along = np.flatnonzero(line_HW.any(axis=0))
    beyond_px = max(x_T[0] - along[0], along[-1] - x_T[-1])
    stands_on_one = num_lines <= 1 and above_px > longer_px
    return bool(
        num_lines > MAX_LINES
        or min(above_px, below_px) > longer_px
        or (stands_on_one and beyond_px > MAX_BEYOND * pitch)
    )


def _find_first(lines_HT: Mask) -> float:
    """The usual row of the first line in each column, of those that have any."""
    is_any_T = lines_HT.any(axis=0)
    return float(np.median(lines_HT.argmax(axis=0)[is_any_T])) if is_any_T.any() else 0.0


def _select(x: float, reach: float, width: int) -> slice:
    """The columns as far as `reach` from x."""
    return slice(max(0, int(x - reach)), min(width, int(np.ceil(x + reach)) + 1))


def _join(x_M: Floats, areas_M: Integers, gap: float) -> Floats:
    """Where lines are, [T], from the left, whose pieces these are; a larger gap parts two."""
    order_M = np.argsort(x_M)
    x_M, areas_M = x_M[order_M], areas_M[order_M]
    ends = np.flatnonzero(np.diff(x_M) > gap) + 1
    pieces = zip(np.split(x_M, ends), np.split(areas_M, ends), strict=True)
    return np.array([np.average(x, weights=areas) for x, areas in pieces if len(x)])


def _space_evenly(x_T: Floats, min_pitch: float) -> tuple[Floats, float] | None:
    """Evenly spaced places that most of these are at, and their distance; None without any."""
    if not MIN_TICKS <= len(x_T) <= MAX_TICKS:
        return None
    best, best_score = None, 0.0
    neighbours = [zip(x_T, x_T[apart:], strict=False) for apart in range(1, MAX_BETWEEN + 1)]
    for first, second in chain.from_iterable(neighbours):
        pitch = second - first
        if pitch < min_pitch:
            continue
        number_T = np.rint((x_T - first) / pitch)
        is_near_T = np.abs(x_T - first - number_T * pitch) < MAX_OFF * pitch
        seen = np.unique(number_T[is_near_T])
        num = seen[-1] - seen[0] + 1
        is_comb = len(seen) >= max(MIN_TICKS, MIN_SEEN * num)
        score = len(seen) - (num - len(seen)) / 2 - np.count_nonzero(~is_near_T)
        if is_comb and is_near_T.mean() >= MIN_SEEN and score > best_score:
            best, best_score = (number_T[is_near_T], x_T[is_near_T]), score
    if best is None:
        return None
    pitch, first = np.polyfit(*best, 1)
    return first + pitch * np.arange(best[0].min(), best[0].max() + 1), float(pitch)


def _find_parts(text_HW: Mask, x_T: Floats, reach: float) -> Mask:
    """The writing that lies on ticks as a whole."""
    _, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(text_HW, connectivity=8)
    start_M, end_M = table_M5[:, 0], table_M5[:, 0] + table_M5[:, 2] - 1
    is_on_MT = (start_M[:, None] >= x_T - reach) & (end_M[:, None] <= x_T + reach)
    is_part_M = is_on_MT.any(axis=1)
    is_part_M[0] = False  # the paper
    return is_part_M[labels_HW].view(np.uint8)
