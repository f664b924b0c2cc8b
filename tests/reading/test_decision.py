"""What a decision says: which digits are doubtful, where numbers part, whether it is one digit."""

from dataclasses import replace

import numpy as np
import pytest

from tenfold.reading.decision import decide
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.lattice import Candidate
from tenfold.reading.model_file import Thresholds
from tenfold.reading.result import Status
from tenfold.reading.settings import build_settings
from tenfold.reading.single_digit import are_clear_digits, is_likelier
from tenfold.reading.text_line import SignCandidate, Signs, TextLine

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
    line = space_digits(gaps)
    assert (
        decide([TextLine(line)], Thresholds(read=0.9, not_digit=0.9), LINE_THRESHOLD).text == text
    )


def test_only_a_wide_gap_parts_the_digits_in_a_comb() -> None:
    thresholds = Thresholds(read=0.9, not_digit=0.9)
    for gap, text in ((20, "77777"), (60, "77 777")):
        line = TextLine(space_digits([3, gap, 3, 3]), is_in_comb=True)
        assert decide([line], thresholds, LINE_THRESHOLD).text == text


@pytest.mark.parametrize(
    ("gaps", "text", "message"),
    [
        ([3, 3, 3, 36, 3], "777777", None),  # of digits 30 pixels high
        ([3, 3, 3, 60, 3], "7777 77", "7777 77 might be several numbers"),
        ([80, 80, 80, 80, 80], "777777", None),  # a box for each
    ],
)
def test_within_what_should_be_one_number_only_a_wide_gap_counts(
    gaps: list[int], text: str, message: str | None
) -> None:
    settings = build_settings(expect="#{6}")
    line = TextLine(space_digits(gaps))
    reading = decide([line], Thresholds(read=0.9, not_digit=0.9), LINE_THRESHOLD, settings)
    assert (reading.text, reading.message) == (text, message)
    assert reading.status == (Status.READ if message is None else Status.UNCERTAIN)


def space_digits(gaps: list[int]) -> list[Candidate]:
    line, left = [], 0
    for candidate, gap in zip(build_line([0.99] * (len(gaps) + 1)), [*gaps, 0], strict=True):
        glyph = replace(candidate.glyph, box=(left, 0, left + 20, 30))
        line.append(replace(candidate, glyph=glyph))
        left += 20 + gap
    return line


def test_two_clear_digits_that_touch_are_not_one_that_is_less_clear() -> None:
    [*two] = build_line([0.99, 0.99])
    parts = [replace(one, glyph=replace(one.glyph, is_fragment=True)) for one in two]
    [single] = build_line([0.85])
    single = replace(single, glyph=merge([one.glyph for one in two]))
    assert not is_likelier(single, parts, parts, digit_height=30)
    assert is_likelier(build_line([0.99])[0], parts[:1], parts[:1], digit_height=30)


THRESHOLDS = Thresholds(read=0.9, not_digit=0.9)


def build_text_line(confidence: float, *, top: int = 0, free_text: str | None = None) -> TextLine:
    """7.7, whose signs have this confidence."""
    point = SignCandidate(".", (22, top + 26, 26, top + 30), 1, 0.9)
    digits = build_line([0.99, 0.99], top=top, line_confidence=0.9)
    alternatives = (("7.7", 0.6), ("1.7", 0.2), ("7,7", 0.1))
    return TextLine(digits, Signs((point,), confidence), alternatives, free_text)


def test_the_signs_of_a_line_are_sure_together_with_its_digits() -> None:
    reading = decide([build_text_line(0.9)], THRESHOLDS, LINE_THRESHOLD)
    assert (reading.status, reading.text, reading.message) == (Status.READ, "7.7", None)
    assert str(reading.value) == "7.7"
    assert all(sign.is_sure for sign in reading.signs)


def test_signs_need_a_confidence_of_their_own() -> None:
    for confidence, status in ((0.8, Status.READ), (0.6, Status.UNCERTAIN)):
        reading = decide([build_text_line(confidence)], THRESHOLDS, line_threshold=0.2)
        assert reading.status == status


def test_of_doubtful_signs_only_those_of_their_line_are_named() -> None:
    lines = [build_text_line(0.9), build_text_line(0.3, top=50)]
    lines[0] = replace(lines[0], alternatives=(("7.7", 0.9), ("7-7", 0.1)))
    reading = decide(lines, THRESHOLDS, LINE_THRESHOLD)
    assert (reading.status, reading.text) == (Status.UNCERTAIN, "7.7\n7.7")
    assert reading.message == "7.7 might be 7,7"
    assert [sign.is_sure for sign in reading.signs] == [True, False]
    assert all(digit.is_sure for digit in reading.digits)
    nothing_else = replace(lines[1], alternatives=())
    reading = decide([nothing_else], THRESHOLDS, LINE_THRESHOLD)
    assert (reading.status, reading.message) == (Status.UNCERTAIN, "signs are doubtful")


def test_signs_keep_their_places_among_the_digits_that_are_kept() -> None:
    line = build_text_line(0.9)
    speck = build_line([0.2])[0]
    speck = replace(speck, glyph=Glyph((21, 0, 24, 4), np.ones((4, 3), np.float32)))
    [before, after] = line.digits
    [point] = line.signs.found
    signs = Signs((replace(point, num_digits_before=2),))
    reading = decide(
        [TextLine([before, speck, after], signs)], THRESHOLDS, line_threshold=LINE_THRESHOLD
    )
    assert reading.text == "7.7"
    assert reading.signs[0].num_digits_before == 1


@pytest.mark.parametrize(
    ("expect", "signs", "message"),
    [
        ("#.#", True, None),
        ("##", True, "7.7 does not fit the pattern ##"),
        ("##", False, None),
        ("#,#", True, "7.7 does not fit the pattern #,#"),
        ("#{3}", False, "77 does not fit the pattern #{3}"),
        ("#.#", False, None),  # the digits fit
    ],
)
def test_what_does_not_fit_the_pattern_is_uncertain(
    expect: str, signs: bool, message: str | None
) -> None:
    line = build_text_line(0.9)
    line = line if signs else replace(line, signs=Signs())
    settings = build_settings(expect=expect, signs=signs)
    reading = decide([line], THRESHOLDS, LINE_THRESHOLD, settings)
    assert reading.message == message
    assert reading.status == (Status.READ if message is None else Status.UNCERTAIN)


def test_a_reading_that_the_pattern_changed_says_what_it_was() -> None:
    settings = build_settings(expect="7.7")
    reading = decide([build_text_line(0.9, free_text="17")], THRESHOLDS, LINE_THRESHOLD, settings)
    expected = "without the pattern 7.7 it was read as 17"
    assert (reading.status, reading.message) == (Status.READ, expected)


def test_digits_that_might_be_none_are_named_together() -> None:
    def doubt(candidate: Candidate) -> Candidate:
        probabilities_K = np.full(11, 0.01, np.float32)
        probabilities_K[7], probabilities_K[10] = 0.6, 0.3
        return replace(candidate, probabilities_K=probabilities_K)

    first, second, third = build_line([0.99, 0.5, 0.99])
    line = TextLine([doubt(first), second, doubt(third)])
    assert decide([line], THRESHOLDS, LINE_THRESHOLD).message == (
        "the 7 (digit 2) might be a 1; the 7 (digit 1) and the 7 (digit 3) might not be digits"
    )


@pytest.mark.parametrize(
    ("confidence", "overlap", "are_clear"), [(0.95, 3, True), (0.95, 12, False), (0.8, 3, False)]
)
def test_clear_digits_may_overlap_a_little(
    confidence: float, overlap: int, are_clear: bool
) -> None:
    first, second = build_line([0.99, confidence])  # 20 pixels wide
    left = first.glyph.box[2] - overlap
    glyph = replace(second.glyph, box=(left, 0, left + 20, 30))
    assert are_clear_digits([first, replace(second, glyph=glyph)]) == are_clear
