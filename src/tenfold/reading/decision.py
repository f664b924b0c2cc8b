"""Candidates to a reading: what is left out, what counts, and what it is worth.

In: what both networks say of an image's glyphs, line by line. Out: the reading.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.reading.glyphs import Box, Glyph, Scene
from tenfold.reading.lattice import (
    LOW,
    Candidate,
)
from tenfold.reading.model_file import Thresholds
from tenfold.reading.result import ReadDigit, Reading, Status

CUT_SURE = 0.98  # what is cut out of a larger mark is read only if it is so clear
MOSTLY = 0.6  # of the tall marks are digits where the others may be digits too
NOTHING = "nothing stands out from the paper"
BESIDE = 0.4  # of a digit's height: how far from it a dot may be
MOST_NAMED = 3  # doubtful digits, in a message
OTHERS = "marks that are no digits were left out"


def judge(lines: list[list[Candidate]], thresholds: Thresholds, sure_line: float) -> Reading:
    """Leave out what is no digit, and say what the rest is worth.

    `thresholds` are those of single glyphs; `sure_line` is from which certainty on a line that was
    read as a whole may be relied on.
    """
    everything = [one for line in lines for one in line]
    if not everything:
        return Reading(Status.BLANK, message=NOTHING)
    tallest = max(one.glyph.height for one in everything)

    def is_sure(one: Candidate) -> bool:
        if one.certainty is not None:
            return one.certainty >= sure_line
        return one.confidence >= max(thresholds.read, CUT_SURE * one.glyph.is_cut)

    def is_tall(one: Candidate) -> bool:
        return one.glyph.height > LOW * tallest

    def is_strange(one: Candidate) -> bool:
        if one.certainty is not None and is_sure(one):
            return False  # all of its line is right
        if not is_tall(one):  # a dot, a dash, a comma: or a clear digit
            return one.confidence < thresholds.read
        return one.strangeness >= thresholds.not_digit

    tall = [one for one in everything if is_tall(one)]
    num_strange = sum(map(is_strange, tall))
    # Among digits, what is as tall as they are and looks like none may be one all the same.
    is_among_digits = len(tall) - num_strange >= max(2, MOSTLY * len(tall))
    kept = [
        [one for one in line if not is_strange(one) or (is_among_digits and is_tall(one))]
        for line in lines
    ]
    digits = [
        _describe(one, number, is_sure=is_sure(one))
        for number, line in enumerate(filter(None, kept))
        for one in line
    ]
    if not digits or num_strange > len(digits):
        largest = max(everything, key=lambda one: one.glyph.height * one.glyph.width)
        message = "what is written does not look like digits"
        return Reading(Status.NOT_DIGITS, (_describe(largest, 0, is_sure=False),), message)
    if num_strange and not is_among_digits:
        message = "some of what is written does not look like digits"
        return Reading(Status.UNCERTAIN, tuple(digits), message)
    doubtful = [digit for digit in digits if not digit.is_sure]
    if doubtful:
        named = []
        for _, group in itertools.groupby(doubtful, key=lambda digit: digit.line):
            # Of a line, those that make it doubtful, if it is not just all of it.
            of_line = list(group)
            named += [one for one in of_line if one.confidence < thresholds.read] or of_line
        message = f"{len(doubtful)} of {len(digits)} digits are doubtful"
        if len(named) <= MOST_NAMED or len(digits) == 1:
            message = _explain_doubt(digits, named)
        return Reading(Status.UNCERTAIN, tuple(digits), message)
    return Reading(Status.READ, tuple(digits))


def has_others(scene: Scene, pieces: Sequence[Glyph], digits: Sequence[ReadDigit]) -> bool:
    """Whether a sign, a dot or a dash is no part of a digit. Specks do not count.

    A piece of a line may be a part of a digit, or all of some digits that touch; what is smaller
    than pieces counts where a dot may be, beside a digit.
    """
    left, top, right, bottom = np.array([digit.box for digit in digits]).T

    def is_left_out(box: Box) -> bool:
        widths = np.minimum(right, box[2]) - np.maximum(left, box[0])
        heights = np.minimum(bottom, box[3]) - np.maximum(top, box[1])
        shared = np.maximum(widths, 0) @ np.maximum(heights, 0)
        return bool(shared < 0.5 * (box[2] - box[0]) * (box[3] - box[1]))

    def is_beside(box: Box) -> bool:
        gaps = np.maximum(left - box[2], box[0] - right)
        middle, reach = (box[1] + box[3]) / 2, BESIDE * (bottom - top)
        return bool(((gaps < reach) & (top <= middle) & (middle <= bottom + reach)).any())

    if any(is_left_out(piece.box) for piece in pieces):
        return True
    touches: list[Box] = list(map(tuple, scene.find_touches().tolist()))
    return any(is_beside(box) and is_left_out(box) for box in touches)


def _explain_doubt(digits: list[ReadDigit], doubtful: list[ReadDigit]) -> str:
    """Which digits are doubtful and what else they might be."""
    has_lines = digits[-1].line > 0
    parts = []
    for one in doubtful:
        second = sorted(range(10), key=lambda digit: -one.probabilities[digit])[1]
        none = 1 - sum(one.probabilities)
        other = f"a {second}" if one.probabilities[second] >= none else "no digit"
        number = [digit for digit in digits if digit.line == one.line].index(one) + 1
        place = f" (digit {number})" if len(digits) > 1 else ""
        if has_lines:
            place = f" (line {one.line + 1}, digit {number})"
        parts.append(f"the {one.digit}{place} might be {other}")
    return "; ".join(parts)


def _describe(one: Candidate, line: int, *, is_sure: bool) -> ReadDigit:
    probabilities = tuple(one.probabilities_K[:NUM_CLASSES].tolist())
    return ReadDigit(
        one.digit, one.confidence, one.glyph.box, probabilities, one.image, line, is_sure
    )
