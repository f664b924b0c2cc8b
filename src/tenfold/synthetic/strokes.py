"""Pen strokes: smooth curves through points, arcs, and the waviness of a hand.

Coordinates: x to the right and y down; a character is between 0 and 1 high. S: points of a stroke.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Stroke = npt.NDArray[np.float64]  # [S, 2]: x, y
Point = tuple[float, float]
StrokeFunction = Callable[[Rng], list[Stroke]]
POINTS_PER_SEGMENT = 8  # of a spline


def warp(strokes: list[Stroke], rng: Rng) -> list[Stroke]:
    """Displace the strokes by a slow sine wave along each axis."""
    amplitudes, phases = rng.normal(0, 0.025, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
    frequencies = rng.uniform(3, 8, (2, 2))
    waves = list(zip(amplitudes, frequencies, phases, strict=True))
    warped = []
    for stroke in strokes:
        offsets = [(a * np.sin(f * stroke + phase)).sum(axis=1) for a, f, phase in waves]
        warped.append(stroke + np.stack(offsets, axis=1))
    return warped


def place(text: str, rng: Rng) -> list[Point]:
    """Random points, such as "10..25 0..30, 50 100!": x and y of each in hundredths.

    A range is drawn uniformly, in the order of the text. A point with `!` is repeated: a corner.
    """
    points: list[Point] = []
    for x, y, times in _parse(text):
        points += [(_draw(x, rng), _draw(y, rng))] * times
    return points


@cache
def _parse(text: str) -> list[tuple[Point, Point, int]]:
    """The ranges of x and y of each point, and how often it is repeated."""
    parsed = []
    for point in text.split(","):
        ends = [[int(end) / 100 for end in part.split("..")] for part in point.strip("! ").split()]
        x, y = ((low, high[0] if high else low) for low, *high in ends)
        parsed.append((x, y, 1 + point.endswith("!")))
    return parsed


def _draw(ends: Point, rng: Rng) -> float:
    low, high = ends
    return low if low == high else rng.uniform(low, high)


def spline(*points: npt.ArrayLike) -> Stroke:
    """A Catmull-Rom spline through the points; a repeated point makes a corner."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, POINTS_PER_SEGMENT, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
    )
    return np.concatenate([curve.reshape(-1, 2), p[-2:-1]])


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, tilt: float = 0.0
) -> Stroke:
    """An arc of an ellipse; angles in degrees, 0 to the right, 90 down."""
    angle = np.radians(np.linspace(start, end, max(8, int(abs(end - start) / 10))))
    along, across = rx * np.cos(angle), ry * np.sin(angle)
    turn = np.radians(tilt)
    right = x + along * np.cos(turn) - across * np.sin(turn)
    down = y + along * np.sin(turn) + across * np.cos(turn)
    return np.stack([right, down], axis=1)
