"""Strokes of digits and of what is none: where their points lie, and that chance alone differs."""

from collections.abc import Callable

import numpy as np
import pytest

from tenfold.synthetic.distractors import SCRAWLS, draw_scrawl
from tenfold.synthetic.strokes import (
    FORMS,
    POINTS_BETWEEN,
    Random,
    Stroke,
    bend,
    draw_strokes,
    smooth,
)

DRAWS = 60
EVERY_FORM = [(digit, form) for digit, forms in enumerate(FORMS) for form in dict.fromkeys(forms)]


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


@pytest.mark.parametrize(("digit", "form"), EVERY_FORM, ids=name)
def test_a_form_is_as_high_as_a_digit_and_narrower(
    digit: int, form: Callable[[Random], list[Stroke]]
) -> None:
    random = np.random.default_rng(digit)
    sizes = []
    for _ in range(DRAWS):
        strokes = form(random)
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
def test_no_two_draws_of_a_digit_are_alike(digit: int) -> None:
    one, other = (np.random.default_rng(0) for _ in range(2))
    drawn = [draw_strokes(digit, one) for _ in range(DRAWS)]
    for i, strokes in enumerate(drawn):
        check_strokes(strokes)
        assert are_equal(strokes, draw_strokes(digit, other))
        assert not any(are_equal(strokes, before) for before in drawn[:i])


def test_there_are_forms_of_every_digit() -> None:
    assert len(FORMS) == 10
    assert all(FORMS)


def test_ones_have_flags_and_feet_or_not() -> None:
    """A one's stem with its flag is a stroke of its own, and so is a foot."""
    random = np.random.default_rng(0)
    counts = {len(draw_strokes(1, random)) for _ in range(DRAWS)}
    assert counts == {1, 2}


def test_sevens_are_crossed_or_not() -> None:
    random = np.random.default_rng(0)
    counts = {len(draw_strokes(7, random)) for _ in range(DRAWS)}
    assert counts == {1, 2}


@pytest.mark.parametrize("scrawl", dict.fromkeys(SCRAWLS), ids=name)
def test_every_scrawl_can_be_drawn(scrawl: Callable[[Random], list[Stroke]]) -> None:
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        strokes = scrawl(random)
        check_strokes(strokes)
        assert np.abs(np.concatenate(strokes)).max() < 3


def test_scrawls_of_every_kind_are_drawn() -> None:
    """As many as there are of each: from the same state, each is what its function gives."""
    seen = set()
    for seed in range(4 * DRAWS):
        drawn = draw_scrawl(np.random.default_rng(seed))
        check_strokes(drawn)
        kinds = []
        for scrawl in dict.fromkeys(SCRAWLS):
            random = np.random.default_rng(seed)
            random.integers(len(SCRAWLS))
            if are_equal(bend(scrawl(random), random), drawn):
                kinds.append(scrawl)
        assert len(kinds) == 1
        seen.update(kinds)
    assert seen == set(SCRAWLS)


def test_a_smooth_stroke_goes_through_its_points() -> None:
    angles = np.linspace(0, 2 * np.pi, 9)
    points = [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles]
    curve = smooth(points)
    assert curve.shape == (8 * POINTS_BETWEEN + 1, 2)
    np.testing.assert_allclose(curve[::POINTS_BETWEEN], points, atol=1e-12)
    # Between them, a circle: it turns by little from one piece to the next.
    np.testing.assert_allclose(np.hypot(*curve[8:-8].T), 1, atol=0.01)
    steps = np.diff(curve, axis=0)
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs((np.diff(angles) + np.pi) % (2 * np.pi) - np.pi)
    assert turns.max() < 0.3


def test_a_point_that_is_there_twice_is_a_corner() -> None:
    points = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0)]
    curve = smooth(points)
    corner = np.flatnonzero((curve == [1.0, 0.0]).all(axis=1))
    assert len(corner) > 1
    before = curve[corner[0]] - curve[corner[0] - 1]
    after = curve[corner[-1] + 1] - curve[corner[-1]]
    turn = np.degrees(np.arctan2(*after[::-1]) - np.arctan2(*before[::-1]))
    assert 60 < turn < 120


def test_two_points_make_a_straight_line() -> None:
    curve = smooth([(0.0, 0.0), (1.0, 2.0)])
    np.testing.assert_allclose(curve[:, 1], 2 * curve[:, 0], atol=1e-12)
    assert (np.diff(curve[:, 0]) > 0).all()
    np.testing.assert_allclose(curve[[0, -1]], [(0, 0), (1, 2)])
