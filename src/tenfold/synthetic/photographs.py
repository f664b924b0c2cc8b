"""Photographs and scans of pages: paper, colours, light and shadow, noise, compression.

Array names carry their axes: H rows, W columns, C colours.
"""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.page_segmenter import PAPER, RULE, TEXT
from tenfold.synthetic.canvas import Images, InkMap
from tenfold.synthetic.strokes import Rng

Colour = npt.NDArray[np.float64]
Picture = npt.NDArray[np.float32]  # [H, W, 3], from 0 to 1

MIN_TEXT, MIN_RULE = 0.35, 0.3  # ink of a pixel that counts as writing, as a rule
MIN_RULE_CONTRAST = 0.05  # of white, in some colour, between a rule and the paper
MIN_SCAN_CONTRAST = 30  # grey levels between writing and paper of a page scanned black and white


def photograph(
    text_HW: InkMap, rules_HW: InkMap, pattern_HW: InkMap, rng: Rng
) -> tuple[Images, npt.NDArray[np.uint8]]:
    """A picture of layers of ink, uint8 [H, W, 3], and the class of each pixel, uint8 [H, W].

    Classes are PAPER, TEXT and RULE; a printed pattern counts as paper.
    """
    u = rng.uniform
    shape = text_HW.shape
    picture = np.broadcast_to(_choose_paper(rng).astype(np.float32), (*shape, 3)).copy()
    if rng.random() < 0.7:
        roughness = u(0, 0.035) if rng.random() < 0.85 else u(0.035, 0.12)
        picture *= 1 + _draw_texture(shape, rng)[..., None] * np.float32(roughness)
    if rng.random() < 0.09:
        sheet_HW = _find_sheet(text_HW, rng)
        picture = picture * sheet_HW[..., None] + _draw_table_top(shape, rng) * (
            1 - sheet_HW[..., None]
        )
        rules_HW, pattern_HW = rules_HW * (sheet_HW > 0.5), pattern_HW * sheet_HW
    pen = _choose_pen(rng)
    rule_colour = np.full(3, u(0, 0.6)) if rng.random() < 0.6 else u(0.1, 0.8, 3)
    if rng.random() < 0.25:
        rule_colour = pen
    rules_HW = np.clip(rules_HW * np.float32(u(0.3, 1)), 0, 1)
    strength = u(0.45, 1) if rng.random() < 0.8 else u(0.22, 0.5)
    ink_HW = text_HW * np.float32(strength)
    if rng.random() < 0.3:
        ink_HW = ink_HW * np.clip(_draw_noise(shape, 40, rng, 0.55, 1.3), 0, 1)
    picture = _paint(picture, pattern_HW, u(0.2, 0.8, 3))
    without_rules, picture = picture, _paint(picture, rules_HW, rule_colour)
    is_seen_HW = np.abs(picture - without_rules).max(axis=2) > MIN_RULE_CONTRAST
    picture = _paint(picture, np.clip(ink_HW, 0, 1), pen)
    if rng.random() < 0.75:
        picture *= _draw_light(shape, rng)[..., None]
    if rng.random() < 0.16:
        picture = 1.02 - picture
    classes_HW = np.where((rules_HW > MIN_RULE) & is_seen_HW, RULE, PAPER).astype(np.uint8)
    classes_HW[text_HW > MIN_TEXT] = TEXT
    return _expose(picture, text_HW, rules_HW, classes_HW, rng), classes_HW


def _paint(picture: Picture, layer_HW: InkMap, colour: Colour) -> Picture:
    cover = layer_HW[..., None]
    return picture * (1 - cover) + cover * colour.astype(np.float32)


def _choose_paper(rng: Rng) -> Colour:
    if rng.random() < 0.15:
        return rng.uniform(0.35, 1, 3)
    return rng.uniform(0.7, 1) * np.clip(rng.normal(1, 0.04, 3), 0.8, 1.05)


def _choose_pen(rng: Rng) -> Colour:
    """Black or grey, blue, red, or another dark colour."""
    u, kind = rng.uniform, rng.random()
    if kind < 0.1:
        return np.array([u(0.5, 0.9), u(0.05, 0.35), u(0.05, 0.35)])
    if kind < 0.46:
        return np.array([u(0.05, 0.3), u(0.1, 0.35), u(0.4, 0.85)])
    if kind < 0.78:
        return np.full(3, u(0, 0.45))
    colour = u(0.3, 0.7, 3)
    colour[int(rng.integers(3))] = u(0, 0.35)
    return colour


def _find_sheet(text_HW: InkMap, rng: Rng) -> InkMap:
    """A sheet of paper around the writing, lying on a table: 1 on the sheet, 0 beside it."""
    rows, columns = text_HW.shape
    ys, xs = np.nonzero(text_HW > MIN_TEXT)
    left, top, right, bottom = columns * 0.3, rows * 0.3, columns * 0.7, rows * 0.7
    if len(xs):
        left, top, right, bottom = xs.min(), ys.min(), xs.max(), ys.max()
    margins = rng.uniform(2, 0.25 * columns, (4, 2))
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    sheet_HW = np.zeros((rows, columns), np.float32)
    at = np.round(corners + signs * margins).astype(np.int32)
    cv2.fillPoly(sheet_HW, [at], 1.0)
    return cv2.GaussianBlur(sheet_HW, (0, 0), rng.uniform(0.4, 1.5))


def _draw_table_top(shape: tuple[int, int], rng: Rng) -> Picture:
    u = rng.uniform
    colour = u(0.05, 0.7) * np.clip(rng.normal(1, 0.15, 3), 0.5, 1.3)
    grain = np.sin(np.linspace(0, u(10, 80), shape[0]))[:, None] * 0.6
    texture_HW = _draw_texture(shape, rng) + grain + _draw_noise(shape, 4, rng, -1, 1)
    picture = colour * (1 + u(0.02, 0.25) * texture_HW[..., None])
    return np.clip(picture, 0, 1).astype(np.float32)


def _draw_noise(
    shape: tuple[int, int], cells: int, rng: Rng, low: float = 0.0, high: float = 1.0
) -> InkMap:
    """Smooth noise with about so many bumps from top to bottom."""
    rows, columns = shape
    coarse = rng.random((max(2, cells), max(2, cells * columns // rows))).astype(np.float32)
    smooth_HW = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.float32(low) + np.float32(high - low) * smooth_HW


def _draw_texture(shape: tuple[int, int], rng: Rng) -> InkMap:
    smooth_HW = _draw_noise(shape, int(rng.integers(8, 60)), rng, -0.5, 0.5)
    return smooth_HW + rng.normal(0, 0.3, shape).astype(np.float32)


def _draw_light(shape: tuple[int, int], rng: Rng) -> InkMap:
    """The light on a page: from one side, darker corners, shadows with soft and sharp edges."""
    u = rng.uniform
    rows, columns = shape
    y_H1 = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    x_1W = np.linspace(0, 1, columns, dtype=np.float32)[None]
    light_HW = np.ones(shape, np.float32)
    if rng.random() < 0.6:
        angle = u(0, 2 * math.pi)
        along_HW = math.cos(angle) * (x_1W - 0.5) + math.sin(angle) * (y_H1 - 0.5)
        light_HW *= 1 + u(0, 0.75) * along_HW
    if rng.random() < 0.3:
        distance_HW = np.hypot(x_1W - u(0.25, 0.75), y_H1 - u(0.25, 0.75))
        light_HW *= 1 - u(0.3, 1.6) * np.clip(distance_HW - u(0.1, 0.5), 0, 1) ** u(1, 2.2)
    for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.45 else 0):
        shadow_HW, kind = np.zeros(shape, np.float32), rng.random()
        if kind < 0.5:
            angle = u(0, 2 * math.pi)
            across_HW = math.cos(angle) * (x_1W - u(0.1, 0.9)) + math.sin(angle) * (
                y_H1 - u(0.1, 0.9)
            )
            shadow_HW = (across_HW > 0).astype(np.float32)
        elif kind < 0.8:
            corners = u(-0.3, 1.3, (6, 2)) * np.array([columns, rows])
            cv2.fillConvexPoly(shadow_HW, cv2.convexHull(corners.astype(np.int32)), 1.0)
        else:
            centre = (int(u(0, 1) * columns), int(u(0, 1) * rows))
            axes = (int(u(0.1, 0.6) * columns), int(u(0.1, 0.6) * rows))
            cv2.ellipse(shadow_HW, centre, axes, u(0, 180), 0, 360, 1.0, -1)
        softness = math.exp(u(math.log(0.5), math.log(40)))
        light_HW *= 1 - np.float32(u(0.1, 0.7)) * cv2.GaussianBlur(shadow_HW, (0, 0), softness)
    if rng.random() < 0.3:
        light_HW *= _draw_noise(shape, int(rng.integers(2, 6)), rng, 1 - u(0, 0.3), 1)
    return np.clip(light_HW, 0.04, 2)


def _expose(
    picture: Picture, text_HW: InkMap, rules_HW: InkMap, classes_HW: Images, rng: Rng
) -> Images:
    """Blur, noise, grey or black and white, few pixels, compression; uint8 [H, W, 3].

    Rules that black and white leaves nothing of become paper in `classes_HW`.
    """
    u = rng.uniform
    if rng.random() < 0.7:
        picture = cv2.GaussianBlur(picture, (0, 0), math.exp(u(math.log(0.3), math.log(1.6))))
    if rng.random() < 0.7:
        picture = picture + rng.normal(0, u(0, 0.03), picture.shape).astype(np.float32)
    if rng.random() < 0.2:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.1:
        pixels = _scan(pixels, text_HW, rules_HW, classes_HW, rng)
    rows, columns = text_HW.shape
    if rng.random() < 0.22:
        scale = max(math.exp(u(math.log(0.11), math.log(0.5))), 20 / min(rows, columns))
        small = cv2.resize(
            pixels, (round(columns * scale), round(rows * scale)), interpolation=cv2.INTER_AREA
        )
        pixels = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(u(25, 95))])
        pixels = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return pixels


def _scan(
    pixels: Images, text_HW: InkMap, rules_HW: InkMap, classes_HW: Images, rng: Rng
) -> Images:
    """The page in black and white, if the writing stands out enough; see `_expose`."""
    grey_HW = pixels.mean(axis=2).astype(np.float32)
    inside = grey_HW[text_HW > 0.6]
    outside = grey_HW[(text_HW < 0.05) & (rules_HW < 0.05)]
    if len(inside) < 10 or len(outside) < 10:
        return pixels
    contrast = float(np.median(inside) - np.median(outside))
    if abs(contrast) < MIN_SCAN_CONTRAST:
        return pixels
    paper_HW: Any = float(outside.mean())
    if rng.random() < 0.7:
        paper_HW = cv2.GaussianBlur(grey_HW, (0, 0), len(grey_HW) / 6)
    difference_HW, level = grey_HW - paper_HW, rng.uniform(0.3, 0.7) * contrast
    is_white_HW = difference_HW > level if contrast < 0 else difference_HW < level
    classes_HW[is_white_HW & (classes_HW == RULE)] = PAPER
    return np.repeat(is_white_HW.astype(np.uint8)[..., None] * np.uint8(255), 3, axis=2)
