"""Strokes of a pen that are no digit: crosses, arrows, waves, tangles, and letters with loops.

In: a random generator. Out: strokes, each a polyline, in the coordinates of `strokes.py`. A network
that never met these takes them for the digits that they resemble. The forms are our own.
"""

import numpy as np

from tenfold.synthetic.strokes import Form, Random, Stroke, arc, bend, smooth


def draw_scrawl(random: Random) -> list[Stroke]:
    """Strokes that are no digit."""
    return bend(SCRAWLS[int(random.integers(len(SCRAWLS)))](random), random)


def _cross(random: Random) -> list[Stroke]:
    u = random.uniform
    if random.random() < 0.5:
        return [
            smooth([(0.5 + u(-0.08, 0.08), 0.0), (0.5, 1.0)]),
            smooth([(0.0, 0.5 + u(-0.12, 0.12)), (1.0, 0.5 + u(-0.1, 0.1))]),
        ]
    return [
        smooth([(u(0, 0.2), u(0, 0.15)), (u(0.8, 1), u(0.85, 1))]),
        smooth([(u(0.8, 1), u(0, 0.15)), (u(0, 0.2), u(0.85, 1))]),
    ]


def _dash(random: Random) -> list[Stroke]:
    tilt, y = random.uniform(-0.15, 0.15), random.uniform(-0.05, 0.05)
    stroke = smooth([(0.0, 0.5 - tilt), (0.5, 0.5 + y), (1.0, 0.5 + tilt)])
    return (
        [stroke]
        if random.random() < 0.6
        else [stroke, stroke + np.array([0.0, random.uniform(0.2, 0.5)])]
    )


def _dot(random: Random) -> list[Stroke]:
    return [np.array([[0.5, 0.5], [0.5, 0.5]]) + random.normal(0, 0.008, (2, 2))]


def _tick(random: Random) -> list[Stroke]:
    u = random.uniform
    low = (u(0.25, 0.45), 1.0)
    return [smooth([(0.0, u(0.5, 0.7)), low, low, (1.0, u(-0.1, 0.2))])]


def _wave(random: Random) -> list[Stroke]:
    num = int(random.integers(4, 8))
    x = np.linspace(0, random.uniform(0.9, 2.0), num)
    high, low = random.uniform(0.2, 0.5), random.uniform(0.5, 0.8)
    y = np.where(np.arange(num) % 2 == 0, high, low) + random.normal(0, 0.05, num)
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    if random.random() < 0.4:  # pointed, as in w and m
        points = [point for point in points for _ in range(2)]
    return [smooth(points)]


def _tangle(random: Random) -> list[Stroke]:
    num = int(random.integers(5, 12))
    return [smooth([(float(x), float(y)) for x, y in random.uniform(0, 1, (num, 2))])]


def _angle(random: Random) -> list[Stroke]:
    """A corner in any direction but a seven's and an L's mirror: v, <, caret and the like."""
    u = random.uniform
    shapes = (
        [(u(0, 0.2), 0.0), (0.5, 1.0), (0.5, 1.0), (u(0.8, 1.0), 0.0)],
        [(1.0, u(0, 0.15)), (0.0, 0.5), (0.0, 0.5), (1.0, u(0.85, 1.0))],
        [(0.0, u(0, 0.15)), (1.0, 0.5), (1.0, 0.5), (0.0, u(0.85, 1.0))],
        [(0.1, 0.0), (0.1, 1.0), (0.1, 1.0), (u(0.6, 0.9), 1.0)],
    )
    return [smooth(shapes[int(random.integers(len(shapes)))])]


def _arch(random: Random) -> list[Stroke]:
    """An arc of a circle, open below or above."""
    half = random.uniform(70, 110)
    middle = random.choice([-90.0, 90.0]) + random.uniform(-15, 15)
    return [
        arc(
            0.5,
            0.5,
            random.uniform(0.3, 0.6),
            random.uniform(0.3, 0.5),
            middle - half,
            middle + half,
        )
    ]


def _fish(random: Random) -> list[Stroke]:
    """An alpha: a loop that lies on its side, its ends crossed or touching at the right."""
    u = random.uniform
    cross = (u(0.6, 0.8), u(0.4, 0.6))
    top, foot = (u(0.9, 1.2), u(-0.05, 0.15)), (u(0.85, 1.25), u(0.85, 1.05))
    low = [(u(0.35, 0.5), u(0.85, 1.0)), (u(0.0, 0.1), 0.5), (u(0.3, 0.45), u(0.0, 0.15))]
    return [smooth([top, cross, *low, (cross[0] + u(-0.05, 0.05), cross[1]), foot])]


def _looped_y(random: Random) -> list[Stroke]:
    """A gamma: two arms that meet, and below them a loop or a stroke."""
    u = random.uniform
    meet, end = (u(0.4, 0.55), u(0.45, 0.6)), u(0.95, 1.05)
    left, right = (u(0.0, 0.15), u(0.0, 0.15)), (u(0.8, 1.0), u(-0.05, 0.1))
    if random.random() < 0.6:
        loop = [(u(0.25, 0.4), u(0.8, 0.9)), (u(0.35, 0.5), end), (u(0.5, 0.65), u(0.8, 0.9))]
        start = (left[0] + u(0.12, 0.2), u(0.0, 0.1))
        return [smooth([left, start, meet, *loop, meet, right])]
    return [smooth([left, meet]), smooth([right, meet, (u(0.2, 0.5), end)])]


def _hooked_ring(random: Random) -> list[Stroke]:
    """A delta: a ring below, and above it a bow that stays open to the right."""
    u = random.uniform
    neck = (u(0.3, 0.5), u(0.38, 0.5))
    head = [(u(0.75, 1.0), u(0.02, 0.2)), (u(0.5, 0.65), 0.0), (u(0.25, 0.4), u(0.12, 0.25))]
    ring = [(u(0.75, 0.9), u(0.65, 0.8)), (0.45, 1.0), (u(0.05, 0.15), u(0.68, 0.8))]
    return [smooth([*head, neck, *ring, (neck[0] + u(-0.1, 0.05), neck[1] + u(0.0, 0.08))])]


def _lame_lambda(random: Random) -> list[Stroke]:
    """A lambda: a long stroke down to the right, and from its middle one down to the left."""
    u = random.uniform
    start, foot = (u(0.1, 0.35), u(0.0, 0.05)), (u(0.8, 1.0), u(0.92, 1.05))
    share = u(0.35, 0.6)
    middle = (start[0] + share * (foot[0] - start[0]), share)
    hook = [(start[0] - u(0.1, 0.2), u(0.05, 0.15))] if random.random() < 0.5 else []
    tail = [(foot[0] + u(0.08, 0.15), foot[1] - u(0.05, 0.15))] if random.random() < 0.4 else []
    return [
        smooth([*hook, start, middle, foot, *tail]),
        smooth([middle, (u(0.0, 0.2), u(0.95, 1.05))]),
    ]


def _long_beta(random: Random) -> list[Stroke]:
    """A beta or a B: a stem, and two bows at its right."""
    u = random.uniform
    foot, top = (u(0.0, 0.15), u(1.0, 1.4)), (u(0.15, 0.3), u(0.0, 0.1))
    waist = (u(0.3, 0.5), u(0.42, 0.52))
    upper = [(u(0.45, 0.6), u(-0.03, 0.05)), (u(0.7, 0.85), u(0.15, 0.25))]
    lower = [(u(0.75, 0.95), u(0.65, 0.8)), (u(0.4, 0.55), u(0.95, 1.02))]
    end = (foot[0] + u(0.02, 0.2), u(0.85, 1.0))
    if random.random() < 0.5:
        return [smooth([foot, (0.1, 0.5), top, *upper, waist, waist, *lower, end])]
    return [smooth([top, foot]), smooth([top, *upper, waist, waist, *lower, end])]


def _looped_l(random: Random) -> list[Stroke]:
    """A slanting loop like an l or an e, alone or two side by side."""
    u = random.uniform
    strokes, at = [(0.0, u(0.7, 0.95))], 0.0
    for _ in range(int(random.integers(1, 3))):
        high = u(0.0, 0.1) if random.random() < 0.6 else u(0.35, 0.5)
        strokes += [(at + u(0.45, 0.6), high + 0.15), (at + u(0.35, 0.45), high)]
        strokes += [(at + u(0.22, 0.3), high + 0.2), (at + u(0.3, 0.4), 1.0)]
        at += u(0.45, 0.6)
    return [smooth([*strokes, (at + u(0.1, 0.25), u(0.7, 0.9))])]


SCRAWLS: tuple[Form, ...] = (
    *(_cross, _dash, _dot, _tick, _wave, _tangle, _angle, _arch, _looped_l, _long_beta),
    *2 * (_fish, _looped_y, _hooked_ring, _lame_lambda),
)
