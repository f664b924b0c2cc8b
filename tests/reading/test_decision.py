"""What a decision says: which digits are doubtful, where numbers part, whether it is one digit."""

from dataclasses import replace

import numpy as np
import pytest

from tenfold.reading.decision import decide
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.lattice import Candidate
from tenfold.reading.model_file import Thresholds
from tenfold.reading.result import Status
from tenfold.reading.single_digit import is_likelier
from tenfold.reading.text_line import TextLine

LINE_THRESHOLD = 0.6


def build_line(
    confidences: list[float], *, top: int = 0, line_confidence: float | None = None
) -> list[Candidate]:
    line = []
    for place, confidence in enumerate(confidences):
        probabilities_K = np.full(11, (1 - confidence) / 10, np.float32)
        probabilities_K[7], probabilities_K[1] = confidence, 0.9 * (1 - confidence)
        box = (30 * place, top, 30 * place + 20, top + 30)
        glyph = Glyph(box, np.ones((30, 20), np.float32))
        image = np.zeros((28, 28), np.uint8)
        line.append(Candidate(glyph, image, probabilities_K, line_confidence=line_confidence))
    return line


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ([], "the 7 (digit 2) might be a 1"),
        # All digits of a line that is doubtful as a whole are named.
        (
            [0.99, 0.99],
            "the 7 (line 1, digit 2) might be a 1; the 7 (line 2, digit 1) might be a 1; "
            "the 7 (line 2, digit 2) might be a 1",
        ),
        ([0.99, 0.99, 0.99], "4 of 6 digits are doubtful"),
    ],
)
def test_doubtful_digits_are_named_line_by_line(second: list[float], message: str) -> None:
    lines = [build_line([0.99, 0.5, 0.99]), build_line(second, top=50, line_confidence=0.1)]
    reading = decide(
        list(map(TextLine, lines)), Thresholds(read=0.9, not_digit=0.9), LINE_THRESHOLD
    )
    assert (reading.status, reading.message) == (Status.UNCERTAIN, message)


@pytest.mark.parametrize(
    ("gaps", "text"),
    [
        ([3, 20, 3, 3], "77 777"),  # of digits 30 pixels high
        ([3, 12, 3, 3], "77777"),
        ([40, 40, 40, 40], "77777"),  # a box for each
        ([40, 42, 90, 40], "777 77"),
        ([-2, 18, -3, 0], "77 777"),
        ([50], "7 7"),
        ([40], "77"),
    ],
)
def test_a_gap_wider_than_between_digits_parts_numbers(gaps: list[int], text: str) -> None:
    line, left = [], 0
    for candidate, gap in zip(build_line([0.99] * (len(gaps) + 1)), [*gaps, 0], strict=True):
        glyph = replace(candidate.glyph, box=(left, 0, left + 20, 30))
        line.append(replace(candidate, glyph=glyph))
        left += 20 + gap
    assert (
        decide([TextLine(line)], Thresholds(read=0.9, not_digit=0.9), LINE_THRESHOLD).text == text
    )


def test_two_clear_digits_that_touch_are_not_one_that_is_less_clear() -> None:
    [*two] = build_line([0.99, 0.99])
    parts = [replace(one, glyph=replace(one.glyph, is_fragment=True)) for one in two]
    [single] = build_line([0.85])
    single = replace(single, glyph=merge([one.glyph for one in two]))
    assert not is_likelier(single, parts, parts, digit_height=30)
    assert is_likelier(build_line([0.99])[0], parts[:1], parts[:1], digit_height=30)
