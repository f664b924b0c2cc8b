"""Signs between digits as pen strokes: points, commas, dashes, slashes and the like.

Coordinates: x to the right and y down; a digit beside the sign is between 0 and 1 high.
"""

import math

import numpy as np

from tenfold.synthetic.strokes import Rng, Stroke, arc, spline


def draw_sign(sign: str, rng: Rng) -> list[Stroke]:
    """The strokes of one of the signs that the line reader knows."""
    return _DRAWN[sign](rng)


def _dot(y: float, rng: Rng) -> Stroke:
    return np.array([[0.0, y], [0.0, y]]) + rng.normal(0, 0.015, (2, 2))


def _point(rng: Rng) -> list[Stroke]:
    return [_dot(0.97, rng)]


def _comma(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    return [spline((0.05, u(0.85, 0.98)), (u(0, 0.06), 1.05), (u(-0.14, -0.02), u(1.1, 1.35)))]


def _colon(rng: Rng) -> list[Stroke]:
    return [_dot(rng.uniform(0.3, 0.5), rng), _dot(rng.uniform(0.8, 1.0), rng)]


def _dash(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    y = u(0.4, 0.65)
    start, end = (0.0, y + u(-0.05, 0.05)), (u(0.3, 0.75), y + u(-0.07, 0.07))
    return [spline(start, (u(0.15, 0.3), y), end)]


def _equals(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    top, width = u(0.3, 0.5), u(0.35, 0.9)
    return [
        spline((u(-0.05, 0.05), y + u(-0.05, 0.05)), (width / 2, y), (width, y + u(-0.07, 0.07)))
        for y in (top, top + u(0.15, 0.35))
    ]


def _plus(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    size, y = u(0.4, 0.75), u(0.45, 0.65)
    x = size / 2 + u(-0.05, 0.05)
    return [
        spline((0, y + u(-0.04, 0.04)), (size, y + u(-0.04, 0.04))),
        spline((x, y - size / 2), (x, y + size / 2)),
    ]


def _slash(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    width = u(0.25, 0.6)
    return [spline((width, u(-0.15, 0.1)), (width * u(0.45, 0.55), 0.5), (0, u(0.95, 1.2)))]


def _asterisk(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    radius, y, turn, num = u(0.15, 0.35), u(0.3, 0.6), u(0, math.pi), int(rng.integers(2, 4))
    arms = [turn + math.pi * i / num for i in range(num)]
    return [
        np.array([radius, y]) + radius * np.outer([1, -1], [math.cos(arm), math.sin(arm)])
        for arm in arms
    ]


def _number_sign(rng: Rng) -> list[Stroke]:
    lean = rng.uniform(0, 0.15)
    return [
        *(spline((x + lean, 0), (x - lean, 1)) for x in (0.2, 0.5)),
        spline((0, 0.33), (0.75, 0.3)),
        spline((-0.05, 0.68), (0.7, 0.65)),
    ]


def _dollar(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    body = spline(
        *((0.6, 0.18), (0.4, 0.08), (0.1, 0.15), (0.05, 0.35), (0.3, 0.5)),
        *((0.58, 0.65), (0.55, 0.85), (0.3, 0.95), (0, 0.85)),
    )
    bar = spline((0.3 + u(-0.05, 0.1), -0.1), (0.3 + u(-0.1, 0.05), 1.1))
    return [body, bar, *([bar + np.array([0.12, 0.0])] if rng.random() < 0.4 else [])]


def _percent(rng: Rng) -> list[Stroke]:
    radius = rng.uniform(0.11, 0.16)
    return [
        arc(0.15, 0.25, radius, 1.3 * radius, 0, 370),
        arc(0.65, 0.75, radius, 1.3 * radius, 0, 370),
        spline((0.65, 0), (0.1, 1)),
    ]


_DRAWN = {
    ".": _point,
    ",": _comma,
    ":": _colon,
    "-": _dash,
    "=": _equals,
    "+": _plus,
    "/": _slash,
    "*": _asterisk,
    "#": _number_sign,
    "$": _dollar,
    "%": _percent,
}
