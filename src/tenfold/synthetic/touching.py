"""Rows of touching digits, over-segmented as reading does it: images of a digit or of no digit.

Array names carry their axes: H rows, W columns, N images.
"""

import math

import cv2
import numpy as np

from tenfold.reading.digit_image import DigitImage, normalise_digit
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.splitting import over_segment
from tenfold.synthetic.canvas import Images, InkMap, Labels, crop_to_ink, paste, shrink
from tenfold.synthetic.characters import NOT_DIGIT, draw_character
from tenfold.synthetic.strokes import Rng

MAX_PIECES = 4
# Adjacent fragments are a digit if they have most of its ink (recall) and little other ink
# (precision), and not a digit if either is low. What lies between is ambiguous and not used.
MIN_RECALL, MIN_PRECISION = 0.88, 0.88
NOT_DIGIT_RECALL, NOT_DIGIT_PRECISION = 0.6, 0.7
DIGIT_SHARE = 0.7  # of the images


def build_fragment_image(
    images_NHW: Images, labels_N: Labels, rng: Rng
) -> tuple[DigitImage, int] | None:
    """Adjacent fragments of a row as a digit image, uint8 [28, 28], with their label.

    None if the row has fewer than two digits or fragments, or if all labels are ambiguous.
    """
    digits, labels = _draw_row(images_NHW, labels_N, rng)
    if len(digits) < 2:
        return None
    whole_HW = np.max(digits, axis=0)
    soft_HW = cv2.GaussianBlur(whole_HW, (0, 0), rng.uniform(0.3, 1.2))
    height, width = whole_HW.shape
    pieces = over_segment(Glyph((0, 0, width, height), soft_HW), height * rng.uniform(0.85, 1.1))
    if len(pieces) < 2:
        return None
    labelled = []
    for first in range(len(pieces)):
        for end in range(first + 1, min(first + MAX_PIECES, len(pieces)) + 1):
            run = merge(pieces[first:end])
            label = _find_label(run, digits, labels)
            if label is not None:
                labelled.append((run, label))
    wants_digit = rng.random() < DIGIT_SHARE
    wanted = [(run, label) for run, label in labelled if (label != NOT_DIGIT) == wants_digit]
    candidates = wanted or labelled
    if not candidates:
        return None
    run, label = candidates[int(rng.integers(len(candidates)))]
    return normalise_digit(run.strength_HW), label


def _draw_row(images_NHW: Images, labels_N: Labels, rng: Rng) -> tuple[list[InkMap], list[int]]:
    """Two to four digits side by side, each on its own canvas of the row's size."""
    height = round(math.exp(rng.uniform(math.log(22), math.log(60))))
    placed: list[tuple[InkMap, int]] = []  # ink and where it starts
    labels, end = [], 0
    for _ in range(int(rng.integers(2, 5))):
        character_HW, label = draw_character(images_NHW, labels_N, rng)
        ink_HW = crop_to_ink(character_HW)
        if label == NOT_DIGIT or ink_HW is None:
            continue
        scale = height * rng.uniform(0.8, 1.0) / ink_HW.shape[0]
        ink_HW = shrink(ink_HW, ink_HW.shape[1] * scale, ink_HW.shape[0] * scale, min_px=3)
        start = max(0, end - round(height * rng.uniform(-0.02, 0.18)))
        end = start + ink_HW.shape[1]
        placed.append((ink_HW, start))
        labels.append(label)
    width = max((start + ink_HW.shape[1] for ink_HW, start in placed), default=0)
    digits = []
    for ink_HW, start in placed:
        canvas_HW = np.zeros((height, width), np.float32)
        top = int(rng.integers(height - ink_HW.shape[0] + 1)) if ink_HW.shape[0] < height else 0
        paste(canvas_HW, ink_HW, start, top)
        digits.append(canvas_HW)
    return digits, labels


def _find_label(run: Glyph, digits: list[InkMap], labels: list[int]) -> int | None:
    """The digit that adjacent fragments are, NOT_DIGIT, or None if ambiguous."""
    left, top, right, bottom = run.box
    is_run_HW = run.strength_HW > 0.3
    num_run = max(1, int(is_run_HW.sum()))
    scores = []
    for digit_HW in digits:
        is_ink_HW = digit_HW > 0.3
        num_both = int((is_run_HW & is_ink_HW[top:bottom, left:right]).sum())
        scores.append((num_both / max(1, int(is_ink_HW.sum())), num_both / num_run))
    best = int(np.argmax([recall * precision for recall, precision in scores]))
    recall, precision = scores[best]
    if recall >= MIN_RECALL and precision >= MIN_PRECISION:
        return labels[best]
    if recall <= NOT_DIGIT_RECALL or precision <= NOT_DIGIT_PRECISION:
        return NOT_DIGIT
    return None
