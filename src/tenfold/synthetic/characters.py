"""What is written in a scene: a digit's form, or something that is no digit, on a sheet.

In: MNIST's training images and a random generator. Out: ink from 0 to 1 on a square sheet, and the
label. Forms come from MNIST, enlarged; from strokes drawn here; and from fonts.

Array names carry their axes: H rows, W columns, N images.
"""

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tenfold.data.training_data import find_training_data
from tenfold.synthetic.distractors import draw_scrawl
from tenfold.synthetic.strokes import Random, Stroke, draw_strokes

Map = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

NOT_DIGIT = 10
TALL_PX = 80  # a form's longer side; an MNIST image is four times as large as it was
MNIST_SCALE = 4
SHEET_PX = 2 * TALL_PX
# Without those that may be taken for digits: o, O, l, I, i, s, S, z, Z, q, g, b, and what looks
# like a nine whose stem is at its left, or a one with a long flag: P, p, rho, Lambda.
LETTERS = "ABCDEFGHJKLMNQRTUVWXYacdefhkmnrtuvwxyαβγδεζηθκλμνξπτφχψωΔΘΞΠΣΦΨΩ&@#%?+=*<>~"
# Where forms come from: MNIST, strokes, fonts; the rest is no digit.
MNIST_SHARE, STROKES_SHARE, FONTS_SHARE = 0.42, 0.32, 0.06
# Digits whose forms differ most from MNIST's are drawn most.
STROKES_SHARES = (0.06, 0.16, 0.08, 0.09, 0.14, 0.07, 0.05, 0.13, 0.09, 0.13)


def draw_form(images_NHW: Images, labels_N: Labels, random: Random) -> tuple[Map, int]:
    """A form, float32 [SHEET_PX, SHEET_PX], and its label, 0 to 9 or NOT_DIGIT."""
    kind = random.random()
    if kind < MNIST_SHARE:
        sample = int(random.integers(len(labels_N)))
        return enlarge(images_NHW[sample], random), int(labels_N[sample])
    kind -= MNIST_SHARE
    if kind < STROKES_SHARE:
        digit = int(random.choice(len(STROKES_SHARES), p=STROKES_SHARES))
        return _draw_with_pen(draw_strokes(digit, random), random), digit
    if kind < STROKES_SHARE + FONTS_SHARE:
        digit = int(random.integers(10))
        return typeset(str(digit), random), digit
    return _draw_nondigit(images_NHW, labels_N, random), NOT_DIGIT


def find_box(form_HW: Map) -> Box | None:
    """The box of the ink, left, top, right, bottom; None without ink."""
    is_ink_HW = form_HW > 0.4
    rows, columns = (np.flatnonzero(is_ink_HW.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def stamp(sheet_HW: Map, piece_HW: Map, left: int, top: int) -> None:
    """Add the piece's ink at a place that may lie partly outside the sheet."""
    height, width = sheet_HW.shape
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + piece_HW.shape[1]), min(height, top + piece_HW.shape[0])
    if x0 < x1 and y0 < y1:
        part_HW = sheet_HW[y0:y1, x0:x1]
        np.maximum(part_HW, piece_HW[y0 - top : y1 - top, x0 - left : x1 - left], out=part_HW)


def _draw_nondigit(images_NHW: Images, labels_N: Labels, random: Random) -> Map:
    """Scrawls, letters, several digits as one, digits on their side, parts of digits."""
    kind = random.random()
    if kind < 0.32:
        return _draw_with_pen(draw_scrawl(random), random)
    if kind < 0.6:
        return typeset(LETTERS[int(random.integers(len(LETTERS)))], random)
    if kind < 0.82:
        return _draw_several(images_NHW, random)
    sample = int(random.integers(len(labels_N)))
    form_HW, digit = enlarge(images_NHW[sample], random), int(labels_N[sample])
    if kind < 0.87 and digit in (2, 3, 4, 5, 7):
        return np.rot90(form_HW, int(random.choice([1, 3]))).copy()
    left, top, right, bottom = find_box(form_HW) or (0, 0, SHEET_PX, SHEET_PX)
    part, which = random.uniform(0.35, 0.6), random.random()
    # Parts that may be another digit are left out: an eight's right half is a three.
    if which < 0.4 and digit in (2, 3, 5, 8):
        form_HW[round(top + (bottom - top) * min(part, 0.5)) :] = 0
    elif 0.4 <= which < 0.75 and digit in (2, 3, 5, 8, 9):
        form_HW[:, round(left + (right - left) * part) :] = 0
    elif which >= 0.75 and digit in (2, 4, 5, 6):
        form_HW[:, : round(left + (right - left) * part)] = 0
    else:
        return _draw_with_pen(draw_scrawl(random), random)
    return form_HW


def _draw_several(images_NHW: Images, random: Random) -> Map:
    """Two or three digits side by side as one form, touching or nearly."""
    num = 3 if random.random() < 0.25 else 2
    sheet_HW = np.zeros((SHEET_PX, num * SHEET_PX), np.float32)
    end = 0
    for sample in random.integers(len(images_NHW), size=num):
        form_HW = enlarge(images_NHW[sample], random)
        box = find_box(form_HW)
        if box is None:
            continue
        piece_HW = form_HW[:, box[0] : box[2]]
        start = max(0, end - int(random.integers(-10, 10)))
        part_HW = sheet_HW[:, start : start + piece_HW.shape[1]]
        np.maximum(part_HW, piece_HW[:, : part_HW.shape[1]], out=part_HW)
        end = start + part_HW.shape[1]
    whole_HW = sheet_HW[:, : max(end, 1)]
    scale = min(1.0, (SHEET_PX - 8) / whole_HW.shape[1])
    size = (max(1, round(whole_HW.shape[1] * scale)), max(1, round(SHEET_PX * scale)))
    small_HW = cv2.resize(whole_HW, size, interpolation=cv2.INTER_AREA)
    top, left = (SHEET_PX - small_HW.shape[0]) // 2, (SHEET_PX - small_HW.shape[1]) // 2
    both_HW = np.zeros((SHEET_PX, SHEET_PX), np.float32)
    both_HW[top : top + small_HW.shape[0], left : left + small_HW.shape[1]] = small_HW
    return both_HW


def enlarge(image_HW: Images, random: Random) -> Map:
    """An MNIST image enlarged, its strokes sharp again, thicker or thinner."""
    large_HW = cv2.resize(
        image_HW, None, fx=MNIST_SCALE, fy=MNIST_SCALE, interpolation=cv2.INTER_CUBIC
    )
    soft_HW = large_HW * np.float32(1 / 255)
    sharp_HW = np.clip((soft_HW - 0.5) * np.float32(random.uniform(1.5, 4)) + 0.5, 0, 1)
    sharp_HW = _change_pen(sharp_HW, int(random.integers(-3, 7)))
    margin = (SHEET_PX - large_HW.shape[0]) // 2
    return np.pad(sharp_HW, margin)


def _change_pen(form_HW: Map, thicker_px: int) -> Map:
    """Strokes thicker or thinner by about so much; a form that would vanish stays."""
    if not thicker_px:
        return form_HW
    size = abs(thicker_px) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    if thicker_px > 0:
        return cv2.dilate(form_HW, disc)
    thinner_HW = cv2.erode(form_HW, disc)
    return thinner_HW if (thinner_HW > 0.5).sum() > 0.35 * (form_HW > 0.5).sum() else form_HW


def _draw_with_pen(strokes: list[Stroke], random: Random) -> Map:
    """Strokes with a round pen, drawn twice as large and averaged."""
    sheet_HW = np.zeros((2 * SHEET_PX, 2 * SHEET_PX), np.uint8)
    points = np.concatenate(strokes)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    scale = 2 * TALL_PX / max(float(np.ptp(points, axis=0).max()), 0.5)
    share = math.exp(random.uniform(math.log(0.02), math.log(0.16)))
    pen = max(1, round(2 * TALL_PX * share))
    fraction_bits = 4
    for stroke in strokes:
        at = np.round(((stroke - middle) * scale + SHEET_PX) * 2**fraction_bits).astype(np.int32)
        cv2.polylines(sheet_HW, [at], False, 255, pen, cv2.LINE_AA, fraction_bits)
    small_HW = cv2.resize(sheet_HW, (SHEET_PX, SHEET_PX), interpolation=cv2.INTER_AREA)
    return small_HW.astype(np.float32) / 255


def typeset(text: str, random: Random) -> Map:
    """A character of one of the fonts, thicker or thinner."""
    fonts = _list_fonts(text)
    form_HW = _render(fonts[int(random.integers(len(fonts)))], text) * np.float32(1 / 255)
    return _change_pen(form_HW, int(random.integers(-2, 6)))


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
def _render(path: Path, text: str) -> npt.NDArray[np.uint8]:
    """A character in the middle of a sheet, uint8 [SHEET_PX, SHEET_PX]."""
    font = _load_font(path)
    left, top, right, bottom = map(round, font.getbbox(text))
    image = Image.new("L", (right - left + 4, bottom - top + 4), 0)
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font)
    # The font's own box reaches to the pen's start and to the baseline, the ink may not.
    image = image.crop(image.getbbox())
    scale = TALL_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BOX)
    sheet = Image.new("L", (SHEET_PX, SHEET_PX), 0)
    sheet.paste(image, ((SHEET_PX - image.width) // 2, (SHEET_PX - image.height) // 2))
    return np.asarray(sheet)
