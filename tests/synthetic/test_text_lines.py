"""Synthetic lines of digits: reproducible, legible and varied."""

import numpy as np
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.reading.ctc import decode_greedy
from tenfold.reading.line_image import HEIGHT_PX
from tenfold.reading.line_reader import load_line_reader
from tenfold.recipes.configs import NO_LABEL
from tenfold.synthetic.text_lines import (
    MAX_DIGITS,
    POOL_HEIGHT_PX,
    WIDTH_PX,
    CharacterPool,
    build_line_image,
    draw_line,
)


@pytest.fixture(scope="module")
def pool(training: LabelledImages) -> CharacterPool:
    return CharacterPool(training.images_NHW[:2000], training.labels_N[:2000], 5, 400)


def test_a_pool_has_characters_of_every_digit_in_one_height(pool: CharacterPool) -> None:
    assert len(pool.characters) == 10
    assert sum(map(len, pool.characters)) >= 400
    for characters in pool.characters:
        assert len(characters) > 5
        assert all(one.shape[0] == POOL_HEIGHT_PX and one.max() > 200 for one in characters)


def test_a_pool_depends_on_its_seed_alone(training: LabelledImages) -> None:
    source = training.images_NHW[:200], training.labels_N[:200]
    first, again, other = (
        [
            one.tobytes()
            for of_digit in CharacterPool(*source, seed, 20).characters
            for one in of_digit
        ]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_line_images_are_filled_with_lines(pool: CharacterPool) -> None:
    shares, counts = [], []
    for index in range(40):
        image_HW, labels_L = build_line_image(pool, 0, index)
        assert image_HW.shape == (HEIGHT_PX, WIDTH_PX)
        assert image_HW.dtype == labels_L.dtype == np.uint8
        assert labels_L.shape == (MAX_DIGITS,)
        count = int((labels_L != NO_LABEL).sum())
        assert (labels_L[:count] < 10).all()
        assert (labels_L[count:] == NO_LABEL).all()
        shares.append(float((image_HW > 60).any(axis=0).mean()))
        counts.append(count)
    assert np.mean(shares) > 0.55
    assert 7 < np.mean(counts) < 14


def test_a_line_image_depends_on_seed_and_index_alone(pool: CharacterPool) -> None:
    first, again = build_line_image(pool, 3, 8), build_line_image(pool, 3, 8)
    assert all(map(np.array_equal, first, again))
    for other in (build_line_image(pool, 3, 9), build_line_image(pool, 4, 8)):
        assert not np.array_equal(first[0], other[0])


def test_lines_vary_in_length_and_digits(pool: CharacterPool) -> None:
    rng = np.random.default_rng(0)
    lines = [one for one in (draw_line(pool, rng) for _ in range(200)) if one is not None]
    assert len(lines) > 195
    assert {len(digits) for _, digits in lines} == {1, 2, 3, 4, 5, 6, 7, 8}
    assert {digit for _, digits in lines for digit in digits} == set(range(10))
    # Amounts end in zeros.
    assert np.mean([digits[-3:] == [0, 0, 0] for _, digits in lines]) > 0.1


def test_the_bundled_line_reader_reads_most_lines(pool: CharacterPool) -> None:
    reader, rng = load_line_reader(), np.random.default_rng(1)
    lines = [one for one in (draw_line(pool, rng) for _ in range(100)) if one is not None]
    read = [[span.digit for span in decode_greedy(reader.read(strip_HW))] for strip_HW, _ in lines]
    assert sum(one == digits for one, (_, digits) in zip(read, lines, strict=True)) >= 70
