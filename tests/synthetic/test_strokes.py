"""The geometry of strokes: random points, splines through points, corners."""

import numpy as np

from tenfold.synthetic.strokes import POINTS_PER_SEGMENT, place, spline


def test_points_are_drawn_from_ranges_in_hundredths() -> None:
    rng, same = (np.random.default_rng(0) for _ in range(2))
    x, y, next_x = same.uniform(-0.1, 0.25), same.uniform(0, 0.3), same.uniform(0.1, 0.2)
    expected = [(x, y), (0.5, 1.0), (0.5, 1.0), (next_x, 0.0)]
    assert place("-10..25 0..30, 50 100!, 10..20 0", rng) == expected


def test_a_spline_goes_smoothly_through_its_points() -> None:
    angles = np.linspace(0, 2 * np.pi, 9)
    points = [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles]
    curve = spline(*points)
    assert curve.shape == (8 * POINTS_PER_SEGMENT + 1, 2)
    np.testing.assert_allclose(curve[::POINTS_PER_SEGMENT], points, atol=1e-12)
    # Between the points it is nearly a circle, without sharp turns.
    np.testing.assert_allclose(np.hypot(*curve[8:-8].T), 1, atol=0.01)
    steps = np.diff(curve, axis=0)
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs((np.diff(angles) + np.pi) % (2 * np.pi) - np.pi)
    assert turns.max() < 0.3


def test_a_repeated_point_is_a_corner() -> None:
    curve = spline((0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    corner = np.flatnonzero((curve == [1.0, 0.0]).all(axis=1))
    assert len(corner) > 1
    before = curve[corner[0]] - curve[corner[0] - 1]
    after = curve[corner[-1] + 1] - curve[corner[-1]]
    turn = np.degrees(np.arctan2(*after[::-1]) - np.arctan2(*before[::-1]))
    assert 60 < turn < 120


def test_two_points_make_a_straight_line() -> None:
    curve = spline((0.0, 0.0), (1.0, 2.0))
    np.testing.assert_allclose(curve[:, 1], 2 * curve[:, 0], atol=1e-12)
    assert (np.diff(curve[:, 0]) > 0).all()
    np.testing.assert_allclose(curve[[0, -1]], [(0, 0), (1, 2)])
