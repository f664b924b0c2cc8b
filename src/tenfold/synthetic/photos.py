"""Synthetic photos and scans of one character, and digit images extracted from them by reading.

A photo has a character, distractors beside it, paper, light and a camera. The reading pipeline then
finds the ink, the components and the one glyph, so that the digit images which a network trains on
have the artefacts of reading.

Array names carry their axes: H rows, W columns, C colours, N images.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tenfold.reading.components import find_components
from tenfold.reading.digit_image import DigitImage, normalise_digit
from tenfold.reading.glyphs import PageComponents
from tenfold.reading.ink import Mask, find_ink
from tenfold.reading.page_segmenter import MIN_SIDE_PX
from tenfold.synthetic.canvas import (
    Box,
    Images,
    InkMap,
    Labels,
    add_grain,
    centre,
    crop_to_ink,
    displace,
    find_box,
    paste,
    shrink,
)
from tenfold.synthetic.characters import CANVAS_PX, draw_character
from tenfold.synthetic.strokes import Rng
from tenfold.synthetic.touching import build_fragment_image

# Of the larger box, the share that drawn and found boxes must have in common. Otherwise reading has
# found something else, and the photo is drawn again.
MIN_OVERLAP = 0.55
TOUCHING_SHARE = 0.12  # of digit images come from rows of touching digits
PLAIN_SHARE = 0.15  # of the others are MNIST images without a photo
SMALL_SIZES_PX = (16, 16, 20, 28, 32)


@dataclass(frozen=True)
class Photo:
    """RGB pixels [H, W, 3]; the box of the character; whether ink is darker than paper.

    `text_HW` is a mask of the writing as page segmentation gives it; None for a small image.
    """

    pixels_HWC: Images
    box: Box
    is_dark: bool
    text_HW: Mask | None = None


def build_digit_image(
    images_NHW: Images, labels_N: Labels, seed: int, index: int
) -> tuple[DigitImage, int]:
    """A digit image as reading extracts it, uint8 [28, 28], and its label, 0 to 10.

    It depends on the seed and the index alone. Photos that reading fails on are drawn again.
    """
    rng = np.random.default_rng((seed, index))
    while True:
        if rng.random() < TOUCHING_SHARE:
            fragment = build_fragment_image(images_NHW, labels_N, rng)
            if fragment is not None:
                return fragment
            continue
        if rng.random() < PLAIN_SHARE:
            sample = int(rng.integers(len(labels_N)))
            photo, label = _draw_plain(images_NHW[sample], rng), int(labels_N[sample])
        else:
            character_HW, label = draw_character(images_NHW, labels_N, rng)
            photo = draw_photo(character_HW, images_NHW, rng)
        image = None if photo is None else _extract_digit(photo)
        if image is not None:
            return image, label


def _draw_plain(image_HW: Images, rng: Rng) -> Photo | None:
    """An MNIST image as it is, or inverted."""
    box = find_box(image_HW * np.float32(1 / 255))
    if box is None:
        return None
    is_dark = bool(rng.random() < 0.5)
    return Photo(cv2.merge([255 - image_HW if is_dark else image_HW] * 3), box, is_dark)


def _extract_digit(photo: Photo) -> DigitImage | None:
    """The digit image that reading finds in a photo; None if it finds another glyph."""
    ink = find_ink(photo.pixels_HWC, text_HW=photo.text_HW)
    if ink.is_dark != photo.is_dark:
        return None
    glyph = PageComponents(ink, find_components(ink)).find_main_glyph()
    if glyph is None:
        return None
    (left, top, right, bottom), (x0, y0, x1, y1) = photo.box, glyph.box
    both = max(0, min(right, x1) - max(left, x0)) * max(0, min(bottom, y1) - max(top, y0))
    larger = max((right - left) * (bottom - top), (x1 - x0) * (y1 - y0))
    return normalise_digit(glyph.strength_HW) if both >= MIN_OVERLAP * larger else None


def draw_photo(character_HW: InkMap, images_NHW: Images, rng: Rng) -> Photo | None:
    """A synthetic photo or scan of a character; None if no ink is left."""
    character_HW = _apply_affine(character_HW, rng)
    if rng.random() < 0.4:
        character_HW = _apply_elastic(character_HW, rng)
    box = find_box(character_HW)
    if box is None:
        return None
    style = rng.random()
    if style < 0.1:
        return _draw_small(character_HW[box[1] : box[3], box[0] : box[2]], rng)
    size = max(box[2] - box[0], box[3] - box[1])
    low, high = (-0.02, 0.12) if style < 0.3 else (0.05, 0.8)
    margins = np.round(rng.uniform(low, high, 4) * size).astype(int)
    left, top, right, bottom = (np.array(box) + margins * (-1, -1, 1, 1)).tolist()
    whole_HW = np.pad(character_HW, CANVAS_PX)
    ink_HW = whole_HW[top + CANVAS_PX : bottom + CANVAS_PX, left + CANVAS_PX : right + CANVAS_PX]
    inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    clutter_HW, rules_HW = np.zeros((2, *ink_HW.shape), np.float32)
    if rng.random() < 0.3:
        _add_neighbours(clutter_HW, inner, images_NHW, rng)
    if rng.random() < 0.25:
        _add_rules(rules_HW, inner, rng)
    if rng.random() < 0.15:
        _add_specks(clutter_HW, rng)
    scale = math.exp(rng.uniform(math.log(18), math.log(90))) / size
    width, height = max(8, round((right - left) * scale)), max(8, round((bottom - top) * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    ink_HW, clutter_HW, rules_HW = (
        np.clip(cv2.resize(layer_HW, (width, height), interpolation=method), 0, 1)
        for layer_HW in (ink_HW, clutter_HW, rules_HW)
    )
    text_HW = None
    if max(width, height) >= MIN_SIDE_PX:
        # The page network is coarse: a rule remains where it touches the writing.
        is_text_HW = (np.maximum(ink_HW, clutter_HW) > rng.uniform(0.1, 0.4)).view(np.uint8)
        reach = 2 * round(size * scale * rng.uniform(0.01, 0.04)) + 1
        text_HW = cv2.dilate(is_text_HW, np.ones((reach, reach), np.uint8))
    clutter_HW = np.maximum(clutter_HW, rules_HW)
    across, down = width / (right - left), height / (bottom - top)
    pixels_HWC, is_dark = _photograph(ink_HW, clutter_HW, rng)
    x0, x1 = round(inner[0] * across), round(inner[2] * across)
    y0, y1 = round(inner[1] * down), round(inner[3] * down)
    return Photo(pixels_HWC, (x0, y0, x1, y1), is_dark, text_HW)


def _apply_affine(character_HW: InkMap, rng: Rng) -> InkMap:
    """Rotate, shear and stretch the character."""
    turn, shear = math.radians(rng.normal(0, 7)), rng.normal(0, 0.12)
    stretch = math.exp(rng.normal(0, 0.14))
    cos, sin = math.cos(turn), math.sin(turn)
    matrix = np.array([[cos * stretch, shear - sin, 0], [sin, cos / stretch, 0]])
    matrix[:, 2] = (1 - matrix[:, :2].sum(axis=1)) * CANVAS_PX / 2
    return cv2.warpAffine(character_HW, matrix, (CANVAS_PX, CANVAS_PX), flags=cv2.INTER_LINEAR)


def _apply_elastic(character_HW: InkMap, rng: Rng) -> InkMap:
    """Displace the pixels by a smooth random field."""
    strength = np.float32(rng.uniform(1, 4))
    return displace(character_HW, rng.normal(0, 1, (2, 5, 5)).astype(np.float32) * strength)


def _draw_small(character_HW: InkMap, rng: Rng) -> Photo:
    """The character alone on a small square, stretched to it or not, often binarised."""
    side = SMALL_SIZES_PX[int(rng.integers(len(SMALL_SIZES_PX)))]
    small_HW = shrink(character_HW, side, side)
    if rng.random() < 0.5:  # keep the aspect ratio
        scale = side / max(character_HW.shape)
        height, width = (length * scale for length in character_HW.shape)
        small_HW = centre(shrink(character_HW, width, height), side)
    if rng.random() < 0.7:
        small_HW = (small_HW > rng.uniform(0.3, 0.6)).astype(np.float32)
    is_dark = bool(rng.random() < 0.7)
    grey_HW = np.rint(255 * (1 - small_HW if is_dark else small_HW)).astype(np.uint8)
    box = find_box(small_HW) or (0, 0, side, side)
    return Photo(cv2.merge([grey_HW] * 3), box, is_dark)


def _add_neighbours(clutter_HW: InkMap, box: Box, images_NHW: Images, rng: Rng) -> None:
    """Parts of other digits around the character, as a crop leaves them."""
    size = max(box[2] - box[0], box[3] - box[1])
    for _ in range(int(rng.integers(1, 3))):
        other = images_NHW[int(rng.integers(len(images_NHW)))].astype(np.float32) / 255
        side = max(8, round(size * 28 / 20 * rng.uniform(0.8, 1.2)))
        other_HW = crop_to_ink(cv2.resize(other, (side, side), interpolation=cv2.INTER_LINEAR))
        if other_HW is None:
            continue
        gap, where = round(rng.uniform(0.04, 0.25) * size), rng.random()
        left, top = box[0], box[1] + round(rng.normal(0, 0.15) * size)
        if where < 0.4:
            left = box[2] + gap
        elif where < 0.8:
            left = box[0] - gap - other_HW.shape[1]
        else:
            left += round(rng.normal(0, 0.3) * size)
            top = box[3] + gap if rng.random() < 0.5 else box[1] - gap - other_HW.shape[0]
        paste(clutter_HW, other_HW, left, top)


def _add_rules(clutter_HW: InkMap, box: Box, rng: Rng) -> None:
    """Ruled or squared paper, the edges of a form's box, or an underline."""
    u = rng.uniform
    height, width = clutter_HW.shape
    size = max(box[2] - box[0], box[3] - box[1])
    thickness, strength = max(1, round(u(0.01, 0.05) * size)), u(0.3, 1.0)
    slope, kind = rng.normal(0, 0.015), rng.random()

    def draw(x0: float, y0: float, x1: float, y1: float) -> None:
        ends = (int(x0), int(y0)), (int(x1), int(y1))
        cv2.line(clutter_HW, *ends, strength, thickness, cv2.LINE_AA)

    def draw_across(y: float) -> None:
        draw(-2, y, width + 2, y + slope * width)

    if kind < 0.4:
        step = u(0.4, 1.6) * size
        for y in np.arange(u(-0.2, 1.2) * size, height, step):
            draw_across(y)
        if rng.random() < 0.3:
            for x in np.arange(u(-0.2, 1.0) * size, width, step):
                draw(x, -2, x - slope * height, height + 2)
    elif kind < 0.8:
        reach = 0.12 * size
        if rng.random() < 0.6:
            draw(u(0, reach), -2, u(0, reach), height + 2)
        if rng.random() < 0.6:
            draw(width - u(0, reach), -2, width - u(0, reach), height + 2)
        if rng.random() < 0.6:
            draw_across(height - u(0, reach))
        if rng.random() < 0.4:
            draw_across(u(0, reach))
    else:
        y = box[3] + u(0.05, 0.3) * size
        start, end = box[0] - u(0, 0.3) * size, box[2] + u(0, 0.3) * size
        draw(start, y, end, y + u(-0.05, 0.05) * size)


def _add_specks(clutter_HW: InkMap, rng: Rng) -> None:
    height, width = clutter_HW.shape
    for _ in range(int(rng.integers(1, 12))):
        at = (int(rng.integers(width)), int(rng.integers(height)))
        strength = rng.uniform(0.3, 1.0)
        cv2.circle(clutter_HW, at, int(rng.integers(0, 3)), strength, -1, cv2.LINE_AA)


def _photograph(ink_HW: InkMap, clutter_HW: InkMap, rng: Rng) -> tuple[Images, bool]:
    """RGB pixels of ink on paper, scanned or photographed, and whether ink is dark."""
    if rng.random() < 0.3:
        pixels_HWC, is_dark = _simulate_scanner(ink_HW, clutter_HW, rng)
    else:
        pixels_HWC, is_dark = _simulate_camera(ink_HW, clutter_HW, rng), True
        if rng.random() < 0.1:  # chalk
            pixels_HWC, is_dark = 255 - pixels_HWC, False
    if rng.random() < 0.15:
        quality = int(rng.integers(25, 90))
        _, data = cv2.imencode(".jpg", pixels_HWC, [cv2.IMWRITE_JPEG_QUALITY, quality])
        pixels_HWC = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return pixels_HWC, is_dark


def _simulate_scanner(ink_HW: InkMap, clutter_HW: InkMap, rng: Rng) -> tuple[Images, bool]:
    """Uniform paper and ink, sometimes binarised, sometimes with a little noise."""
    u = rng.uniform
    is_dark = bool(rng.random() < 0.7)
    paper, ink_C = u(235, 255), np.full(3, u(0, 90))
    if not is_dark:
        paper, ink_C = u(0, 25), np.full(3, u(170, 255))
    if rng.random() < 0.3:
        ink_C = rng.integers(0, 200, 3) if is_dark else rng.integers(90, 256, 3)
    both_HW = np.maximum(ink_HW, clutter_HW * np.float32(u(0.4, 1)))
    if rng.random() < 0.25:
        both_HW = (both_HW > u(0.3, 0.6)).astype(np.float32)
    pixels_HWC = paper + (ink_C - paper) * both_HW[:, :, None]
    if rng.random() < 0.4:
        pixels_HWC = pixels_HWC + rng.normal(0, u(0, 6), (*both_HW.shape, 1))
    return np.clip(pixels_HWC, 0, 255).astype(np.uint8), is_dark


def _simulate_camera(ink_HW: InkMap, clutter_HW: InkMap, rng: Rng) -> Images:
    """Uneven ink on tinted paper in uneven light, with lens blur and sensor noise."""
    u = rng.uniform
    height, width = ink_HW.shape
    paper_C = np.clip(u(120, 245) + rng.normal(0, 8, 3), 0, 255)
    contrast = math.exp(u(math.log(0.15), math.log(0.9)))
    ink_C = paper_C * (1 - contrast * np.minimum(rng.uniform(0.6, 1.05, 3), 1))
    line_C = paper_C * (1 - contrast * rng.uniform(0.3, 1.0, 3))
    if rng.random() < 0.6:  # a pen running dry, or graphite
        ink_HW = add_grain(ink_HW, 0.25, rng)
    pixels_HWC = paper_C + (line_C - paper_C) * clutter_HW[:, :, None]
    pixels_HWC = pixels_HWC + (ink_C - pixels_HWC) * ink_HW[:, :, None]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    light_HW = 1 + u(-0.25, 0.25) * x + u(-0.25, 0.25) * y - u(0, 0.2) * (x * x + y * y)
    if rng.random() < 0.15:  # a shadow
        angle, where = u(0, 2 * math.pi), u(-0.9, 0.9)
        edge = (x * math.cos(angle) + y * math.sin(angle) - where) * u(3, 30)
        light_HW = light_HW * (1 - u(0.1, 0.45) / (1 + np.exp(-np.clip(edge, -30, 30))))
    lit_HWC = (pixels_HWC * light_HW[:, :, None]).astype(np.float32)
    if rng.random() < 0.6:
        lit_HWC = cv2.GaussianBlur(lit_HWC, (0, 0), u(0.3, 1.3) * max(1, height / 60))
    noise_HW = rng.normal(0, u(0.5, 7), (height, width)).astype(np.float32)
    return np.clip(lit_HWC + noise_HW[:, :, None], 0, 255).astype(np.uint8)
