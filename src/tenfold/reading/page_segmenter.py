"""Page segmentation: which pixels show writing, and which ruled lines, frames and other marks.

Array names carry their axes: H rows, W columns, C colours, K classes.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.combs import find_combs
from tenfold.reading.ink import Map, Mask
from tenfold.reading.model_file import BUNDLED, Interface, ModelFile, load_model
from tenfold.reading.probabilities import softmax

BUNDLED_PAGE = BUNDLED / "page.onnx"
INPUT, OUTPUT = "pages", "logits"
LABELS = ("paper", "writing", "rules")  # as model files spell them
PAPER, TEXT, RULE = range(3)  # their indices
# The network sees a page at the size of its training images: with about this many pixels, and
# sides of a multiple of its coarsest step.
AREA_PX, MAX_SIDE_PX, STEP_PX = 70_000, 1024, 32
# Pages of smaller characters are seen larger, if the image has the pixels for it.
SMALL_PX, USUAL_PX = 12, 20  # usual height of marks in the map: that of small ones, and aimed at
MAX_FACTOR, MIN_SMALL = 2.5, 5  # at most so much larger; for at least so many marks
# A mark is a connected region of what is not paper.
MIN_MARK_PX = 3  # height in the map: a smaller mark is noise
MIN_SIDE_PX = 36  # of the longer side: a smaller image has no ruled lines
MIN_TEXT = 0.3  # probability of a pixel that may be ink
MIN_RULE = 0.3  # of one that may be part of a comb
MIN_CLEAR = 0.55  # mean of these probabilities where writing is clear
MAX_MARKS = 400  # whose parts are compared
# A mark is a digit, perhaps with a rule that it touches, if this share of its pixels is writing. It
# is writing as a whole if its sides are at most so many times those of the part that is.
MIN_TEXT_SHARE, MAX_OUTGROWTH = 0.35, 1.15
MAX_SHARE_OF_LONGER = 0.9  # or this share of the part's longer side: a digit may be narrow
# If less than this share of a mark is writing, parts of it count that have this share of the
# digits' height; others are ends of rules.
MIN_PART_SHARE, MIN_PART_HEIGHT = 0.12, 0.5
# Where no mark is writing: the least shorter side of a character, as a share of the image's; and
# the share of a side's pixels that makes it a side of a frame.
MIN_CHARACTER_SHARE, MIN_SIDE_FILL = 0.15, 0.7
# An upright stroke beside digits: its height over its width, the share of its height beside them,
# its height over theirs, if it may be a cut-off line and if not, and its width over their strokes'.
MIN_UPRIGHT, MIN_SHARED, MAX_HIGHER, MAX_FREE_HIGHER = 2.5, 0.7, 1.3, 1.6
MIN_THICKNESS = 0.8  # where it goes to an edge of the image


@dataclass(frozen=True)
class PageMap:
    """Probabilities of writing and of ruled lines at each pixel, float32 [H, W]."""

    text_HW: Map
    rules_HW: Map

    @property
    def is_clear(self) -> bool:
        """Whether what may be writing is told from paper with confidence."""
        is_text_HW = (self.text_HW > MIN_TEXT) & (self.text_HW > self.rules_HW)
        return not is_text_HW.any() or float(self.text_HW[is_text_HW].mean()) >= MIN_CLEAR

    def measure_marks(self) -> float:
        """The usual height of what may be writing, in pixels of the map; infinite for few marks."""
        is_text_HW = (self.text_HW > MIN_TEXT) & (self.text_HW > self.rules_HW)
        table_M5 = cv2.connectedComponentsWithStats(is_text_HW.view(np.uint8))[2]
        heights_M = table_M5[1:, 3][table_M5[1:, 3] >= MIN_MARK_PX]
        return float(np.median(heights_M)) if len(heights_M) >= MIN_SMALL else math.inf

    @cached_property
    def combs(self) -> Mask:
        """A mask of the combs and of rows of boxes."""
        is_text_HW = self.text_HW > self.rules_HW
        is_rule_HW = ~is_text_HW & (self.rules_HW > MIN_RULE)
        return find_combs(is_text_HW & (self.text_HW > MIN_TEXT), is_rule_HW)

    def find_combs(self, height: int, width: int) -> Mask:
        """A mask of the combs and of rows of boxes, for an image of that size."""
        if not self.combs.any():
            return np.zeros((height, width), np.uint8)
        enlarged_HW = cv2.dilate(self.combs, np.ones((3, 3), np.uint8))
        return cv2.resize(enlarged_HW, (width, height), interpolation=cv2.INTER_NEAREST)

    def find_text(self, height: int, width: int) -> Mask:
        """A mask of the writing, for an image of that size."""
        text_HW, rules_HW = self._unify_strokes()
        size = (width, height)
        text_HW = cv2.resize(text_HW, size, interpolation=cv2.INTER_LINEAR)
        rules_HW = cv2.resize(rules_HW, size, interpolation=cv2.INTER_LINEAR)
        return ((text_HW > MIN_TEXT) & (text_HW > rules_HW)).view(np.uint8)

    def _unify_strokes(self) -> tuple[Map, Map]:
        """Probabilities where each mark that must be writing as a whole, or none at all, is so.

        A mark is writing if it has parts of rules only within, as a ruled line or a frame that a
        digit touches reaches beyond it; if it is an upright stroke as high as the digits beside it;
        or if nothing else is and it has the shape of a character. Of a mark that is hardly writing,
        small parts are none. Combs are paper.
        """
        text_HW, rules_HW = self.text_HW.copy(), self.rules_HW.copy()
        is_comb_HW = self.combs > 0
        text_HW[is_comb_HW] = rules_HW[is_comb_HW] = 0.0
        is_text_HW = text_HW > rules_HW
        marks_HW = (text_HW + rules_HW > 0.5).view(np.uint8)
        _, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(marks_HW, connectivity=8)
        table_M5 = table_M5[: MAX_MARKS + 1]
        num_text_M = np.bincount(labels_HW[is_text_HW], minlength=len(table_M5))[: len(table_M5)]
        shares_M = num_text_M / np.maximum(table_M5[:, 4], 1)
        is_digit_M = shares_M >= MIN_TEXT_SHARE
        is_digit_M[0] = False  # the paper
        is_whole_M = _find_strokes(
            table_M5, is_digit_M, text_HW.shape, _measure_pen(is_text_HW & (marks_HW > 0))
        )
        if not is_digit_M.any():
            is_whole_M |= _find_character(table_M5, labels_HW)
        is_none_M = ~is_whole_M & (shares_M < MIN_PART_SHARE)
        is_none_M[0] = False
        digit_height = float(np.median(table_M5[is_digit_M, 3])) if is_digit_M.any() else np.inf
        for i in np.flatnonzero(is_whole_M | is_none_M | is_digit_M & (shares_M < 1)):
            left, top, width, height = table_M5[i, :4]
            box = slice(top, top + height), slice(left, left + width)
            mark_HW = labels_HW[box] == i
            if is_none_M[i]:
                _remove_small_parts(text_HW[box], mark_HW & is_text_HW[box], digit_height)
            elif is_whole_M[i] or _is_within(mark_HW & is_text_HW[box]):
                text_HW[box][mark_HW] = 1.0
                rules_HW[box][mark_HW] = 0.0
        text_HW[is_comb_HW] = 0.0
        return text_HW, rules_HW


def _is_within(part_HW: npt.NDArray[np.bool_]) -> bool:
    """Whether the writing of a mark reaches nearly as far as the mark, which is cropped to."""
    own = [np.ptp(np.flatnonzero(part_HW.any(axis))) + 1 for axis in (1, 0)]
    return all(
        size <= max(MAX_OUTGROWTH * part, MAX_SHARE_OF_LONGER * max(own)) + 2
        for size, part in zip(part_HW.shape, own, strict=True)
    )


def _remove_small_parts(
    text_HW: Map, is_text_HW: npt.NDArray[np.bool_], digit_height: float
) -> None:
    count, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(is_text_HW.view(np.uint8))
    for i in range(1, count):
        if table_M5[i, 3] < MIN_PART_HEIGHT * digit_height:
            text_HW[labels_HW == i] = 0.0


def _measure_pen(is_text_HW: npt.NDArray[np.bool_]) -> float:
    """The width of strokes: four times the mean distance of their pixels to the edge."""
    if not is_text_HW.any():
        return 0.0
    distances_HW = cv2.distanceTransform(is_text_HW.view(np.uint8), cv2.DIST_L2, 3)
    return 4 * (float(distances_HW[is_text_HW].mean()) - 0.5)  # to the next pixel beyond it


def _find_strokes(
    table_M5: npt.NDArray[np.int32],
    is_digit_M: npt.NDArray[np.bool_],
    size: tuple[int, ...],
    pen_px: float,
) -> npt.NDArray[np.bool_]:
    """Which marks are upright strokes about as high as the digits beside them.

    A comb or a row of cells has more lines than digits, and a cell's sides lie along the edges or
    are thinner than what is written.
    """
    left_M, top_M, width_M, height_M, area_M = table_M5.T
    is_upright_M = ~is_digit_M & (height_M >= MIN_UPRIGHT * width_M)
    is_upright_M[0] = False
    found_M = np.zeros(len(table_M5), bool)
    for i in np.flatnonzero(is_upright_M):
        end = top_M[i] + height_M[i]
        shared_M = np.minimum(top_M + height_M, end) - np.maximum(top_M, top_M[i])
        is_beside_M = shared_M >= MIN_SHARED * np.minimum(height_M, height_M[i])
        digits_M = is_beside_M & is_digit_M & (height_M >= width_M / 2)
        if 0 < np.sum(is_beside_M & is_upright_M) <= np.sum(digits_M):
            ratio = height_M[i] / np.median(height_M[digits_M])
            is_along_edge = left_M[i] <= 2 or left_M[i] + width_M[i] >= size[1] - 2
            is_cut_off = top_M[i] <= 0 or end >= size[0]
            is_thin = area_M[i] < MIN_THICKNESS * pen_px * height_M[i]
            may_be_line = is_along_edge or (is_cut_off and is_thin)
            most = MAX_HIGHER if may_be_line else MAX_FREE_HIGHER
            found_M[i] = 1 / MAX_HIGHER <= ratio <= most
    return found_M


def _find_character(
    table_M5: npt.NDArray[np.int32], labels_HW: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Of marks none of which is writing, the one that has the shape of a large character, if any.

    It is neither a line, nor a grid from edge to edge, nor a frame, which fills its box's sides.
    """
    height, width = labels_HW.shape
    found_M = np.zeros(len(table_M5), bool)
    sizes_M = table_M5[:, 2:4].min(axis=1)
    sizes_M[0] = 0
    i = int(sizes_M.argmax())
    left, top, across, down, _ = table_M5[i].tolist()
    if sizes_M[i] < MIN_CHARACTER_SHARE * min(width, height):
        return found_M
    mark_HW = labels_HW[top : top + down, left : left + across] == i
    reach = max(2, min(across, down) // 10)
    sides = (mark_HW[:reach], mark_HW[-reach:], mark_HW[:, :reach].T, mark_HW[:, -reach:].T)
    num_filled = sum(float(side.any(axis=0).mean()) > MIN_SIDE_FILL for side in sides)
    is_whole = across >= width - 4 and down >= height - 4
    found_M[i] = num_filled <= 2 and not is_whole
    return found_M


class PageSegmenter(ModelFile):
    """A loaded model of pages."""

    interface = Interface(
        INPUT, (None, None, None, 3), OUTPUT, 4, num_answers=(len(LABELS),), labels=LABELS
    )

    def segment(self, pixels: npt.NDArray[np.uint8]) -> PageMap:
        """The map of an image, uint8 [H, W, 3] or [H, W]."""
        height, width = pixels.shape[:2]
        scale = min(math.sqrt(AREA_PX / (height * width)), MAX_SIDE_PX / max(height, width))
        page_map = self.segment_at(pixels, scale)
        mark_px = page_map.measure_marks()
        if mark_px >= SMALL_PX or scale >= 1:
            return page_map
        return self.segment_at(pixels, scale * min(MAX_FACTOR, USUAL_PX / mark_px, 1 / scale))

    def segment_at(self, pixels: npt.NDArray[np.uint8], scale: float) -> PageMap:
        """The map of an image of another size: so many pixels of it for each of the image."""
        height, width = pixels.shape[:2]
        rows, columns = (
            max(1, round(side * scale / STEP_PX)) * STEP_PX for side in (height, width)
        )
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(pixels, (columns, rows), interpolation=how)
        if small.ndim == 2:
            small = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)
        logits_HWK = self.run(small[None])[0]
        probabilities_HWK = softmax(logits_HWK.reshape(-1, 3)).reshape(logits_HWK.shape)
        return PageMap(
            np.ascontiguousarray(probabilities_HWK[..., TEXT]),
            np.ascontiguousarray(probabilities_HWK[..., RULE]),
        )


def load_page_segmenter(path: Path | None = None, threads: int = 1) -> PageSegmenter:
    """Load a model of pages that `tools/train_reading.py` wrote, by default the bundled one.

    Raises ModelError if the file cannot be read or is not such a model.
    """
    return load_model(PageSegmenter, BUNDLED_PAGE if path is None else path, threads)
