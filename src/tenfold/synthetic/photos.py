"""Digits on paper as people scan and photograph them, brought back by the reader's own pipeline.

In: MNIST's training images, a seed and an index. Out: a digit image and its label. A scene has a
form, other marks beside it, paper, light, a camera; then it is read: ink, marks, the one glyph,
framing. So the images that a network learns from have the damage that reading does.

What is drawn depends on seed and index alone. Array names carry their axes: H rows, W columns, C
colours, N images.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tenfold.reading.components import find_components
from tenfold.reading.digit_image import DigitImage, normalise_digit
from tenfold.reading.glyphs import PageComponents
from tenfold.reading.ink import find_ink
from tenfold.synthetic.characters import (
    SHEET_PX,
    Box,
    Images,
    Labels,
    Map,
    draw_form,
    find_box,
    stamp,
)
from tenfold.synthetic.strokes import Random
from tenfold.synthetic.touching import build_row_piece

# A scene whose glyph is found elsewhere teaches nothing: the boxes must share so much.
LEAST_OVERLAP = 0.55
ROW_SHARE = 0.12  # of scenes are rows of digits that touch
PLAIN_SHARE = 0.15  # of the others are MNIST's images as they are
SMALL_SIZES_PX = (16, 16, 20, 28, 32)


@dataclass(frozen=True)
class Picture:
    """RGB pixels [H, W, 3]; where the form is; whether ink is darker than paper."""

    pixels_HWC: Images
    box: Box
    is_dark: bool


def build_scene(
    images_NHW: Images, labels_N: Labels, seed: int, index: int
) -> tuple[DigitImage, int]:
    """The scene of that index as reading frames it, uint8 [28, 28], and its label, 0 to 10.

    Scenes that reading does not find its way in are drawn anew.
    """
    random = np.random.default_rng((seed, index))
    while True:
        if random.random() < ROW_SHARE:
            piece = build_row_piece(images_NHW, labels_N, random)
            if piece is not None:
                return piece
            continue
        if random.random() < PLAIN_SHARE:
            sample = int(random.integers(len(labels_N)))
            picture, label = _show(images_NHW[sample], random), int(labels_N[sample])
        else:
            form_HW, label = draw_form(images_NHW, labels_N, random)
            picture = draw_picture(form_HW, images_NHW, random)
        image = None if picture is None else _read(picture)
        if image is not None:
            return image, label


def _show(image_HW: Images, random: Random) -> Picture | None:
    """An MNIST image as it is, or with black and white exchanged."""
    box = find_box(image_HW * np.float32(1 / 255))
    if box is None:
        return None
    is_dark = bool(random.random() < 0.5)
    return Picture(cv2.merge([255 - image_HW if is_dark else image_HW] * 3), box, is_dark)


def _read(picture: Picture) -> DigitImage | None:
    """What reading makes of a picture; None if it takes something else for the glyph."""
    ink = find_ink(picture.pixels_HWC)
    if ink.is_dark != picture.is_dark:
        return None
    glyph = PageComponents(ink, find_components(ink)).find_main_glyph()
    if glyph is None:
        return None
    (left, top, right, bottom), (x0, y0, x1, y1) = picture.box, glyph.box
    both = max(0, min(right, x1) - max(left, x0)) * max(0, min(bottom, y1) - max(top, y0))
    larger = max((right - left) * (bottom - top), (x1 - x0) * (y1 - y0))
    return normalise_digit(glyph.strength_HW) if both >= LEAST_OVERLAP * larger else None


def draw_picture(form_HW: Map, images_NHW: Images, random: Random) -> Picture | None:
    """A form as somebody's picture of it; None if nothing is left of it."""
    form_HW = _slant(form_HW, random)
    if random.random() < 0.4:
        form_HW = _bend(form_HW, random)
    box = find_box(form_HW)
    if box is None:
        return None
    style = random.random()
    if style < 0.1:
        return _cut_out(form_HW[box[1] : box[3], box[0] : box[2]], random)
    size = max(box[2] - box[0], box[3] - box[1])
    low, high = (-0.02, 0.12) if style < 0.3 else (0.05, 0.8)
    margins = np.round(random.uniform(low, high, 4) * size).astype(int)
    left, top, right, bottom = (
        int(box[0] - margins[0]),
        int(box[1] - margins[1]),
        int(box[2] + margins[2]),
        int(box[3] + margins[3]),
    )
    whole_HW = np.pad(form_HW, SHEET_PX)
    ink_HW = whole_HW[top + SHEET_PX : bottom + SHEET_PX, left + SHEET_PX : right + SHEET_PX]
    own = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    others_HW = np.zeros_like(ink_HW)
    if random.random() < 0.3:
        _add_neighbours(others_HW, own, images_NHW, random)
    if random.random() < 0.25:
        _add_lines(others_HW, own, random)
    if random.random() < 0.15:
        _add_specks(others_HW, random)
    scale = math.exp(random.uniform(math.log(18), math.log(90))) / size
    width, height = max(8, round((right - left) * scale)), max(8, round((bottom - top) * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    ink_HW = np.clip(cv2.resize(ink_HW, (width, height), interpolation=how), 0, 1)
    others_HW = cv2.resize(others_HW, (width, height), interpolation=how)
    across, down = width / (right - left), height / (bottom - top)
    pixels_HWC, is_dark = _photograph(ink_HW, others_HW, random)
    at = (
        round(own[0] * across),
        round(own[1] * down),
        round(own[2] * across),
        round(own[3] * down),
    )
    return Picture(pixels_HWC, at, is_dark)


def _slant(form_HW: Map, random: Random) -> Map:
    """The form turned, sheared, and wider or narrower."""
    turn, shear = math.radians(random.normal(0, 7)), random.normal(0, 0.12)
    stretch = math.exp(random.normal(0, 0.14))
    matrix = np.array(
        [
            [math.cos(turn) * stretch, shear - math.sin(turn), 0],
            [math.sin(turn), math.cos(turn) / stretch, 0],
        ]
    )
    matrix[:, 2] = (1 - matrix[:, :2].sum(axis=1)) * SHEET_PX / 2
    return cv2.warpAffine(form_HW, matrix, (SHEET_PX, SHEET_PX), flags=cv2.INTER_LINEAR)


def _bend(form_HW: Map, random: Random) -> Map:
    """The form under a smooth random displacement."""
    strength = np.float32(random.uniform(1, 4))
    fields = random.normal(0, 1, (2, 5, 5)).astype(np.float32) * strength
    size = (SHEET_PX, SHEET_PX)
    across, down = (cv2.resize(field, size, interpolation=cv2.INTER_CUBIC) for field in fields)
    grid = np.arange(SHEET_PX, dtype=np.float32)
    return cv2.remap(form_HW, across + grid[None, :], down + grid[:, None], cv2.INTER_LINEAR)


def _cut_out(form_HW: Map, random: Random) -> Picture:
    """The form alone on a small square, stretched to it or not, often in two colours."""
    side = SMALL_SIZES_PX[int(random.integers(len(SMALL_SIZES_PX)))]
    small_HW = cv2.resize(form_HW, (side, side), interpolation=cv2.INTER_AREA)
    if random.random() < 0.5:  # with its proportions
        scale = side / max(form_HW.shape)
        height, width = (max(1, round(length * scale)) for length in form_HW.shape)
        top, left = (side - height) // 2, (side - width) // 2
        small_HW = np.zeros((side, side), np.float32)
        small_HW[top : top + height, left : left + width] = cv2.resize(
            form_HW, (width, height), interpolation=cv2.INTER_AREA
        )
    if random.random() < 0.7:
        small_HW = (small_HW > random.uniform(0.3, 0.6)).astype(np.float32)
    is_dark = bool(random.random() < 0.7)
    grey_HW = np.rint(255 * (1 - small_HW if is_dark else small_HW)).astype(np.uint8)
    box = find_box(small_HW) or (0, 0, side, side)
    return Picture(cv2.merge([grey_HW] * 3), box, is_dark)


def _add_neighbours(others_HW: Map, own: Box, images_NHW: Images, random: Random) -> None:
    """Bits of other digits around the form, as a cut leaves them."""
    size = max(own[2] - own[0], own[3] - own[1])
    for _ in range(int(random.integers(1, 3))):
        other = images_NHW[int(random.integers(len(images_NHW)))].astype(np.float32) / 255
        side = max(8, round(size * 28 / 20 * random.uniform(0.8, 1.2)))
        other_HW = cv2.resize(other, (side, side), interpolation=cv2.INTER_LINEAR)
        box = find_box(other_HW)
        if box is None:
            continue
        other_HW = other_HW[box[1] : box[3], box[0] : box[2]]
        gap, where = round(random.uniform(0.04, 0.25) * size), random.random()
        left, top = own[0], own[1] + round(random.normal(0, 0.15) * size)
        if where < 0.4:
            left = own[2] + gap
        elif where < 0.8:
            left = own[0] - gap - other_HW.shape[1]
        else:
            left += round(random.normal(0, 0.3) * size)
            top = own[3] + gap if random.random() < 0.5 else own[1] - gap - other_HW.shape[0]
        stamp(others_HW, other_HW, left, top)


def _add_lines(others_HW: Map, own: Box, random: Random) -> None:
    """Ruled or squared paper, a frame's edges, or an underline."""
    u = random.uniform
    height, width = others_HW.shape
    size = max(own[2] - own[0], own[3] - own[1])
    thickness, strength = max(1, round(u(0.01, 0.05) * size)), u(0.3, 1.0)
    slope, kind = random.normal(0, 0.015), random.random()

    def draw(x0: float, y0: float, x1: float, y1: float) -> None:
        ends = (int(x0), int(y0)), (int(x1), int(y1))
        cv2.line(others_HW, *ends, strength, thickness, cv2.LINE_AA)

    if kind < 0.4:
        step = u(0.4, 1.6) * size
        for y in np.arange(u(-0.2, 1.2) * size, height, step):
            draw(-2, y, width + 2, y + slope * width)
        if random.random() < 0.3:
            for x in np.arange(u(-0.2, 1.0) * size, width, step):
                draw(x, -2, x - slope * height, height + 2)
    elif kind < 0.8:
        reach = 0.12 * size
        if random.random() < 0.6:
            draw(u(0, reach), -2, u(0, reach), height + 2)
        if random.random() < 0.6:
            draw(width - u(0, reach), -2, width - u(0, reach), height + 2)
        if random.random() < 0.6:
            y = height - u(0, reach)
            draw(-2, y, width + 2, y + slope * width)
        if random.random() < 0.4:
            y = u(0, reach)
            draw(-2, y, width + 2, y + slope * width)
    else:
        y = own[3] + u(0.05, 0.3) * size
        start, end = own[0] - u(0, 0.3) * size, own[2] + u(0, 0.3) * size
        draw(start, y, end, y + u(-0.05, 0.05) * size)


def _add_specks(others_HW: Map, random: Random) -> None:
    height, width = others_HW.shape
    for _ in range(int(random.integers(1, 12))):
        at = (int(random.integers(width)), int(random.integers(height)))
        strength = random.uniform(0.3, 1.0)
        cv2.circle(others_HW, at, int(random.integers(0, 3)), strength, -1, cv2.LINE_AA)


def _photograph(ink_HW: Map, others_HW: Map, random: Random) -> tuple[Images, bool]:
    """RGB pixels of ink on paper, scanned or photographed, and whether the ink is dark."""
    if random.random() < 0.3:
        pixels_HWC, is_dark = _scan(ink_HW, others_HW, random)
    else:
        pixels_HWC, is_dark = _expose(ink_HW, others_HW, random), True
        if random.random() < 0.1:  # chalk
            pixels_HWC, is_dark = 255 - pixels_HWC, False
    if random.random() < 0.15:
        quality = int(random.integers(25, 90))
        _, data = cv2.imencode(".jpg", pixels_HWC, [cv2.IMWRITE_JPEG_QUALITY, quality])
        pixels_HWC = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return pixels_HWC, is_dark


def _scan(ink_HW: Map, others_HW: Map, random: Random) -> tuple[Images, bool]:
    """Even paper and ink of one colour, perhaps without shades, perhaps with a little noise."""
    u = random.uniform
    is_dark = bool(random.random() < 0.7)
    paper, ink_C = u(235, 255), np.full(3, u(0, 90))
    if not is_dark:
        paper, ink_C = u(0, 25), np.full(3, u(170, 255))
    if random.random() < 0.3:
        ink_C = random.integers(0, 200, 3) if is_dark else random.integers(90, 256, 3)
    both_HW = np.maximum(ink_HW, others_HW * np.float32(u(0.4, 1)))
    if random.random() < 0.25:
        both_HW = (both_HW > u(0.3, 0.6)).astype(np.float32)
    pixels_HWC = paper + (ink_C - paper) * both_HW[:, :, None]
    if random.random() < 0.4:
        pixels_HWC = pixels_HWC + random.normal(0, u(0, 6), (*both_HW.shape, 1))
    return np.clip(pixels_HWC, 0, 255).astype(np.uint8), is_dark


def _expose(ink_HW: Map, others_HW: Map, random: Random) -> Images:
    """Uneven ink on tinted paper in uneven light, through a lens, with a sensor's noise."""
    u = random.uniform
    height, width = ink_HW.shape
    paper_C = np.clip(u(120, 245) + random.normal(0, 8, 3), 0, 255)
    contrast = math.exp(u(math.log(0.15), math.log(0.9)))
    ink_C = paper_C * (1 - contrast * np.minimum(random.uniform(0.6, 1.05, 3), 1))
    line_C = paper_C * (1 - contrast * random.uniform(0.3, 1.0, 3))
    if random.random() < 0.6:  # a pen that runs dry, graphite
        grain = random.normal(0, 1, (max(2, height // 3), max(2, width // 3))).astype(np.float32)
        grain_HW = cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
        ink_HW = ink_HW * np.clip(1 - np.float32(u(0, 0.5)) * np.abs(grain_HW), 0.25, 1)
    pixels_HWC = paper_C + (line_C - paper_C) * others_HW[:, :, None]
    pixels_HWC = pixels_HWC + (ink_C - pixels_HWC) * ink_HW[:, :, None]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    light_HW = 1 + u(-0.25, 0.25) * x + u(-0.25, 0.25) * y - u(0, 0.2) * (x * x + y * y)
    if random.random() < 0.15:  # a shadow
        angle, where = u(0, 2 * math.pi), u(-0.9, 0.9)
        edge = (x * math.cos(angle) + y * math.sin(angle) - where) * u(3, 30)
        light_HW = light_HW * (1 - u(0.1, 0.45) / (1 + np.exp(-np.clip(edge, -30, 30))))
    lit_HWC = (pixels_HWC * light_HW[:, :, None]).astype(np.float32)
    if random.random() < 0.6:
        lit_HWC = cv2.GaussianBlur(lit_HWC, (0, 0), u(0.3, 1.3) * max(1, height / 60))
    noise_HW = random.normal(0, u(0.5, 7), (height, width)).astype(np.float32)
    return np.clip(lit_HWC + noise_HW[:, :, None], 0, 255).astype(np.uint8)
