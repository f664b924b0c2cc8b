"""Rows of digits that touch, and what cutting them gives."""

import numpy as np
import pytest

from tenfold.data.mnist import LabelledImages, load_part
from tenfold.reading.digit_image import DigitImage
from tenfold.synthetic.characters import NOT_DIGIT
from tenfold.synthetic.touching import build_row_piece


@pytest.fixture(scope="module")
def pieces(training: LabelledImages) -> list[tuple[DigitImage, int]]:
    built = [
        build_row_piece(training.images_NHW, training.labels_N, np.random.default_rng(seed))
        for seed in range(150)
    ]
    return [piece for piece in built if piece is not None]


@pytest.fixture(scope="module")
def training() -> LabelledImages:
    return load_part(None, "train")


def test_most_rows_give_a_piece(pieces: list[tuple[DigitImage, int]]) -> None:
    assert len(pieces) > 100


def test_pieces_are_digits_and_none(pieces: list[tuple[DigitImage, int]]) -> None:
    labels = [label for _, label in pieces]
    assert set(labels) <= set(range(11))
    assert len(set(labels)) > 8
    assert 0.2 < labels.count(NOT_DIGIT) / len(labels) < 0.8


def test_a_piece_is_framed(pieces: list[tuple[DigitImage, int]]) -> None:
    for image, _ in pieces:
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        assert 15 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20


def test_the_same_draws_give_the_same_piece(training: LabelledImages) -> None:
    for seed in (3, 4, 5):
        first, second = (
            build_row_piece(training.images_NHW, training.labels_N, np.random.default_rng(seed))
            for _ in range(2)
        )
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            assert np.array_equal(first[0], second[0])
            assert first[1] == second[1]
