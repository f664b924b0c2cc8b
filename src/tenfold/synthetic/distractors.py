"""Pen strokes that are not digits: crosses, dashes, waves, tangles, and letters with loops.

A network that never saw them takes them for the digits that they resemble. The shapes are our own.
"""

import numpy as np

from tenfold.synthetic.strokes import Rng, Stroke, StrokeFunction, arc, place, spline, warp


def draw_distractor(rng: Rng) -> list[Stroke]:
    """Strokes of a random distractor."""
    return warp(DISTRACTORS[int(rng.integers(len(DISTRACTORS)))](rng), rng)


def _cross(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    if rng.random() < 0.5:
        upright = spline((0.5 + u(-0.08, 0.08), 0.0), (0.5, 1.0))
        return [upright, spline((0.0, 0.5 + u(-0.12, 0.12)), (1.0, 0.5 + u(-0.1, 0.1)))]
    diagonal = spline(*place("0..20 0..15, 80..100 85..100", rng))
    return [diagonal, spline(*place("80..100 0..15, 0..20 85..100", rng))]


def _dash(rng: Rng) -> list[Stroke]:
    tilt, y = rng.uniform(-0.15, 0.15), rng.uniform(-0.05, 0.05)
    stroke = spline((0.0, 0.5 - tilt), (0.5, 0.5 + y), (1.0, 0.5 + tilt))
    if rng.random() < 0.6:
        return [stroke]
    return [stroke, stroke + np.array([0.0, rng.uniform(0.2, 0.5)])]


def _dot(rng: Rng) -> list[Stroke]:
    return [np.array([[0.5, 0.5], [0.5, 0.5]]) + rng.normal(0, 0.008, (2, 2))]


def _tick(rng: Rng) -> list[Stroke]:
    low = place("25..45 100!", rng)
    return [spline(*place("0 50..70", rng), *low, *place("100 -10..20", rng))]


def _wave(rng: Rng) -> list[Stroke]:
    num = int(rng.integers(4, 8))
    x = np.linspace(0, rng.uniform(0.9, 2.0), num)
    high, low = rng.uniform(0.2, 0.5), rng.uniform(0.5, 0.8)
    y = np.where(np.arange(num) % 2 == 0, high, low) + rng.normal(0, 0.05, num)
    repeats = 2 if rng.random() < 0.4 else 1  # pointed, as in w and m
    return [spline(*np.stack([x, y], axis=1).repeat(repeats, axis=0))]


def _tangle(rng: Rng) -> list[Stroke]:
    return [spline(*rng.uniform(0, 1, (int(rng.integers(5, 12)), 2)))]


def _angle(rng: Rng) -> list[Stroke]:
    """A corner like v, < or L, in any direction but that of a seven."""
    shapes = [
        place(text, rng)
        for text in (
            "0..20 0, 50 100!, 80..100 0",
            "100 0..15, 0 50!, 100 85..100",
            "0 0..15, 100 50!, 0 85..100",
            "10 0, 10 100!, 60..90 100",
        )
    ]
    return [spline(*shapes[int(rng.integers(len(shapes)))])]


def _arch(rng: Rng) -> list[Stroke]:
    """An elliptical arc, open at the top or the bottom."""
    half = rng.uniform(70, 110)
    middle = rng.choice([-90.0, 90.0]) + rng.uniform(-15, 15)
    width, height = rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.5)
    return [arc(0.5, 0.5, width, height, middle - half, middle + half)]


def _alpha(rng: Rng) -> list[Stroke]:
    """Alpha: a loop on its side whose ends cross or touch on the right."""
    cross, top, foot = place("60..80 40..60, 90..120 -5..15, 85..125 85..105", rng)
    loop = place("35..50 85..100, 0..10 50, 30..45 0..15", rng)
    return [spline(top, cross, *loop, (cross[0] + rng.uniform(-0.05, 0.05), cross[1]), foot)]


def _gamma(rng: Rng) -> list[Stroke]:
    """Gamma: two arms that meet above a loop or a stroke."""
    u = rng.uniform
    [meet], end = place("40..55 45..60", rng), u(0.95, 1.05)
    left, right = place("0..15 0..15, 80..100 -5..10", rng)
    if rng.random() < 0.6:
        loop = [*place("25..40 80..90", rng), (u(0.35, 0.5), end), *place("50..65 80..90", rng)]
        start = (left[0] + u(0.12, 0.2), u(0.0, 0.1))
        return [spline(left, start, meet, *loop, meet, right)]
    return [spline(left, meet), spline(right, meet, (u(0.2, 0.5), end))]


def _delta(rng: Rng) -> list[Stroke]:
    """Delta: a ring, and above it a bow that is open on the right."""
    [neck] = place("30..50 38..50", rng)
    head = place("75..100 2..20, 50..65 0, 25..40 12..25", rng)
    ring = place("75..90 65..80, 45 100, 5..15 68..80", rng)
    end = (neck[0] + rng.uniform(-0.1, 0.05), neck[1] + rng.uniform(0.0, 0.08))
    return [spline(*head, neck, *ring, end)]


def _lambda(rng: Rng) -> list[Stroke]:
    """Lambda: a long stroke down to the right, and a second from its middle to the left."""
    u = rng.uniform
    start, foot = place("10..35 0..5, 80..100 92..105", rng)
    share = u(0.35, 0.6)
    middle = (start[0] + share * (foot[0] - start[0]), share)
    hook = [(start[0] - u(0.1, 0.2), u(0.05, 0.15))] if rng.random() < 0.5 else []
    tail = [(foot[0] + u(0.08, 0.15), foot[1] - u(0.05, 0.15))] if rng.random() < 0.4 else []
    second = spline(middle, *place("0..20 95..105", rng))
    return [spline(*hook, start, middle, foot, *tail), second]


def _beta(rng: Rng) -> list[Stroke]:
    """Beta or B: a stem with two bows on its right."""
    foot, top, waist = place("0..15 100..140, 15..30 0..10, 30..50 42..52", rng)
    upper = place("45..60 -3..5, 70..85 15..25", rng)
    lower = place("75..95 65..80, 40..55 95..102", rng)
    end = (foot[0] + rng.uniform(0.02, 0.2), rng.uniform(0.85, 1.0))
    bows = [top, *upper, waist, waist, *lower, end]
    if rng.random() < 0.5:
        return [spline(foot, (0.1, 0.5), *bows)]
    return [spline(top, foot), spline(*bows)]


def _looped_l(rng: Rng) -> list[Stroke]:
    """One or two slanting loops like l or e."""
    u = rng.uniform
    points, at = place("0 70..95", rng), 0.0
    for _ in range(int(rng.integers(1, 3))):
        high = u(0.0, 0.1) if rng.random() < 0.6 else u(0.35, 0.5)
        points += [(at + u(0.45, 0.6), high + 0.15), (at + u(0.35, 0.45), high)]
        points += [(at + u(0.22, 0.3), high + 0.2), (at + u(0.3, 0.4), 1.0)]
        at += u(0.45, 0.6)
    return [spline(*points, (at + u(0.1, 0.25), u(0.7, 0.9)))]


DISTRACTORS: tuple[StrokeFunction, ...] = (
    *(_cross, _dash, _dot, _tick, _wave, _tangle, _angle, _arch, _looped_l, _beta),
    *2 * (_alpha, _gamma, _delta, _lambda),
)
