"""A glyph to pieces: cut where it is thin, for two digits may touch.

In: a glyph, and how high digits are or where they lie. Out: its pieces, from the left. A cut is a
path from top to bottom through as little ink as may be.

Array names carry their axes: H rows, W columns, C centres of paths, B columns of a path's band.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.glyphs import Glyph
from tenfold.reading.ink import Map

MAX_CUTS = 16
NARROWEST_PIECE = 0.22  # of the height of the line's digits
SEAM_ROWS = 48  # cuts are sought on a copy of this height
SLANT = 0.05  # what a cut pays for each row in which it moves aside
MOST_INK_CUT = 0.3  # of a cut's length, through full ink


def split(glyph: Glyph, usual_height: float) -> list[Glyph]:
    """A wide glyph cut where it is thin into at most MAX_CUTS + 1 pieces; else itself."""
    narrowest = NARROWEST_PIECE * usual_height
    if glyph.width < max(0.75 * usual_height, 2 * narrowest, 8):
        return [glyph]
    most = min(MAX_CUTS, round(2.2 * glyph.width / usual_height))
    reach = round(0.3 * usual_height)
    seams = _find_seams(glyph.strength_HW, max(3, round(narrowest)), reach, most)
    return cut_along(glyph, seams) if seams else [glyph]


def split_at(glyph: Glyph, columns: Sequence[float], reach: float) -> list[Glyph]:
    """A glyph cut near the given columns, from the left, each time where it is thinnest.

    `reach` is how far a cut may lie from its column. All in pixels, from the glyph's left edge.
    """
    if not len(columns) or glyph.width < 4:
        return [glyph]
    small_HW, scale = _shrink(glyph.strength_HW)
    centres_C = np.clip(np.rint(np.array(columns) * scale), 1, small_HW.shape[1] - 1)
    paths_CH, _ = _find_paths(small_HW, centres_C.astype(np.int64), max(1, round(reach * scale)))
    return cut_along(glyph, _enlarge(paths_CH, glyph.height, scale))


def cut_along(glyph: Glyph, seams: Sequence[npt.NDArray[np.int64]]) -> list[Glyph]:
    """The pieces of a glyph between seams, each a column for each row; without empty ones."""
    columns_W = np.arange(glyph.width)
    pieces, first_H = [], np.zeros(glyph.height, np.int64)
    for seam_H in [*seams, np.full(glyph.height, glyph.width)]:
        # Of a long line only what is near: a piece that is a view of all of it would keep it.
        start = min(max(0, int(first_H.min())), glyph.width - 1)
        near = slice(start, max(start + 1, int(seam_H.max())))
        is_piece_HW = (columns_W[near] >= first_H[:, None]) & (columns_W[near] < seam_H[:, None])
        strength_HW = glyph.strength_HW[:, near] * is_piece_HW
        used_W = np.flatnonzero(strength_HW.max(axis=0) > 0.2)
        used_H = np.flatnonzero(strength_HW.max(axis=1) > 0.2)
        first_H = seam_H
        if not len(used_W):
            continue
        left, top, right, bottom = used_W[0], used_H[0], used_W[-1] + 1, used_H[-1] + 1
        x, y = glyph.box[0] + near.start, glyph.box[1]
        box = (x + int(left), y + int(top), x + int(right), y + int(bottom))
        pieces.append(Glyph(box, strength_HW[top:bottom, left:right], is_cut=True))
    return pieces


def _find_seams(
    strength_HW: Map, narrowest: int, reach: int, most: int
) -> list[npt.NDArray[np.int64]]:
    """Paths from top to bottom through little ink, a column for each row, from the left.

    Each is the cheapest within `reach` of one of evenly spaced columns. The cheapest are taken, at
    most `most`, no two closer than `narrowest`. All in pixels.
    """
    small_HW, scale = _shrink(strength_HW)
    rows, columns = small_HW.shape
    least, reach = max(2, round(narrowest * scale)), max(2, round(reach * scale))
    centres_C = np.arange(least, columns - least + 1, max(1, least // 2))
    if not len(centres_C):
        return []
    paths_CH, cost_C = _find_paths(small_HW, centres_C, reach)
    kept: list[int] = []
    for i in np.argsort(cost_C, kind="stable"):
        if len(kept) == most or cost_C[i] > MOST_INK_CUT * rows:
            break
        middle = paths_CH[i].mean()
        is_inside = least <= middle <= columns - least
        if is_inside and all(abs(paths_CH[k].mean() - middle) >= least for k in kept):
            kept.append(int(i))
    kept.sort(key=lambda i: float(paths_CH[i].mean()))
    return _enlarge(paths_CH[kept], len(strength_HW), scale)


def _shrink(strength_HW: Map) -> tuple[Map, float]:
    """A copy of SEAM_ROWS rows, if it has more, and its size as a share of the whole."""
    height, width = strength_HW.shape
    scale = min(1.0, SEAM_ROWS / height)
    if scale == 1:
        return strength_HW, scale
    size = (max(4, round(width * scale)), SEAM_ROWS)
    return cv2.resize(strength_HW, size, interpolation=cv2.INTER_AREA), scale


def _enlarge(
    paths_CH: npt.NDArray[np.int64], height: int, scale: float
) -> list[npt.NDArray[np.int64]]:
    """Paths on a copy as seams of the whole, which is so many pixels high."""
    rows = paths_CH.shape[1]
    at_rows = np.minimum(np.arange(height) * rows // height, rows - 1)
    return [np.rint(path_H[at_rows] / scale).astype(np.int64) for path_H in paths_CH]


def _find_paths(
    strength_HW: Map, centres_C: npt.NDArray[np.int64], reach: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """For each centre the path through least ink within `reach` of it, [C, H], and its cost."""
    rows, columns = strength_HW.shape
    # One band of columns for each centre: [rows, centres, columns of the band].
    offsets_B = np.arange(-reach, reach + 1)
    band_CB = centres_C[:, None] + offsets_B
    is_outside_CB = (band_CB < 1) | (band_CB > columns - 2)
    ink_HCB = strength_HW[:, np.clip(band_CB, 0, columns - 1)] + np.where(is_outside_CB, 9, 0.01)
    costs_CB, before_HCB = ink_HCB[0], np.zeros(ink_HCB.shape, np.int8)
    steps = np.array([0, -1, 1], np.int8)
    padded_CB = np.full((len(centres_C), len(offsets_B) + 2), np.inf)
    for row in range(1, rows):
        padded_CB[:, 1:-1] = costs_CB
        choices = np.stack([costs_CB, padded_CB[:, :-2] + SLANT, padded_CB[:, 2:] + SLANT])
        before_HCB[row] = steps[choices.argmin(axis=0)]
        costs_CB = choices.min(axis=0) + ink_HCB[row]
    at_C = costs_CB.argmin(axis=1)
    paths_CH = np.empty((len(centres_C), rows), np.int64)
    for row in range(rows - 1, -1, -1):
        paths_CH[:, row] = centres_C + offsets_B[at_C]
        at_C = at_C + before_HCB[row, np.arange(len(centres_C)), at_C]
    return paths_CH, costs_CB.min(axis=1)
