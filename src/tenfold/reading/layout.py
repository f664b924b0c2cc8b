"""Lay components out as text lines of glyphs, in reading order.

Array names carry their axes: M components, G glyphs, L text lines.
"""

import numpy as np
import numpy.typing as npt

from tenfold.reading.glyphs import (
    MAX_LOW_HEIGHT,
    MAX_PART_GAP,
    MIN_VISIBLE_PX,
    Glyph,
    PageComponents,
    measure_gaps,
)

# Chosen by eye on photos of numbers and on sheets of digits. Of the digits' height:
MIN_SIZE = 0.08  # smaller components are noise
MIN_ALONE_AREA = 0.01  # squared: a smaller component that is part of nothing is noise
MAX_STACK_HEIGHT, MAX_STACK_GAP = 1.35, 0.3  # of two parts of a digit, one above the other
MAX_DIGIT_HEIGHT = 1.4  # of a digit with a low part
# A comma that hangs below its line: its size, how far below it starts and how far it ends.
MAX_COMMA_WIDTH, MAX_COMMA_HEIGHT, MAX_COMMA_START, MAX_COMMA_END = 0.4, 0.6, 0.35, 0.7
# Of a box's own size:
MIN_LINE_OVERLAP = 0.4  # of the lower box's height: two boxes in one text line share this

BoxArray = npt.NDArray[np.int64]  # left, top, right, bottom


def find_text_lines(page: PageComponents) -> list[list[Glyph]]:
    """Glyphs in text lines, from the top, each line from the left.

    A component far lower than the digits becomes part of a digit that it lies over, under or in,
    or else a glyph of its own: a dot or a dash.
    """
    if page.main < 0:
        return []
    boxes_M4, sizes_M, height = page.components.boxes_M4, page.sizes_M, page.component_height
    is_glyph_M = sizes_M >= max(MIN_SIZE * height, MIN_VISIBLE_PX)
    is_tall_M = is_glyph_M & (page.heights_M >= MAX_LOW_HEIGHT * height)
    groups, boxes = _join_stacked(np.flatnonzero(is_tall_M).tolist(), boxes_M4, height)
    boxes_G4 = np.array(boxes).reshape(-1, 4)
    alone = []
    for i in np.flatnonzero(is_glyph_M & ~is_tall_M).tolist():
        owner = _find_owner(boxes_M4[i], boxes_G4, height)
        if owner is not None:
            groups[owner].append(i)
            boxes_G4[owner] = _unite(boxes_G4[owner], boxes_M4[i])
        elif not page.on_edge_M[i] and page.components.areas_M[i] >= MIN_ALONE_AREA * height**2:
            alone.append(i)
    groups += [[i] for i in alone]
    boxes = [*boxes_G4, *boxes_M4[alone]]
    return [[page.extract(groups[i]) for i in line] for line in _sort_into_lines(boxes, height)]


def _unite(one: BoxArray, other: BoxArray) -> BoxArray:
    return np.concatenate([np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])])


def _join_stacked(
    components: list[int], boxes_M4: BoxArray, height: float
) -> tuple[list[list[int]], list[BoxArray]]:
    """Group tall components that lie above one another and fit into one digit; with their boxes."""
    groups: list[list[int]] = []
    around: list[BoxArray] = []
    for i in sorted(components, key=lambda i: int(boxes_M4[i][0])):
        box = boxes_M4[i]
        for k in range(len(groups) - 1, max(-1, len(groups) - 12), -1):
            both = _unite(around[k], box)
            gap = max(around[k][1] - box[3], box[1] - around[k][3])
            shared = min(around[k][2], box[2]) - max(around[k][0], box[0])
            narrower = max(1, min(around[k][2] - around[k][0], box[2] - box[0]))
            is_low = both[3] - both[1] <= MAX_STACK_HEIGHT * height
            if is_low and gap < MAX_STACK_GAP * height and shared / narrower > 0.5:
                groups[k].append(i)
                around[k] = both
                break
        else:
            groups.append([i])
            around.append(box)
    return groups, around


def _find_owner(box: BoxArray, boxes_G4: BoxArray, height: float) -> int | None:
    """The glyph that a low component is part of: the closest it lies over, under or in."""
    if not len(boxes_G4):
        return None
    left, top, right, bottom = boxes_G4.T
    gaps_G = measure_gaps(boxes_G4, box)
    heights_G = np.maximum(bottom, box[3]) - np.minimum(top, box[1])
    shared_G = np.minimum(right, box[2]) - np.maximum(left, box[0])
    narrower_G = np.maximum(1, np.minimum(right - left, box[2] - box[0]))
    is_owner_G = (gaps_G < MAX_PART_GAP * height) & (heights_G <= MAX_DIGIT_HEIGHT * height)
    is_owner_G &= shared_G > 0.4 * narrower_G
    if not is_owner_G.any():
        return None
    return int(np.argmin(np.where(is_owner_G, gaps_G, np.iinfo(np.int64).max)))


def _sort_into_lines(boxes: list[BoxArray], height: float) -> list[list[int]]:
    """Indices of boxes by text line from the top, each line from the left.

    A box belongs to the line whose last boxes it overlaps most in height, if that is enough.
    """
    if len(boxes) < 2:
        return [[i] for i in range(len(boxes))]
    lines: list[list[int]] = []
    # Where each line is now: the mean of its last three boxes that are high enough.
    tops_L, bottoms_L = np.empty(len(boxes)), np.empty(len(boxes))
    for i in sorted(range(len(boxes)), key=lambda i: int(boxes[i][0] + boxes[i][2])):
        top, bottom = float(boxes[i][1]), float(boxes[i][3])
        k = len(lines)
        both_L = np.minimum(bottoms_L[:k], bottom) - np.maximum(tops_L[:k], top)
        lower_L = np.maximum(1.0, np.minimum(bottoms_L[:k] - tops_L[:k], bottom - top))
        overlaps_L = both_L / lower_L
        if k and overlaps_L.max() > MIN_LINE_OVERLAP:
            k = int(overlaps_L.argmax())
            lines[k].append(i)
        else:
            lines.append([i])
        # A dot or a dash says less about where the line is than a digit does.
        tall = [j for j in lines[k] if boxes[j][3] - boxes[j][1] >= MAX_LOW_HEIGHT * height]
        last = [boxes[j] for j in (tall or lines[k])[-3:]]
        tops_L[k] = sum(float(box[1]) for box in last) / len(last)
        bottoms_L[k] = sum(float(box[3]) for box in last) / len(last)
    lines = _join_commas(lines, np.array(boxes), height)
    lines.sort(key=lambda line: float(np.mean([boxes[i][1] + boxes[i][3] for i in line])))
    return lines


def _join_commas(lines: list[list[int]], boxes_G4: BoxArray, height: float) -> list[list[int]]:
    """Move each comma that hangs below a line into it; alone it would look like a one."""
    left_G, top_G, right_G, bottom_G = boxes_G4.T
    is_small_G = bottom_G - top_G < MAX_COMMA_HEIGHT * height
    is_small_G &= right_G - left_G < MAX_COMMA_WIDTH * height
    tall = [[i for i in line if not is_small_G[i]] for line in lines]
    joined: list[list[int]] = [list(line) for line in lines]
    for number, line in enumerate(lines):
        for comma in line if not tall[number] else ():
            above = _find_line_of_comma(boxes_G4[comma], tall, boxes_G4, height)
            if above is not None:
                joined[number].remove(comma)
                joined[above].append(comma)
                joined[above].sort(key=lambda i: int(left_G[i] + right_G[i]))
    return [line for line in joined if line]


def _find_line_of_comma(
    comma: BoxArray, tall: list[list[int]], boxes_G4: BoxArray, height: float
) -> int | None:
    """The line whose digit before a comma is so near that it hangs from that line."""
    for number, above in enumerate(tall):
        before = [i for i in above if boxes_G4[i, 0] < comma[0]]
        if not before:
            continue
        _, _, right, bottom = boxes_G4[max(before, key=lambda i: int(boxes_G4[i, 2]))]
        starts, ends = comma[1] - bottom, comma[3] - bottom
        is_below = starts < MAX_COMMA_START * height and 0 < ends < MAX_COMMA_END * height
        if is_below and comma[0] - right < height:
            return number
    return None
