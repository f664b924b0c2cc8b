"""Over-segmentation: cut a glyph into fragments where it is thin, as digits may touch.

A seam is a path from top to bottom through as little ink as possible.

Array names carry their axes: H rows, W columns, C seams, B columns of a seam's band.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.glyphs import Glyph
from tenfold.reading.ink import Map

Seam = npt.NDArray[np.int64]  # a column for each row

# Chosen by eye on amounts on cheques and digits of MNIST that touch.
MAX_SEAMS = 16
MIN_FRAGMENT_WIDTH = 0.22  # of the height of the line's digits
SEAM_ROWS = 48  # seams are searched on a copy of this height
SIDESTEP_COST = 0.05  # in ink, for each row in which a seam moves sideways
MAX_SEAM_INK = 0.3  # mean ink along a seam


def over_segment(glyph: Glyph, digit_height: float) -> list[Glyph]:
    """A wide glyph as at most MAX_SEAMS + 1 fragments, from the left; a narrow one as it is."""
    min_width = MIN_FRAGMENT_WIDTH * digit_height
    if glyph.width < max(0.75 * digit_height, 2 * min_width, 8):
        return [glyph]
    max_seams = min(MAX_SEAMS, round(2.2 * glyph.width / digit_height))
    reach = round(0.3 * digit_height)
    seams = _find_seams(glyph.strength_HW, max(3, round(min_width)), reach, max_seams)
    return split_along(glyph, seams) if seams else [glyph]


def split_at(glyph: Glyph, columns: Sequence[float], reach: float) -> list[Glyph]:
    """The fragments of a glyph split near the given columns, each time where it is thinnest.

    `reach` is how far a seam may be from its column. All in pixels, from the glyph's left edge.
    """
    if not len(columns) or glyph.width < 4:
        return [glyph]
    small_HW, scale = _shrink(glyph.strength_HW)
    centres_C = np.clip(np.rint(np.array(columns) * scale), 1, small_HW.shape[1] - 1)
    paths_CH, _ = _find_paths(small_HW, centres_C.astype(np.int64), max(1, round(reach * scale)))
    return split_along(glyph, _enlarge(paths_CH, glyph.height, scale))


def split_along(glyph: Glyph, seams: Sequence[Seam]) -> list[Glyph]:
    """The fragments of a glyph between seams, without empty ones."""
    columns_W = np.arange(glyph.width)
    fragments, first_H = [], np.zeros(glyph.height, np.int64)
    for seam_H in [*seams, np.full(glyph.height, glyph.width)]:
        # A copy of the columns nearby, as a view would keep all of a long line in memory.
        start = min(max(0, int(first_H.min())), glyph.width - 1)
        near = slice(start, max(start + 1, int(seam_H.max())))
        is_inside_HW = (columns_W[near] >= first_H[:, None]) & (columns_W[near] < seam_H[:, None])
        strength_HW = glyph.strength_HW[:, near] * is_inside_HW
        used_W = np.flatnonzero(strength_HW.max(axis=0) > 0.2)
        used_H = np.flatnonzero(strength_HW.max(axis=1) > 0.2)
        first_H = seam_H
        if not len(used_W):
            continue
        left, top, right, bottom = used_W[0], used_H[0], used_W[-1] + 1, used_H[-1] + 1
        x, y = glyph.box[0] + near.start, glyph.box[1]
        box = (x + int(left), y + int(top), x + int(right), y + int(bottom))
        fragments.append(Glyph(box, strength_HW[top:bottom, left:right], is_fragment=True))
    return fragments


def _find_seams(strength_HW: Map, min_width: int, reach: int, max_seams: int) -> list[Seam]:
    """The seams through least ink, at most `max_seams`, no two closer than `min_width`.

    Candidates are the cheapest paths within `reach` of evenly spaced columns, as the cheapest of
    all would gather at the glyph's sides. All in pixels.
    """
    small_HW, scale = _shrink(strength_HW)
    rows, columns = small_HW.shape
    min_width, reach = max(2, round(min_width * scale)), max(2, round(reach * scale))
    centres_C = np.arange(min_width, columns - min_width + 1, max(1, min_width // 2))
    if not len(centres_C):
        return []
    paths_CH, cost_C = _find_paths(small_HW, centres_C, reach)
    kept: list[int] = []
    for i in np.argsort(cost_C, kind="stable"):
        if len(kept) == max_seams or cost_C[i] > MAX_SEAM_INK * rows:
            break
        middle = paths_CH[i].mean()
        is_inside = min_width <= middle <= columns - min_width
        if is_inside and all(abs(paths_CH[k].mean() - middle) >= min_width for k in kept):
            kept.append(int(i))
    kept.sort(key=lambda i: float(paths_CH[i].mean()))
    return _enlarge(paths_CH[kept], len(strength_HW), scale)


def _shrink(strength_HW: Map) -> tuple[Map, float]:
    """A copy of at most SEAM_ROWS rows, and its scale."""
    height, width = strength_HW.shape
    scale = min(1.0, SEAM_ROWS / height)
    if scale == 1:
        return strength_HW, scale
    size = (max(4, round(width * scale)), SEAM_ROWS)
    return cv2.resize(strength_HW, size, interpolation=cv2.INTER_AREA), scale


def _enlarge(paths_CH: npt.NDArray[np.int64], height: int, scale: float) -> list[Seam]:
    """Paths on a copy as seams of a glyph of `height` pixels."""
    rows = paths_CH.shape[1]
    at_rows = np.minimum(np.arange(height) * rows // height, rows - 1)
    return [np.rint(path_H[at_rows] / scale).astype(np.int64) for path_H in paths_CH]


def _find_paths(
    strength_HW: Map, centres_C: npt.NDArray[np.int64], reach: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The path through least ink within `reach` of each column, [C, H], and its cost, [C].

    Dynamic programming from top to bottom, in all bands at once.
    """
    rows, columns = strength_HW.shape
    offsets_B = np.arange(-reach, reach + 1)
    band_CB = centres_C[:, None] + offsets_B
    is_outside_CB = (band_CB < 1) | (band_CB > columns - 2)
    ink_HCB = strength_HW[:, np.clip(band_CB, 0, columns - 1)] + np.where(is_outside_CB, 9, 0.01)
    costs_CB, before_HCB = ink_HCB[0], np.zeros(ink_HCB.shape, np.int8)
    steps = np.array([0, -1, 1], np.int8)
    padded_CB = np.full((len(centres_C), len(offsets_B) + 2), np.inf)
    for row in range(1, rows):
        padded_CB[:, 1:-1] = costs_CB
        choices = np.stack(
            [costs_CB, padded_CB[:, :-2] + SIDESTEP_COST, padded_CB[:, 2:] + SIDESTEP_COST]
        )
        before_HCB[row] = steps[choices.argmin(axis=0)]
        costs_CB = choices.min(axis=0) + ink_HCB[row]
    at_C = costs_CB.argmin(axis=1)
    paths_CH = np.empty((len(centres_C), rows), np.int64)
    for row in range(rows - 1, -1, -1):
        paths_CH[:, row] = centres_C + offsets_B[at_C]
        at_C = at_C + before_HCB[row, np.arange(len(centres_C)), at_C]
    return paths_CH, costs_CB.min(axis=1)
