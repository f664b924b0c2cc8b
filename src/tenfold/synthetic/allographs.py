"""Shapes of handwritten digits that MNIST's writers, Americans of 1990, rarely used.

Ones with flags and feet, crossed sevens, open fours and fours in one stroke, hooked nines, eights
that do not close, fives in two strokes. The shapes are our own. A digit is between 0 and 1 high and
about 0.6 wide.
"""

import numpy as np

from tenfold.synthetic.strokes import Rng, Stroke, StrokeFunction, arc, place, spline, warp


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
        oval = np.concatenate([oval, spline(oval[-1], inside)])
    if rng.random() < 0.08:
        return [oval, spline((0.5 + width, u(0.0, 0.2)), (0.5 - width, u(0.8, 1.0)))]
    return [oval]


def _one(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    lean, bow = u(-0.15, 0.3), u(-0.04, 0.04)
    top, foot = (0.5 + lean / 2, 0.0), (0.5 - lean / 2, 1.0)
    strokes = [spline(top, ((top[0] + foot[0]) / 2 + bow, 0.5), foot)]
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
        flag = spline(end, middle, (top[0], max(0.0, u(-0.03, 0.05))))
        strokes = [np.concatenate([flag, *strokes])]
    if rng.random() < 0.4:
        half, tilt = u(0.12, 0.5), u(-0.06, 0.06)
        y, x = 1 + u(-0.02, 0.05), foot[0] + u(-0.08, 0.08)
        strokes.append(spline((x - half, y + tilt), (x + half, y - tilt)))
    return strokes


def _one_narrow(rng: Rng) -> list[Stroke]:
    """A long, steep upstroke beside the stem, with a point or a narrow loop between them."""
    u = rng.uniform
    top, foot = place("55..75 0, 35..60 100", rng)
    start = (top[0] - u(0.15, 0.45), u(0.5, 1.0))
    loop = [(top[0] - u(0.0, 0.05), u(0.0, 0.04))] if rng.random() < 0.4 else [top]
    return [spline(start, *loop, top, foot)]


def _two(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    right, waist = u(0.75, 0.95), u(0.3, 0.45)
    head = [*place("10..25 10..30, 50 -2..5", rng), (right, 0.28), *place("40..60 60..75", rng)]
    if rng.random() < 0.45:  # a loop at the foot
        low = [*place("20 97, 5..15 88, 25 78..86", rng), (waist + 0.15, 0.93)]
        return [spline(*head, *low, (right, u(0.9, 1.02)))]
    foot = place("5..20 94..100!", rng)
    bow = (u(0.5, 0.6), 1.0 + u(-0.05, 0.03))
    return [spline(*head, *foot, bow, (right + 0.05, u(0.9, 1.02)))]


def _two_angular(rng: Rng) -> list[Stroke]:
    top, corner = place("75..90 15..30", rng), place("5..20 94..100!", rng)
    return [spline(*place("10..20 5..30, 45 0", rng), *top, *corner, *place("90 90..102", rng))]


def _two_necked(rng: Rng) -> list[Stroke]:
    """A small head on a long neck, and a level foot as a second stroke."""
    u = rng.uniform
    [low] = place("20..40 93..100", rng)
    neck = spline(*place("20..45 2..14, 50..65 -2..4, 62..78 22..40, 50..62 60..72", rng), low)
    y = low[1] + u(0.0, 0.04)
    return [neck, spline((low[0] - u(0.0, 0.15), y), (u(0.7, 0.95), y + u(-0.05, 0.03)))]


def _two_curled(rng: Rng) -> list[Stroke]:
    """A head that curls inwards and a loop at the foot."""
    head = place("30..45 20..30, 12..25 10..20, 40..55 0", rng)
    neck = place("75..88 16..26, 50..65 48..58, 20..30 85", rng)
    foot = place("0..12 90..100, 12..25 80..90, 55 92..100, 80..100 80..95", rng)
    return [spline(*head, *neck, *foot)]


def _three(rng: Rng) -> list[Stroke]:
    [notch] = place("35..55 42..50", rng)
    low = place("80..95 66..76, 50 100, 5..20 82..95", rng)
    if rng.random() < 0.4:  # a flat top
        right, start = place("75..90 -2..8!", rng), place("10..25 0..8", rng)
        return [spline(*start, *right, notch, notch, *low)]
    head = place("10..25 8..25, 50 0, 70..90 18..28", rng)
    loop = [] if rng.random() < 0.6 else [(notch[0] - 0.12, notch[1] + 0.02)]
    return [spline(*head, notch, *loop, notch, *low)]


def _three_pointed(rng: Rng) -> list[Stroke]:
    """A level top, aslant back to a sharp notch, a bowl: narrow, like a z above an arc."""
    zigzag = place("50..85 -3..5!, 25..50 35..48!", rng)
    bowl = place("60..80 50..62, 60..80 80..90, 40 100", rng)
    start = place("5..25 -2..8", rng)
    return [spline(*start, *zigzag, *bowl, *place("5..20 86..98", rng))]


def _three_square(rng: Rng) -> list[Stroke]:
    """Narrow, with a corner at the waist and a level foot; a one has no waist."""
    left, right = place("10..30 2..16", rng), place("55..75 10..25", rng)
    low = place("30..48 40..52!, 55..75 70..85", rng)
    start = [*left, *place("35..55 -3..5", rng)]
    foot = place("45..65 94..100, 0..20 88..100", rng)
    corner = right if rng.random() < 0.4 else []
    return [spline(*start, *right, *corner, *low, *foot)]


def _four_open(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    [corner] = place("0..15 50..68", rng)
    start = place("20..40 -2..10", rng)
    across = spline(*start, corner, corner, (u(0.85, 1.05), corner[1] + u(-0.1, 0.06)))
    x = u(0.5, 0.75)
    return [across, spline((x + u(0.0, 0.15), u(0.1, 0.45)), (x + u(-0.08, 0.04), 1.0))]


def _four_closed(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    top, corner = place("50..75 0, 0..12 52..72", rng)
    end = (u(0.85, 1.1), corner[1] + u(-0.08, 0.04))
    x = top[0] + u(-0.08, 0.08)
    middle = (top[0] * 0.5 + u(-0.08, 0.05), corner[1] * 0.5)
    stem = spline((x, u(-0.04, 0.2)), (x + u(-0.12, 0.04), 1.0))
    return [spline(top, middle, corner, corner, end), stem]


def _four_round(rng: Rng) -> list[Stroke]:
    """A bowl open at the top, like a y, and a stem through its right end."""
    u = rng.uniform
    [top] = place("60..85 0..30", rng)
    bowl = place("10..35 0..10, 3..15 30..40, 35 45..58", rng)
    end = (top[0] + u(-0.05, 0.2), u(0.32, 0.46))
    stem = spline(top, (top[0] - u(0.0, 0.1), 0.5), (top[0] - u(0.0, 0.25), 1.0))
    return [spline(*bowl, end), stem]


def _four_cupped(rng: Rng) -> list[Stroke]:
    """A cup, perhaps with a hook, and a long stem; open between their tops."""
    u = rng.uniform
    [top] = place("72..95 12..34", rng)
    hook = place("30..45 3..10", rng) if rng.random() < 0.3 else []
    start = (top[0] - u(0.16, 0.4), u(-0.04, 0.08))
    cup = [*hook, start, *place("8..25 22..36, 28..45 44..55", rng)]
    [foot] = place("45..95 100", rng)
    middle = ((top[0] + foot[0]) / 2 + u(-0.06, 0.06), u(0.55, 0.7))
    if rng.random() < 0.5:  # in one stroke
        return [spline(*cup, top, top, middle, foot)]
    end = (top[0] + u(-0.03, 0.2), u(0.34, 0.5))
    return [spline(*cup, end), spline(top, middle, foot)]


def _four_in_one(rng: Rng) -> list[Stroke]:
    """Down, around and across without lifting the pen: a loop that crosses the stem."""
    u = rng.uniform
    top, left = place("45..70 0, 5..18 50..64", rng)
    across = (u(0.9, 1.1), left[1] + u(-0.14, 0.06))
    middle = (0.5, left[1] + u(-0.02, 0.06))
    upper = place("20..35 12..25", rng)
    stem = place("68..82 12..25, 55..68 60, 35..60 100", rng)
    return [spline(across, middle, left, *upper, top, *stem)]


def _four_zigzag(rng: Rng) -> list[Stroke]:
    """Down, diagonally up to the right, and down, without a crossing."""
    corner, peak = place("5..20 45..62, 60..80 20..48", rng)
    start, foot = place("15..40 0", rng), (peak[0] - rng.uniform(-0.1, 0.15), 1.0)
    return [spline(*start, corner, corner, peak, peak, foot)]


def _five(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    [shoulder] = place("15..30 38..48", rng)
    bowl = place("55..65 34..42, 82..95 60..72, 50 100, 5..20 85..97", rng)
    corner = (shoulder[0] + u(0.0, 0.1), u(0.02, 0.1))
    bar_end = (u(0.75, 1.05), corner[1] + u(-0.1, 0.05))
    if rng.random() < 0.55:  # the bar is drawn last and may not touch the rest
        gap = u(-0.02, 0.12) if rng.random() < 0.7 else 0.0
        start = (corner[0], corner[1] + max(0.0, u(-0.1, 0.12)))
        lift = u(0.0, 0.12)
        bar = spline((corner[0] + gap, corner[1] - lift), (bar_end[0], bar_end[1] - lift))
        return [spline(start, shoulder, shoulder, *bowl), bar]
    if rng.random() < 0.4:  # like an S
        return [spline(bar_end, (0.45, 0.0), (0.18, 0.25), (0.5, 0.45), *bowl[1:])]
    return [spline(bar_end, corner, corner, shoulder, shoulder, *bowl)]


def _five_narrow(rng: Rng) -> list[Stroke]:
    """Hardly a bowl, and a bar from the top to the right, like an r."""
    u = rng.uniform
    [top] = place("30..45 0..10", rng)
    body = [top, (top[0] + u(-0.05, 0.02), u(0.25, 0.4)), *place("42..58 55..70", rng)]
    foot = place("25..40 100, 0..12 85..97", rng)
    bar = spline((top[0] + u(-0.03, 0.08), top[1] + u(-0.04, 0.12)), *place("80..110 0..14", rng))
    return [spline(*body, *foot), bar]


def _six(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    width, height = u(0.22, 0.38), u(0.2, 0.28)
    x, y = 0.5, 1 - height
    stem = place("45..85 0, 22..40 25..40", rng)
    top = (x + u(-0.05, 0.05), y - height)
    end = (x - width + u(-0.02, 0.15), y + u(-0.05, 0.12))
    return [spline(*stem, (x - width, y), (x, 1.0), (x + width, y), top, end)]


def _six_open(rng: Rng) -> list[Stroke]:
    """A bowl that stops before it reaches the stem, like a b without its upper half."""
    stem = place("35..60 0, 15..30 35..50, 8..22 75..85", rng)
    return [spline(*stem, *place("35..50 98..102, 65..85 72..85, 45..75 48..62", rng))]


def _seven(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    left, right, foot = place("0..15 -3..12, 70..95 -3..6, 15..70 100", rng)
    middle = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + u(-0.05, 0.06))
    serif = []
    if rng.random() < 0.3:
        serif = [(left[0] + u(-0.03, 0.03), left[1] + u(0.08, 0.2)), left]
    bow = ((right[0] + foot[0]) / 2 + u(-0.12, 0.06), 0.5)
    strokes = [spline(*serif, left, middle, right, right, bow, foot)]
    if rng.random() < 0.7:
        y, half, tilt = u(0.4, 0.62), u(0.15, 0.36), u(-0.1, 0.06)
        x = right[0] + (foot[0] - right[0]) * y + u(-0.08, 0.08)
        strokes.append(spline((x - half, y - tilt), (x + half, y + tilt)))
    return strokes


def _seven_waved(rng: Rng) -> list[Stroke]:
    """A sagging bar with an upward start, and a crossbar, as in Poland and France."""
    u = rng.uniform
    start, *rest = place("0..12 15..38, 12..25 0..12, 35..50 10..35, 70..95 -4..6", rng)
    [foot] = place("20..60 100", rng)
    x = (rest[-1][0] + foot[0]) / 2
    if rng.random() < 0.5:  # pointed
        rest = [point for point in rest for _ in range(2)]
    strokes = [spline(start, *rest, (x + u(-0.08, 0.05), 0.5), foot)]
    if rng.random() < 0.8:
        y, half = u(0.45, 0.65), u(0.18, 0.4)
        strokes.append(spline((x - half, y + u(0, 0.06)), (x + half, y - u(0, 0.06))))
    return strokes


def _seven_bowed(rng: Rng) -> list[Stroke]:
    """A bar that curves in from the left, and a crossbar."""
    u = rng.uniform
    right, foot = place("65..90 0..6, 30..60 100", rng)
    head = place("2..15 35..50, 5..20 12..22, 40 -2..4", rng)
    y, half, x = u(0.45, 0.6), u(0.2, 0.42), (right[0] + foot[0]) / 2
    body = spline(*head, right, right, (x + u(-0.05, 0.05), 0.5), foot)
    return [body, spline((x - half, y + u(0, 0.05)), (x + half, y - u(0, 0.05)))]


def _seven_upright(rng: Rng) -> list[Stroke]:
    """A short bar, an upright stem, and a crossbar at least as wide as the bar."""
    u = rng.uniform
    left, right = place("10..30 0..14, 50..70 -3..8", rng)
    foot, y = (right[0] - u(0.0, 0.2), 1.0), u(0.42, 0.68)
    x, tilt = right[0] + (foot[0] - right[0]) * y, u(-0.05, 0.08)
    middle = (x + u(-0.03, 0.05), y)
    serif = [(left[0] - u(0.0, 0.05), left[1] + u(0.05, 0.2))] if rng.random() < 0.4 else []
    cross = spline((x - u(0.15, 0.42), y + tilt), (x + u(0.12, 0.4), y - tilt))
    corner = [right] if rng.random() < 0.6 else []
    return [spline(*serif, left, *corner, right, middle, foot), cross]


def _eight(rng: Rng) -> list[Stroke]:
    upper = place("60..85 2..20, 45 0, 12..25 22, 50 47", rng)
    lower = place("78..92 75, 48 100, 8..20 75", rng)
    end = place("60..90 0..28", rng)
    return [spline(*upper, *lower, *place("45..55 45..55", rng), *end)]


def _eight_of_two(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    cut, lap = u(0.4, 0.52), u(-0.03, 0.02)
    x, start = 0.5 + u(-0.06, 0.06), u(-120, -60)
    upper = arc(0.5, cut / 2, u(0.16, 0.28), cut / 2, start, start - 360 + u(-10, 30), u(-15, 15))
    y, width, height = (1 + cut + lap) / 2, u(0.2, 0.36), (1 - cut - lap) / 2
    return [upper, arc(x, y, width, height, start, start + 360 + u(-20, 20), u(-15, 15))]


def _eight_thin(rng: Rng) -> list[Stroke]:
    """Two loops hardly wider than a one, leaning."""
    u = rng.uniform
    width, waist, lean = u(0.05, 0.16), u(0.38, 0.52), u(-0.25, 0.3)
    high, upper = waist / 2, u(0.6, 1.0) * width
    low, lower = (1 + waist) / 2, u(0.9, 1.5) * width
    start = [(u(0.2, 0.8) * upper, u(0.0, 0.08)), (-upper / 2, u(0.0, 0.04)), (-upper, high)]
    loop = [(0.0, waist), (lower, low), (0.0, 1.0), (-lower, low)]
    end = [(0.0, waist + u(-0.05, 0.02)), (upper, high), (u(0.0, 0.8) * upper, u(0.0, 0.1))]
    return [spline(*((0.5 + x - lean * (y - 0.5), y) for x, y in (*start, *loop, *end)))]


def _nine(rng: Rng) -> list[Stroke]:
    u = rng.uniform
    width, height = u(0.2, 0.34), u(0.17, 0.28)
    x, y = 0.45, height
    start = (x + width * u(0.5, 1.0), y - height * u(0.2, 0.8))
    bowl = [start, (x, 0.0), (x - width, y), (x, 2 * height), (x + width, y + u(-0.05, 0.02))]
    right = x + width + u(-0.02, 0.06)
    straight = [(right, y), (right - u(0.0, 0.15), 1.0)]
    hook = [(right, 0.5), (right - u(0.05, 0.15), 0.9), *place("25..40 100, 0..20 82..97", rng)]
    bend = (right - u(0.02, 0.2), u(0.7, 0.8))
    sweep = [(right, 0.55), bend, *place("20..40 90..100, -10..10 90..102", rng)]
    return [spline(*bowl, *(straight, hook, sweep)[int(rng.integers(3))])]


def _nine_curled(rng: Rng) -> list[Stroke]:
    """A small loop at the top left and a bow, like a g or a mirrored e."""
    loop = place("60..80 5..15, 35..50 0, 8..20 14..22, 30..40 32..42, 60..70 20..30", rng)
    back = place("62..78 6..16", rng) if rng.random() < 0.5 else []
    bow = place("75..90 50..65, 55..70 85..95, 25..40 100, 0..15 84..98", rng)
    return [spline(*loop, *back, *bow)]


def _nine_looped(rng: Rng) -> list[Stroke]:
    """A looped head, and a long bow that may curl up at its end."""
    curl = place("30..50 20..32, 15..30 10..20", rng)
    head = place("40..55 0, 68..85 12..22, 45..60 36..46, 8..25 25..38", rng)
    head += place("25..45 4..18, 70..85 28..45", rng)
    curl = curl if rng.random() < 0.5 else []
    bow = place("75..95 58..72, 50..70 92..100, 15..35 90..100", rng)
    end = place("15..40 62..80", rng) if rng.random() < 0.35 else []  # nearly closed
    return [spline(*curl, *head, *bow, *end)]


def _nine_collapsed(rng: Rng) -> list[Stroke]:
    """A bowl that has collapsed almost to a stroke, left of the stem."""
    bowl = place("65..85 0..8, 30..45 0..6, 8..20 14..22, 35..50 24..34, 70..80 12..20", rng)
    return [spline(*bowl, *place("70..85 35..50, 35..60 100", rng))]


def _nine_flat(rng: Rng) -> list[Stroke]:
    """A flat, hardly open head, and a tail that sweeps far to the left."""
    u = rng.uniform
    height, right = u(0.14, 0.24), u(0.65, 0.85)
    top = [(right - u(0.05, 0.2), u(0.0, 0.08)), *place("30..45 -2..4", rng)]
    low = [(u(0.02, 0.2), u(0.4, 0.7) * height), (u(0.3, 0.5), height + u(0.0, 0.06))]
    stem = [(right, u(0.2, 0.7) * height), (right + u(-0.04, 0.06), u(0.4, 0.55))]
    bend = (right - u(0.1, 0.25), u(0.75, 0.88))
    sweep = place("15..40 94..100, -10..15 72..95", rng)
    return [spline(*top, *low, *stem, bend, *sweep[: int(rng.integers(1, 3))])]


def _nine_beside_stem(rng: Rng) -> list[Stroke]:
    """A ring whose stem starts at its lower left or middle, as in rho."""
    u = rng.uniform
    width, height = u(0.2, 0.32), u(0.18, 0.28)
    x, y = 0.5, height
    stem_x = x + width * u(-1.0, 0.5)
    start = (stem_x + u(-0.05, 0.05), u(1.7, 2.1) * height)
    ring = [(x - width, y), (x, 0.0), (x + width, y), (stem_x + u(0.0, 0.08), 2 * height)]
    return [spline(start, *ring, (stem_x - u(0.0, 0.12), u(0.6, 0.75)), (stem_x - 0.05, 1.0))]


# Shapes are listed more than once to be drawn more often.
ALLOGRAPHS: tuple[tuple[StrokeFunction, ...], ...] = (
    (_zero,),
    (_one, _one, _one, _one_narrow),
    (_two, _two, _two_angular, _two_necked, _two_necked, _two_curled),
    (_three, _three, _three_pointed, _three_square),
    (_four_open, _four_closed, _four_round, _four_cupped, _four_in_one, _four_zigzag),
    (_five, _five, _five, _five_narrow, _five_narrow),
    (_six, _six, _six_open),
    (_seven, _seven, _seven_waved, _seven_bowed, _seven_upright),
    (_eight, _eight, _eight_of_two, _eight_of_two, _eight_thin),
    (
        *(_nine, _nine, _nine_curled, _nine_curled, _nine_looped),
        *(_nine_collapsed, _nine_beside_stem, _nine_beside_stem, _nine_flat),
    ),
)
