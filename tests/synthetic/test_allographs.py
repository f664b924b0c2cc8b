"""Shapes of digits and of distractors: their size and their variety."""

import numpy as np
import pytest

from tenfold.synthetic.allographs import ALLOGRAPHS, draw_strokes
from tenfold.synthetic.distractors import DISTRACTORS, draw_distractor
from tenfold.synthetic.strokes import Stroke, StrokeFunction, warp

NUM_DRAWN = 60
SHAPES = [
    (digit, draw) for digit, shapes in enumerate(ALLOGRAPHS) for draw in dict.fromkeys(shapes)
]


def name(value: object) -> str:
    return getattr(value, "__name__", str(value))


def check_strokes(strokes: list[Stroke]) -> None:
    assert strokes
    for stroke in strokes:
        assert stroke.ndim == 2
        assert stroke.shape[1] == 2
        assert len(stroke) >= 2
        assert np.isfinite(stroke).all()


def are_equal(some: list[Stroke], others: list[Stroke]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


@pytest.mark.parametrize(("digit", "draw"), SHAPES, ids=name)
def test_a_digit_has_height_one_and_is_narrower(digit: int, draw: StrokeFunction) -> None:
    rng = np.random.default_rng(digit)
    sizes = []
    for _ in range(NUM_DRAWN):
        strokes = draw(rng)
        check_strokes(strokes)
        points = np.concatenate(strokes)
        assert points.min() > -0.5
        assert points.max() < 1.3
        sizes.append(np.ptp(points, axis=0))
    widths, heights = np.array(sizes).T
    assert heights.min() > 0.9
    assert heights.max() < 1.3
    assert 0.25 < np.median(widths) < 1.0


@pytest.mark.parametrize("digit", range(10))
def test_draws_differ_and_repeat_with_the_same_seed(digit: int) -> None:
    rng, same = (np.random.default_rng(0) for _ in range(2))
    drawn = [draw_strokes(digit, rng) for _ in range(NUM_DRAWN)]
    for i, strokes in enumerate(drawn):
        check_strokes(strokes)
        assert are_equal(strokes, draw_strokes(digit, same))
        assert not any(are_equal(strokes, before) for before in drawn[:i])


@pytest.mark.parametrize("digit", [1, 7])
def test_feet_of_ones_and_crossbars_of_sevens_are_optional_strokes(digit: int) -> None:
    rng = np.random.default_rng(0)
    assert {len(draw_strokes(digit, rng)) for _ in range(NUM_DRAWN)} == {1, 2}


@pytest.mark.parametrize("draw", dict.fromkeys(DISTRACTORS), ids=name)
def test_a_distractor_has_a_bounded_size(draw: StrokeFunction) -> None:
    rng = np.random.default_rng(0)
    for _ in range(NUM_DRAWN):
        strokes = draw(rng)
        check_strokes(strokes)
        assert np.abs(np.concatenate(strokes)).max() < 3


def test_every_kind_of_distractor_is_drawn() -> None:
    seen = set()
    for seed in range(4 * NUM_DRAWN):
        drawn = draw_distractor(np.random.default_rng(seed))
        kinds = []
        for draw in dict.fromkeys(DISTRACTORS):
            rng = np.random.default_rng(seed)
            rng.integers(len(DISTRACTORS))
            if are_equal(warp(draw(rng), rng), drawn):
                kinds.append(draw)
        assert len(kinds) == 1
        seen.update(kinds)
    assert seen == set(DISTRACTORS)
