"""Synthetic lines of digits: reproducible, legible and varied."""

import numpy as np
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.reading.ctc import decode_greedy
from tenfold.reading.line_image import HEIGHT_PX
from tenfold.reading.line_reader import load_line_reader
from tenfold.recipes.configs import NO_LABEL
from tenfold.synthetic.canvas import Images
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
        assert {ink_HW.shape[0] for ink_HW in characters} == {POOL_HEIGHT_PX}
        assert min(ink_HW.max() for ink_HW in characters) > 200


def test_a_pool_depends_on_its_seed_alone(training: LabelledImages) -> None:
    source = training.images_NHW[:200], training.labels_N[:200]
    pools = [CharacterPool(*source, seed, 20) for seed in (1, 1, 2)]
    first, again, other = (
        [ink_HW.tobytes() for characters in pool.characters for ink_HW in characters]
        for pool in pools
    )
    assert first == again != other


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


def draw_lines(pool: CharacterPool, count: int) -> list[tuple[Images, list[int]]]:
    rng = np.random.default_rng(0)
    return [line for line in (draw_line(pool, rng) for _ in range(count)) if line is not None]


def test_lines_vary_in_length_and_digits(pool: CharacterPool) -> None:
    lines = draw_lines(pool, 200)
    assert len(lines) > 195
    assert {len(digits) for _, digits in lines} == {1, 2, 3, 4, 5, 6, 7, 8}
    assert {digit for _, digits in lines for digit in digits} == set(range(10))
    # Amounts end in zeros.
    assert np.mean([digits[-3:] == [0, 0, 0] for _, digits in lines]) > 0.1


def test_the_bundled_line_reader_reads_most_lines(pool: CharacterPool) -> None:
    reader = load_line_reader()
    are_right = [
        [span.digit for span in decode_greedy(reader.read(line_HW))] == digits
        for line_HW, digits in draw_lines(pool, 100)
    ]
    assert sum(are_right) >= 70
