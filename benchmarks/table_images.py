"""Drawn tables of MNIST's test digits, scanned or photographed aslant, and what is in which cell.

The bundled networks were not trained on these digits, and no threshold was chosen on these seeds.
"""

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from reading_images import PEN_COLOURS, Pixels, Rng, _draw_digits, _join, _spell
from tenfold.data.mnist import LabelledImages
from tenfold.synthetic.canvas import InkMap, paste

WORDS = (
    *("Name", "Date", "Hole", "Par", "Total", "Score", "Week", "Monday", "Sum", "Room", "Meter"),
    *("Reading", "Group", "Player", "Round", "Out", "In", "Points", "Weight", "Pieces", "Start"),
    *("End", "Red", "White", "Blue", "Check", "Item", "Amount", "Page", "Class", "Number"),
)
FORM_INKS = np.array(((1, 1, 1), (0.85, 0.6, 0.25), (0.3, 0.7, 1)))  # black, blue, red-brown
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf")
PAPER, TABLE_TOP = 238.0, 110.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DrawnCell:
    """A cell's place, its middle in the picture, and what is handwritten in it."""

    row: int
    column: int
    row_span: int
    column_span: int
    middle: tuple[float, float]
    text: str


@dataclass(frozen=True)
class DrawnTable:
    """A picture, RGB [H, W, 3], and its cells by rows."""

    pixels_HWC: Pixels
    cells: list[DrawnCell]


def draw_table(test: LabelledImages, random: Rng, *, is_photo: bool) -> DrawnTable:
    """A ruled table, filled in by hand, as a flat scan or as a photo from an angle."""
    digit_px = random.uniform(26, 44)
    num_rows, num_columns = int(random.integers(3, 15)), int(random.integers(2, 10))
    num_digits = random.integers(1, 5, num_columns)
    widths = digit_px * (num_digits * random.uniform(0.85, 1.2) + random.uniform(0.6, 1.4))
    heights = np.full(num_rows, digit_px * random.uniform(1.4, 2.3))
    has_header, has_names = random.random() < 0.6, random.random() < 0.5
    if has_names:
        widths[0] = digit_px * random.uniform(3, 6)
    margin = digit_px * random.uniform(1.2, 3)
    xs, ys = margin + np.append(0, np.cumsum(widths)), 2 * margin + np.append(0, np.cumsum(heights))
    size = (math.ceil(xs[-1] + margin), math.ceil(ys[-1] + margin))
    spans = _choose_spans(num_rows, num_columns, has_header, random)
    printed = Image.new("L", size, 0)
    pen = ImageDraw.Draw(printed)
    font = _choose_font(digit_px * random.uniform(0.55, 0.8), random)
    pen.text((margin, 0.4 * margin), " ".join(random.choice(WORDS, 3)), 255, font)
    form_HW, ink_HW = np.zeros((2, size[1], size[0]), np.float32)
    shade_HW = np.zeros_like(form_HW)
    if has_header and random.random() < 0.4:
        shade_HW[round(ys[0]) : round(ys[1]), round(xs[0]) : round(xs[-1])] = random.uniform(0, 0.2)
    thickness, style = max(1, round(digit_px * random.uniform(0.03, 0.1))), random.random()
    cells = []
    for row, column, row_span, column_span in spans:
        box = xs[column], ys[row], xs[column + column_span], ys[row + row_span]
        _rule(form_HW, box, thickness, random)
        text = ""
        if (has_header and row < row_span) or (has_names and column == 0):
            pen.text(
                (box[0] + 0.2 * digit_px, box[1] + 0.25 * digit_px), _choose_word(random), 255, font
            )
        elif random.random() > 0.12:
            samples = random.integers(len(test), size=num_digits[column])
            text = _spell(test, samples)
            _write(ink_HW, test, samples, box, digit_px, random)
        cells.append((row, column, row_span, column_span, box, text))
    if style < 0.3:  # a thick frame
        _rule(form_HW, (xs[0], ys[0], xs[-1], ys[-1]), 2 * thickness + 1, random)
    np.maximum(form_HW, np.asarray(printed, np.float32) / 255, out=form_HW)
    picture = _colour(ink_HW, form_HW, shade_HW, random)
    matrix, size = _choose_view(size, random, is_photo=is_photo)
    pixels = _photograph(picture, matrix, size, random, is_photo=is_photo)
    return DrawnTable(pixels, [_place(matrix, *cell) for cell in cells])


def _choose_spans(
    num_rows: int, num_columns: int, has_header: bool, random: Rng
) -> list[tuple[int, int, int, int]]:
    """Row, column and spans of each cell; some header cells span two columns, a few two rows."""
    is_taken, found = np.zeros((num_rows, num_columns), bool), []
    has_spans = random.random() < 0.35
    for row, column in itertools.product(range(num_rows), range(num_columns)):
        if is_taken[row, column]:
            continue
        row_span = column_span = 1
        if has_spans and has_header and row == 0 and 0 < column < num_columns - 1:
            column_span = 2 if random.random() < 0.6 else 1
        elif has_spans and 0 < row < num_rows - 1 and column == 0 and random.random() < 0.2:
            row_span = 2
        is_taken[row : row + row_span, column : column + column_span] = True
        found.append((row, column, row_span, column_span))
    return found


def _choose_font(size: float, random: Rng) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", str(random.choice(FONTS)))
    return ImageFont.truetype(str(path), round(size))


def _choose_word(random: Rng) -> str:
    return str(random.choice(WORDS))


def _rule(form_HW: InkMap, box: tuple[float, ...], thickness: int, random: Rng) -> None:
    left, top, right, bottom = (round(value) for value in box)
    cv2.rectangle(form_HW, (left, top), (right, bottom), 1.0, thickness)


def _write(
    ink_HW: InkMap,
    test: LabelledImages,
    samples: npt.NDArray[np.int64],
    box: tuple[float, ...],
    digit_px: float,
    random: Rng,
) -> None:
    """Write digits into a cell, as people do: not in its middle, and sometimes over a line."""
    digits = _draw_digits(test, samples, random)
    row_HW = _join(digits, random.integers(3, 22, len(samples)), random)
    room = (box[2] - box[0]) * 0.92
    scale = min(digit_px * random.uniform(0.85, 1.1) / 80, room / row_HW.shape[1])
    size = (max(2, round(row_HW.shape[1] * scale)), max(2, round(row_HW.shape[0] * scale)))
    small_HW = cv2.resize(row_HW, size, interpolation=cv2.INTER_AREA)
    left = box[0] + (box[2] - box[0] - size[0]) * np.clip(random.normal(0.45, 0.2), 0.03, 0.97)
    top = box[1] + (box[3] - box[1] - size[1]) * np.clip(random.normal(0.5, 0.15), -0.05, 1.05)
    paste(ink_HW, small_HW, round(left), round(top))


def _colour(ink_HW: InkMap, form_HW: InkMap, shade_HW: InkMap, random: Rng) -> Floats:
    picture = PAPER * random.uniform((1, 0.96, 0.92), 1) * np.ones((*ink_HW.shape, 3))
    picture *= 1 - shade_HW[..., None]
    form = random.uniform(0.4, 0.85) * FORM_INKS[int(random.integers(len(FORM_INKS)))]
    picture *= 1 - form_HW[..., None] * form
    pen = random.uniform(0.6, 0.9) * PEN_COLOURS[int(random.integers(len(PEN_COLOURS)))]
    return np.asarray(picture * (1 - ink_HW[..., None] * pen))


def _choose_view(
    size: tuple[int, int], random: Rng, *, is_photo: bool
) -> tuple[Floats, tuple[int, int]]:
    """The homography from the sheet to the picture, and the picture's size."""
    width, height = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    turn = math.radians(random.normal(0, 4 if is_photo else 0.5))
    seen = corners - (width / 2, height / 2)
    if is_photo:  # a pinhole camera above the sheet, tilted
        tilts = np.radians(random.normal(0, 14, 2)).clip(-0.45, 0.45)
        distance = 1.6 * max(size)
        depth = distance + seen[:, 0] * math.sin(tilts[0]) + seen[:, 1] * math.sin(tilts[1])
        seen = seen * np.cos(tilts) * (distance / depth)[:, None]
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    seen = seen @ rotation
    border = (0.06 if is_photo else 0.0) * max(size)
    seen += border - seen.min(axis=0)
    to_picture = cv2.getPerspectiveTransform(corners.astype(np.float32), seen.astype(np.float32))
    extent = np.ceil(seen.max(axis=0) + border)
    return to_picture, (int(extent[0]), int(extent[1]))


def _photograph(
    picture: Floats, matrix: Floats, size: tuple[int, int], random: Rng, *, is_photo: bool
) -> Pixels:
    behind = TABLE_TOP * random.uniform(0.5, 1.2) if is_photo else PAPER
    seen = cv2.warpPerspective(
        picture, matrix, size, flags=cv2.INTER_AREA, borderValue=(behind, behind, behind)
    )
    if is_photo:
        slope = random.uniform(-0.3, 0.3, 2)
        light_HW = 0.85 + slope[0] * np.linspace(-1, 1, size[1])[:, None] / 2
        light_HW = light_HW + slope[1] * np.linspace(-1, 1, size[0]) / 2
        if random.random() < 0.3:
            light_HW = light_HW * _draw_shadow(size, random)
        seen = seen * light_HW[..., None]
    blur = random.uniform(0.4, 1.2) if is_photo else random.uniform(0.2, 0.7)
    seen = cv2.GaussianBlur(seen, (0, 0), blur)
    seen = seen + random.normal(0, random.uniform(1, 5 if is_photo else 3), seen.shape)
    pixels = np.asarray(np.clip(seen, 0, 255), np.uint8)
    quality = int(random.integers(60, 95))
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def _draw_shadow(size: tuple[int, int], random: Rng) -> Floats:
    """The soft shadow of a hand or a phone over a part of the picture."""
    shadow = np.ones(size[::-1])
    at = (random.uniform(-0.2, 1.2, (5, 2)) * size).astype(np.int32)
    cv2.fillConvexPoly(shadow, cv2.convexHull(at), random.uniform(0.5, 0.8))
    return np.asarray(cv2.GaussianBlur(shadow, (0, 0), max(size) * random.uniform(0.005, 0.03)))


def _place(
    matrix: Floats,
    row: int,
    column: int,
    row_span: int,
    column_span: int,
    box: tuple[float, ...],
    text: str,
) -> DrawnCell:
    middle = np.array([[[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]]])
    [[(x, y)]] = cv2.perspectiveTransform(middle, matrix).tolist()
    return DrawnCell(row, column, row_span, column_span, (x, y), text)
