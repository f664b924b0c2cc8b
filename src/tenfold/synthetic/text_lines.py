"""Synthetic lines of digits: amounts, dates and codes, with punctuation and touching digits.

A line is composed of characters from a pool, which is drawn once, as a line needs many. Array names
carry their axes: H rows, W columns, N images, L digits of a line image.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.line_image import HEIGHT_PX, SIDE_PX, normalise_line
from tenfold.recipes.configs import NO_LABEL
from tenfold.synthetic.canvas import (
    Box,
    Images,
    InkMap,
    Labels,
    add_grain,
    crop_to_ink,
    displace,
    find_box,
    paste,
    shrink,
)
from tenfold.synthetic.characters import NOT_DIGIT, draw_character, draw_font_character
from tenfold.synthetic.strokes import Rng

WIDTH_PX = 256  # of a training image, which holds as many lines as fit side by side
MAX_DIGITS = 32
POOL_SIZE = 30_000
POOL_STREAM, LINE_STREAM = 1, 2  # of random numbers
POOL_HEIGHT_PX = 56
NUM_CANDIDATES = 5  # the one with the nearest stroke width is used
CANVAS_HEIGHT_PX = 150  # a line is composed about the middle of a canvas of this height
SYMBOLS = "$#*=&%"


@dataclass(frozen=True)
class CharacterPool:
    """Characters of one height, by digit, drawn from labelled digit images and a seed."""

    images_NHW: Images
    labels_N: Labels
    seed: int
    size: int = POOL_SIZE

    @cached_property
    def characters(self) -> list[list[Images]]:
        """For each digit its characters, cropped to the ink, uint8 [POOL_HEIGHT_PX, W]."""
        rng = np.random.default_rng((self.seed, POOL_STREAM))
        characters: list[list[Images]] = [[] for _ in range(10)]
        num_drawn = 0
        while num_drawn < self.size or not all(characters):
            character_HW, label = draw_character(self.images_NHW, self.labels_N, rng)
            ink_HW = crop_to_ink(character_HW)
            if label == NOT_DIGIT or ink_HW is None:
                continue
            width = ink_HW.shape[1] * POOL_HEIGHT_PX / ink_HW.shape[0]
            width = min(width * math.exp(rng.normal(0, 0.1)), 90)
            ink_HW = np.clip(shrink(ink_HW, width, POOL_HEIGHT_PX, min_px=3), 0, 1)
            characters[label].append((ink_HW * 255).astype(np.uint8))
            num_drawn += 1
        return characters

    @cached_property
    def stroke_widths(self) -> list[npt.NDArray[np.float64]]:
        """For each digit the stroke widths of its characters, as shares of the height."""
        return [np.array([*map(_measure_stroke_width, of_digit)]) for of_digit in self.characters]

    def draw(
        self, digit: int, width: int, height: int, stroke_width: float | None, rng: Rng
    ) -> InkMap:
        """A character of a digit, `height` pixels high, its width scaled to `width` percent.

        Of NUM_CANDIDATES it is the one whose stroke width, a share of the height, is nearest to
        `stroke_width`, or the first if that is None.
        """
        characters = self.characters[digit]
        candidates = rng.integers(len(characters), size=NUM_CANDIDATES)
        best = 0
        if stroke_width is not None:
            best = int(np.abs(self.stroke_widths[digit][candidates] - stroke_width).argmin())
        ink_HW = characters[candidates[best]]
        width_px = max(3, round(ink_HW.shape[1] * height / POOL_HEIGHT_PX * width / 100))
        small_HW = cv2.resize(ink_HW, (width_px, height), interpolation=cv2.INTER_AREA)
        return small_HW.astype(np.float32) / 255


def _measure_stroke_width(character_HW: Images) -> float:
    depth_HW = cv2.distanceTransform((character_HW > 127).astype(np.uint8), cv2.DIST_L2, 3)
    depths = depth_HW[depth_HW > 0]
    return 2 * float(np.percentile(depths, 85)) / POOL_HEIGHT_PX if len(depths) else 0.0


def build_line_image(pool: CharacterPool, seed: int, index: int) -> tuple[Images, Labels]:
    """A line image, uint8 [32, WIDTH_PX], and its digits, uint8 [MAX_DIGITS], padded with NO_LABEL.

    It depends on the pool, the seed and the index alone.
    """
    rng = np.random.default_rng((seed, LINE_STREAM, index))
    image_HW = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    digits: list[int] = []
    x = int(rng.integers(0, 12))
    while x < WIDTH_PX - 24:
        line = draw_line(pool, rng)
        if line is None or line[0].shape[1] > WIDTH_PX - x:
            if rng.random() < 0.25:
                break
            continue
        line_HW, line_digits = line
        if len(digits) + len(line_digits) > MAX_DIGITS:
            break
        image_HW[:, x : x + line_HW.shape[1]] = line_HW
        digits += line_digits
        x += line_HW.shape[1] + int(rng.integers(-SIDE_PX, 16))
    labels_L = np.full(MAX_DIGITS, NO_LABEL, np.uint8)
    labels_L[: len(digits)] = digits
    return image_HW, labels_L


def draw_line(pool: CharacterPool, rng: Rng) -> tuple[Images, list[int]] | None:
    """One line as an image, uint8 [32, W], and its digits; None if no ink is left."""
    digits = _sample_digits(rng)
    canvas_HW = _draw_digits(pool, digits, rng)
    box = find_box(canvas_HW)
    if box is None:
        return None
    _add_artefacts(canvas_HW, box, rng)
    return normalise_line(_degrade(_crop(canvas_HW, box, rng), rng)), digits


def _sample_digits(rng: Rng) -> list[int]:
    """Random digits, amounts that end in zeros, repetitions, or numbers like dates."""
    kind = rng.random()
    if kind < 0.35:
        return _sample(int(rng.integers(1, 9)), rng)
    if kind < 0.7:
        first = int(rng.integers(1, 10))
        others = _sample(int(rng.integers(0, 4)), rng)
        zeros = [0] * int(rng.choice([0, 2, 3, 3, 4, 5]))
        return [first, *others, *zeros][:8]
    if kind < 0.85:
        two = _sample(2, rng)
        return [two[int(rng.random() < 0.35)] for _ in range(int(rng.integers(2, 7)))]
    others = _sample(int(rng.integers(2, 6)), rng)
    return [int(rng.integers(1, 3)), *others]


def _sample(num: int, rng: Rng) -> list[int]:
    return [int(digit) for digit in rng.integers(0, 10, num)]


def _draw_digits(pool: CharacterPool, digits: list[int], rng: Rng) -> InkMap:
    """The digits on a canvas in one hand: same slope, gaps, sizes, stroke width, punctuation."""
    u = rng.uniform
    base = int(rng.integers(30, 44))  # the height of a digit
    canvas_HW = np.zeros((CANVAS_HEIGHT_PX, len(digits) * 95 + 260), np.float32)
    pen_px = max(1, round(base * u(0.05, 0.14)))
    gap = u(-0.12, 0.35) if rng.random() < 0.75 else u(-0.2, 0.0)
    gap_spread, height_spread, slope = u(0.02, 0.1), u(0.02, 0.14), rng.normal(0, 0.03)
    zero_scale = u(0.45, 0.8) if rng.random() < 0.3 else 1.0  # of zeros after the first digit
    stem_scale = u(1.0, 1.45) if rng.random() < 0.35 else 1.0  # of digits with a long stem
    has_baseline, is_joined = rng.random() < 0.6, rng.random() < 0.2
    has_separators, has_commas = rng.random() < 0.45, rng.random() < 0.3
    width = round(100 * u(0.85, 1.15))
    stroke_width = u(0.04, 0.22) if rng.random() < 0.7 else None
    x, middle = 60, CANVAS_HEIGHT_PX / 2
    if rng.random() < 0.08:
        x = _add_symbol(canvas_HW, x, base, pen_px, rng) + round(u(0.1, 0.6) * base)
    min_x = 0
    for i, digit in enumerate(digits):
        scaled = base * math.exp(rng.normal(0, height_spread))
        if i and (digit == 0 or rng.random() < 0.15):
            scaled *= zero_scale
        if digit in (1, 4, 7, 9) and rng.random() < 0.7:
            scaled *= stem_scale
        height = min(max(round(scaled), 12), 70)
        ink_HW = pool.draw(digit, width, height, stroke_width, rng)
        y = middle + slope * (x - 60)
        top = y + base / 2 - height if has_baseline else y - height / 2
        top = round(top + rng.normal(0, 0.04) * base)
        if i:
            space = rng.normal(gap, gap_spread) if rng.random() < 0.85 else abs(gap)
            x = max(x + round(space * base), min_x)
        paste(canvas_HW, ink_HW, x, top)
        if is_joined and i and rng.random() < 0.6:
            end = (x + round(ink_HW.shape[1] * 0.35), top + round(u(0, 0.35) * height))
            start = (x - round(u(0.1, 0.35) * base), end[1] + round(rng.normal(0, 0.06) * base))
            cv2.line(canvas_HW, start, end, 1.0, pen_px, cv2.LINE_AA)
        min_x, x = x + ink_HW.shape[1] // 3 + 4, x + ink_HW.shape[1]
        num_left = len(digits) - 1 - i
        if has_separators and num_left and (num_left % 3 == 0 or rng.random() < 0.05):
            x = _add_punctuation(canvas_HW, x, y, base, pen_px, has_commas, rng)
    if rng.random() < 0.4:
        _add_symbol(canvas_HW, x + round(u(0.05, 0.5) * base), base, pen_px, rng)
    return _distort(canvas_HW, rng)


def _add_punctuation(
    canvas_HW: InkMap, x: int, y: float, base: int, pen_px: int, is_comma: bool, rng: Rng
) -> int:
    """Draw a dot or a comma at the baseline; return where the next digit starts."""
    u = rng.uniform
    at_x, at_y = x + round(u(-0.05, 0.2) * base), round(y + base * u(0.3, 0.55))
    if is_comma:
        end = (at_x - round(u(0, 0.12) * base), at_y + round(u(0.08, 0.3) * base))
        cv2.line(canvas_HW, (at_x + pen_px // 2, at_y), end, 1.0, pen_px, cv2.LINE_AA)
    else:
        radius = max(1, round(pen_px * u(0.5, 1.1)))
        cv2.circle(canvas_HW, (at_x, at_y), radius, 1.0, -1, cv2.LINE_AA)
    return at_x + round(u(0, 0.35) * base) if rng.random() < 0.7 else x


def _add_symbol(canvas_HW: InkMap, x: int, base: int, pen_px: int, rng: Rng) -> int:
    """Draw one or two dashes, a dot or a symbol beside the number; return its right end."""
    u, kind = rng.uniform, rng.random()
    y, width = CANVAS_HEIGHT_PX // 2 + round(u(-0.1, 0.4) * base), round(u(0.3, 1.0) * base)
    if kind < 0.55:
        for below in (0.0, 0.25)[: 1 + (rng.random() < 0.4)]:
            start = (x, y + round(below * base))
            end = (x + width, y + round((below + rng.normal(0, 0.1)) * base))
            cv2.line(canvas_HW, start, end, 1.0, pen_px, cv2.LINE_AA)
        return x + width
    if kind < 0.75:
        cv2.circle(canvas_HW, (x, y), max(1, pen_px // 2), 1.0, -1, cv2.LINE_AA)
        return x + pen_px
    ink_HW = crop_to_ink(draw_font_character(SYMBOLS[int(rng.integers(len(SYMBOLS)))], rng))
    if ink_HW is None:
        return x
    scale = base * u(0.6, 1.1) / max(ink_HW.shape)
    ink_HW = shrink(ink_HW, ink_HW.shape[1] * scale, ink_HW.shape[0] * scale, min_px=3)
    paste(canvas_HW, ink_HW, x, CANVAS_HEIGHT_PX // 2 - ink_HW.shape[0] // 2)
    return x + ink_HW.shape[1]


def _distort(canvas_HW: InkMap, rng: Rng) -> InkMap:
    """Shear the line, thicken its strokes, and bend it."""
    shear = np.float32(rng.normal(0, 0.15))
    matrix = np.array([[1, -shear, shear * CANVAS_HEIGHT_PX / 2], [0, 1, 0]], np.float32)
    canvas_HW = cv2.warpAffine(canvas_HW, matrix, (canvas_HW.shape[1], canvas_HW.shape[0]))
    thicker_px = int(rng.integers(-1, 3))
    if thicker_px > 0:
        canvas_HW = cv2.dilate(canvas_HW, np.ones((thicker_px + 1, thicker_px + 1), np.uint8))
    if rng.random() < 0.4:
        fields = rng.normal(0, rng.uniform(0.5, 2.5), (2, 4, 10)).astype(np.float32)
        canvas_HW = displace(canvas_HW, fields)
    return canvas_HW


def _add_artefacts(canvas_HW: InkMap, box: Box, rng: Rng) -> None:
    """Add what reading may fail to remove: a ruled line, a printed pattern, specks."""
    u = rng.uniform
    left, top, right, bottom = box
    height = bottom - top
    if rng.random() < 0.2:
        y = bottom + round(u(-0.25, 0.1) * height)
        ends = (left - 40, y), (right + 40, y + round(rng.normal(0, 0.05) * height))
        cv2.line(canvas_HW, *ends, u(0.4, 1), max(1, round(u(0.02, 0.12) * height)), cv2.LINE_AA)
    if rng.random() < 0.15:
        lean, step, strength = math.tan(u(-0.5, 0.5)), int(u(5, 14)), u(0.15, 0.6)
        pattern_HW = np.zeros_like(canvas_HW)
        for x in range(-CANVAS_HEIGHT_PX, canvas_HW.shape[1] + CANVAS_HEIGHT_PX, step):
            end = (x + round(CANVAS_HEIGHT_PX * lean), CANVAS_HEIGHT_PX)
            cv2.line(pattern_HW, (x, 0), end, strength, 1, cv2.LINE_AA)
        np.maximum(canvas_HW, pattern_HW, out=canvas_HW)
    if rng.random() < 0.15:
        for _ in range(int(rng.integers(1, 5))):
            at = (int(rng.integers(left - 10, right + 10)), int(rng.integers(top, bottom + 1)))
            cv2.circle(canvas_HW, at, int(rng.integers(0, 3)), u(0.4, 1), -1, cv2.LINE_AA)


def _crop(canvas_HW: InkMap, box: Box, rng: Rng) -> InkMap:
    """Crop to the line with a small margin, sometimes cutting off its top or bottom."""
    left, top, right, bottom = box
    height = bottom - top
    if rng.random() < 0.2:
        if rng.random() < 0.5:
            bottom -= round(rng.uniform(0, 0.12) * height)
        else:
            top += round(rng.uniform(0, 0.1) * height)
    margins = [round(abs(rng.normal(0, spread)) * height) for spread in (0.05, 0.03, 0.05, 0.05)]
    left, top = max(0, left - margins[0]), max(0, top - margins[1])
    return canvas_HW[top : bottom + margins[3], left : right + margins[2]]


def _degrade(line_HW: InkMap, rng: Rng) -> InkMap:
    """Blur the line, add grain and remove faint ink, as binarisation by reading does."""
    u = rng.uniform
    line_HW = cv2.GaussianBlur(line_HW, (0, 0), u(0.2, 1.6))
    if rng.random() < 0.5:
        line_HW = add_grain(line_HW, 0.2, rng)
    line_HW = np.clip(line_HW * np.float32(u(0.9, 1.3)), 0, 1)
    is_ink_HW = (line_HW > u(0.1, 0.45)).astype(np.uint8)
    return line_HW * cv2.dilate(is_ink_HW, np.ones((3, 3), np.uint8))
