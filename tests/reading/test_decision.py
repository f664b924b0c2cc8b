"""A decision's message names the doubtful digits."""

import numpy as np
import pytest

from tenfold.reading.decision import decide
from tenfold.reading.glyphs import Glyph
from tenfold.reading.lattice import Candidate
from tenfold.reading.model_file import Thresholds
from tenfold.reading.result import Status

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
    reading = decide(lines, Thresholds(read=0.9, not_digit=0.9), LINE_THRESHOLD)
    assert (reading.status, reading.message) == (Status.UNCERTAIN, message)
