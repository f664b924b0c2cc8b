"""Characters as ink on a canvas: digits, and distractors that are not digits.

Digits come from MNIST (enlarged), from pen strokes (`allographs.py`) and from fonts. Ink is float32
from 0 to 1. Array names carry their axes: H rows, W columns, N images.
"""

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tenfold.data.handwriting import load_other_characters
from tenfold.data.training_data import find_training_data
from tenfold.synthetic.allographs import draw_strokes
from tenfold.synthetic.canvas import Images, InkMap, Labels, centre, find_box, paste, shrink
from tenfold.synthetic.distractors import draw_distractor
from tenfold.synthetic.strokes import Rng, Stroke

NOT_DIGIT = 10
CHARACTER_PX = 80  # the longer side of a character; MNIST's digits fill 20 pixels
MNIST_SCALE = 4
CANVAS_PX = 2 * CHARACTER_PX
# Letters that can be taken for a digit are left out: o, O, l, I, i, s, S, z, Z, q, g and b; P, p
# and rho, which look like a nine with its stem on the left; Lambda, like a one with a long flag.
LETTERS = "ABCDEFGHJKLMNQRTUVWXYacdefhkmnrtuvwxyαβγδεζηθκλμνξπτφχψωΔΘΞΠΣΦΨΩ&@#%?+=*<>~"
# Probabilities of each source; the rest are distractors.
MNIST_SHARE, STROKES_SHARE, FONTS_SHARE = 0.42, 0.32, 0.06
# Of each digit among those from strokes: the more its shapes differ from MNIST's, the higher.
DIGIT_WEIGHTS = (0.06, 0.16, 0.08, 0.09, 0.14, 0.07, 0.05, 0.13, 0.09, 0.13)


def draw_character(images_NHW: Images, labels_N: Labels, rng: Rng) -> tuple[InkMap, int]:
    """A character, float32 [CANVAS_PX, CANVAS_PX], and its label, 0 to 9 or NOT_DIGIT."""
    source = rng.random()
    if source < MNIST_SHARE:
        sample = int(rng.integers(len(labels_N)))
        return enlarge(images_NHW[sample], rng), int(labels_N[sample])
    source -= MNIST_SHARE
    if source < STROKES_SHARE:
        digit = int(rng.choice(len(DIGIT_WEIGHTS), p=DIGIT_WEIGHTS))
        return _render_strokes(draw_strokes(digit, rng), rng), digit
    if source < STROKES_SHARE + FONTS_SHARE:
        digit = int(rng.integers(10))
        return draw_font_character(str(digit), rng), digit
    return _draw_distractor(images_NHW, labels_N, rng), NOT_DIGIT


def enlarge(image_HW: Images, rng: Rng) -> InkMap:
    """An MNIST image at MNIST_SCALE, sharpened, with thicker or thinner strokes."""
    large_HW = cv2.resize(
        image_HW, None, fx=MNIST_SCALE, fy=MNIST_SCALE, interpolation=cv2.INTER_CUBIC
    )
    soft_HW = large_HW * np.float32(1 / 255)
    sharp_HW = np.clip((soft_HW - 0.5) * np.float32(rng.uniform(1.5, 4)) + 0.5, 0, 1)
    sharp_HW = change_stroke_width(sharp_HW, int(rng.integers(-3, 7)))
    return np.pad(sharp_HW, (CANVAS_PX - large_HW.shape[0]) // 2)


def draw_font_character(text: str, rng: Rng) -> InkMap:
    """A character from a random font, with thicker or thinner strokes."""
    fonts = _list_fonts(text)
    ink_HW = _rasterise(fonts[int(rng.integers(len(fonts)))], text) * np.float32(1 / 255)
    return change_stroke_width(ink_HW, int(rng.integers(-2, 6)))


def _draw_distractor(images_NHW: Images, labels_N: Labels, rng: Rng) -> InkMap:
    """What is no digit: strokes, characters, digits as one or on their side, parts of digits."""
    kind = rng.random()
    if kind < 0.22:
        return _render_strokes(draw_distractor(rng), rng)
    if kind < 0.42:
        return draw_font_character(LETTERS[int(rng.integers(len(LETTERS)))], rng)
    if kind < 0.66:
        return _draw_other_character(rng)
    if kind < 0.84:
        return _draw_joined_digits(images_NHW, rng)
    sample = int(rng.integers(len(labels_N)))
    ink_HW, digit = enlarge(images_NHW[sample], rng), int(labels_N[sample])
    if kind < 0.88 and digit in (2, 3, 4, 5, 7):
        return np.rot90(ink_HW, int(rng.choice([1, 3]))).copy()
    left, top, right, bottom = find_box(ink_HW) or (0, 0, CANVAS_PX, CANVAS_PX)
    share, side = rng.uniform(0.35, 0.6), rng.random()
    # Only digits whose part is not another digit: the right half of an eight is a three.
    if side < 0.4 and digit in (2, 3, 5, 8):
        ink_HW[round(top + (bottom - top) * min(share, 0.5)) :] = 0
    elif 0.4 <= side < 0.75 and digit in (2, 3, 5, 8, 9):
        ink_HW[:, round(left + (right - left) * share) :] = 0
    elif side >= 0.75 and digit in (2, 4, 5, 6):
        ink_HW[:, : round(left + (right - left) * share)] = 0
    else:
        return _render_strokes(draw_distractor(rng), rng)
    return ink_HW


def _draw_other_character(rng: Rng) -> InkMap:
    """A handwritten character of another alphabet."""
    images_NHW = load_other_characters()
    image_HW = images_NHW[int(rng.integers(len(images_NHW)))]
    sides = (round(CHARACTER_PX * side / 52) for side in image_HW.shape)  # its ink has 52 pixels
    large_HW = cv2.resize(image_HW, tuple(sides), interpolation=cv2.INTER_CUBIC)
    smooth_HW = cv2.GaussianBlur(large_HW * np.float32(1 / 255), (0, 0), 1.5)
    sharp_HW = np.clip((smooth_HW - 0.5) * np.float32(rng.uniform(2, 5)) + 0.5, 0, 1)
    return change_stroke_width(centre(sharp_HW, CANVAS_PX), int(rng.integers(-1, 8)))


def _draw_joined_digits(images_NHW: Images, rng: Rng) -> InkMap:
    """Two or three digits side by side as one character, touching or nearly."""
    num = 3 if rng.random() < 0.25 else 2
    row_HW = np.zeros((CANVAS_PX, num * CANVAS_PX), np.float32)
    end = 0
    for sample in rng.integers(len(images_NHW), size=num):
        ink_HW = enlarge(images_NHW[sample], rng)
        box = find_box(ink_HW)
        if box is None:
            continue
        start = max(0, end - int(rng.integers(-10, 10)))
        paste(row_HW, ink_HW[:, box[0] : box[2]], start, 0)
        end = min(start + box[2] - box[0], row_HW.shape[1])
    row_HW = row_HW[:, : max(end, 1)]
    scale = min(1.0, (CANVAS_PX - 8) / row_HW.shape[1])
    return centre(shrink(row_HW, row_HW.shape[1] * scale, CANVAS_PX * scale), CANVAS_PX)


def change_stroke_width(ink_HW: InkMap, thicker_px: int) -> InkMap:
    """Make strokes thicker or thinner; a character that would vanish stays as it is."""
    if not thicker_px:
        return ink_HW
    size = abs(thicker_px) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    if thicker_px > 0:
        return cv2.dilate(ink_HW, disc)
    thinner_HW = cv2.erode(ink_HW, disc)
    return thinner_HW if (thinner_HW > 0.5).sum() > 0.35 * (ink_HW > 0.5).sum() else ink_HW


def _render_strokes(strokes: list[Stroke], rng: Rng) -> InkMap:
    """Draw strokes with a round pen at twice the size, and average."""
    canvas_HW = np.zeros((2 * CANVAS_PX, 2 * CANVAS_PX), np.uint8)
    points = np.concatenate(strokes)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    scale = 2 * CHARACTER_PX / max(float(np.ptp(points, axis=0).max()), 0.5)
    share = math.exp(rng.uniform(math.log(0.02), math.log(0.16)))
    pen_px = max(1, round(2 * CHARACTER_PX * share))
    fraction_bits = 4
    for stroke in strokes:
        at = np.round(((stroke - middle) * scale + CANVAS_PX) * 2**fraction_bits).astype(np.int32)
        cv2.polylines(canvas_HW, [at], False, 255, pen_px, cv2.LINE_AA, fraction_bits)
    small_HW = cv2.resize(canvas_HW, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA)
    return small_HW.astype(np.float32) / 255


@cache
def _load_font(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 100)


@cache
def _list_fonts(text: str) -> tuple[Path, ...]:
    """The fonts that have a character."""
    fonts = []
    for path in sorted(find_training_data("fonts").glob("*.woff")):
        font = _load_font(path)
        glyph, missing = font.getmask(text), font.getmask("\uffff")
        is_missing = glyph.size == missing.size and bytes(glyph) == bytes(missing)
        if glyph.getbbox() and not is_missing and min(glyph.size) > 3:
            fonts.append(path)
    return tuple(fonts)


@cache
def _rasterise(path: Path, text: str) -> Images:
    """A font's character in the middle of a canvas, uint8 [CANVAS_PX, CANVAS_PX]."""
    font = _load_font(path)
    left, top, right, bottom = map(round, font.getbbox(text))
    image = Image.new("L", (right - left + 4, bottom - top + 4), 0)
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font)
    # The font's own box extends to the pen's origin and the baseline; the ink may not.
    image = image.crop(image.getbbox())
    scale = CHARACTER_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BOX)
    canvas = Image.new("L", (CANVAS_PX, CANVAS_PX), 0)
    canvas.paste(image, ((CANVAS_PX - image.width) // 2, (CANVAS_PX - image.height) // 2))
    return np.asarray(canvas)
