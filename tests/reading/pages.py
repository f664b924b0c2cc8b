"""Pages for tests of reading: MNIST's digits, enlarged, as ink on paper of every kind."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.components import find_components
from tenfold.reading.decoding import Pixels
from tenfold.reading.glyphs import PageComponents
from tenfold.reading.ink import find_ink

Map = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
PAPER, INK = (235, 230, 220), (40, 40, 60)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def enlarge(image_HW: npt.NDArray[np.uint8], factor: float) -> Map:
    """A digit image as ink from 0 to 1, `factor` times as large."""
    side = round(28 * factor)
    how = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    large_HW = cv2.resize(image_HW.astype(np.float32) / 255, (side, side), interpolation=how)
    ink_HW: Map = np.clip(large_HW, 0, 1)
    return ink_HW


def find_box(ink_HW: Map) -> Box:
    """The box of ink that is stronger than a half."""
    rows, columns = (np.flatnonzero((ink_HW > 0.5).any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def cut(ink_HW: Map) -> Map:
    """Ink without the empty rows and columns around it."""
    left, top, right, bottom = find_box(ink_HW)
    return ink_HW[top:bottom, left:right]


def lay_out(
    lines: Sequence[Sequence[Map]], *, gap: int, margin: int, line_gap: int = 30
) -> tuple[Map, list[Box]]:
    """Lines of glyphs, `gap` pixels apart (below 0: overlapping), and the glyphs' boxes."""
    boxes: list[Box] = []
    parts = []
    bottom = margin
    for line in lines:
        glyphs = [cut(glyph) for glyph in line]
        height = max(len(glyph) for glyph in glyphs)
        left = margin
        for glyph in glyphs:
            top = bottom + (height - len(glyph)) // 2
            boxes.append((left, top, left + glyph.shape[1], top + len(glyph)))
            parts.append(glyph)
            left += glyph.shape[1] + gap
        bottom += height + line_gap
    width = max(box[2] for box in boxes) + margin
    sheet_HW = np.zeros((bottom - line_gap + margin, width), np.float32)
    for (left, top, right, bottom), glyph in zip(boxes, parts, strict=True):
        place_HW = sheet_HW[top:bottom, left:right]
        np.maximum(place_HW, glyph, out=place_HW)
    return sheet_HW, boxes


def paint(
    ink_HW: Map,
    *,
    ink: Colour = INK,
    paper: Colour = PAPER,
    gradient: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Pixels:
    """Ink on paper; the light falls off by `gradient` from the top left to the bottom right.

    `noise` is the deviation of each value in grey levels.
    """
    height, width = ink_HW.shape
    strength_HW1 = ink_HW[:, :, None]
    pixels_HWC = np.array(paper) * (1 - strength_HW1) + np.array(ink) * strength_HW1
    fall_HW = (np.arange(height)[:, None] / height + np.arange(width)[None] / width) / 2
    pixels_HWC = pixels_HWC * (1 - gradient * fall_HW[:, :, None])
    if noise:
        pixels_HWC += np.random.default_rng(seed).normal(0, noise, pixels_HWC.shape)
    rounded_HWC: Pixels = np.clip(np.rint(pixels_HWC), 0, 255).astype(np.uint8)
    return rounded_HWC


def write_word(word: str, font: int) -> Pixels:
    """A word in one of OpenCV's fonts on paper."""
    (width, height), below = cv2.getTextSize(word, font, 4, 8)
    sheet_HW = np.zeros((height + below + 100, width + 100), np.uint8)
    cv2.putText(sheet_HW, word, (50, height + 50), font, 4, 255, 8, cv2.LINE_AA)
    return paint(sheet_HW.astype(np.float32) / np.float32(255))


def find_page(ink_HW: Map) -> PageComponents:
    ink = find_ink(paint(ink_HW))
    return PageComponents(ink, find_components(ink))


def is_near(found: Box, expected: Box, tolerance: int = 4) -> bool:
    return bool(np.abs(np.array(found) - expected).max() <= tolerance)
