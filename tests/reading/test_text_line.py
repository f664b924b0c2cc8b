"""Signs beside digits, found in made posteriors of a line reader."""

import numpy as np
import pytest

from reading.pages import Map
from tenfold.reading.automaton import CHARACTERS
from tenfold.reading.ctc import LogProbs
from tenfold.reading.glyphs import Glyph
from tenfold.reading.line_image import COLUMN_PX, SIDE_PX
from tenfold.reading.line_reader import LABELS
from tenfold.reading.pattern import parse_pattern
from tenfold.reading.text_line import (
    find_signs,
    leave_out_false_signs,
    list_alternatives,
    select_text_classes,
)

BLANK = len(CHARACTERS)
NUM_COLUMNS = 12
# A crop as high as the ink of a line image, so a column of the posterior has four of its own.
SIZE_HW = (36, COLUMN_PX * NUM_COLUMNS - 2 * SIDE_PX)


def build_posterior(columns: dict[int, dict[str, float]]) -> LogProbs:
    """Probabilities of characters by column; the rest is blank."""
    probs_TK = np.full((NUM_COLUMNS, BLANK + 1), 1e-6)
    for column, probs in columns.items():
        for character, probability in probs.items():
            probs_TK[column, CHARACTERS.index(character)] = probability
    probs_TK[:, BLANK] += 1 - probs_TK.sum(axis=1)
    return np.asarray(np.log(probs_TK))


def find_left(column: int) -> int:
    return COLUMN_PX * column - SIDE_PX


def draw(marks: dict[int, tuple[int, int, int]]) -> Map:
    """Boxes of ink by the column of their middle: width, top and bottom."""
    ink_HW = np.zeros(SIZE_HW, np.float32)
    for column, (width, top, bottom) in marks.items():
        left = find_left(column) + COLUMN_PX // 2 - width // 2
        ink_HW[top:bottom, left : left + width] = 1
    return ink_HW


def crop(ink_HW: Map, writing_HW: Map | None = None) -> Glyph:
    height, width = ink_HW.shape
    return Glyph((10, 20, 10 + width, 20 + height), ink_HW, writing_HW=writing_HW)


DIGIT, POINT, SPECK = (4, 0, 36), (4, 30, 34), (1, 33, 34)
INK_HW = draw({2: DIGIT, 5: POINT, 8: DIGIT})


def build_sign(probs: dict[str, float]) -> LogProbs:
    """Of 1 and 2, and what may be between them."""
    return build_posterior({2: {"1": 0.99}, 5: probs, 8: {"2": 0.99}})


def test_a_sign_between_digits_is_found_with_its_box() -> None:
    signs = find_signs(crop(INK_HW), build_sign({".": 0.98}), "12")
    [point] = signs.found
    assert (point.character, point.num_digits_before) == (".", 1)
    assert point.confidence == pytest.approx(0.98)
    left = 10 + find_left(5)
    assert point.box == (left, 50, left + 4, 54)
    assert signs.confidence == pytest.approx(0.98, abs=0.01)
    assert signs.fits


def test_a_sign_that_may_be_another_is_doubtful() -> None:
    posterior = build_sign({".": 0.6, ",": 0.39})
    signs = find_signs(crop(INK_HW), posterior, "12")
    assert [sign.character for sign in signs.found] == ["."]
    assert signs.confidence == pytest.approx(0.6, abs=0.01)
    assert [text for text, _ in list_alternatives(posterior)][:2] == ["1.2", "1,2"]


def test_signs_stand_beside_the_digits_that_were_chosen() -> None:
    """Although the line reader sees another digit there."""
    posterior = build_sign({".": 0.98})
    posterior[8, CHARACTERS.index("7")] = np.log(0.009)
    signs = find_signs(crop(INK_HW), posterior, "17")
    assert [(sign.character, sign.num_digits_before) for sign in signs.found] == [(".", 1)]


def test_without_likely_signs_there_are_none_and_no_doubt() -> None:
    posterior = build_posterior({2: {"1": 0.99}, 8: {"2": 0.99}})
    signs = find_signs(crop(INK_HW), posterior, "12")
    assert (signs.found, signs.confidence) == ((), 1.0)


def test_which_signs_are_at_the_end_does_not_count() -> None:
    posterior = build_posterior({2: {"1": 0.99}, 8: {".": 0.6, "-": 0.39}})
    signs = find_signs(crop(draw({2: DIGIT, 8: POINT})), posterior, "1")
    assert [(sign.character, sign.num_digits_before) for sign in signs.found] == [(".", 1)]
    assert signs.confidence == pytest.approx(1, abs=0.02)
    before = build_posterior({2: {"+": 0.6, "-": 0.39}, 8: {"1": 0.99}})
    signs = find_signs(crop(draw({2: POINT, 8: DIGIT})), before, "1")
    assert signs.confidence == pytest.approx(0.6, abs=0.02)


def test_a_pattern_chooses_among_signs_that_are_likely() -> None:
    posterior = build_sign({".": 0.6, ",": 0.39})
    signs = find_signs(crop(INK_HW), posterior, "12", parse_pattern("#,#").automaton)
    assert [sign.character for sign in signs.found] == [","]
    assert signs.confidence > 0.95  # given that it fits
    unlikely = find_signs(crop(INK_HW), posterior, "12", parse_pattern("#-#").automaton)
    assert not unlikely.fits
    assert [sign.character for sign in unlikely.found] == ["."]


@pytest.mark.parametrize(("point", "free_text"), [(0.9, "1.2"), (0.6, None)])
def test_a_pattern_that_leaves_out_a_clear_sign_is_doubted(
    point: float, free_text: str | None
) -> None:
    signs = find_signs(
        crop(draw({})), build_sign({".": point}), "12", parse_pattern("##").automaton
    )
    assert (signs.found, signs.fits, signs.free_text) == ((), True, free_text)


@pytest.mark.parametrize("is_writing", [True, False])
def test_a_tick_of_a_comb_is_no_slash(is_writing: bool) -> None:
    ink_HW = draw({2: DIGIT, 5: (3, 6, 36), 8: DIGIT})
    writing_HW = ink_HW if is_writing else draw({2: DIGIT, 8: DIGIT})
    line = crop(ink_HW, writing_HW)
    posterior = leave_out_false_signs(line, build_sign({"/": 0.98}))
    found = [sign.character for sign in find_signs(line, posterior, "12").found]
    assert found == ["/"] * is_writing
    assert list_alternatives(posterior)[0][0] == ("1/2" if is_writing else "12")
    np.testing.assert_allclose(np.exp(posterior).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("mark", "text"), [(POINT, "1.2"), (SPECK, "12")])
def test_a_speck_is_no_point(mark: tuple[int, int, int], text: str) -> None:
    line = crop(draw({2: DIGIT, 5: mark, 8: DIGIT}))
    posterior = leave_out_false_signs(line, build_sign({".": 0.9, ",": 0.05}))
    assert list_alternatives(posterior)[0][0] == text
    assert [sign.character for sign in find_signs(line, posterior, "12").found] == ["."] * (
        text == "1.2"
    )


def test_classes_that_are_part_of_no_text_count_as_blank() -> None:
    log_probs_TK = np.log(np.full((3, len(LABELS)), 1 / len(LABELS)))
    text_TK = select_text_classes(log_probs_TK)
    assert text_TK.shape == (3, BLANK + 1)
    np.testing.assert_allclose(np.exp(text_TK).sum(axis=1), 1)
    assert np.exp(text_TK[0, BLANK]) == pytest.approx((len(LABELS) - BLANK) / len(LABELS))
