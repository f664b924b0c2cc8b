"""Digits in a row that touch, cut and joined as reading does it: pieces that are a digit or none.

In: MNIST's training images and a random generator. Out: a digit image of one run of pieces, and the
label of the digit that it is, or that it is none.

Array names carry their axes: H rows, W columns, N images.
"""

import math

import cv2
import numpy as np

from tenfold.reading.digit_image import DigitImage, normalise_digit
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.splitting import over_segment
from tenfold.synthetic.characters import NOT_DIGIT, Images, Labels, Map, draw_form, find_box
from tenfold.synthetic.strokes import Random

MAX_PIECES = 4
# A run is a digit if it has so much of its ink and little else; and none if it has so little of any
# digit, or so much of another. What lies between teaches nothing.
LEAST_OF_DIGIT, LEAST_PURE = 0.88, 0.88
MOST_OF_NONE, MOST_PURE_OF_NONE = 0.6, 0.7


def build_row_piece(
    images_NHW: Images, labels_N: Labels, random: Random
) -> tuple[DigitImage, int] | None:
    """One run of pieces as a digit image, uint8 [28, 28], and its label; None if it is unclear."""
    digits, labels = _draw_row(images_NHW, labels_N, random)
    if len(digits) < 2:
        return None
    whole_HW = np.max(digits, axis=0)
    soft_HW = cv2.GaussianBlur(whole_HW, (0, 0), random.uniform(0.3, 1.2))
    height, width = whole_HW.shape
    pieces = over_segment(Glyph((0, 0, width, height), soft_HW), height * random.uniform(0.85, 1.1))
    if len(pieces) < 2:
        return None
    runs = []
    for first in range(len(pieces)):
        for end in range(first + 1, min(first + MAX_PIECES, len(pieces)) + 1):
            run = merge(pieces[first:end])
            label = _label(run, digits, labels)
            if label is not None:
                runs.append((run, label))
    is_wanted = random.random() < 0.7
    chosen = [one for one in runs if (one[1] != NOT_DIGIT) == is_wanted] or runs
    if not chosen:
        return None
    run, label = chosen[int(random.integers(len(chosen)))]
    return normalise_digit(run.strength_HW), label


def _draw_row(images_NHW: Images, labels_N: Labels, random: Random) -> tuple[list[Map], list[int]]:
    """Two to four digits side by side, each on a sheet of its own of the same size."""
    tall = round(math.exp(random.uniform(math.log(22), math.log(60))))
    pieces, labels, starts, end = [], [], [], 0
    for _ in range(int(random.integers(2, 5))):
        form_HW, label = draw_form(images_NHW, labels_N, random)
        box = find_box(form_HW)
        if label == NOT_DIGIT or box is None:
            continue
        form_HW = form_HW[box[1] : box[3], box[0] : box[2]]
        scale = tall * random.uniform(0.8, 1.0) / form_HW.shape[0]
        size = (max(3, round(form_HW.shape[1] * scale)), max(3, round(form_HW.shape[0] * scale)))
        pieces.append(cv2.resize(form_HW, size, interpolation=cv2.INTER_AREA))
        labels.append(label)
        starts.append(max(0, end - round(tall * random.uniform(-0.02, 0.18))))
        end = starts[-1] + size[0]
    width = max(
        (start + piece.shape[1] for start, piece in zip(starts, pieces, strict=True)), default=0
    )
    digits = []
    for piece_HW, start in zip(pieces, starts, strict=True):
        sheet_HW = np.zeros((tall, width), np.float32)
        top = int(random.integers(tall - piece_HW.shape[0] + 1)) if piece_HW.shape[0] < tall else 0
        sheet_HW[top : top + piece_HW.shape[0], start : start + piece_HW.shape[1]] = piece_HW[:tall]
        digits.append(sheet_HW)
    return digits, labels


def _label(run: Glyph, digits: list[Map], labels: list[int]) -> int | None:
    """Which digit a run of pieces is, NOT_DIGIT, or None if that is unclear."""
    left, top, right, bottom = run.box
    is_run_HW = run.strength_HW > 0.3
    total = max(1, int(is_run_HW.sum()))
    shares = []
    for digit_HW in digits:
        is_ink_HW = digit_HW > 0.3
        both = int((is_run_HW & is_ink_HW[top:bottom, left:right]).sum())
        shares.append((both / max(1, int(is_ink_HW.sum())), both / total))
    best = int(np.argmax([of_digit * pure for of_digit, pure in shares]))
    of_digit, pure = shares[best]
    if of_digit >= LEAST_OF_DIGIT and pure >= LEAST_PURE:
        return labels[best]
    if of_digit <= MOST_OF_NONE or pure <= MOST_PURE_OF_NONE:
        return NOT_DIGIT
    return None
