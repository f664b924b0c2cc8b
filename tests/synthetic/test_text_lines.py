"""Drawn lines of digits: the same for the same seed, legible, and varied."""

import numpy as np
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.reading.ctc import decode_greedy
from tenfold.reading.line_image import HEIGHT_PX
from tenfold.reading.line_reader import load_line_reader
from tenfold.recipes.configs import NO_LABEL
from tenfold.synthetic.text_lines import (
    MOST_DIGITS,
    TALL_PX,
    WIDTH_PX,
    Bank,
    build_strip,
    draw_line,
)


@pytest.fixture(scope="module")
def bank(training: LabelledImages) -> Bank:
    return Bank(training.images_NHW[:2000], training.labels_N[:2000], 5, 400)


def test_a_bank_has_forms_of_every_digit_and_one_height(bank: Bank) -> None:
    assert len(bank.forms) == 10
    assert sum(map(len, bank.forms)) >= 400
    for forms in bank.forms:
        assert len(forms) > 5
        assert all(form.shape[0] == TALL_PX and form.max() > 200 for form in forms)


def test_a_bank_is_the_same_for_the_same_seed(training: LabelledImages) -> None:
    source = training.images_NHW[:200], training.labels_N[:200]
    one, same, other = (Bank(*source, seed, 20).forms for seed in (1, 1, 2))
    for forms, others in zip(one, same, strict=True):
        assert len(forms) == len(others)
        assert all(map(np.array_equal, forms, others))
    assert [len(forms) for forms in one] != [len(forms) for forms in other] or not all(
        map(np.array_equal, one[0], other[0])
    )


def test_strips_are_full_of_lines(bank: Bank) -> None:
    shares, counts = [], []
    for index in range(40):
        strip_HW, labels_L = build_strip(bank, 0, index)
        assert strip_HW.shape == (HEIGHT_PX, WIDTH_PX)
        assert strip_HW.dtype == labels_L.dtype == np.uint8
        assert labels_L.shape == (MOST_DIGITS,)
        count = int((labels_L != NO_LABEL).sum())
        assert (labels_L[:count] < 10).all()
        assert (labels_L[count:] == NO_LABEL).all()
        shares.append(float((strip_HW > 60).any(axis=0).mean()))
        counts.append(count)
    assert np.mean(shares) > 0.55
    assert 7 < np.mean(counts) < 14


def test_a_strip_depends_on_seed_and_index_alone(bank: Bank) -> None:
    first, again = build_strip(bank, 3, 8), build_strip(bank, 3, 8)
    assert all(map(np.array_equal, first, again))
    for other in (build_strip(bank, 3, 9), build_strip(bank, 4, 8)):
        assert not np.array_equal(first[0], other[0])


def test_lines_are_short_and_long_and_of_all_digits(bank: Bank) -> None:
    random = np.random.default_rng(0)
    lines = [one for one in (draw_line(bank, random) for _ in range(200)) if one is not None]
    assert len(lines) > 195
    lengths = [len(digits) for _, digits in lines]
    assert {1, 2, 3, 4, 5, 6, 7, 8} == set(lengths)
    assert {digit for _, digits in lines for digit in digits} == set(range(10))
    # Amounts end in zeros.
    assert np.mean([digits[-3:] == [0, 0, 0] for _, digits in lines]) > 0.1


def test_most_lines_are_legible(bank: Bank) -> None:
    reader, random = load_line_reader(), np.random.default_rng(1)
    lines = [one for one in (draw_line(bank, random) for _ in range(100)) if one is not None]
    read = [[span.digit for span in decode_greedy(reader.read(strip_HW))] for strip_HW, _ in lines]
    assert sum(one == digits for one, (_, digits) in zip(read, lines, strict=True)) >= 70
