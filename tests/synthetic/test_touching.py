"""Fragments of rows of touching digits, and their labels."""

import numpy as np
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_image import DigitImage
from tenfold.synthetic.characters import NOT_DIGIT
from tenfold.synthetic.touching import build_fragment_image


def build(training: LabelledImages, seed: int) -> tuple[DigitImage, int] | None:
    rng = np.random.default_rng(seed)
    return build_fragment_image(training.images_NHW, training.labels_N, rng)


def test_most_rows_give_a_normalised_digit_or_distractor(training: LabelledImages) -> None:
    built = [fragment for seed in range(150) if (fragment := build(training, seed))]
    assert len(built) > 100
    labels = [label for _, label in built]
    assert set(labels) <= set(range(11))
    assert len(set(labels)) > 8
    assert 0.2 < labels.count(NOT_DIGIT) / len(labels) < 0.8
    for image, _ in built:
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        assert 15 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_the_same_seed_gives_the_same_fragment(seed: int, training: LabelledImages) -> None:
    first, again = build(training, seed), build(training, seed)
    assert (first is None) == (again is None)
    if first is not None and again is not None:
        np.testing.assert_array_equal(first[0], again[0])
        assert first[1] == again[1]
