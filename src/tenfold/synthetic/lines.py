"""Synthetic text lines: digits and signs in one hand, and what reading leaves around them.

Ink is float32 from 0 to 1. Array names carry their axes: H rows, W columns.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tenfold.reading.line_image import normalise_line
from tenfold.reading.line_reader import OTHER
from tenfold.synthetic.canvas import (
    Box,
    Images,
    InkMap,
    add_grain,
    crop_to_ink,
    displace,
    find_box,
    paste,
    shrink,
)
from tenfold.synthetic.characters import LETTERS, draw_font_character
from tenfold.synthetic.distractors import draw_distractor
from tenfold.synthetic.hands import Hand, Handwriting, render
from tenfold.synthetic.signs import draw_sign
from tenfold.synthetic.strokes import Rng
from tenfold.synthetic.texts import sample_text

LINE_STREAM = 2  # of random numbers
MAX_WIDTH_PX = 420  # of a line image
SMALL_PX, LARGE_PX = (28, 44), (60, 150)  # height of a digit
MARGIN_PX = 60  # left of a line on its canvas
CLEAN_SHARE = 0.3  # of lines are neither distorted nor degraded nor among other ink


@dataclass(frozen=True)
class InkLine:
    """A line on its canvas, its characters, and the usual height of its digits in pixels."""

    canvas_HW: InkMap
    labels: str
    digit_px: int

    @property
    def box(self) -> Box | None:
        """The box of the ink."""
        return find_box(self.canvas_HW)


def build_line_image(writing: Handwriting, seed: int, index: int) -> tuple[Images, str]:
    """A line image, uint8 [40, W], and the characters on it without spaces.

    It depends on its arguments alone.
    """
    rng = np.random.default_rng((seed, LINE_STREAM, index))
    while True:
        is_clean = rng.random() < CLEAN_SHARE
        line = draw_line(writing, sample_text(rng), rng, is_clean=is_clean)
        box = line.box
        if box is None or not line.labels:
            continue
        if not is_clean:
            _add_artefacts(line.canvas_HW, box, writing, line.digit_px, rng)
        ink_HW = _crop(line.canvas_HW, box, rng)
        if not is_clean:
            ink_HW = _degrade(ink_HW, rng)
        if len(ink_HW) < 6:
            continue
        stretch = math.exp(rng.normal(0, 0.07))
        size = (max(1, round(ink_HW.shape[1] * stretch)), len(ink_HW))
        image_HW = normalise_line(cv2.resize(ink_HW, size, interpolation=cv2.INTER_LINEAR))
        if image_HW.shape[1] <= MAX_WIDTH_PX:
            return image_HW, line.labels


def draw_line(
    writing: Handwriting, text: str, rng: Rng, *, is_large: bool = False, is_clean: bool = False
) -> InkLine:
    """A text on a canvas: same hand, slope, gaps and sizes throughout."""
    digit_px = int(rng.integers(*(LARGE_PX if is_large else SMALL_PX)))
    hand = Hand(writing, digit_px, rng, is_large=is_large)
    line = _LineWriter(hand, text, rng).write()
    if is_clean:
        return InkLine(line.canvas_HW, line.labels, digit_px)
    return InkLine(_distort(line.canvas_HW, rng), line.labels, digit_px)


class _LineWriter:
    """Writes one text; `x` is where the next character starts, `min_x` how far left it may."""

    def __init__(self, hand: Hand, text: str, rng: Rng) -> None:
        u = rng.uniform
        self.hand, self.text, self.rng, self.size = hand, text, rng, hand.digit_px
        rows = round(3.8 * self.size)
        self.canvas_HW = np.zeros((rows, len(text) * (2 * self.size + 6) + 300), np.float32)
        self.middle, self.x, self.min_x = rows / 2, MARGIN_PX, 0
        self.labels = ""
        self.gap = u(-0.12, 0.35) if rng.random() < 0.8 else u(-0.22, 0.0)
        if rng.random() < 0.1:
            self.gap = u(0.4, 1.2)
        self.gap_spread, self.height_spread = u(0.02, 0.1), u(0.02, 0.14)
        self.slope = rng.normal(0, 0.03)
        self.zero_scale = u(0.45, 0.8) if rng.random() < 0.3 else 1.0  # zeros after the first digit
        self.stem_scale = u(1.0, 1.45) if rng.random() < 0.35 else 1.0  # digits with a long stem
        self.has_baseline = rng.random() < 0.6
        self.joins_digits, self.joins_zeros = rng.random() < 0.2, rng.random() < 0.35

    def write(self) -> InkLine:
        """Write the text. A character of which no ink is left has no label."""
        position = 0
        while position < len(self.text):
            character = self.text[position]
            num = 1
            if character == " ":
                self.x += round(self.rng.uniform(0.4, 1.0) * self.size)
                self.min_x = self.x
            elif character.isdigit():
                if self.joins_zeros and character == "0" and self.hand.source != "font":
                    num = len(self.text[position:]) - len(self.text[position:].lstrip("0"))
                self._write_digits(character, num)
            elif character == OTHER:
                self._write_other()
            else:
                self._write_sign(character)
            position += num
        return InkLine(self.canvas_HW, self.labels, self.size)

    @property
    def _y(self) -> float:
        return self.middle + self.slope * (self.x - MARGIN_PX)

    def _write_digits(self, digit: str, num: int) -> None:
        rng, u = self.rng, self.rng.uniform
        scaled = self.size * math.exp(rng.normal(0, self.height_spread))
        if self.labels and (digit == "0" or rng.random() < 0.15):
            scaled *= self.zero_scale
        if digit in "1479" and rng.random() < 0.7:
            scaled *= self.stem_scale
        height = min(max(round(scaled), 11), 2 * self.size)
        if num > 1:
            ink_HW: InkMap | None = self.hand.draw_joined_zeros(num, height)
        else:
            ink_HW = self.hand.draw_digit(int(digit), height)
        if ink_HW is None:
            return
        height, width = ink_HW.shape
        top = self._y + (self.size / 2 - height if self.has_baseline else -height / 2)
        top = round(top + rng.normal(0, 0.04) * self.size)
        if self.labels:
            gap = rng.normal(self.gap, self.gap_spread) if rng.random() < 0.85 else abs(self.gap)
            self.x = max(self.x + round(gap * self.size), self.min_x)
        paste(self.canvas_HW, ink_HW, self.x, top)
        if self.joins_digits and self.labels and rng.random() < 0.6:
            end = (self.x + round(0.35 * width / num), top + round(u(0, 0.35) * height))
            start_y = end[1] + round(rng.normal(0, 0.06) * self.size)
            start = (self.x - round(u(0.1, 0.35) * self.size), start_y)
            pen_px = max(1, round(self.hand.pen_px))
            cv2.line(self.canvas_HW, start, end, 1.0, pen_px, cv2.LINE_AA)
        self.min_x = self.x + round(width * (0.34 if num == 1 else 0.8)) + 3
        self.x += width
        self.labels += digit * num

    def _write_other(self) -> None:
        rng, u = self.rng, self.rng.uniform
        if rng.random() < 0.6:
            letter = LETTERS[int(rng.integers(len(LETTERS)))]
            ink_HW = _scale(crop_to_ink(draw_font_character(letter, rng)), self.size * u(0.6, 1.1))
        else:
            strokes = draw_distractor(rng)
            size = max(float(np.ptp(np.concatenate(strokes), axis=0).max()), 0.3)
            strokes = [stroke / size for stroke in strokes]
            ink_HW = render(strokes, self.size * u(0.6, 1.0), self.hand.pen_px)
            if ink_HW.shape[0] < 0.45 * self.size or ink_HW.shape[1] < 0.2 * self.size:
                return  # a dash or a dot
        if ink_HW is None:
            return
        self.x = max(self.x + round(u(0.02, 0.35) * self.size), self.min_x)
        top = self._y + self.size / 2 - len(ink_HW) + rng.normal(0, 0.05) * self.size
        paste(self.canvas_HW, ink_HW, self.x, round(top))
        self.x += ink_HW.shape[1]
        self.min_x = self.x
        self.labels += OTHER

    def _write_sign(self, sign: str) -> None:
        rng, u = self.rng, self.rng.uniform
        is_low = sign in ".,"
        pen_px, top = self.hand.pen_px, self._y - self.size / 2
        if sign in "$#%" and rng.random() < 0.3:
            font_HW = crop_to_ink(draw_font_character(sign, rng))
            ink_HW = _scale(font_HW, self.size * u(0.7, 1.15))
        else:
            scale = u(0.8, 1.15)
            strokes = [stroke * scale for stroke in draw_sign(sign, rng)]
            top += float(np.concatenate(strokes)[:, 1].min()) * self.size - pen_px - 1
            ink_HW = render(strokes, self.size, pen_px * (u(0.8, 1.5) if sign in ".:," else 1))
        if ink_HW is None:
            return
        gap = u(-0.08 if is_low else 0.02, 0.3)
        self.x = max(self.x + round(gap * self.size), self.min_x - 2)
        paste(self.canvas_HW, ink_HW, self.x, round(top + rng.normal(0, 0.03) * self.size))
        width = ink_HW.shape[1]
        if is_low and rng.random() < 0.4:  # the next digit stands above it
            width = round(0.5 * width)
        self.min_x = self.x if is_low else self.x + width - 2
        self.x += width
        self.labels += sign


def _scale(ink_HW: InkMap | None, longer_px: float) -> InkMap | None:
    if ink_HW is None:
        return None
    scale = longer_px / max(ink_HW.shape)
    return shrink(ink_HW, ink_HW.shape[1] * scale, ink_HW.shape[0] * scale, min_px=3)


def _distort(canvas_HW: InkMap, rng: Rng) -> InkMap:
    """Shear the line, thicken its strokes, and bend it."""
    rows, columns = canvas_HW.shape
    shear = np.float32(rng.normal(0, 0.17))
    matrix = np.array([[1, -shear, shear * rows / 2], [0, 1, 0]], np.float32)
    canvas_HW = cv2.warpAffine(canvas_HW, matrix, (columns, rows))
    thicker_px = int(rng.integers(-1, 3))
    if thicker_px > 0 and rng.random() < 0.5:
        canvas_HW = cv2.dilate(canvas_HW, np.ones((thicker_px + 1, thicker_px + 1), np.uint8))
    if rng.random() < 0.4:
        fields = rng.normal(0, rng.uniform(0.5, 2.5), (2, 4, 10)).astype(np.float32)
        canvas_HW = displace(canvas_HW, fields)
    return canvas_HW


def _add_artefacts(
    canvas_HW: InkMap, box: Box, writing: Handwriting, digit_px: int, rng: Rng
) -> None:
    """Add what reading may fail to remove: ruled lines, frames, patterns, specks, neighbours."""
    u = rng.uniform
    left, top, right, bottom = box
    height = bottom - top
    for share, y in ((0.15, bottom + u(-0.25, 0.1) * height), (0.05, top + u(-0.1, 0.1) * height)):
        if rng.random() < share:
            ends = (
                (left - 60, round(y)),
                (right + 60, round(y + rng.normal(0, 0.04) * height)),
            )
            thickness = max(1, round(u(0.02, 0.1) * height))
            cv2.line(canvas_HW, *ends, u(0.3, 1), thickness, cv2.LINE_AA)
    if rng.random() < 0.06:
        margins = [round(u(0.02, 0.3) * digit_px) for _ in range(4)]
        corners = (left - margins[0], top - margins[1]), (right + margins[2], bottom + margins[3])
        thickness = max(1, round(u(0.02, 0.07) * height))
        cv2.rectangle(canvas_HW, *corners, u(0.4, 1), thickness, cv2.LINE_AA)
    if rng.random() < 0.14:
        np.maximum(canvas_HW, draw_pattern(canvas_HW.shape, rng), out=canvas_HW)
    if rng.random() < 0.2:
        for _ in range(int(rng.integers(1, 6))):
            at = (int(rng.integers(left - 10, right + 10)), int(rng.integers(top - 4, bottom + 5)))
            radius = int(rng.integers(0, 2 if rng.random() < 0.7 else 3))
            cv2.circle(canvas_HW, at, radius, u(0.3, 1), -1, cv2.LINE_AA)
    if rng.random() < 0.08:
        for _ in range(int(rng.integers(1, 5))):
            image_HW = writing.images_NHW[int(rng.integers(len(writing.images_NHW)))]
            ink_HW = crop_to_ink(image_HW.astype(np.float32) / 255)
            if ink_HW is None:
                continue
            ink_HW = cv2.resize(ink_HW, (max(4, round(digit_px * u(0.4, 0.8))), digit_px))
            x, rows = int(rng.integers(left - 5, right + 5)), round(digit_px * u(0.04, 0.14))
            away = round(u(-0.02, 0.06) * height)
            if rng.random() < 0.5:
                paste(canvas_HW, ink_HW[-rows:], x, top - rows - away)
            else:
                paste(canvas_HW, ink_HW[:rows], x, bottom + away)


def draw_pattern(shape: tuple[int, ...], rng: Rng, *, in_parts: bool = True) -> InkMap:
    """A printed background of hatching, waves or blotches, maybe in parts."""
    u = rng.uniform
    rows, columns = shape
    pattern_HW = np.zeros((rows, columns), np.float32)
    strength, kind, step = u(0.08, 0.55), rng.random(), int(u(4, 18))
    if kind < 0.5:
        leans = [math.tan(u(-0.9, 0.9))]
        leans += [-leans[0]] * (rng.random() < 0.3)
        for lean in leans:
            for x in range(-rows, columns + rows, step):
                end = (x + round(rows * lean), rows)
                cv2.line(pattern_HW, (x, 0), end, strength, 1, cv2.LINE_AA)
    elif kind < 0.8:
        xs, height, length = np.arange(0, columns, 4), u(2, 10), u(20, 90)
        for y in range(0, rows, step):
            wave = np.stack([xs, y + height * np.sin(2 * np.pi * xs / length + u(0, 6))], axis=1)
            at = [np.round(wave * 16).astype(np.int32)]
            cv2.polylines(pattern_HW, at, False, strength, 1, cv2.LINE_AA, 4)
    else:
        coarse = rng.random((max(2, rows // 6), max(2, columns // 6))).astype(np.float32)
        blotches_HW = cv2.resize(coarse, (columns, rows)) - np.float32(u(0.5, 0.8))
        pattern_HW = np.clip(blotches_HW, 0, 1) * np.float32(2 * strength)
    if in_parts and rng.random() < 0.6:
        coarse = rng.random((4, 8)).astype(np.float32)
        pattern_HW *= cv2.resize(coarse, (columns, rows)) > u(0.2, 0.7)
    return pattern_HW


def _crop(canvas_HW: InkMap, box: Box, rng: Rng) -> InkMap:
    """Crop to the line with a margin, sometimes a wide one, sometimes cutting into the line."""
    left, top, right, bottom = box
    height = bottom - top
    if rng.random() < 0.15:
        if rng.random() < 0.5:
            bottom -= round(rng.uniform(0, 0.1) * height)
        else:
            top += round(rng.uniform(0, 0.08) * height)
    kind = rng.random()
    wider = 1.0 if kind < 0.7 else 4.0
    margins = [
        round(min(abs(rng.normal(0, spread)) * wider, 1.2) * height)
        for spread in (0.06, 0.03, 0.06, 0.04)
    ]
    if kind > 0.97:
        margins = [round(rng.uniform(0, 0.8) * height) for _ in range(4)]
    left, top = max(0, left - margins[0]), max(0, top - margins[1])
    return canvas_HW[top : bottom + margins[3], left : right + margins[2]]


def _degrade(ink_HW: InkMap, rng: Rng) -> InkMap:
    """Lower the resolution, blur, add grain and noise, and remove faint ink, as binarising does."""
    u = rng.uniform
    if rng.random() < 0.3:
        rows = int(u(13, 32))
        if rows < len(ink_HW):
            ink_HW = shrink(ink_HW, ink_HW.shape[1] * rows / len(ink_HW), rows, min_px=4)
    ink_HW = cv2.GaussianBlur(ink_HW, (0, 0), u(0.2, 1.5) * max(0.35, len(ink_HW) / 60))
    if rng.random() < 0.5:
        ink_HW = add_grain(ink_HW, 0.2, rng)
    ink_HW = np.clip(ink_HW * np.float32(u(0.9, 1.3)), 0, 1)
    if rng.random() < 0.7:
        is_ink_HW = (ink_HW > u(0.05, 0.4)).astype(np.uint8)
        ink_HW = ink_HW * cv2.dilate(is_ink_HW, np.ones((3, 3), np.uint8))
    if rng.random() < 0.25:
        noise_HW = rng.normal(0, u(0.01, 0.06), ink_HW.shape).astype(np.float32)
        ink_HW = np.clip(ink_HW + noise_HW, 0, 1)
    return ink_HW
