"""Glyphs: the ink of one or more connected components, cropped to a box.

Geometry only groups components here. Whether two glyphs are one digit, or one glyph two digits,
is decided by a network later (lattice.py).

Array names carry their axes: H rows, W columns, M components.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.components import Components
from tenfold.reading.ink import Ink, Map, Mask
from tenfold.reading.page_segmenter import PageMap
from tenfold.reading.percentiles import find_weighted_median

Box = tuple[int, int, int, int]  # left, top, right, bottom
# Chosen by eye on photos and form cells, unless stated otherwise.
MIN_VISIBLE_PX = 4  # smaller components are illegible
MAX_LOW_HEIGHT = 0.45  # of the digits' height: dots, dashes and parts of other glyphs are lower
# Parts of a single glyph, relative to its main component:
MIN_PART_AREA = 0.03
MAX_PART_GAP = 0.25  # of the component's longer side
# A crop around a text line:
ONLY_LINE_SHARE = 0.5  # of the image's height: a line this high is the only one
LINE_MARGIN = 0.08  # of the line's height
# Punctuation is at least as large as a touch of the pen; anything smaller is noise.
MIN_DOT_AREA = 0.7  # of a square as wide as the strokes, on dots that pens of 6 to 14 pixels draw
MIN_DOT_SHARE = 0.003  # of the digits' height, squared
# A filled blob. No more than one in 500 of MNIST's test digits may be one.
BLOB_PX = 48  # longer side of the copy that is checked
MIN_BLOB_FILL, MAX_BLOB_FILL = 0.5, 0.93  # of its box; a filled rectangle is more
MIN_BLOB_SOLIDITY = 0.87  # of its convex hull
MAX_BLOB_ASPECT = 2.4


@dataclass(frozen=True)
class Glyph:
    """Ink in a box, float32 [H, W], without the ink of other glyphs in that box.

    `is_fragment` says that ink was cut at one of its sides. `writing_HW`, of a crop with all ink,
    is the ink that is not taken for printed lines.
    """

    box: Box
    strength_HW: Map
    is_fragment: bool = False
    writing_HW: Map | None = None

    @property
    def width(self) -> int:
        """In pixels of the image."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> int:
        """In pixels of the image."""
        return self.box[3] - self.box[1]


class PageComponents:
    """The ink and components of an image, with geometric features of each component.

    `page_map` says which parts are writing and which are lines, if the image is large enough.
    """

    def __init__(self, ink: Ink, components: Components, page_map: PageMap | None = None) -> None:
        self.ink, self.components, self.page_map = ink, components, page_map
        height, width = ink.strength_HW.shape
        left, top, right, bottom = components.boxes_M4.T
        self.widths_M, self.heights_M = right - left, bottom - top
        self.sizes_M = np.maximum(self.widths_M, self.heights_M)
        self.on_edge_M = (left <= 1) | (top <= 1) | (right >= width - 1) | (bottom >= height - 1)
        off_x, off_y = (left + right) / (2 * width) - 0.5, (top + bottom) / (2 * height) - 0.5
        scores_M = np.sqrt(components.areas_M) * self.sizes_M * np.exp(-2 * (off_x**2 + off_y**2))
        scores_M *= np.where(self.on_edge_M, 0.5, 1.0)
        # The main component is large, near the middle and not cut off by the image's edge.
        self.main = int(np.argmax(scores_M)) if len(components) else -1

    @cached_property
    def component_height(self) -> float:
        """An estimate of the digits' height: the area-weighted median of the components' heights.

        Components far lower than the main one do not count.
        """
        if len(self.components) == 1:
            return float(self.heights_M[0])
        is_likely_M = self.heights_M >= 0.35 * self.heights_M[self.main]
        areas = self.components.areas_M[is_likely_M]
        return find_weighted_median(self.heights_M[is_likely_M], areas)

    def extract(self, parts: Sequence[int]) -> Glyph:
        """Some components, by index, as one glyph."""
        left, top, right, bottom = find_box(self.components.boxes_M4[list(parts)].tolist())
        # Components end at the ink level; normalisation needs the soft edge of a stroke, too.
        rim = max(1, round(max(right - left, bottom - top) / 100))
        height, width = self.ink.strength_HW.shape
        left, top = max(0, left - rim), max(0, top - rim)
        right, bottom = min(width, right + rim), min(height, bottom + rim)
        labels_HW = self.components.labels_HW[top:bottom, left:right]
        if len(parts) == 1:
            is_part_HW = labels_HW == self.components.numbers_M[parts[0]]
        else:
            is_part_HW = np.isin(labels_HW, self.components.numbers_M[list(parts)])
        kernel = np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)
        mask_HW = cv2.dilate(is_part_HW.view(np.uint8), kernel)
        strength_HW = self.ink.strength_HW[top:bottom, left:right] * mask_HW
        return Glyph((left, top, right, bottom), strength_HW)

    def crop_around(self, glyphs: Sequence[Glyph]) -> Glyph:
        """All ink around a text line but for combs; of an image that hardly shows more, all."""
        height, width = self.ink.strength_HW.shape
        left, top, right, bottom = find_box([glyph.box for glyph in glyphs])
        if bottom - top >= ONLY_LINE_SHARE * height:
            left, top, right, bottom = 0, 0, width, height
        margin = round(LINE_MARGIN * (bottom - top))
        left, top = max(0, left - margin), max(0, top - margin)
        right, bottom = min(width, right + margin), min(height, bottom + margin)
        inside = slice(top, bottom), slice(left, right)
        return Glyph(
            (left, top, right, bottom),
            self._ink_without_combs[inside],
            writing_HW=self.ink.strength_HW[inside],
        )

    @cached_property
    def combs(self) -> Mask | None:
        """A mask of the combs in the image; None without any."""
        if self.page_map is None:
            return None
        combs_HW = self.page_map.find_combs(*self.ink.strength_HW.shape)
        return combs_HW if combs_HW.any() else None

    def is_in_comb(self, glyphs: Sequence[Glyph]) -> bool:
        """Whether there are parts of a comb around these glyphs."""
        left, top, right, bottom = find_box([glyph.box for glyph in glyphs])
        return self.combs is not None and bool(self.combs[top:bottom, left:right].any())

    @cached_property
    def _ink_without_combs(self) -> Map:
        if self.combs is None:
            return self.ink.unmasked_HW
        return np.where(self.combs, self.ink.strength_HW, self.ink.unmasked_HW)

    def find_main_glyph(self) -> Glyph | None:
        """The main component and its parts, as the one glyph of an image; None without components.

        A part is near the main component and large enough, and not cut off by the image's edge.
        """
        if self.main < 0:
            return None
        main, areas_M, boxes_M4 = self.main, self.components.areas_M, self.components.boxes_M4
        is_part_M = areas_M >= MIN_PART_AREA * areas_M[main]
        is_part_M &= ~(self.on_edge_M & (areas_M < 0.2 * areas_M[main]))
        is_part_M &= measure_gaps(boxes_M4, boxes_M4[main]) < MAX_PART_GAP * self.sizes_M[main]
        is_part_M[main] = True
        return self.extract(np.flatnonzero(is_part_M).tolist())

    @cached_property
    def punctuation(self) -> npt.NDArray[np.int64]:
        """Boxes [N, 4] of low components that are at least as large as a touch of the pen.

        Some, such as the dots of a fine pen, are too small to become glyphs of a text line.
        """
        boxes_M4, areas_M = self.components.boxes_M4, self.components.areas_M
        if len(self.components) < 2:
            return boxes_M4[:0]
        height = self.component_height
        is_dot_M = ~self.on_edge_M & (areas_M >= MIN_DOT_SHARE * height**2)
        is_dot_M &= (self.sizes_M >= MIN_VISIBLE_PX) & (self.sizes_M < MAX_LOW_HEIGHT * height)
        if is_dot_M.any():
            stroke = measure_stroke_width(self.extract([self.main]).strength_HW)
            is_dot_M &= areas_M >= MIN_DOT_AREA * stroke**2
        return boxes_M4[is_dot_M]


def is_filled_blob(glyph: Glyph) -> bool:
    """Whether a glyph is a filled blob: convex, without a hole, and not much longer than wide.

    A filled rectangle is not: a one that was stretched to a square looks like that.
    """
    strength_HW = glyph.strength_HW
    scale = BLOB_PX / max(strength_HW.shape)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in strength_HW.shape[::-1])
        strength_HW = cv2.resize(strength_HW, size, interpolation=cv2.INTER_AREA)
    mask_HW = (strength_HW > 0.5 * strength_HW.max(initial=0.0)).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(mask_HW)
    mask_HW = mask_HW[top : top + height, left : left + width]
    area = width * height
    if not MIN_BLOB_FILL * area < cv2.countNonZero(mask_HW) < MAX_BLOB_FILL * area:
        return False
    contours, _ = cv2.findContours(mask_HW, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(contours))
    outline_HW = cv2.fillConvexPoly(np.zeros_like(mask_HW), hull, 1)
    _, (width, height), _ = cv2.minAreaRect(hull)
    is_compact = max(width, height) + 1 < MAX_BLOB_ASPECT * (min(width, height) + 1)
    return bool(is_compact and mask_HW.sum() > MIN_BLOB_SOLIDITY * outline_HW.sum())


def measure_stroke_width(strength_HW: Map) -> float:
    """The mean stroke width in pixels: twice the area over the length of the outlines."""
    mask_HW = (strength_HW > 0.5 * strength_HW.max(initial=0.0)).astype(np.uint8)
    contours, _ = cv2.findContours(mask_HW, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    outline = sum(cv2.arcLength(contour, True) for contour in contours)
    return 2 * float(mask_HW.sum()) / max(1.0, outline)


def find_box(boxes: Sequence[Sequence[int]]) -> Box:
    """The bounding box of several boxes."""
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
    is_fragment = any(glyph.is_fragment for glyph in glyphs)
    return Glyph((left, top, right, bottom), strength_HW, is_fragment)


def measure_gaps(
    boxes_M4: npt.NDArray[np.int64], box: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The distance of each box from one box, [M], along the axis where it is larger.

    Below 0 where they overlap.
    """
    left, top, right, bottom = boxes_M4.T
    across_M = np.maximum(left - box[2], box[0] - right)
    down_M = np.maximum(top - box[3], box[1] - bottom)
    return np.maximum(across_M, down_M)
