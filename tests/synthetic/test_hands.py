"""Digits as one person writes them."""

import dataclasses

import numpy as np
import pytest

from tenfold.data.handwriting import find_new_writers, load_writers
from tenfold.synthetic.hands import SOURCES, Hand, Handwriting, load_handwriting

DIGIT_PX = 40


@pytest.fixture(scope="module")
def writing() -> Handwriting:
    return load_handwriting()


def build_hand(writing: Handwriting, source: str) -> Hand:
    hands = (Hand(writing, DIGIT_PX, np.random.default_rng(seed)) for seed in range(1000))
    return next(hand for hand in hands if hand.source == source)


def test_handwriting_for_training_has_no_image_by_a_new_writer(writing: Handwriting) -> None:
    others = load_handwriting(of_new_writers=True)
    assert (len(writing.images_NHW), len(others.images_NHW)) == (54_080, 5_920)
    assert not set(writing.writers_N) & set(others.writers_N)
    assert set(others.writers_N) == set(load_writers()[find_new_writers()])
    assert others.rows_by_writer


@pytest.mark.parametrize("source", SOURCES)
def test_every_hand_draws_every_digit(writing: Handwriting, source: str) -> None:
    hand = build_hand(writing, source)
    for digit in range(10):
        ink_HW = hand.draw_digit(digit, DIGIT_PX)
        assert ink_HW is not None
        assert ink_HW.dtype == np.float32
        assert ink_HW.min() >= 0
        assert 0.5 < ink_HW.max() < 1.001
        assert 0.8 * DIGIT_PX < max(ink_HW.shape) < 2.5 * DIGIT_PX


def test_a_hand_of_one_writer_draws_this_writer_s_digits_alone(writing: Handwriting) -> None:
    own = np.concatenate(build_hand(writing, "one writer").own_rows)
    [writer] = np.unique(writing.writers_N[own])
    is_own_N11 = (writing.writers_N == writer)[:, None, None]
    for kept_N11, is_drawn in ((is_own_N11, True), (~is_own_N11, False)):
        partly_blank = dataclasses.replace(writing, images_NHW=writing.images_NHW * kept_N11)
        hand = build_hand(partly_blank, "one writer")
        drawn = [hand.draw_digit(digit, DIGIT_PX) for digit in range(10) for _ in range(5)]
        assert {ink_HW is not None for ink_HW in drawn} == {is_drawn}


def test_large_digits_have_thinner_strokes(writing: Handwriting) -> None:
    def list_pens(*, is_large: bool) -> list[float]:
        rng = np.random.default_rng(0)
        return [Hand(writing, 100, rng, is_large=is_large).pen_px for _ in range(200)]

    assert np.median(list_pens(is_large=True)) < 0.6 * np.median(list_pens(is_large=False))


def test_joined_zeros_are_one_stroke(writing: Handwriting) -> None:
    hand = build_hand(writing, "strokes")
    ones, threes = (
        [hand.draw_joined_zeros(num, DIGIT_PX).shape[1] for _ in range(20)] for num in (1, 3)
    )
    assert 2 * np.mean(ones) < np.mean(threes) < 4 * np.mean(ones)
