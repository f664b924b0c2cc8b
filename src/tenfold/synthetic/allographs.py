"""Shapes of handwritten digits that MNIST's writers, Americans of 1990, rarely used.

Ones with flags and feet, crossed sevens, open fours and fours in one stroke, hooked nines, eights
that do not close, fives in two strokes. The shapes are our own. A digit is between 0 and 1 high and
about 0.6 wide.
"""

import numpy as np

from tenfold.synthetic.strokes import Rng, Stroke, StrokeFunction, arc, spline, warp


def draw_strokes(digit: int, rng: Rng) -> list[Stroke]:
    """Strokes of a digit, 0 to 9, in one of its shapes."""
    shapes = ALLOGRAPHS[digit]
    return warp(shapes[int(rng.integers(len(shapes)))](rng), rng)


def _zero(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    start, extra = u(-130, -40), u(-35, 40)
    width = u(0.18, 0.42)
    growing = np.linspace(1, u(0.9, 1.1), 37)[:, None]
    oval = arc(0, 0, width, 0.5, start, start - 360 - extra, u(-12, 20))[:37]
    oval = oval * growing[: len(oval)] + [0.5, 0.5]
    if rng.random() < 0.2:  # the end runs on inside
        inside = (0.5 + width * u(-0.5, 0.4), u(0.3, 0.75))
        last = (float(oval[-1, 0]), float(oval[-1, 1]))
        oval = np.concatenate([oval, spline([last, inside])])
    strokes = [oval]
    if rng.random() < 0.08:
        strokes.append(spline([(0.5 + width, u(0.0, 0.2)), (0.5 - width, u(0.8, 1.0))]))
    return strokes


def _one(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    lean, bow = u(-0.15, 0.3), u(-0.04, 0.04)
    top, foot = (0.5 + lean / 2, 0.0), (0.5 - lean / 2, 1.0)
    stem = spline([top, ((top[0] + foot[0]) / 2 + bow, 0.5), foot])
    strokes = [stem]
    if rng.random() < 0.9:
        # A flag down to the left from the top; a seven's bar is closer to level.
        kind = rng.random()
        if kind < 0.4:
            length, steepest = u(0.12, 0.45), 62.0
        elif kind < 0.8:
            length, steepest = u(0.35, 0.95), 62.0
        else:  # from the baseline up, as in Germany
            length, steepest = u(0.9, 1.25), 55.0
        angle = np.radians(u(34, steepest))  # below the horizontal
        end = (top[0] - length * np.cos(angle), length * np.sin(angle))
        sag = u(-0.06, 0.06)
        middle = ((top[0] + end[0]) / 2 + sag, end[1] / 2 + sag)
        slip = u(-0.03, 0.05)
        strokes = [np.concatenate([spline([end, middle, (top[0], slip * (slip > 0))]), stem])]
    if rng.random() < 0.4:
        half, tilt = u(0.12, 0.5), u(-0.06, 0.06)
        y = 1 + u(-0.02, 0.05)
        middle_x = foot[0] + u(-0.08, 0.08)
        strokes.append(spline([(middle_x - half, y + tilt), (middle_x + half, y - tilt)]))
    return strokes


def _two(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    right, waist = u(0.75, 0.95), u(0.3, 0.45)
    head = [
        (u(0.1, 0.25), u(0.1, 0.3)),
        (0.5, u(-0.02, 0.05)),
        (right, 0.28),
        (u(0.4, 0.6), u(0.6, 0.75)),
    ]
    if rng.random() < 0.45:  # a loop at the foot
        low = [(0.2, 0.97), (u(0.05, 0.15), 0.88), (0.25, u(0.78, 0.86)), (waist + 0.15, 0.93)]
        return [spline([*head, *low, (right, u(0.9, 1.02))])]
    corner = (u(0.05, 0.2), u(0.94, 1.0))
    return [
        spline(
            [
                *head,
                corner,
                corner,
                (u(0.5, 0.6), 1.0 + u(-0.05, 0.03)),
                (right + 0.05, u(0.9, 1.02)),
            ]
        )
    ]


def _two_angular(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    top = (u(0.75, 0.9), u(0.15, 0.3))
    corner = (u(0.05, 0.2), u(0.94, 1.0))
    head = spline(
        [(u(0.1, 0.2), u(0.05, 0.3)), (0.45, 0.0), top, corner, corner, (0.9, u(0.9, 1.02))]
    )
    return [head]


def _two_necked(rng: Rng) -> list[Stroke]:
    """A small head on a long neck, and a level foot as a second stroke."""
    u = rng.uniform
    low = (u(0.2, 0.4), u(0.93, 1.0))
    head = [
        (u(0.2, 0.45), u(0.02, 0.14)),
        (u(0.5, 0.65), u(-0.02, 0.04)),
        (u(0.62, 0.78), u(0.22, 0.4)),
    ]
    neck = spline([*head, (u(0.5, 0.62), u(0.6, 0.72)), low])
    foot_y = low[1] + u(0.0, 0.04)
    foot = spline([(low[0] - u(0.0, 0.15), foot_y), (u(0.7, 0.95), foot_y + u(-0.05, 0.03))])
    return [neck, foot]


def _two_curled(rng: Rng) -> list[Stroke]:
    """A head that curls inwards and a loop at the foot."""
    u = rng.uniform
    head = [(u(0.3, 0.45), u(0.2, 0.3)), (u(0.12, 0.25), u(0.1, 0.2)), (u(0.4, 0.55), 0.0)]
    neck = [(u(0.75, 0.88), u(0.16, 0.26)), (u(0.5, 0.65), u(0.48, 0.58)), (u(0.2, 0.3), 0.85)]
    foot = [(u(0.0, 0.12), u(0.9, 1.0)), (u(0.12, 0.25), u(0.8, 0.9)), (0.55, u(0.92, 1.0))]
    return [spline([*head, *neck, *foot, (u(0.8, 1.0), u(0.8, 0.95))])]


def _three(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    notch = (u(0.35, 0.55), u(0.42, 0.5))
    low = [(u(0.8, 0.95), u(0.66, 0.76)), (0.5, 1.0), (u(0.05, 0.2), u(0.82, 0.95))]
    if rng.random() < 0.4:  # a flat top
        right = (u(0.75, 0.9), u(-0.02, 0.08))
        start = (u(0.1, 0.25), u(0.0, 0.08))
        return [spline([start, right, right, notch, notch, *low])]
    head = [(u(0.1, 0.25), u(0.08, 0.25)), (0.5, 0.0), (u(0.7, 0.9), u(0.18, 0.28))]
    middle = (
        [notch, notch] if rng.random() < 0.6 else [notch, (notch[0] - 0.12, notch[1] + 0.02), notch]
    )
    return [spline([*head, *middle, *low])]


def _three_pointed(rng: Rng) -> list[Stroke]:
    """A level top, aslant back to a sharp notch, a bowl: narrow, like a z above an arc."""
    u = rng.uniform
    right, notch = (u(0.5, 0.85), u(-0.03, 0.05)), (u(0.25, 0.5), u(0.35, 0.48))
    bowl = [(u(0.6, 0.8), u(0.5, 0.62)), (u(0.6, 0.8), u(0.8, 0.9)), (0.4, 1.0)]
    start = (u(0.05, 0.25), u(-0.02, 0.08))
    return [spline([start, right, right, notch, notch, *bowl, (u(0.05, 0.2), u(0.86, 0.98))])]


def _three_square(rng: Rng) -> list[Stroke]:
    """Narrow, with a corner at the waist and a level foot; a one has no waist."""
    u = rng.uniform
    left, right = (u(0.1, 0.3), u(0.02, 0.16)), (u(0.55, 0.75), u(0.1, 0.25))
    waist = (u(0.3, 0.48), u(0.4, 0.52))
    low = (u(0.55, 0.75), u(0.7, 0.85))
    start = [left, (u(0.35, 0.55), u(-0.03, 0.05))]
    foot = [(u(0.45, 0.65), u(0.94, 1.0)), (u(0.0, 0.2), u(0.88, 1.0))]
    corner = [right] if rng.random() < 0.4 else []
    return [spline([*start, right, *corner, waist, waist, low, *foot])]


def _four_open(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    corner = (u(0.0, 0.15), u(0.5, 0.68))
    across = spline(
        [(u(0.2, 0.4), u(-0.02, 0.1)), corner, corner, (u(0.85, 1.05), corner[1] + u(-0.1, 0.06))]
    )
    stem_x = u(0.5, 0.75)
    stem = spline([(stem_x + u(0.0, 0.15), u(0.1, 0.45)), (stem_x + u(-0.08, 0.04), 1.0)])
    return [across, stem]


def _four_closed(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    top = (u(0.5, 0.75), 0.0)
    corner = (u(0.0, 0.12), u(0.52, 0.72))
    end = (u(0.85, 1.1), corner[1] + u(-0.08, 0.04))
    stem_x = top[0] + u(-0.08, 0.08)
    middle = (top[0] * 0.5 + u(-0.08, 0.05), corner[1] * 0.5)
    across = spline([top, middle, corner, corner, end])
    return [across, spline([(stem_x, u(-0.04, 0.2)), (stem_x + u(-0.12, 0.04), 1.0)])]


def _four_round(rng: Rng) -> list[Stroke]:
    """A bowl open at the top, like a y, and a stem through its right end."""
    u = rng.uniform
    top_right = (u(0.6, 0.85), u(0.0, 0.3))
    bowl = spline(
        [
            (u(0.1, 0.35), u(0.0, 0.1)),
            (u(0.03, 0.15), u(0.3, 0.4)),
            (0.35, u(0.45, 0.58)),
            (top_right[0] + u(-0.05, 0.2), u(0.32, 0.46)),
        ]
    )
    stem = spline(
        [top_right, (top_right[0] - u(0.0, 0.1), 0.5), (top_right[0] - u(0.0, 0.25), 1.0)]
    )
    return [bowl, stem]


def _four_cupped(rng: Rng) -> list[Stroke]:
    """A cup, perhaps with a hook, and a long stem; open between their tops."""
    u = rng.uniform
    right_top = (u(0.72, 0.95), u(0.12, 0.34))
    hook = [(u(0.3, 0.45), u(0.03, 0.1))] if rng.random() < 0.3 else []
    cup = [
        *hook,
        (right_top[0] - u(0.16, 0.4), u(-0.04, 0.08)),
        (u(0.08, 0.25), u(0.22, 0.36)),
        (u(0.28, 0.45), u(0.44, 0.55)),
    ]
    foot = (u(0.45, 0.95), 1.0)
    middle = ((right_top[0] + foot[0]) / 2 + u(-0.06, 0.06), u(0.55, 0.7))
    if rng.random() < 0.5:  # in one stroke
        return [spline([*cup, right_top, right_top, middle, foot])]
    end = (right_top[0] + u(-0.03, 0.2), u(0.34, 0.5))
    return [spline([*cup, end]), spline([right_top, middle, foot])]


def _four_in_one(rng: Rng) -> list[Stroke]:
    """Down, around and across without lifting the pen: a loop that crosses the stem."""
    u = rng.uniform
    top, left = (u(0.45, 0.7), 0.0), (u(0.05, 0.18), u(0.5, 0.64))
    across = (u(0.9, 1.1), left[1] + u(-0.14, 0.06))
    start = spline(
        [
            across,
            (0.5, left[1] + u(-0.02, 0.06)),
            left,
            (u(0.2, 0.35), u(0.12, 0.25)),
            top,
            (u(0.68, 0.82), u(0.12, 0.25)),
            (u(0.55, 0.68), 0.6),
            (u(0.35, 0.6), 1.0),
        ]
    )
    return [start]


def _four_zigzag(rng: Rng) -> list[Stroke]:
    """Down, diagonally up to the right, and down, without a crossing."""
    u = rng.uniform
    corner, peak = (u(0.05, 0.2), u(0.45, 0.62)), (u(0.6, 0.8), u(0.2, 0.48))
    return [
        spline([(u(0.15, 0.4), 0.0), corner, corner, peak, peak, (peak[0] - u(-0.1, 0.15), 1.0)])
    ]


def _five(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    shoulder = (u(0.15, 0.3), u(0.38, 0.48))
    bowl = [
        (u(0.55, 0.65), u(0.34, 0.42)),
        (u(0.82, 0.95), u(0.6, 0.72)),
        (0.5, 1.0),
        (u(0.05, 0.2), u(0.85, 0.97)),
    ]
    corner = (shoulder[0] + u(0.0, 0.1), u(0.02, 0.1))
    bar_end = (u(0.75, 1.05), corner[1] + u(-0.1, 0.05))
    if rng.random() < 0.55:  # the bar is drawn last and may not touch the rest
        gap = u(-0.02, 0.12) if rng.random() < 0.7 else 0.0
        body = spline([(corner[0], corner[1] + max(0.0, u(-0.1, 0.12))), shoulder, shoulder, *bowl])
        lift = u(0.0, 0.12)
        return [
            body,
            spline([(corner[0] + gap, corner[1] - lift), (bar_end[0], bar_end[1] - lift)]),
        ]
    if rng.random() < 0.4:  # like an S
        return [spline([bar_end, (0.45, 0.0), (0.18, 0.25), (0.5, 0.45), *bowl[1:]])]
    return [spline([bar_end, corner, corner, shoulder, shoulder, *bowl])]


def _five_narrow(rng: Rng) -> list[Stroke]:
    """Hardly a bowl, and a bar from the top to the right, like an r."""
    u = rng.uniform
    top = (u(0.3, 0.45), u(0.0, 0.1))
    body = [top, (top[0] + u(-0.05, 0.02), u(0.25, 0.4)), (u(0.42, 0.58), u(0.55, 0.7))]
    foot = [(u(0.25, 0.4), 1.0), (u(0.0, 0.12), u(0.85, 0.97))]
    bar = spline([(top[0] + u(-0.03, 0.08), top[1] + u(-0.04, 0.12)), (u(0.8, 1.1), u(0.0, 0.14))])
    return [spline([*body, *foot]), bar]


def _six(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    width = u(0.22, 0.38)
    height = u(0.2, 0.28)
    x, y = 0.5, 1 - height
    stem = [(u(0.45, 0.85), 0.0), (u(0.22, 0.4), u(0.25, 0.4)), (x - width, y)]
    loop = [
        (x, 1.0),
        (x + width, y),
        (x + u(-0.05, 0.05), y - height),
        (x - width + u(-0.02, 0.15), y + u(-0.05, 0.12)),
    ]
    return [spline([*stem, *loop])]


def _seven(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    left = (u(0.0, 0.15), u(-0.03, 0.12))
    right = (u(0.7, 0.95), u(-0.03, 0.06))
    foot = (u(0.15, 0.7), 1.0)
    bar: list[tuple[float, float]] = [
        left,
        ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + u(-0.05, 0.06)),
        right,
        right,
    ]
    if rng.random() < 0.3:  # a serif
        bar = [(left[0] + u(-0.03, 0.03), left[1] + u(0.08, 0.2)), left, *bar]
    bow = ((right[0] + foot[0]) / 2 + u(-0.12, 0.06), 0.5)
    strokes = [spline([*bar, bow, foot])]
    if rng.random() < 0.7:
        y, half, tilt = u(0.4, 0.62), u(0.15, 0.36), u(-0.1, 0.06)
        x = right[0] + (foot[0] - right[0]) * y + u(-0.08, 0.08)
        strokes.append(spline([(x - half, y - tilt), (x + half, y + tilt)]))
    return strokes


def _seven_waved(rng: Rng) -> list[Stroke]:
    """A sagging bar with an upward start, and a crossbar, as in Poland and France."""
    u = rng.uniform
    start, peak = (u(0.0, 0.12), u(0.15, 0.38)), (u(0.12, 0.25), u(0.0, 0.12))
    sag, right = (u(0.35, 0.5), u(0.1, 0.35)), (u(0.7, 0.95), u(-0.04, 0.06))
    foot = (u(0.2, 0.6), 1.0)
    middle_x = (right[0] + foot[0]) / 2
    head = [start, peak, sag, right]
    if rng.random() < 0.5:  # pointed
        head = [start, peak, peak, sag, sag, right, right]
    strokes = [spline([*head, (middle_x + u(-0.08, 0.05), 0.5), foot])]
    if rng.random() < 0.8:
        y, half = u(0.45, 0.65), u(0.18, 0.4)
        strokes.append(
            spline([(middle_x - half, y + u(0, 0.06)), (middle_x + half, y - u(0, 0.06))])
        )
    return strokes


def _seven_bowed(rng: Rng) -> list[Stroke]:
    """A bar that curves in from the left, and a crossbar."""
    u = rng.uniform
    right, foot = (u(0.65, 0.9), u(0.0, 0.06)), (u(0.3, 0.6), 1.0)
    head = [
        (u(0.02, 0.15), u(0.35, 0.5)),
        (u(0.05, 0.2), u(0.12, 0.22)),
        (0.4, u(-0.02, 0.04)),
        right,
    ]
    y, half, x = u(0.45, 0.6), u(0.2, 0.42), (right[0] + foot[0]) / 2
    body = spline([*head, right, (x + u(-0.05, 0.05), 0.5), foot])
    return [body, spline([(x - half, y + u(0, 0.05)), (x + half, y - u(0, 0.05))])]


def _seven_upright(rng: Rng) -> list[Stroke]:
    """A short bar, an upright stem, and a crossbar at least as wide as the bar."""
    u = rng.uniform
    left, right = (u(0.1, 0.3), u(0.0, 0.14)), (u(0.5, 0.7), u(-0.03, 0.08))
    foot, y = (right[0] - u(0.0, 0.2), 1.0), u(0.42, 0.68)
    x, tilt = right[0] + (foot[0] - right[0]) * y, u(-0.05, 0.08)
    stem = [right, (x + u(-0.03, 0.05), y), foot]
    head = [(left[0] - u(0.0, 0.05), left[1] + u(0.05, 0.2)), left] if u(0, 1) < 0.4 else [left]
    cross = spline([(x - u(0.15, 0.42), y + tilt), (x + u(0.12, 0.4), y - tilt)])
    corner = [right] if rng.random() < 0.6 else []
    return [spline([*head, *corner, *stem]), cross]


def _eight(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    start = (u(0.6, 0.85), u(0.02, 0.2))
    top = [start, (0.45, 0.0), (u(0.12, 0.25), 0.22), (0.5, 0.47)]
    low = [(u(0.78, 0.92), 0.75), (0.48, 1.0), (u(0.08, 0.2), 0.75)]
    end = (u(0.6, 0.9), u(0.0, 0.28))
    return [spline([*top, *low, (u(0.45, 0.55), u(0.45, 0.55)), end])]


def _eight_of_two(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    cut, lap = u(0.4, 0.52), u(-0.03, 0.02)
    x = 0.5 + u(-0.06, 0.06)
    start = u(-120, -60)
    upper = arc(0.5, cut / 2, u(0.16, 0.28), cut / 2, start, start - 360 + u(-10, 30), u(-15, 15))
    lower = arc(
        x,
        (1 + cut + lap) / 2,
        u(0.2, 0.36),
        (1 - cut - lap) / 2,
        start,
        start + 360 + u(-20, 20),
        u(-15, 15),
    )
    return [upper, lower]


def _eight_thin(rng: Rng) -> list[Stroke]:
    """Two loops hardly wider than a one, leaning."""
    u = rng.uniform
    width, waist, lean = u(0.05, 0.16), u(0.38, 0.52), u(-0.25, 0.3)
    upper, lower = (waist / 2, u(0.6, 1.0) * width), ((1 + waist) / 2, u(0.9, 1.5) * width)
    points = [
        (u(0.2, 0.8) * upper[1], u(0.0, 0.08)),
        (-upper[1] / 2, u(0.0, 0.04)),
        (-upper[1], upper[0]),
        (0.0, waist),
        (lower[1], lower[0]),
        (0.0, 1.0),
        (-lower[1], lower[0]),
        (0.0, waist + u(-0.05, 0.02)),
        (upper[1], upper[0]),
        (u(0.0, 0.8) * upper[1], u(0.0, 0.1)),
    ]
    return [spline([(0.5 + x - lean * (y - 0.5), y) for x, y in points])]


def _nine(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    width, height = u(0.2, 0.34), u(0.17, 0.28)
    x, y = 0.45, height
    start = (x + width * u(0.5, 1.0), y - height * u(0.2, 0.8))
    bowl = [start, (x, 0.0), (x - width, y), (x, 2 * height), (x + width, y + u(-0.05, 0.02))]
    right = x + width + u(-0.02, 0.06)
    tails: tuple[list[tuple[float, float]], ...] = (
        [(right, y), (right - u(0.0, 0.15), 1.0)],  # straight
        [
            (right, 0.5),
            (right - u(0.05, 0.15), 0.9),
            (u(0.25, 0.4), 1.0),
            (u(0.0, 0.2), u(0.82, 0.97)),
        ],  # a hook
        [
            (right, 0.55),
            (right - u(0.02, 0.2), u(0.7, 0.8)),
            (u(0.2, 0.4), u(0.9, 1.0)),
            (u(-0.1, 0.1), u(0.9, 1.02)),
        ],  # a sweep
    )
    return [spline([*bowl, *tails[int(rng.integers(3))]])]


def _nine_curled(rng: Rng) -> list[Stroke]:
    """A small loop at the top left and a bow, like a g or a mirrored e."""
    u = rng.uniform
    loop = [
        (u(0.6, 0.8), u(0.05, 0.15)),
        (u(0.35, 0.5), 0.0),
        (u(0.08, 0.2), u(0.14, 0.22)),
        (u(0.3, 0.4), u(0.32, 0.42)),
        (u(0.6, 0.7), u(0.2, 0.3)),
    ]
    back = [(u(0.62, 0.78), u(0.06, 0.16))] if rng.random() < 0.5 else []
    bow = [
        (u(0.75, 0.9), u(0.5, 0.65)),
        (u(0.55, 0.7), u(0.85, 0.95)),
        (u(0.25, 0.4), 1.0),
        (u(0.0, 0.15), u(0.84, 0.98)),
    ]
    return [spline([*loop, *back, *bow])]


def _nine_looped(rng: Rng) -> list[Stroke]:
    """A looped head, and a long bow that may curl up at its end."""
    u = rng.uniform
    head = [
        (u(0.3, 0.5), u(0.2, 0.32)),
        (u(0.15, 0.3), u(0.1, 0.2)),
        (u(0.4, 0.55), 0.0),
        (u(0.68, 0.85), u(0.12, 0.22)),
        (u(0.45, 0.6), u(0.36, 0.46)),
        (u(0.08, 0.25), u(0.25, 0.38)),
        (u(0.25, 0.45), u(0.04, 0.18)),
        (u(0.7, 0.85), u(0.28, 0.45)),
    ]
    head = head if rng.random() < 0.5 else head[2:]
    bow = [
        (u(0.75, 0.95), u(0.58, 0.72)),
        (u(0.5, 0.7), u(0.92, 1.0)),
        (u(0.15, 0.35), u(0.9, 1.0)),
    ]
    if rng.random() < 0.35:  # curls up, nearly closed
        bow.append((u(0.15, 0.4), u(0.62, 0.8)))
    return [spline([*head, *bow])]


def _nine_collapsed(rng: Rng) -> list[Stroke]:
    """A bowl that has collapsed almost to a stroke, left of the stem."""
    u = rng.uniform
    top = (u(0.65, 0.85), u(0.0, 0.08))
    bowl = [
        top,
        (u(0.3, 0.45), u(0.0, 0.06)),
        (u(0.08, 0.2), u(0.14, 0.22)),
        (u(0.35, 0.5), u(0.24, 0.34)),
        (u(0.7, 0.8), u(0.12, 0.2)),
    ]
    return [spline([*bowl, (u(0.7, 0.85), u(0.35, 0.5)), (u(0.35, 0.6), 1.0)])]


def _nine_flat(rng: Rng) -> list[Stroke]:
    """A flat, hardly open head, and a tail that sweeps far to the left."""
    u = rng.uniform
    height, right = u(0.14, 0.24), u(0.65, 0.85)
    head = [
        (right - u(0.05, 0.2), u(0.0, 0.08)),
        (u(0.3, 0.45), u(-0.02, 0.04)),
        (u(0.02, 0.2), u(0.4, 0.7) * height),
        (u(0.3, 0.5), height + u(0.0, 0.06)),
        (right, u(0.2, 0.7) * height),
    ]
    tail = [
        (right + u(-0.04, 0.06), u(0.4, 0.55)),
        (right - u(0.1, 0.25), u(0.75, 0.88)),
        (u(0.15, 0.4), u(0.94, 1.0)),
        (u(-0.1, 0.15), u(0.72, 0.95)),
    ]
    return [spline([*head, *tail[: int(rng.integers(3, 5))]])]


def _nine_beside_stem(rng: Rng) -> list[Stroke]:
    """A ring whose stem starts at its lower left or middle, as in rho."""
    u = rng.uniform
    width, height = u(0.2, 0.32), u(0.18, 0.28)
    x, y = 0.5, height
    stem_x = x + width * u(-0.6, 0.5)
    start = (stem_x + u(-0.05, 0.05), u(1.7, 2.1) * height)
    ring = [(x - width, y), (x, 0.0), (x + width, y), (stem_x + u(0.0, 0.08), 2 * height)]
    return [spline([start, *ring, (stem_x - u(0.0, 0.12), u(0.6, 0.75)), (stem_x - 0.05, 1.0)])]


# Shapes are listed more than once to be drawn more often.
ALLOGRAPHS: tuple[tuple[StrokeFunction, ...], ...] = (
    (_zero,),
    (_one,),
    (_two, _two, _two_angular, _two_necked, _two_necked, _two_curled),
    (_three, _three, _three_pointed, _three_square),
    (_four_open, _four_closed, _four_round, _four_cupped, _four_in_one, _four_zigzag),
    (_five, _five, _five, _five_narrow),
    (_six,),
    (_seven, _seven, _seven_waved, _seven_bowed, _seven_upright),
    (_eight, _eight, _eight_of_two, _eight_of_two, _eight_thin),
    (
        *(_nine, _nine, _nine_curled, _nine_curled, _nine_looped),
        *(_nine_collapsed, _nine_beside_stem, _nine_flat),
    ),
)
