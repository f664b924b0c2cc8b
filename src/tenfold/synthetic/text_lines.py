"""Lines of digits as people write them: amounts, dates, codes; dots, dashes, digits that touch.

In: MNIST's training images, a seed and an index. Out: a strip, as reading frames a line, and the
digits that are written on it. Forms are those of scenes; a bank of them is drawn once, for a line
needs many. What is drawn depends on seed and index alone.

Array names carry their axes: H rows, W columns, N images, L digits of a strip.
"""

import math
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.line_image import HEIGHT_PX, SIDE_PX, normalise_line
from tenfold.recipes.configs import NO_LABEL
from tenfold.synthetic.characters import (
    NOT_DIGIT,
    Images,
    Labels,
    Map,
    draw_form,
    find_box,
    stamp,
    typeset,
)
from tenfold.synthetic.strokes import Random

WIDTH_PX = 256  # of a training strip, filled with as many lines as fit side by side
MOST_DIGITS = 32
BANK_SIZE = 30_000
BANK_STREAM, STRIP_STREAM = 1, 2
TALL_PX = 56  # of the bank's forms
CHOICES = 5  # of a digit's forms, for one that looks written with the same pen
PAPER_PX = 150  # a line is composed on a sheet of this height, about its middle
SIGNS = "$#*=&%"


class Bank:
    """Digits' forms of one height, uint8, by digit; the same for the same seed."""

    def __init__(
        self, images_NHW: Images, labels_N: Labels, seed: int, size: int = BANK_SIZE
    ) -> None:
        self.images_NHW, self.labels_N = images_NHW, labels_N
        self.seed, self.size = seed, size

    @cached_property
    def forms(self) -> list[list[Images]]:
        """At each digit, the forms of it: ink up to its box, [TALL_PX, W]."""
        random = np.random.default_rng((self.seed, BANK_STREAM))
        forms: list[list[Images]] = [[] for _ in range(10)]
        num_forms = 0
        while num_forms < self.size or not all(forms):
            form_HW, label = draw_form(self.images_NHW, self.labels_N, random)
            box = find_box(form_HW)
            if label == NOT_DIGIT or box is None:
                continue
            cut_HW = form_HW[box[1] : box[3], box[0] : box[2]]
            wide = cut_HW.shape[1] * TALL_PX / cut_HW.shape[0] * math.exp(random.normal(0, 0.1))
            size = (min(max(round(wide), 3), 90), TALL_PX)
            form_HW = cv2.resize(cut_HW, size, interpolation=cv2.INTER_AREA)
            forms[label].append((np.clip(form_HW, 0, 1) * 255).astype(np.uint8))
            num_forms += 1
        return forms

    @cached_property
    def pens(self) -> list[npt.NDArray[np.float64]]:
        """How wide the strokes of each digit's forms are, as a share of their height."""
        return [np.array([_measure_pen(form_HW) for form_HW in forms]) for forms in self.forms]

    def draw(self, digit: int, width: int, height: int, pen: float | None, random: Random) -> Map:
        """One of the digit's forms, `height` pixels high, `width` percent as wide as it was.

        Of a few, that whose strokes are nearest to `pen`, a share of the height, if it is given.
        """
        forms = self.forms[digit]
        chosen_C = random.integers(len(forms), size=CHOICES)
        best = 0 if pen is None else int(np.abs(self.pens[digit][chosen_C] - pen).argmin())
        form_HW = forms[chosen_C[best]]
        wide = max(3, round(form_HW.shape[1] * height / TALL_PX * width / 100))
        small_HW = cv2.resize(form_HW, (wide, height), interpolation=cv2.INTER_AREA)
        return small_HW.astype(np.float32) / 255


def _measure_pen(form_HW: Images) -> float:
    depth_HW = cv2.distanceTransform((form_HW > 127).astype(np.uint8), cv2.DIST_L2, 3)
    depths = depth_HW[depth_HW > 0]
    return 2 * float(np.percentile(depths, 85)) / TALL_PX if len(depths) else 0.0


def build_strip(bank: Bank, seed: int, index: int) -> tuple[Images, Labels]:
    """The strip of that index, uint8 [32, 256], and its digits, uint8 [32], NO_LABEL at the end."""
    random = np.random.default_rng((seed, STRIP_STREAM, index))
    strip_HW = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    digits: list[int] = []
    x = int(random.integers(0, 12))
    while x < WIDTH_PX - 24:
        line = draw_line(bank, random)
        if line is None or line[0].shape[1] > WIDTH_PX - x:
            if random.random() < 0.25:
                break
            continue
        line_HW, text = line
        if len(digits) + len(text) > MOST_DIGITS:
            break
        strip_HW[:, x : x + line_HW.shape[1]] = line_HW
        digits += text
        x += line_HW.shape[1] + int(random.integers(-SIDE_PX, 16))
    labels_L = np.full(MOST_DIGITS, NO_LABEL, np.uint8)
    labels_L[: len(digits)] = digits
    return strip_HW, labels_L


def draw_line(bank: Bank, random: Random) -> tuple[Images, list[int]] | None:
    """One line as a strip, uint8 [32, W], and its digits; None if nothing is left of it."""
    digits = _choose_digits(random)
    sheet_HW = _write(bank, digits, random)
    own = find_box(sheet_HW)
    if own is None:
        return None
    _leave_traces(sheet_HW, own, random)
    strip_HW = normalise_line(_scan(_cut(sheet_HW, own, random), random))
    return strip_HW, digits


def _choose_digits(random: Random) -> list[int]:
    """What is written: any digits, amounts that end in zeros, repetitions, numbers like dates."""
    kind = random.random()
    if kind < 0.35:
        return [int(d) for d in random.integers(0, 10, int(random.integers(1, 9)))]
    if kind < 0.7:
        first = [int(random.integers(1, 10))]
        others = [int(d) for d in random.integers(0, 10, int(random.integers(0, 4)))]
        zeros = [0] * int(random.choice([0, 2, 3, 3, 4, 5]))
        return (first + others + zeros)[:8]
    if kind < 0.85:
        two = [int(d) for d in random.integers(0, 10, 2)]
        return [two[int(random.random() < 0.35)] for _ in range(int(random.integers(2, 7)))]
    others = [int(d) for d in random.integers(0, 10, int(random.integers(2, 6)))]
    return [int(random.integers(1, 3)), *others]


def _write(bank: Bank, digits: list[int], random: Random) -> Map:
    """The digits on a sheet in one hand: its slant, its gaps, its zeros, its dots and dashes."""
    u = random.uniform
    base = int(random.integers(30, 44))  # a digit's height
    sheet_HW = np.zeros((PAPER_PX, len(digits) * 95 + 260), np.float32)
    pen = max(1, round(base * u(0.05, 0.14)))
    gap = u(-0.12, 0.35) if random.random() < 0.75 else u(-0.2, 0.0)
    gap_spread, height_spread, slope = u(0.02, 0.1), u(0.02, 0.14), random.normal(0, 0.03)
    small = u(0.45, 0.8) if random.random() < 0.3 else 1.0  # of zeros after the first digit
    large = u(1.0, 1.45) if random.random() < 0.35 else 1.0  # of digits with a long stem
    is_on_line, is_joined = random.random() < 0.6, random.random() < 0.2
    has_dots, has_commas = random.random() < 0.45, random.random() < 0.3
    width = round(100 * u(0.85, 1.15))
    stroke = u(0.04, 0.22) if random.random() < 0.7 else None
    x, middle = 60, PAPER_PX / 2
    if random.random() < 0.08:
        x = _add_sign(sheet_HW, x, base, pen, random) + round(u(0.1, 0.6) * base)
    last_third = 0
    for i, digit in enumerate(digits):
        tall = base * math.exp(random.normal(0, height_spread))
        if i and (digit == 0 or random.random() < 0.15):
            tall *= small
        if digit in (1, 4, 7, 9) and random.random() < 0.7:
            tall *= large
        height = min(max(round(tall), 12), 70)
        form_HW = bank.draw(digit, width, height, stroke, random)
        y = middle + slope * (x - 60)
        top = y + base / 2 - height if is_on_line else y - height / 2
        top = round(top + random.normal(0, 0.04) * base)
        if i:
            space = random.normal(gap, gap_spread) if random.random() < 0.85 else abs(gap)
            x = max(x + round(space * base), last_third + 4)
        stamp(sheet_HW, form_HW, x, top)
        if is_joined and i and random.random() < 0.6:
            at = top + round(u(0, 0.35) * height)
            start = (x - round(u(0.1, 0.35) * base), at + round(random.normal(0, 0.06) * base))
            cv2.line(
                sheet_HW, start, (x + round(form_HW.shape[1] * 0.35), at), 1.0, pen, cv2.LINE_AA
            )
        last_third, x = x + form_HW.shape[1] // 3, x + form_HW.shape[1]
        num_left = len(digits) - 1 - i
        if has_dots and num_left and (num_left % 3 == 0 or random.random() < 0.05):
            x = _add_dot(sheet_HW, x, y, base, pen, has_commas, random)
    if random.random() < 0.4:
        _add_sign(sheet_HW, x + round(u(0.05, 0.5) * base), base, pen, random)
    return _deform(sheet_HW, random)


def _add_dot(
    sheet_HW: Map, x: int, y: float, base: int, pen: int, is_comma: bool, random: Random
) -> int:
    """A dot or a comma at the foot of the line; where the next digit begins is returned."""
    u = random.uniform
    at_x, at_y = x + round(u(-0.05, 0.2) * base), round(y + base * u(0.3, 0.55))
    if is_comma:
        end = (at_x - round(u(0, 0.12) * base), at_y + round(u(0.08, 0.3) * base))
        cv2.line(sheet_HW, (at_x + pen // 2, at_y), end, 1.0, pen, cv2.LINE_AA)
    else:
        radius = max(1, round(pen * u(0.5, 1.1)))
        cv2.circle(sheet_HW, (at_x, at_y), radius, 1.0, -1, cv2.LINE_AA)
    return at_x + round(u(0, 0.35) * base) if random.random() < 0.7 else x


def _add_sign(sheet_HW: Map, x: int, base: int, pen: int, random: Random) -> int:
    """A dash, two, a dot, or a sign of a font, beside the number; its right end is returned."""
    u, kind = random.uniform, random.random()
    y, wide = PAPER_PX // 2 + round(u(-0.1, 0.4) * base), round(u(0.3, 1.0) * base)
    if kind < 0.55:
        for below in (0.0, 0.25)[: 1 + (random.random() < 0.4)]:
            start = (x, y + round(below * base))
            end = (x + wide, y + round((below + random.normal(0, 0.1)) * base))
            cv2.line(sheet_HW, start, end, 1.0, pen, cv2.LINE_AA)
        return x + wide
    if kind < 0.75:
        cv2.circle(sheet_HW, (x, y), max(1, pen // 2), 1.0, -1, cv2.LINE_AA)
        return x + pen
    sign_HW = typeset(SIGNS[int(random.integers(len(SIGNS)))], random)
    box = find_box(sign_HW)
    if box is None:
        return x
    sign_HW = sign_HW[box[1] : box[3], box[0] : box[2]]
    scale = base * u(0.6, 1.1) / max(sign_HW.shape)
    size = (max(3, round(sign_HW.shape[1] * scale)), max(3, round(sign_HW.shape[0] * scale)))
    small_HW = cv2.resize(sign_HW, size, interpolation=cv2.INTER_AREA)
    stamp(sheet_HW, small_HW, x, PAPER_PX // 2 - small_HW.shape[0] // 2)
    return x + size[0]


def _deform(sheet_HW: Map, random: Random) -> Map:
    """The line slanted, with a broader pen, on paper that is bent."""
    shear = np.float32(random.normal(0, 0.15))
    matrix = np.array([[1, -shear, shear * PAPER_PX / 2], [0, 1, 0]], np.float32)
    size = (sheet_HW.shape[1], sheet_HW.shape[0])
    sheet_HW = cv2.warpAffine(sheet_HW, matrix, size)
    broader = int(random.integers(-1, 3))
    if broader > 0:
        sheet_HW = cv2.dilate(sheet_HW, np.ones((broader + 1, broader + 1), np.uint8))
    if random.random() < 0.4:
        fields = random.normal(0, random.uniform(0.5, 2.5), (2, 4, 10)).astype(np.float32)
        across, down = (cv2.resize(field, size, interpolation=cv2.INTER_CUBIC) for field in fields)
        x, y = (np.arange(length, dtype=np.float32) for length in size)
        sheet_HW = cv2.remap(sheet_HW, across + x[None, :], down + y[:, None], cv2.INTER_LINEAR)
    return sheet_HW


def _leave_traces(sheet_HW: Map, own: tuple[int, int, int, int], random: Random) -> None:
    """What reading may not have taken out: a ruled line, a printed pattern, specks."""
    u = random.uniform
    left, top, right, bottom = own
    tall = bottom - top
    if random.random() < 0.2:
        y = bottom + round(u(-0.25, 0.1) * tall)
        ends = (left - 40, y), (right + 40, y + round(random.normal(0, 0.05) * tall))
        cv2.line(sheet_HW, *ends, u(0.4, 1), max(1, round(u(0.02, 0.12) * tall)), cv2.LINE_AA)
    if random.random() < 0.15:
        lean, step, strength = math.tan(u(-0.5, 0.5)), int(u(5, 14)), u(0.15, 0.6)
        pattern_HW = np.zeros_like(sheet_HW)
        for x in range(-PAPER_PX, sheet_HW.shape[1] + PAPER_PX, step):
            end = (x + round(PAPER_PX * lean), PAPER_PX)
            cv2.line(pattern_HW, (x, 0), end, strength, 1, cv2.LINE_AA)
        np.maximum(sheet_HW, pattern_HW, out=sheet_HW)
    if random.random() < 0.15:
        for _ in range(int(random.integers(1, 5))):
            at = (
                int(random.integers(left - 10, right + 10)),
                int(random.integers(top, bottom + 1)),
            )
            cv2.circle(sheet_HW, at, int(random.integers(0, 3)), u(0.4, 1), -1, cv2.LINE_AA)


def _cut(sheet_HW: Map, own: tuple[int, int, int, int], random: Random) -> Map:
    """The line alone, with a little around it, or cut off a little below or above."""
    left, top, right, bottom = own
    tall = bottom - top
    if random.random() < 0.2:
        if random.random() < 0.5:
            bottom -= round(random.uniform(0, 0.12) * tall)
        else:
            top += round(random.uniform(0, 0.1) * tall)
    around = [round(abs(random.normal(0, spread)) * tall) for spread in (0.05, 0.03, 0.05, 0.05)]
    left, top = max(0, left - around[0]), max(0, top - around[1])
    return sheet_HW[top : bottom + around[3], left : right + around[2]]


def _scan(line_HW: Map, random: Random) -> Map:
    """The line as reading finds its ink: soft, grainy, without what is faint."""
    u = random.uniform
    line_HW = cv2.GaussianBlur(line_HW, (0, 0), u(0.2, 1.6))
    if random.random() < 0.5:
        height, width = line_HW.shape
        grain = random.normal(0, 1, (max(2, height // 3), max(2, width // 3))).astype(np.float32)
        grain_HW = cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
        line_HW = line_HW * np.clip(1 - np.float32(u(0, 0.5)) * np.abs(grain_HW), 0.2, 1)
    line_HW = np.clip(line_HW * np.float32(u(0.9, 1.3)), 0, 1)
    is_ink_HW = (line_HW > u(0.1, 0.45)).astype(np.uint8)
    return line_HW * cv2.dilate(is_ink_HW, np.ones((3, 3), np.uint8))
