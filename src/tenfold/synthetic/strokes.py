"""Pen strokes: smooth curves through points, arcs, and the waviness of a hand.

Coordinates: x to the right and y down; a character is between 0 and 1 high. S: points of a stroke.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Stroke = npt.NDArray[np.float64]  # [S, 2]: x, y
StrokeFunction = Callable[[Rng], list[Stroke]]
POINTS_PER_SEGMENT = 8  # of a spline


def warp(strokes: list[Stroke], rng: Rng) -> list[Stroke]:
    """Displace the strokes by a slow sine wave along each axis."""
    amplitudes, phases = rng.normal(0, 0.025, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
    frequencies = rng.uniform(3, 8, (2, 2))
    return [
        stroke
        + np.stack(
            [
                (amplitudes[i] * np.sin(frequencies[i] * stroke + phases[i])).sum(axis=1)
                for i in range(2)
            ],
            axis=1,
        )
        for stroke in strokes
    ]


def spline(points: list[tuple[float, float]]) -> Stroke:
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
    return np.stack(
        [
            x + along * np.cos(turn) - across * np.sin(turn),
            y + along * np.sin(turn) + across * np.cos(turn),
        ],
        axis=1,
    )
