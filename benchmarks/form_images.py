"""Drawn forms: blank, filled in with MNIST's test digits, scanned or photographed.

The bundled networks were not trained on these digits, and no drawing of training images is used.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tenfold.data.mnist import LabelledImages
from tenfold.forms.form import Field, Form
from tenfold.synthetic.canvas import crop_to_ink, paste

A4_MM = (210.0, 297.0)
PEN_COLOURS = ((0.1, 0.1, 0.1), (0.15, 0.2, 0.6), (0.25, 0.25, 0.3))  # black, blue, pencil

Map = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Rng = np.random.Generator


@dataclass
class Canvas:
    """A sheet on which a form is printed: print [H, W] from 0 to 1, and the fields drawn."""

    pixels_per_mm: float
    fields: list[Field] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = [round(side * self.pixels_per_mm) for side in A4_MM]
        self.image = Image.new("L", size, 0)
        self.pen = ImageDraw.Draw(self.image)

    def write(self, x: float, y: float, text: str, size_mm: float = 3.2) -> None:
        """Print text with its top left corner at a point."""
        font = ImageFont.load_default(size_mm * self.pixels_per_mm)
        at = (x * self.pixels_per_mm, y * self.pixels_per_mm)
        self.pen.text(at, text, fill=255, font=font)

    def line(self, x0: float, y0: float, x1: float, y1: float, width_mm: float = 0.3) -> None:
        """Print a line."""
        ends = [each * self.pixels_per_mm for each in (x0, y0, x1, y1)]
        self.pen.line(ends, fill=255, width=max(1, round(width_mm * self.pixels_per_mm)))

    def frame(self, left: float, top: float, right: float, bottom: float) -> None:
        """Print the four sides of a box."""
        for ends in (
            (left, top, right, top),
            (left, bottom, right, bottom),
            (left, top, left, bottom),
            (right, top, right, bottom),
        ):
            self.line(*ends)

    def mark_corners(self, side_mm: float = 6.0, margin_mm: float = 8.0) -> None:
        """Print a filled square in each corner."""
        for x in (margin_mm, A4_MM[0] - margin_mm - side_mm):
            for y in (margin_mm, A4_MM[1] - margin_mm - side_mm):
                corners = [each * self.pixels_per_mm for each in (x, y, x + side_mm, y + side_mm)]
                self.pen.rectangle(corners, fill=255)

    def comb(self, name: str, x: float, y: float, count: int, label: str) -> None:
        """Print a comb of boxes for digits, and add its field."""
        width, height = 6.5, 9.0
        self.write(x, y - 4.6, label)
        self.frame(x, y, x + count * width, y + height)
        for i in range(1, count):
            self.line(x + i * width, y, x + i * width, y + height, 0.2)
        box = (x, y, x + count * width, y + height)
        self.fields.append(Field(name, box, expect="#" * count, digits=count))

    def tick(self, name: str, x: float, y: float, label: str) -> None:
        """Print a box to tick, and add its field."""
        self.frame(x, y, x + 5, y + 5)
        self.write(x + 7, y + 0.8, label)
        self.fields.append(Field(name, (x, y, x + 5, y + 5), "tick"))

    def bubbles(self, name: str, x: float, y: float, labels: tuple[str, ...], text: str) -> None:
        """Print circles to fill, and add their field."""
        self.write(x, y - 4.6, text)
        for i, label in enumerate(labels):
            middle = x + 4 + 8 * i, y + 4
            corners = [each + side for side in (-2.4, 2.4) for each in middle]
            scaled = [each * self.pixels_per_mm for each in corners]
            self.pen.ellipse(scaled, outline=255, width=max(1, round(0.25 * self.pixels_per_mm)))
            self.write(middle[0] - 0.6, y + 7.2, label, 2.6)
        box = (x, y, x + 8 * len(labels), y + 7)
        self.fields.append(Field(name, box, "bubbles", columns=len(labels), labels=labels))

    def table(
        self, x: float, y: float, rows: int, columns: int, cell_mm: tuple[float, float]
    ) -> None:
        """Print a table with a heading and numbered rows; each cell is a field."""
        width, height = cell_mm
        for column in range(columns):
            self.write(x + column * width + 2, y - 4.4, "ABCDEFGH"[column], 3)
        for row in range(rows):
            self.write(x - 17, y + row * height + height / 2 - 1.6, f"Task {row + 1}", 3)
        for row in range(rows + 1):
            self.line(x - 18, y + row * height, x + columns * width, y + row * height)
        for column in range(columns + 1):
            at = x + column * width
            self.line(at, y, at, y + rows * height)
        self.line(x - 18, y, x - 18, y + rows * height)
        for row in range(rows):
            for column in range(columns):
                left, top = x + column * width, y + row * height
                box = (left, top, left + width, top + height)
                name = f"task{row + 1}_{'abcdefgh'[column]}"
                self.fields.append(Field(name, box, expect="#{1,2}"))

    @property
    def print_HW(self) -> Map:  # noqa: N802 - an array
        """The ink of the print."""
        return np.asarray(self.image, np.float32) / np.float32(255)


def draw_exam_form(pixels_per_mm: float = 300 / 25.4) -> Canvas:
    """An exam's sheet: a comb for the student, a table of marks, boxes to tick, bubbles."""
    canvas = Canvas(pixels_per_mm)
    canvas.write(20, 14, "Written examination: record of marks", 6)
    canvas.write(20, 23, "One sheet for each student. Write digits into the boxes, in ink.", 3)
    canvas.comb("student_id", 20, 38, 7, "Student number")
    canvas.comb("date", 110, 38, 8, "Date (day, month, year)")
    canvas.tick("absent", 20, 53, "absent")
    canvas.tick("late", 60, 53, "handed in late")
    canvas.tick("resit", 110, 53, "second attempt")
    canvas.table(40, 72, 12, 4, (17, 13))
    canvas.comb("total", 128, 80, 3, "Total")
    canvas.comb("points_lost", 128, 105, 3, "Points deducted")
    canvas.bubbles("grade", 128, 130, ("1", "2", "3", "4", "5", "6"), "Grade")
    canvas.write(128, 150, "For the second examiner", 3)
    canvas.tick("checked", 128, 158, "marks checked")
    canvas.tick("changed", 128, 168, "marks changed")
    canvas.write(20, 240, "Signature of the examiner", 3)
    canvas.line(20, 255, 90, 255)
    canvas.write(20, 280, "Faculty of Science, examination office, form 27-B", 2.8)
    return canvas


def draw_customer_form(pixels_per_mm: float = 300 / 25.4) -> Canvas:
    """A customer's order: combs, an order table, boxes to tick; corner marks."""
    canvas = Canvas(pixels_per_mm)
    canvas.mark_corners()
    canvas.write(20, 18, "Order form", 7)
    canvas.write(20, 28, "Please fill in with a dark pen and send back by post.", 3)
    canvas.comb("customer", 20, 45, 8, "Customer number")
    canvas.comb("postcode", 110, 45, 5, "Postcode")
    canvas.comb("phone", 20, 65, 11, "Telephone")
    canvas.comb("date", 110, 65, 8, "Date")
    canvas.table(40, 90, 15, 3, (22, 10))
    canvas.bubbles("delivery", 128, 100, ("A", "B", "C", "D"), "Delivery")
    for i, text in enumerate(("invoice", "cash", "card", "newsletter", "gift")):
        canvas.tick(f"by_{text}", 128, 125 + 9 * i, f"by {text}" if i < 3 else text)
    canvas.comb("items", 128, 185, 3, "Number of items")
    canvas.write(20, 255, "Signature", 3)
    canvas.line(20, 270, 90, 270)
    return canvas


def build_form(canvas: Canvas, folder: Path, name: str) -> Form:
    """The form of a canvas, with its blank reference picture written to a folder at 150 dpi."""
    grey_HW = np.asarray(255 * (1 - canvas.print_HW), np.uint8)
    size = tuple(round(side * 150 / 25.4) for side in A4_MM)
    small_HW = cv2.resize(grey_HW, size, interpolation=cv2.INTER_AREA)
    path = folder / f"{name}.png"
    Image.fromarray(small_HW).save(path, optimize=True)
    return Form(name, path, tuple(canvas.fields), A4_MM)


def fill(
    canvas: Canvas, test: LabelledImages, random: Rng, empty: float = 0.15
) -> tuple[Map, dict[str, str]]:
    """Ink of what is written into the fields, and each field's value; a share of them is empty."""
    scale = canvas.pixels_per_mm
    ink_HW = np.zeros_like(canvas.print_HW)
    writer_mm = random.uniform(4.2, 5.6)  # height of this writer's digits
    values = {}
    for one in canvas.fields:
        left, top, right, bottom = (each * scale for each in one.box)
        if one.kind == "tick":
            values[one.name] = "yes" if random.random() < 0.4 else "no"
            if values[one.name] == "yes":
                _tick(ink_HW, one.box, scale, random)
            continue
        if random.random() < empty:
            values[one.name] = ""
            continue
        if one.kind == "bubbles":
            chosen = int(random.integers(len(one.labels)))
            values[one.name] = one.labels[chosen]
            at = (round(left + (chosen + 0.5) * (right - left) / len(one.labels)), 0)
            middle = (at[0], round((one.box[1] + 4) * scale))
            axes = (round(2.1 * scale), round(random.uniform(1.6, 2.3) * scale))
            cv2.ellipse(ink_HW, middle, axes, random.uniform(0, 180), 0, 360, 0.9, -1)
            continue
        count = one.digits or int(random.integers(1, 3))
        samples = random.integers(len(test), size=count).tolist()
        if one.name == "date":
            samples = _choose_date(test, random)
        values[one.name] = "".join(str(test.labels_N[i]) for i in samples)
        digits = [draw_digit(test.images_NHW[i], writer_mm * scale, random) for i in samples]
        if one.digits:
            room = (right - left) / count
            starts = [
                left + (i + 0.5 + random.normal(0, 0.06)) * room - digit_HW.shape[1] / 2
                for i, digit_HW in enumerate(digits)
            ]
        else:
            gaps = random.uniform(0.02, 0.25, count) * writer_mm * scale
            widths = [digit_HW.shape[1] for digit_HW in digits]
            start = (left + right) / 2 + random.normal(0, 1.2) * scale
            starts = start - (sum(widths) + gaps[1:].sum()) / 2 + np.cumsum([0, *widths[:-1]])
            starts = starts + np.cumsum([0, *gaps[1:]])
        for digit_HW, at in zip(digits, starts, strict=True):
            y = (top + bottom) / 2 + random.normal(0, 0.35) * scale
            paste(ink_HW, digit_HW, round(at), round(y - digit_HW.shape[0] / 2))
    return ink_HW, values


def _choose_date(test: LabelledImages, random: Rng) -> list[int]:
    """Digits of a day, a month and a year."""
    text = f"{random.integers(1, 29):02d}{random.integers(1, 13):02d}2026"
    return [int(random.choice(np.flatnonzero(test.labels_N == int(each)))) for each in text]


def draw_digit(image_HW: Pixels, height_px: float, random: Rng) -> Map:
    """A digit of MNIST as strokes of a pen, about as high as asked, cropped to its ink."""
    scale = height_px * random.uniform(0.9, 1.1) / 20
    large_HW = cv2.resize(image_HW, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    level = random.uniform(0.4, 0.55)
    cropped_HW = crop_to_ink(np.clip((large_HW / np.float32(255) - level) * 4 + 0.5, 0, 1))
    assert cropped_HW is not None, "every digit of MNIST has ink"
    return cropped_HW


def _tick(ink_HW: Map, box: tuple[float, float, float, float], scale: float, random: Rng) -> None:
    """A cross or a hook in a box, which may leave it."""

    def place(x: float, y: float) -> tuple[int, int]:
        x, y = (each + random.normal(0, 0.06) for each in (x, y))
        return (
            round((box[0] + x * (box[2] - box[0])) * scale),
            round((box[1] + y * (box[3] - box[1])) * scale),
        )

    strokes = [((0.1, 0.1), (0.9, 0.9)), ((0.9, 0.1), (0.1, 0.9))]
    if random.random() < 0.5:
        strokes = [((0.15, 0.5), (0.4, 0.9)), ((0.4, 0.9), (1.05, -0.1))]
    for start, end in strokes:
        width = round(random.uniform(0.4, 0.7) * scale)
        cv2.line(ink_HW, place(*start), place(*end), 0.9, width, cv2.LINE_AA)


def paint(print_HW: Map, ink_HW: Map, random: Rng) -> Pixels:
    """Print and ink on paper, uint8 [H, W, 3]."""
    paper = np.float32(random.uniform(240, 255))
    pen = np.array(PEN_COLOURS[int(random.integers(len(PEN_COLOURS)))], np.float32)
    grey = np.float32(random.uniform(0, 0.45))  # of the print
    picture = paper * (1 - (1 - grey) * print_HW[..., None])
    cover = ink_HW[..., None] * np.float32(random.uniform(0.75, 1))
    return np.asarray(picture * (1 - cover) + 255 * pen * cover, np.uint8)


def scan(pixels_HWC: Pixels, random: Rng) -> Pixels:
    """A scan: a little slope and shift, soft, noisy, often grey, compressed."""
    height, width = pixels_HWC.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), random.normal(0, 0.8), 1)
    matrix[:, 2] += random.normal(0, 0.006, 2) * width
    found = cv2.warpAffine(pixels_HWC, matrix, (width, height), borderValue=(250, 250, 250))
    found = cv2.GaussianBlur(found, (0, 0), random.uniform(0.4, 1.2))
    if random.random() < 0.5:
        found = np.repeat(found.mean(axis=2, keepdims=True), 3, axis=2)
    return _compress(found + random.normal(0, random.uniform(0.5, 4), (height, width, 1)), random)


def photograph(pixels_HWC: Pixels, random: Rng, *, turned: bool = True) -> Pixels:
    """A photo by phone on a table: perspective, a curl, uneven light, blur, compressed."""
    height, width = pixels_HWC.shape[:2]
    out_width, out_height = 2100, 2800
    room = 0.9 * min(out_width / width, out_height / height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    centred = (corners - (width / 2, height / 2)) * room
    angle = math.radians(random.normal(0, 4))
    turn = np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])
    target = centred @ turn.T * 0.93 + random.normal(0, 0.018 * out_width, (4, 2))
    target = (target + np.array((out_width, out_height)) / 2).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    grain = random.normal(0, 12, (out_height // 8, out_width // 8, 1)).astype(np.float32)
    table = cv2.resize(grain, (out_width, out_height))[..., None]
    table = np.clip(random.uniform(40, 130) + table + random.uniform(-20, 20, 3), 0, 255)
    found = cv2.warpPerspective(
        pixels_HWC.astype(np.float32), matrix, (out_width, out_height), flags=cv2.INTER_AREA
    )
    is_sheet = cv2.warpPerspective(
        np.ones((height, width), np.float32), matrix, (out_width, out_height)
    )[..., None]
    found = found * is_sheet + table.astype(np.float32) * (1 - is_sheet)
    y, x = np.mgrid[0:out_height, 0:out_width].astype(np.float32)
    bend = random.uniform(-4, 4)
    found = cv2.remap(
        found, x, y + np.float32(bend) * np.sin(math.pi * x / out_width), cv2.INTER_LINEAR
    )
    slopes = random.uniform(-0.3, 0.3, 2)
    light = 0.8 + slopes[0] * (x / out_width - 0.5) + slopes[1] * (y / out_height - 0.5)
    if random.random() < 0.5:
        where = x * random.normal(0, 1) / out_width + y * random.normal(0, 1) / out_height
        edge = 1 / (1 + np.exp(-np.clip((where - random.uniform(-0.5, 1)) * 30, -30, 30)))
        light *= 1 - random.uniform(0.1, 0.35) * edge
    found = cv2.GaussianBlur(found * light[..., None], (0, 0), random.uniform(0.5, 1.4))
    found = found + random.normal(0, random.uniform(1, 5), (out_height, out_width, 1))
    turns = int(random.integers(4)) if turned and random.random() < 0.3 else 0
    return np.ascontiguousarray(np.rot90(_compress(found, random), turns))


def _compress(picture: npt.NDArray[np.floating], random: Rng) -> Pixels:
    pixels_HWC = np.asarray(np.clip(picture, 0, 255), np.uint8)
    quality = int(random.integers(60, 92))
    _, data = cv2.imencode(".jpg", pixels_HWC, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def draw_sheets(
    canvas: Canvas, test: LabelledImages, random: Rng, number: int, *, photos: bool
) -> Iterator[tuple[Pixels, dict[str, str]]]:
    """Filled sheets, scanned or photographed, with their values."""
    for _ in range(number):
        ink_HW, values = fill(canvas, test, random)
        pixels_HWC = paint(canvas.print_HW, ink_HW, random)
        yield (photograph if photos else scan)(pixels_HWC, random), values
