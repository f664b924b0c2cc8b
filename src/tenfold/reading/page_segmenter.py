"""Page segmentation: which pixels show writing, and which ruled lines, frames and other marks.

Array names carry their axes: H rows, W columns, C colours, K classes.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.ink import Map, Mask
from tenfold.reading.model_file import BUNDLED, Interface, ModelFile, load_model
from tenfold.reading.probabilities import softmax

BUNDLED_PAGE = BUNDLED / "page.onnx"
INPUT, OUTPUT = "pages", "logits"
LABELS = ("paper", "writing", "rules")
PAPER, TEXT, RULE = range(3)
# The network sees a page at the size of its training images: with about this many pixels, and
# sides of a multiple of its coarsest step.
AREA_PX, MAX_SIDE_PX, STEP_PX = 70_000, 1024, 32
MIN_SIDE_PX = 36  # of the longer side: a smaller image is the crop of a digit
MIN_TEXT = 0.3  # probability of a pixel that may be ink
MAX_MARKS = 400  # of which parts are compared
MIN_TEXT_SHARE, MAX_OUTGROWTH = 0.35, 1.15  # of a mark that is all writing
# An upright stroke beside digits: its height over its width, the share of its height beside them,
# and its height over theirs, if it goes from edge to edge and if not.
MIN_UPRIGHT, MIN_SHARED, MAX_HIGHER, MAX_FREE_HIGHER = 2.5, 0.7, 1.3, 1.6
MAX_SHARE_OF_LONGER = 0.9  # as a digit is narrower than high


@dataclass(frozen=True)
class PageMap:
    """Probabilities of writing and of ruled lines at each pixel, float32 [H, W]."""

    text_HW: Map
    rules_HW: Map

    def find_text(self, height: int, width: int) -> Mask:
        """A mask of the writing, for an image of that size."""
        text_HW, rules_HW = self._unify_strokes()
        size = (width, height)
        text_HW = cv2.resize(text_HW, size, interpolation=cv2.INTER_LINEAR)
        rules_HW = cv2.resize(rules_HW, size, interpolation=cv2.INTER_LINEAR)
        return ((text_HW > MIN_TEXT) & (text_HW > rules_HW)).view(np.uint8)

    def _unify_strokes(self) -> tuple[Map, Map]:
        """Probabilities where each mark that must be writing as a whole is so.

        A mark is if it has parts of rules only within, as a ruled line or a frame that a digit
        touches reaches beyond it; and if it is an upright stroke as high as the digits beside it.
        """
        text_HW, rules_HW = self.text_HW.copy(), self.rules_HW.copy()
        is_text_HW = text_HW > rules_HW
        marks_HW = (text_HW + rules_HW > 0.5).view(np.uint8)
        _, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(marks_HW, connectivity=8)
        table_M5 = table_M5[: MAX_MARKS + 1]
        num_text_M = np.bincount(labels_HW[is_text_HW], minlength=len(table_M5))[: len(table_M5)]
        shares_M = num_text_M / np.maximum(table_M5[:, 4], 1)
        is_digit_M = shares_M >= MIN_TEXT_SHARE
        is_digit_M[0] = False  # the paper
        is_stroke_M = _find_strokes(table_M5, is_digit_M, len(text_HW))
        for i in np.flatnonzero(is_stroke_M | is_digit_M & (shares_M < 1)):
            left, top, width, height = table_M5[i, :4]
            box = slice(top, top + height), slice(left, left + width)
            mark_HW = labels_HW[box] == i
            if is_stroke_M[i] or _is_within(mark_HW & is_text_HW[box]):
                text_HW[box][mark_HW] = 1.0
                rules_HW[box][mark_HW] = 0.0
        return text_HW, rules_HW


def _is_within(part_HW: npt.NDArray[np.bool_]) -> bool:
    """Whether the writing of a mark reaches nearly as far as the mark, which is cropped to."""
    own = [np.ptp(np.flatnonzero(part_HW.any(axis))) + 1 for axis in (1, 0)]
    return all(
        size <= max(MAX_OUTGROWTH * part, MAX_SHARE_OF_LONGER * max(own)) + 2
        for size, part in zip(part_HW.shape, own, strict=True)
    )


def _find_strokes(
    table_M5: npt.NDArray[np.int32], is_digit_M: npt.NDArray[np.bool_], page_height: int
) -> npt.NDArray[np.bool_]:
    """Which marks are upright strokes about as high as the digits beside them.

    A comb or a row of cells has more lines than digits.
    """
    _, top_M, width_M, height_M, _ = table_M5.T
    is_upright_M = ~is_digit_M & (height_M >= MIN_UPRIGHT * width_M)
    is_upright_M[0] = False
    found_M = np.zeros(len(table_M5), bool)
    for i in np.flatnonzero(is_upright_M):
        shared_M = np.minimum(top_M + height_M, top_M[i] + height_M[i]) - np.maximum(
            top_M, top_M[i]
        )
        is_beside_M = shared_M >= MIN_SHARED * np.minimum(height_M, height_M[i])
        digits_M = is_beside_M & is_digit_M & (height_M >= width_M / 2)
        if 0 < np.sum(is_beside_M & is_upright_M) <= np.sum(digits_M):
            ratio = height_M[i] / np.median(height_M[digits_M])
            is_whole = top_M[i] <= 1 and top_M[i] + height_M[i] >= page_height - 1
            found_M[i] = 1 / MAX_HIGHER <= ratio <= (MAX_HIGHER if is_whole else MAX_FREE_HIGHER)
    return found_M


class PageSegmenter(ModelFile):
    """A loaded model of pages."""

    interface = Interface(
        INPUT, (None, None, None, 3), OUTPUT, 4, num_answers=(len(LABELS),), labels=LABELS
    )

    def segment(self, pixels: npt.NDArray[np.uint8]) -> PageMap | None:
        """The map of an image, uint8 [H, W, 3]; None if it is too small to have ruled lines."""
        height, width = pixels.shape[:2]
        if max(height, width) < MIN_SIDE_PX:
            return None
        scale = min(math.sqrt(AREA_PX / (height * width)), MAX_SIDE_PX / max(height, width))
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
    """Load a model of pages that `tenfold export` wrote, by default the bundled one.

    Raises ModelError if the file cannot be read or is not such a model.
    """
    return load_model(PageSegmenter, BUNDLED_PAGE if path is None else path, threads)
