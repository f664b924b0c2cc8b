"""The decision: which candidates are rejected, and whether the rest may be relied on."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.reading.glyphs import Box, Glyph, PageComponents
from tenfold.reading.lattice import LOW_HEIGHT, Candidate
from tenfold.reading.model_file import Thresholds
from tenfold.reading.result import ReadDigit, Reading, Status

BLANK_MESSAGE = "nothing stands out from the paper"
IGNORED_MESSAGE = "marks that are not digits were ignored"
# Chosen by eye on photos, symbols and fonts; the networks' own thresholds are calibrated.
CONFIDENT_FRAGMENT = 0.98  # a fragment of a larger glyph must be this confident to be read
MOSTLY_DIGITS = 0.6  # share of tall glyphs that are digits, for the others to be doubtful digits
MAX_DOT_DISTANCE = 0.4  # of a digit's height: punctuation is this close to a digit
# A gap parts two numbers if it is wider than a share of the digits' height and, where there are
# enough gaps, so many times as wide as the usual one.
NUMBER_GAPS, MIN_GAPS = ((0.9, 2.0), (0.55, 4.0)), 3
LONE_GAP = 1.5  # of the digits' height, where there are fewer
MAX_NAMED = 3  # doubtful digits that a message names


def decide(lines: list[list[Candidate]], thresholds: Thresholds, line_threshold: float) -> Reading:
    """Reject candidates that are not digits, and find the status of the others.

    `thresholds` are those of single glyphs. `line_threshold` is the least line confidence with
    which a line that was read as a whole may be relied on.
    """
    candidates = [candidate for line in lines for candidate in line]
    if not candidates:
        return Reading(Status.BLANK, message=BLANK_MESSAGE)
    tallest = max(candidate.glyph.height for candidate in candidates)

    def is_sure(candidate: Candidate) -> bool:
        if candidate.line_confidence is not None:
            return candidate.line_confidence >= line_threshold
        return candidate.confidence >= max(
            thresholds.read, CONFIDENT_FRAGMENT * candidate.glyph.is_fragment
        )

    def is_tall(candidate: Candidate) -> bool:
        return candidate.glyph.height > LOW_HEIGHT * tallest

    def is_rejected(candidate: Candidate) -> bool:
        if candidate.line_confidence:
            return False  # the line reader found it
        if not is_tall(candidate):  # a dot, a dash or a comma, unless it is clearly a digit
            return candidate.confidence < thresholds.read
        return candidate.reject_probability >= thresholds.not_digit

    tall = [candidate for candidate in candidates if is_tall(candidate)]
    num_rejected = sum(map(is_rejected, tall))
    # Among digits, a tall glyph may be a digit although it does not look like one.
    is_among_digits = len(tall) - num_rejected >= max(2, MOSTLY_DIGITS * len(tall))
    kept = [
        [
            candidate
            for candidate in line
            if not is_rejected(candidate) or (is_among_digits and is_tall(candidate))
        ]
        for line in lines
    ]
    digits = tuple(
        replace(
            _build_digit(candidate, number, is_sure=is_sure(candidate)), starts_number=starts_number
        )
        for number, line in enumerate(filter(None, kept))
        for candidate, starts_number in zip(line, _find_gaps(line), strict=True)
    )
    if not digits or num_rejected > len(digits):
        largest = max(
            candidates, key=lambda candidate: candidate.glyph.height * candidate.glyph.width
        )
        message = "the writing does not look like digits"
        return Reading(Status.NOT_DIGITS, (_build_digit(largest, 0, is_sure=False),), message)
    if num_rejected and not is_among_digits:
        return Reading(Status.UNCERTAIN, digits, "some of the writing does not look like digits")
    if all(digit.is_sure for digit in digits):
        return Reading(Status.READ, digits)
    return Reading(Status.UNCERTAIN, digits, _explain_doubt(digits, thresholds.read))


def _find_gaps(line: Sequence[Candidate]) -> list[bool]:
    """Whether each digit of a text line has a gap before it that parts two numbers."""
    boxes = [candidate.glyph.box for candidate in line]
    height = float(np.median([bottom - top for _, top, _, bottom in boxes]))
    gaps = [after[0] - before[2] for before, after in itertools.pairwise(boxes)]
    # Between boxes of a form all gaps are wide.
    usual = float(np.median(gaps)) if len(gaps) >= MIN_GAPS else None
    least = LONE_GAP * height
    if usual is not None:
        least = min(max(gap * height, factor * usual) for gap, factor in NUMBER_GAPS)
    return [False, *(gap > least for gap in gaps)]


def has_ignored_marks(
    page: PageComponents, glyphs: Sequence[Glyph], digits: Sequence[ReadDigit]
) -> bool:
    """Whether a sign, a dot or a dash is part of no digit. Noise does not count.

    Every glyph of a text line counts. Components too small for a glyph count where punctuation may
    be: beside a digit, on the line or below.
    """
    left, top, right, bottom = np.array([digit.box for digit in digits]).T

    def is_ignored(box: Box) -> bool:
        widths = np.minimum(right, box[2]) - np.maximum(left, box[0])
        heights = np.minimum(bottom, box[3]) - np.maximum(top, box[1])
        shared = np.maximum(widths, 0) @ np.maximum(heights, 0)
        return bool(shared < 0.5 * (box[2] - box[0]) * (box[3] - box[1]))

    def is_beside_digit(box: Box) -> bool:
        gaps = np.maximum(left - box[2], box[0] - right)
        middle, reach = (box[1] + box[3]) / 2, MAX_DOT_DISTANCE * (bottom - top)
        return bool(((gaps < reach) & (top <= middle) & (middle <= bottom + reach)).any())

    if any(is_ignored(glyph.box) for glyph in glyphs):
        return True
    dots: list[Box] = list(map(tuple, page.find_punctuation().tolist()))
    return any(is_beside_digit(box) and is_ignored(box) for box in dots)


def _explain_doubt(digits: Sequence[ReadDigit], threshold: float) -> str:
    """Which digits are doubtful and what else they might be, or only how many if they are many."""
    doubtful = [digit for digit in digits if not digit.is_sure]
    named = []
    for _, group in itertools.groupby(doubtful, key=lambda digit: digit.line):
        # Name the digits that make a line doubtful, or all of it.
        line = list(group)
        named += [digit for digit in line if digit.confidence < threshold] or line
    if len(named) > MAX_NAMED and len(digits) > 1:
        return f"{len(doubtful)} of {len(digits)} digits are doubtful"
    parts = []
    for doubted in named:
        second = sorted(range(NUM_CLASSES), key=lambda digit: -doubted.probabilities[digit])[1]
        is_digit = doubted.probabilities[second] >= 1 - sum(doubted.probabilities)
        other = f"be {'an' if second == 8 else 'a'} {second}" if is_digit else "not be a digit"
        number = [digit for digit in digits if digit.line == doubted.line].index(doubted) + 1
        place = f" (digit {number})" if len(digits) > 1 else ""
        if digits[-1].line > 0:
            place = f" (line {doubted.line + 1}, digit {number})"
        parts.append(f"the {doubted.digit}{place} might {other}")
    return "; ".join(parts)


def _build_digit(candidate: Candidate, line: int, *, is_sure: bool) -> ReadDigit:
    probabilities = tuple(candidate.probabilities_K[:NUM_CLASSES].tolist())
    return ReadDigit(
        candidate.digit,
        candidate.confidence,
        candidate.glyph.box,
        probabilities,
        candidate.image,
        line,
        is_sure,
    )
