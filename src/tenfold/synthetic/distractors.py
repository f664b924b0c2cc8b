"""Pen strokes that are not digits: crosses, dashes, waves, tangles, and letters with loops.

A network that never saw them takes them for the digits that they resemble. The shapes are our own.
"""

import numpy as np

from tenfold.synthetic.strokes import Rng, Stroke, StrokeFunction, arc, spline, warp


def draw_distractor(rng: Rng) -> list[Stroke]:
    """Strokes of a random distractor."""
    return warp(DISTRACTORS[int(rng.integers(len(DISTRACTORS)))](rng), rng)


def _cross(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    if rng.random() < 0.5:
        return [
            spline([(0.5 + u(-0.08, 0.08), 0.0), (0.5, 1.0)]),
            spline([(0.0, 0.5 + u(-0.12, 0.12)), (1.0, 0.5 + u(-0.1, 0.1))]),
        ]
    return [
        spline([(u(0, 0.2), u(0, 0.15)), (u(0.8, 1), u(0.85, 1))]),
        spline([(u(0.8, 1), u(0, 0.15)), (u(0, 0.2), u(0.85, 1))]),
    ]


def _dash(rng: Rng) -> list[Stroke]:
    tilt, y = rng.uniform(-0.15, 0.15), rng.uniform(-0.05, 0.05)
    stroke = spline([(0.0, 0.5 - tilt), (0.5, 0.5 + y), (1.0, 0.5 + tilt)])
    if rng.random() < 0.6:
        return [stroke]
    return [stroke, stroke + np.array([0.0, rng.uniform(0.2, 0.5)])]


def _dot(rng: Rng) -> list[Stroke]:
    return [np.array([[0.5, 0.5], [0.5, 0.5]]) + rng.normal(0, 0.008, (2, 2))]


def _tick(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    low = (u(0.25, 0.45), 1.0)
    return [spline([(0.0, u(0.5, 0.7)), low, low, (1.0, u(-0.1, 0.2))])]


def _wave(rng: Rng) -> list[Stroke]:
    num = int(rng.integers(4, 8))
    x = np.linspace(0, rng.uniform(0.9, 2.0), num)
    high, low = rng.uniform(0.2, 0.5), rng.uniform(0.5, 0.8)
    y = np.where(np.arange(num) % 2 == 0, high, low) + rng.normal(0, 0.05, num)
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    if rng.random() < 0.4:  # pointed, as in w and m
        points = [point for point in points for _ in range(2)]
    return [spline(points)]


def _tangle(rng: Rng) -> list[Stroke]:
    num = int(rng.integers(5, 12))
    return [spline([(float(x), float(y)) for x, y in rng.uniform(0, 1, (num, 2))])]


def _angle(rng: Rng) -> list[Stroke]:
    """A corner like v, < or L, in any direction but that of a seven."""
    u = rng.uniform
    shapes = (
        [(u(0, 0.2), 0.0), (0.5, 1.0), (0.5, 1.0), (u(0.8, 1.0), 0.0)],
        [(1.0, u(0, 0.15)), (0.0, 0.5), (0.0, 0.5), (1.0, u(0.85, 1.0))],
        [(0.0, u(0, 0.15)), (1.0, 0.5), (1.0, 0.5), (0.0, u(0.85, 1.0))],
        [(0.1, 0.0), (0.1, 1.0), (0.1, 1.0), (u(0.6, 0.9), 1.0)],
    )
    return [spline(shapes[int(rng.integers(len(shapes)))])]


def _arch(rng: Rng) -> list[Stroke]:
    """An elliptical arc, open at the top or the bottom."""
    half = rng.uniform(70, 110)
    middle = rng.choice([-90.0, 90.0]) + rng.uniform(-15, 15)
    return [
        arc(0.5, 0.5, rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.5), middle - half, middle + half)
    ]


def _alpha(rng: Rng) -> list[Stroke]:
    """Alpha: a loop on its side whose ends cross or touch on the right."""
    u = rng.uniform
    cross = (u(0.6, 0.8), u(0.4, 0.6))
    top, foot = (u(0.9, 1.2), u(-0.05, 0.15)), (u(0.85, 1.25), u(0.85, 1.05))
    low = [(u(0.35, 0.5), u(0.85, 1.0)), (u(0.0, 0.1), 0.5), (u(0.3, 0.45), u(0.0, 0.15))]
    return [spline([top, cross, *low, (cross[0] + u(-0.05, 0.05), cross[1]), foot])]


def _gamma(rng: Rng) -> list[Stroke]:
    """Gamma: two arms that meet above a loop or a stroke."""
    u = rng.uniform
    meet, end = (u(0.4, 0.55), u(0.45, 0.6)), u(0.95, 1.05)
    left, right = (u(0.0, 0.15), u(0.0, 0.15)), (u(0.8, 1.0), u(-0.05, 0.1))
    if rng.random() < 0.6:
        loop = [(u(0.25, 0.4), u(0.8, 0.9)), (u(0.35, 0.5), end), (u(0.5, 0.65), u(0.8, 0.9))]
        start = (left[0] + u(0.12, 0.2), u(0.0, 0.1))
        return [spline([left, start, meet, *loop, meet, right])]
    return [spline([left, meet]), spline([right, meet, (u(0.2, 0.5), end)])]


def _delta(rng: Rng) -> list[Stroke]:
    """Delta: a ring, and above it a bow that is open on the right."""
    u = rng.uniform
    neck = (u(0.3, 0.5), u(0.38, 0.5))
    head = [(u(0.75, 1.0), u(0.02, 0.2)), (u(0.5, 0.65), 0.0), (u(0.25, 0.4), u(0.12, 0.25))]
    ring = [(u(0.75, 0.9), u(0.65, 0.8)), (0.45, 1.0), (u(0.05, 0.15), u(0.68, 0.8))]
    return [spline([*head, neck, *ring, (neck[0] + u(-0.1, 0.05), neck[1] + u(0.0, 0.08))])]


def _lambda(rng: Rng) -> list[Stroke]:
    """Lambda: a long stroke down to the right, and a second from its middle to the left."""
    u = rng.uniform
    start, foot = (u(0.1, 0.35), u(0.0, 0.05)), (u(0.8, 1.0), u(0.92, 1.05))
    share = u(0.35, 0.6)
    middle = (start[0] + share * (foot[0] - start[0]), share)
    hook = [(start[0] - u(0.1, 0.2), u(0.05, 0.15))] if rng.random() < 0.5 else []
    tail = [(foot[0] + u(0.08, 0.15), foot[1] - u(0.05, 0.15))] if rng.random() < 0.4 else []
    return [
        spline([*hook, start, middle, foot, *tail]),
        spline([middle, (u(0.0, 0.2), u(0.95, 1.05))]),
    ]


def _beta(rng: Rng) -> list[Stroke]:
    """Beta or B: a stem with two bows on its right."""
    u = rng.uniform
    foot, top = (u(0.0, 0.15), u(1.0, 1.4)), (u(0.15, 0.3), u(0.0, 0.1))
    waist = (u(0.3, 0.5), u(0.42, 0.52))
    upper = [(u(0.45, 0.6), u(-0.03, 0.05)), (u(0.7, 0.85), u(0.15, 0.25))]
    lower = [(u(0.75, 0.95), u(0.65, 0.8)), (u(0.4, 0.55), u(0.95, 1.02))]
    end = (foot[0] + u(0.02, 0.2), u(0.85, 1.0))
    if rng.random() < 0.5:
        return [spline([foot, (0.1, 0.5), top, *upper, waist, waist, *lower, end])]
    return [spline([top, foot]), spline([top, *upper, waist, waist, *lower, end])]


def _looped_l(rng: Rng) -> list[Stroke]:
    """One or two slanting loops like l or e."""
    u = rng.uniform
    strokes, at = [(0.0, u(0.7, 0.95))], 0.0
    for _ in range(int(rng.integers(1, 3))):
        high = u(0.0, 0.1) if rng.random() < 0.6 else u(0.35, 0.5)
        strokes += [(at + u(0.45, 0.6), high + 0.15), (at + u(0.35, 0.45), high)]
        strokes += [(at + u(0.22, 0.3), high + 0.2), (at + u(0.3, 0.4), 1.0)]
        at += u(0.45, 0.6)
    return [spline([*strokes, (at + u(0.1, 0.25), u(0.7, 0.9))])]


DISTRACTORS: tuple[StrokeFunction, ...] = (
    *(_cross, _dash, _dot, _tick, _wave, _tangle, _angle, _arch, _looped_l, _beta),
    *2 * (_alpha, _gamma, _delta, _lambda),
)
