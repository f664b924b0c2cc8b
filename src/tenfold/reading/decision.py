"""The decision: which candidates are rejected, and whether the rest may be relied on."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.reading.glyphs import Box, Glyph, PageComponents
from tenfold.reading.lattice import LOW_HEIGHT, Candidate
from tenfold.reading.model_file import Thresholds
from tenfold.reading.result import ReadDigit, Reading, ReadLine, ReadSign, Status
from tenfold.reading.settings import Settings
from tenfold.reading.text_line import TextLine

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
MIN_SURE_SIGNS = 0.7  # the least confidence of a line's signs; chosen on drawn lines
MAX_NAMED = 3  # doubtful digits that a message names
DEFAULTS = Settings()


@dataclass(frozen=True)
class _Judge:
    """Which candidates of an image are digits, and which of them can be relied on."""

    thresholds: Thresholds
    line_threshold: float
    tallest: int

    def is_sure(self, candidate: Candidate) -> bool:
        if candidate.line_confidence is not None:
            return candidate.line_confidence >= self.line_threshold
        return candidate.confidence >= max(
            self.thresholds.read, CONFIDENT_FRAGMENT * candidate.glyph.is_fragment
        )

    def are_signs_sure(self, line: TextLine) -> bool:
        line_confidence = line.digits[0].line_confidence
        digits = 1.0 if line_confidence is None else line_confidence
        sure = line.signs.confidence
        return sure >= MIN_SURE_SIGNS and digits * sure >= self.line_threshold

    def is_tall(self, candidate: Candidate) -> bool:
        return candidate.glyph.height > LOW_HEIGHT * self.tallest

    def is_rejected(self, candidate: Candidate) -> bool:
        if candidate.line_confidence:
            return False  # the line reader found it
        if not self.is_tall(candidate):  # a dot, a dash or a comma, unless it is clearly a digit
            return candidate.confidence < self.thresholds.read
        return candidate.reject_probability >= self.thresholds.not_digit


def decide(
    lines: list[TextLine],
    thresholds: Thresholds,
    line_threshold: float,
    settings: Settings = DEFAULTS,
) -> Reading:
    """Reject candidates that are not digits, and find the status of the others.

    `thresholds` are those of single glyphs. `line_threshold` is the least line confidence with
    which a line that was read as a whole may be relied on. What does not fit the expected pattern
    cannot be.
    """
    candidates = [candidate for line in lines for candidate in line.digits]
    if not candidates:
        return Reading(Status.BLANK, message=BLANK_MESSAGE)
    tallest = max(candidate.glyph.height for candidate in candidates)
    judge = _Judge(thresholds, line_threshold, tallest)
    tall = list(filter(judge.is_tall, candidates))
    num_rejected = sum(map(judge.is_rejected, tall))
    # Among digits, a tall glyph may be a digit although it does not look like one.
    is_among_digits = len(tall) - num_rejected >= max(2, MOSTLY_DIGITS * len(tall))

    def is_kept(candidate: Candidate) -> bool:
        return not judge.is_rejected(candidate) or (is_among_digits and judge.is_tall(candidate))

    kept = [line for line in (_keep(line, is_kept) for line in lines) if line.digits]
    if not kept or num_rejected > sum(len(line.digits) for line in kept):
        largest = max(
            candidates, key=lambda candidate: candidate.glyph.height * candidate.glyph.width
        )
        message = "the writing does not look like digits"
        return Reading(Status.NOT_DIGITS, (_build_digit(largest, 0, is_sure=False),), message)
    reading = _build_reading(kept, judge, has_pattern=settings.pattern is not None)
    if num_rejected and not is_among_digits:
        message = "some of the writing does not look like digits"
        return replace(reading, status=Status.UNCERTAIN, message=message)
    return _add_doubts(reading, kept, judge, settings)


def _build_reading(lines: Sequence[TextLine], judge: _Judge, *, has_pattern: bool) -> Reading:
    """The reading of lines, as if nothing were doubtful."""
    digits: list[ReadDigit] = []
    signs: list[ReadSign] = []
    for number, line in enumerate(lines):
        line_digits, line_signs = _build_line(line, number, judge, has_pattern=has_pattern)
        digits += line_digits
        signs += line_signs
    alternatives = tuple(line.alternatives for line in lines)
    return Reading(Status.READ, tuple(digits), signs=tuple(signs), line_alternatives=alternatives)


def _add_doubts(
    reading: Reading, lines: Sequence[TextLine], judge: _Judge, settings: Settings
) -> Reading:
    """The reading with its status, and the message that explains it."""
    doubts, notes = _compare_with_pattern(lines, reading, settings)
    are_doubtful = [not judge.are_signs_sure(line) for line in lines]
    for number, line in enumerate(lines, 1):
        place = f"line {number}: " if len(lines) > 1 else ""
        doubts += [place + doubt for doubt in line.doubts]
    # The doubts of a line explain why none of its digits is sure.
    explained = {number for number, line in enumerate(lines) if line.doubts}
    if not all(digit.is_sure for digit in reading.digits if digit.line not in explained):
        doubts.append(_explain_doubt(reading.digits, explained, judge.thresholds.read))
    elif any(are_doubtful) and not explained:
        doubts.append(_explain_signs(itertools.compress(reading.lines, are_doubtful)))
    status = Status.UNCERTAIN if doubts else Status.READ
    return replace(reading, status=status, message="; ".join(doubts + notes) or None)


def _keep(line: TextLine, is_kept: Callable[[Candidate], bool]) -> TextLine:
    """A line without the candidates that are rejected."""
    flags = list(map(is_kept, line.digits))
    found = tuple(
        replace(sign, num_digits_before=sum(flags[: sign.num_digits_before]))
        for sign in line.signs.found
    )
    digits = list(itertools.compress(line.digits, flags))
    return replace(line, digits=digits, signs=replace(line.signs, found=found))


def _build_line(
    line: TextLine, number: int, judge: _Judge, *, has_pattern: bool
) -> tuple[list[ReadDigit], list[ReadSign]]:
    """The digits and the signs of a line."""
    starts = _find_gaps(line, is_one_number=line.is_in_comb or (has_pattern and line.fits))
    order = _order(line)
    digits = [
        replace(
            _build_digit(candidate, number, is_sure=judge.is_sure(candidate) and not line.doubts),
            starts_number=starts[order.index((i, 1, 0))],
        )
        for i, candidate in enumerate(line.digits)
    ]
    signs = [
        ReadSign(
            sign.character,
            sign.confidence,
            sign.box,
            number,
            sign.num_digits_before,
            judge.are_signs_sure(line) and not line.doubts,
            starts[order.index((sign.num_digits_before, 0, i))],
        )
        for i, sign in enumerate(line.signs.found)
    ]
    return digits, signs


def _order(line: TextLine) -> list[tuple[int, int, int]]:
    """The places of digits, (i, 1, 0), and signs, (digits before, 0, i), from the left."""
    signs = [(sign.num_digits_before, 0, i) for i, sign in enumerate(line.signs.found)]
    return sorted(signs + [(i, 1, 0) for i in range(len(line.digits))])


def _find_gaps(line: TextLine, *, is_one_number: bool) -> list[bool]:
    """Whether each digit and sign has a gap before it that parts two numbers.

    In what should be one number, only a wide gap does.
    """
    heights = [candidate.glyph.height for candidate in line.digits]
    height = float(np.median(heights))
    boxes = [
        line.digits[first].glyph.box if is_digit else line.signs.found[i].box
        for first, is_digit, i in _order(line)
    ]
    gaps = [after[0] - before[2] for before, after in itertools.pairwise(boxes)]
    # Between boxes of a form all gaps are wide.
    usual = float(np.median(gaps)) if len(gaps) >= MIN_GAPS else None
    least = LONE_GAP * height
    if usual is not None:
        least = min(max(gap * height, factor * usual) for gap, factor in NUMBER_GAPS)
    if is_one_number:
        least = max(least, LONE_GAP * height)
    return [False, *(gap > least for gap in gaps)]


def _compare_with_pattern(
    lines: Sequence[TextLine], reading: Reading, settings: Settings
) -> tuple[list[str], list[str]]:
    """What does not fit the pattern, and what was read otherwise without it."""
    doubts: list[str] = []
    notes: list[str] = []
    if settings.pattern is None:
        return doubts, notes
    expected = f"the pattern {settings.pattern.text}"
    for line, read in zip(lines, reading.lines, strict=True):
        if not line.fits or not settings.accepts(read.text):
            doubts.append(f"{read.text} does not fit {expected}")
        elif " " in read.text:
            doubts.append(f"{read.text} might be several numbers")
        elif line.free_text is not None:
            notes.append(f"without {expected} it was read as {line.free_text}")
    return doubts, notes


def _explain_signs(lines: Iterable[ReadLine]) -> str:
    """Which signs of doubtful lines are doubtful, by what else the text may be."""
    parts = []
    for line in lines:
        text = line.text.replace(" ", "")
        others = [other for other, _ in line.alternatives if other != text]
        digits = re.sub(r"\D", "", text)
        same = [other for other in others if re.sub(r"\D", "", other) == digits]
        if same:
            parts.append(f"{text} might be {same[0]}")
    return "; ".join(parts) or "signs are doubtful"


def has_ignored_marks(
    page: PageComponents, glyphs: Sequence[Glyph], read: Sequence[ReadDigit | ReadSign | Glyph]
) -> bool:
    """Whether a sign, a dot or a dash is part of nothing that was read. Noise does not count.

    Every glyph of a text line counts. Components too small for a glyph count where punctuation may
    be: beside a digit, on the line or below.
    """
    left, top, right, bottom = np.array([one.box for one in read]).T

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
    dots: list[Box] = list(map(tuple, page.punctuation.tolist()))
    return any(is_beside_digit(box) and is_ignored(box) for box in dots)


def _explain_doubt(digits: Sequence[ReadDigit], explained: Set[int], threshold: float) -> str:
    """Which digits are doubtful and what else they might be, or only how many if they are many.

    Not those of lines whose doubts are explained otherwise.
    """
    doubtful = [digit for digit in digits if not digit.is_sure and digit.line not in explained]
    named = []
    for _, group in itertools.groupby(doubtful, key=lambda digit: digit.line):
        # Name the digits that make a line doubtful, or all of it.
        line = list(group)
        named += [digit for digit in line if digit.confidence < threshold] or line
    if len(named) > MAX_NAMED and len(digits) > 1:
        return f"{len(doubtful)} of {len(digits)} digits are doubtful"
    parts, unlike_digits = [], []
    for doubted in named:
        second = sorted(range(NUM_CLASSES), key=lambda digit: -doubted.probabilities[digit])[1]
        is_digit = doubted.probabilities[second] >= 1 - sum(doubted.probabilities)
        number = [digit for digit in digits if digit.line == doubted.line].index(doubted) + 1
        place = f" (digit {number})" if len(digits) > 1 else ""
        if digits[-1].line > 0:
            place = f" (line {doubted.line + 1}, digit {number})"
        name = f"the {doubted.digit}{place}"
        if is_digit:
            parts.append(f"{name} might be {'an' if second == 8 else 'a'} {second}")
        else:
            unlike_digits.append(name)
    if unlike_digits:
        *others, last = unlike_digits
        names = f"{', '.join(others)} and {last}" if others else last
        parts.append(f"{names} might not be {'digits' if others else 'a digit'}")
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
