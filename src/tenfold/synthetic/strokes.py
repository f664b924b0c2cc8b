"""Digits as strokes of a pen, in forms that MNIST's writers, Americans of 1990, hardly used.

In: a digit and a random generator. Out: strokes, each a polyline. There are ones with flags and
feet, crossed sevens, fours that are open or drawn in one go, nines with hooks, eights that do not
close, fives in two strokes. The forms are our own.

Coordinates: x to the right and y down, a digit between 0 and 1 high and about 0.6 wide. S points.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Stroke = npt.NDArray[np.float64]  # [S, 2]: x, y
Random = np.random.Generator
Form = Callable[[Random], list[Stroke]]
POINTS_BETWEEN = 8  # drawn between two points of a smooth stroke


def draw_strokes(digit: int, random: Random) -> list[Stroke]:
    """One of the digit's forms, 0 to 9, as a hand might draw it."""
    forms = FORMS[digit]
    return bend(forms[int(random.integers(len(forms)))](random), random)


def bend(strokes: list[Stroke], random: Random) -> list[Stroke]:
    """The strokes as if on paper that is bent a little: each coordinate moves with a slow wave."""
    sizes, phases = random.normal(0, 0.025, (2, 2)), random.uniform(0, 2 * np.pi, (2, 2))
    pace = random.uniform(3, 8, (2, 2))
    return [
        stroke
        + np.stack(
            [(sizes[i] * np.sin(pace[i] * stroke + phases[i])).sum(axis=1) for i in range(2)],
            axis=1,
        )
        for stroke in strokes
    ]


def smooth(points: list[tuple[float, float]]) -> Stroke:
    """A Catmull-Rom spline through the points; a point that is there twice is a corner."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, POINTS_BETWEEN, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
    )
    return np.concatenate([curve.reshape(-1, 2), p[-2:-1]])


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, tilt: float = 0.0
) -> Stroke:
    """Part of an ellipse; angles in degrees, 0 to the right, 90 down."""
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


def _zero(random: Random) -> list[Stroke]:
    u = random.uniform
    start, extra = u(-130, -40), u(-35, 40)
    width = u(0.18, 0.42)
    growing = np.linspace(1, u(0.9, 1.1), 37)[:, None]
    oval = arc(0, 0, width, 0.5, start, start - 360 - extra, u(-12, 20))[:37]
    oval = oval * growing[: len(oval)] + [0.5, 0.5]
    if random.random() < 0.2:  # its end goes on inside
        inside = (0.5 + width * u(-0.5, 0.4), u(0.3, 0.75))
        last = (float(oval[-1, 0]), float(oval[-1, 1]))
        oval = np.concatenate([oval, smooth([last, inside])])
    strokes = [oval]
    if random.random() < 0.08:
        strokes.append(smooth([(0.5 + width, u(0.0, 0.2)), (0.5 - width, u(0.8, 1.0))]))
    return strokes


def _one(random: Random) -> list[Stroke]:
    u = random.uniform
    lean, bend = u(-0.15, 0.3), u(-0.04, 0.04)
    top, foot = (0.5 + lean / 2, 0.0), (0.5 - lean / 2, 1.0)
    stem = smooth([top, ((top[0] + foot[0]) / 2 + bend, 0.5), foot])
    strokes = [stem]
    if random.random() < 0.9:
        # From the top down to the left; a seven's bar is closer to level.
        kind = random.random()
        if kind < 0.4:
            length, steepest = u(0.12, 0.45), 62.0
        elif kind < 0.8:
            length, steepest = u(0.35, 0.95), 62.0
        else:  # from the line up, as in Germany
            length, steepest = u(0.9, 1.25), 55.0
        angle = np.radians(u(34, steepest))  # below the horizontal
        end = (top[0] - length * np.cos(angle), length * np.sin(angle))
        sag = u(-0.06, 0.06)
        middle = ((top[0] + end[0]) / 2 + sag, end[1] / 2 + sag)
        slip = u(-0.03, 0.05)
        strokes = [np.concatenate([smooth([end, middle, (top[0], slip * (slip > 0))]), stem])]
    if random.random() < 0.4:
        half, tilt = u(0.12, 0.5), u(-0.06, 0.06)
        y = 1 + u(-0.02, 0.05)
        middle_x = foot[0] + u(-0.08, 0.08)
        strokes.append(smooth([(middle_x - half, y + tilt), (middle_x + half, y - tilt)]))
    return strokes


def _two(random: Random) -> list[Stroke]:
    u = random.uniform
    right, waist = u(0.75, 0.95), u(0.3, 0.45)
    head = [
        (u(0.1, 0.25), u(0.1, 0.3)),
        (0.5, u(-0.02, 0.05)),
        (right, 0.28),
        (u(0.4, 0.6), u(0.6, 0.75)),
    ]
    if random.random() < 0.45:  # a loop at the foot
        low = [(0.2, 0.97), (u(0.05, 0.15), 0.88), (0.25, u(0.78, 0.86)), (waist + 0.15, 0.93)]
        return [smooth([*head, *low, (right, u(0.9, 1.02))])]
    corner = (u(0.05, 0.2), u(0.94, 1.0))
    return [
        smooth(
            [
                *head,
                corner,
                corner,
                (u(0.5, 0.6), 1.0 + u(-0.05, 0.03)),
                (right + 0.05, u(0.9, 1.02)),
            ]
        )
    ]


def _two_angular(random: Random) -> list[Stroke]:
    u = random.uniform
    top = (u(0.75, 0.9), u(0.15, 0.3))
    corner = (u(0.05, 0.2), u(0.94, 1.0))
    head = smooth(
        [(u(0.1, 0.2), u(0.05, 0.3)), (0.45, 0.0), top, corner, corner, (0.9, u(0.9, 1.02))]
    )
    return [head]


def _two_necked(random: Random) -> list[Stroke]:
    """A small head on a long neck, and a level foot that may be a stroke of its own."""
    u = random.uniform
    low = (u(0.2, 0.4), u(0.93, 1.0))
    head = [
        (u(0.2, 0.45), u(0.02, 0.14)),
        (u(0.5, 0.65), u(-0.02, 0.04)),
        (u(0.62, 0.78), u(0.22, 0.4)),
    ]
    neck = smooth([*head, (u(0.5, 0.62), u(0.6, 0.72)), low])
    foot_y = low[1] + u(0.0, 0.04)
    foot = smooth([(low[0] - u(0.0, 0.15), foot_y), (u(0.7, 0.95), foot_y + u(-0.05, 0.03))])
    return [neck, foot]


def _two_curled(random: Random) -> list[Stroke]:
    """A head that curls into itself and a loop at the foot: between them it is no nine."""
    u = random.uniform
    head = [(u(0.3, 0.45), u(0.2, 0.3)), (u(0.12, 0.25), u(0.1, 0.2)), (u(0.4, 0.55), 0.0)]
    neck = [(u(0.75, 0.88), u(0.16, 0.26)), (u(0.5, 0.65), u(0.48, 0.58)), (u(0.2, 0.3), 0.85)]
    foot = [(u(0.0, 0.12), u(0.9, 1.0)), (u(0.12, 0.25), u(0.8, 0.9)), (0.55, u(0.92, 1.0))]
    return [smooth([*head, *neck, *foot, (u(0.8, 1.0), u(0.8, 0.95))])]


def _three(random: Random) -> list[Stroke]:
    u = random.uniform
    notch = (u(0.35, 0.55), u(0.42, 0.5))
    low = [(u(0.8, 0.95), u(0.66, 0.76)), (0.5, 1.0), (u(0.05, 0.2), u(0.82, 0.95))]
    if random.random() < 0.4:  # a flat top
        right = (u(0.75, 0.9), u(-0.02, 0.08))
        start = (u(0.1, 0.25), u(0.0, 0.08))
        return [smooth([start, right, right, notch, notch, *low])]
    head = [(u(0.1, 0.25), u(0.08, 0.25)), (0.5, 0.0), (u(0.7, 0.9), u(0.18, 0.28))]
    middle = (
        [notch, notch]
        if random.random() < 0.6
        else [notch, (notch[0] - 0.12, notch[1] + 0.02), notch]
    )
    return [smooth([*head, *middle, *low])]


def _three_pointed(random: Random) -> list[Stroke]:
    """A level top, aslant back to a sharp notch, a bowl: narrow, like a z above an arc."""
    u = random.uniform
    right, notch = (u(0.5, 0.85), u(-0.03, 0.05)), (u(0.25, 0.5), u(0.35, 0.48))
    bowl = [(u(0.6, 0.8), u(0.5, 0.62)), (u(0.6, 0.8), u(0.8, 0.9)), (0.4, 1.0)]
    start = (u(0.05, 0.25), u(-0.02, 0.08))
    return [smooth([start, right, right, notch, notch, *bowl, (u(0.05, 0.2), u(0.86, 0.98))])]


def _three_square(random: Random) -> list[Stroke]:
    """Narrow, its waist a corner, its foot level: a one with flag and foot has no waist."""
    u = random.uniform
    left, right = (u(0.1, 0.3), u(0.02, 0.16)), (u(0.55, 0.75), u(0.1, 0.25))
    waist = (u(0.3, 0.48), u(0.4, 0.52))
    low = (u(0.55, 0.75), u(0.7, 0.85))
    start = [left, (u(0.35, 0.55), u(-0.03, 0.05))]
    foot = [(u(0.45, 0.65), u(0.94, 1.0)), (u(0.0, 0.2), u(0.88, 1.0))]
    corner = [right] if random.random() < 0.4 else []
    return [smooth([*start, right, *corner, waist, waist, low, *foot])]


def _four_open(random: Random) -> list[Stroke]:
    u = random.uniform
    corner = (u(0.0, 0.15), u(0.5, 0.68))
    across = smooth(
        [(u(0.2, 0.4), u(-0.02, 0.1)), corner, corner, (u(0.85, 1.05), corner[1] + u(-0.1, 0.06))]
    )
    stem_x = u(0.5, 0.75)
    stem = smooth([(stem_x + u(0.0, 0.15), u(0.1, 0.45)), (stem_x + u(-0.08, 0.04), 1.0)])
    return [across, stem]


def _four_closed(random: Random) -> list[Stroke]:
    u = random.uniform
    top = (u(0.5, 0.75), 0.0)
    corner = (u(0.0, 0.12), u(0.52, 0.72))
    end = (u(0.85, 1.1), corner[1] + u(-0.08, 0.04))
    stem_x = top[0] + u(-0.08, 0.08)
    middle = (top[0] * 0.5 + u(-0.08, 0.05), corner[1] * 0.5)
    across = smooth([top, middle, corner, corner, end])
    return [across, smooth([(stem_x, u(-0.04, 0.2)), (stem_x + u(-0.12, 0.04), 1.0)])]


def _four_round(random: Random) -> list[Stroke]:
    """A bowl open above, like a y, and a stem through its right end."""
    u = random.uniform
    top_right = (u(0.6, 0.85), u(0.0, 0.3))
    bowl = smooth(
        [
            (u(0.1, 0.35), u(0.0, 0.1)),
            (u(0.03, 0.15), u(0.3, 0.4)),
            (0.35, u(0.45, 0.58)),
            (top_right[0] + u(-0.05, 0.2), u(0.32, 0.46)),
        ]
    )
    stem = smooth(
        [top_right, (top_right[0] - u(0.0, 0.1), 0.5), (top_right[0] - u(0.0, 0.25), 1.0)]
    )
    return [bowl, stem]


def _four_cupped(random: Random) -> list[Stroke]:
    """A cup that may begin with a hook, and a long stem; between their tops it stays open."""
    u = random.uniform
    right_top = (u(0.72, 0.95), u(0.12, 0.34))
    hook = [(u(0.3, 0.45), u(0.03, 0.1))] if random.random() < 0.3 else []
    cup = [
        *hook,
        (right_top[0] - u(0.16, 0.4), u(-0.04, 0.08)),
        (u(0.08, 0.25), u(0.22, 0.36)),
        (u(0.28, 0.45), u(0.44, 0.55)),
    ]
    foot = (u(0.45, 0.95), 1.0)
    middle = ((right_top[0] + foot[0]) / 2 + u(-0.06, 0.06), u(0.55, 0.7))
    if random.random() < 0.5:  # in one go
        return [smooth([*cup, right_top, right_top, middle, foot])]
    end = (right_top[0] + u(-0.03, 0.2), u(0.34, 0.5))
    return [smooth([*cup, end]), smooth([right_top, middle, foot])]


def _four_in_one(random: Random) -> list[Stroke]:
    """Down, around and across without lifting: a loop whose line goes on beyond the stem."""
    u = random.uniform
    top, left = (u(0.45, 0.7), 0.0), (u(0.05, 0.18), u(0.5, 0.64))
    across = (u(0.9, 1.1), left[1] + u(-0.14, 0.06))
    start = smooth(
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


def _four_zigzag(random: Random) -> list[Stroke]:
    """Down, aslant up to the right, down: without a crossing."""
    u = random.uniform
    corner, peak = (u(0.05, 0.2), u(0.45, 0.62)), (u(0.6, 0.8), u(0.2, 0.48))
    return [
        smooth([(u(0.15, 0.4), 0.0), corner, corner, peak, peak, (peak[0] - u(-0.1, 0.15), 1.0)])
    ]


def _five(random: Random) -> list[Stroke]:
    u = random.uniform
    shoulder = (u(0.15, 0.3), u(0.38, 0.48))
    bowl = [
        (u(0.55, 0.65), u(0.34, 0.42)),
        (u(0.82, 0.95), u(0.6, 0.72)),
        (0.5, 1.0),
        (u(0.05, 0.2), u(0.85, 0.97)),
    ]
    corner = (shoulder[0] + u(0.0, 0.1), u(0.02, 0.1))
    bar_end = (u(0.75, 1.05), corner[1] + u(-0.1, 0.05))
    if random.random() < 0.55:  # the bar comes last, and may not meet the rest
        gap = u(-0.02, 0.12) if random.random() < 0.7 else 0.0
        body = smooth([(corner[0], corner[1] + max(0.0, u(-0.1, 0.12))), shoulder, shoulder, *bowl])
        lift = u(0.0, 0.12)
        return [
            body,
            smooth([(corner[0] + gap, corner[1] - lift), (bar_end[0], bar_end[1] - lift)]),
        ]
    if random.random() < 0.4:  # like an S
        return [smooth([bar_end, (0.45, 0.0), (0.18, 0.25), (0.5, 0.45), *bowl[1:]])]
    return [smooth([bar_end, corner, corner, shoulder, shoulder, *bowl])]


def _five_narrow(random: Random) -> list[Stroke]:
    """A bowl that is hardly one, and a bar from its top to the right, like an r."""
    u = random.uniform
    top = (u(0.3, 0.45), u(0.0, 0.1))
    body = [top, (top[0] + u(-0.05, 0.02), u(0.25, 0.4)), (u(0.42, 0.58), u(0.55, 0.7))]
    foot = [(u(0.25, 0.4), 1.0), (u(0.0, 0.12), u(0.85, 0.97))]
    bar = smooth([(top[0] + u(-0.03, 0.08), top[1] + u(-0.04, 0.12)), (u(0.8, 1.1), u(0.0, 0.14))])
    return [smooth([*body, *foot]), bar]


def _six(random: Random) -> list[Stroke]:
    u = random.uniform
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
    return [smooth([*stem, *loop])]


def _seven(random: Random) -> list[Stroke]:
    u = random.uniform
    left = (u(0.0, 0.15), u(-0.03, 0.12))
    right = (u(0.7, 0.95), u(-0.03, 0.06))
    foot = (u(0.15, 0.7), 1.0)
    bar: list[tuple[float, float]] = [
        left,
        ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + u(-0.05, 0.06)),
        right,
        right,
    ]
    if random.random() < 0.3:  # a serif
        bar = [(left[0] + u(-0.03, 0.03), left[1] + u(0.08, 0.2)), left, *bar]
    bend = ((right[0] + foot[0]) / 2 + u(-0.12, 0.06), 0.5)
    strokes = [smooth([*bar, bend, foot])]
    if random.random() < 0.7:
        y, half, tilt = u(0.4, 0.62), u(0.15, 0.36), u(-0.1, 0.06)
        x = right[0] + (foot[0] - right[0]) * y + u(-0.08, 0.08)
        strokes.append(smooth([(x - half, y - tilt), (x + half, y + tilt)]))
    return strokes


def _seven_waved(random: Random) -> list[Stroke]:
    """A bar that begins with a stroke upward and sags, a cross: as in Poland and France."""
    u = random.uniform
    start, peak = (u(0.0, 0.12), u(0.15, 0.38)), (u(0.12, 0.25), u(0.0, 0.12))
    sag, right = (u(0.35, 0.5), u(0.1, 0.35)), (u(0.7, 0.95), u(-0.04, 0.06))
    foot = (u(0.2, 0.6), 1.0)
    middle_x = (right[0] + foot[0]) / 2
    head = [start, peak, sag, right]
    if random.random() < 0.5:  # pointed
        head = [start, peak, peak, sag, sag, right, right]
    strokes = [smooth([*head, (middle_x + u(-0.08, 0.05), 0.5), foot])]
    if random.random() < 0.8:
        y, half = u(0.45, 0.65), u(0.18, 0.4)
        strokes.append(
            smooth([(middle_x - half, y + u(0, 0.06)), (middle_x + half, y - u(0, 0.06))])
        )
    return strokes


def _seven_bowed(random: Random) -> list[Stroke]:
    """A bar that comes in a bow from the left, and a cross."""
    u = random.uniform
    right, foot = (u(0.65, 0.9), u(0.0, 0.06)), (u(0.3, 0.6), 1.0)
    head = [
        (u(0.02, 0.15), u(0.35, 0.5)),
        (u(0.05, 0.2), u(0.12, 0.22)),
        (0.4, u(-0.02, 0.04)),
        right,
    ]
    y, half, x = u(0.45, 0.6), u(0.2, 0.42), (right[0] + foot[0]) / 2
    body = smooth([*head, right, (x + u(-0.05, 0.05), 0.5), foot])
    return [body, smooth([(x - half, y + u(0, 0.05)), (x + half, y - u(0, 0.05))])]


def _seven_upright(random: Random) -> list[Stroke]:
    """A short bar, a stem that falls straight, a cross that is as wide as the bar or wider."""
    u = random.uniform
    left, right = (u(0.1, 0.3), u(0.0, 0.14)), (u(0.5, 0.7), u(-0.03, 0.08))
    foot, y = (right[0] - u(0.0, 0.2), 1.0), u(0.42, 0.68)
    x, tilt = right[0] + (foot[0] - right[0]) * y, u(-0.05, 0.08)
    stem = [right, (x + u(-0.03, 0.05), y), foot]
    head = [(left[0] - u(0.0, 0.05), left[1] + u(0.05, 0.2)), left] if u(0, 1) < 0.4 else [left]
    cross = smooth([(x - u(0.15, 0.42), y + tilt), (x + u(0.12, 0.4), y - tilt)])
    corner = [right] if random.random() < 0.6 else []
    return [smooth([*head, *corner, *stem]), cross]


def _eight(random: Random) -> list[Stroke]:
    u = random.uniform
    start = (u(0.6, 0.85), u(0.02, 0.2))
    top = [start, (0.45, 0.0), (u(0.12, 0.25), 0.22), (0.5, 0.47)]
    low = [(u(0.78, 0.92), 0.75), (0.48, 1.0), (u(0.08, 0.2), 0.75)]
    end = (u(0.6, 0.9), u(0.0, 0.28))
    return [smooth([*top, *low, (u(0.45, 0.55), u(0.45, 0.55)), end])]


def _eight_of_two(random: Random) -> list[Stroke]:
    u = random.uniform
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


def _eight_thin(random: Random) -> list[Stroke]:
    """Two loops so narrow that it is hardly wider than a one; it leans, as such do."""
    u = random.uniform
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
    return [smooth([(0.5 + x - lean * (y - 0.5), y) for x, y in points])]


def _nine(random: Random) -> list[Stroke]:
    u = random.uniform
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
    return [smooth([*bowl, *tails[int(random.integers(3))]])]


def _nine_curled(random: Random) -> list[Stroke]:
    """A small loop at the top left that goes over into a bow, like a g or a mirrored e."""
    u = random.uniform
    loop = [
        (u(0.6, 0.8), u(0.05, 0.15)),
        (u(0.35, 0.5), 0.0),
        (u(0.08, 0.2), u(0.14, 0.22)),
        (u(0.3, 0.4), u(0.32, 0.42)),
        (u(0.6, 0.7), u(0.2, 0.3)),
    ]
    back = [(u(0.62, 0.78), u(0.06, 0.16))] if random.random() < 0.5 else []
    bow = [
        (u(0.75, 0.9), u(0.5, 0.65)),
        (u(0.55, 0.7), u(0.85, 0.95)),
        (u(0.25, 0.4), 1.0),
        (u(0.0, 0.15), u(0.84, 0.98)),
    ]
    return [smooth([*loop, *back, *bow])]


def _nine_looped(random: Random) -> list[Stroke]:
    """A head with a loop in it, a long bow below it that may curl up at its end."""
    u = random.uniform
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
    head = head if random.random() < 0.5 else head[2:]
    bow = [
        (u(0.75, 0.95), u(0.58, 0.72)),
        (u(0.5, 0.7), u(0.92, 1.0)),
        (u(0.15, 0.35), u(0.9, 1.0)),
    ]
    if random.random() < 0.35:  # curls up, and may nearly close
        bow.append((u(0.15, 0.4), u(0.62, 0.8)))
    return [smooth([*head, *bow])]


def _nine_collapsed(random: Random) -> list[Stroke]:
    """A nine whose bowl has almost closed to a stroke; it hangs to the left of the stem."""
    u = random.uniform
    top = (u(0.65, 0.85), u(0.0, 0.08))
    bowl = [
        top,
        (u(0.3, 0.45), u(0.0, 0.06)),
        (u(0.08, 0.2), u(0.14, 0.22)),
        (u(0.35, 0.5), u(0.24, 0.34)),
        (u(0.7, 0.8), u(0.12, 0.2)),
    ]
    return [smooth([*bowl, (u(0.7, 0.85), u(0.35, 0.5)), (u(0.35, 0.6), 1.0)])]


def _nine_flat(random: Random) -> list[Stroke]:
    """A level, flat head, hardly open, and a tail that sweeps far to the left."""
    u = random.uniform
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
    return [smooth([*head, *tail[: int(random.integers(3, 5))]])]


def _nine_beside_stem(random: Random) -> list[Stroke]:
    """A ring whose stem leaves it at its lower left or in its middle, as a rho's does."""
    u = random.uniform
    width, height = u(0.2, 0.32), u(0.18, 0.28)
    x, y = 0.5, height
    stem_x = x + width * u(-0.6, 0.5)
    start = (stem_x + u(-0.05, 0.05), u(1.7, 2.1) * height)
    ring = [(x - width, y), (x, 0.0), (x + width, y), (stem_x + u(0.0, 0.08), 2 * height)]
    return [smooth([start, *ring, (stem_x - u(0.0, 0.12), u(0.6, 0.75)), (stem_x - 0.05, 1.0)])]


FORMS: tuple[tuple[Form, ...], ...] = (
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
