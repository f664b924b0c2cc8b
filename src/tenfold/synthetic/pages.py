"""Synthetic pages: writing among ruled lines, frames and other marks, and which pixels are which.

A page is laid out as layers of ink, distorted, and photographed (`photographs.py`). Ink is float32
from 0 to 1. Array names carry their axes: H rows, W columns, C colours.
"""

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.synthetic.canvas import Images, InkMap, crop_to_ink, displace, paste
from tenfold.synthetic.characters import LETTERS, draw_font_character
from tenfold.synthetic.lines import draw_pattern
from tenfold.synthetic.photographs import photograph
from tenfold.synthetic.rules import PageBox, Point, RuleLayer, draw_polyline
from tenfold.synthetic.samples import SampleBank
from tenfold.synthetic.strokes import Rng

# Rows and columns of pages: about as many pixels each.
SHAPES = ((256, 256), (224, 288), (192, 320), (320, 192), (128, 384), (96, 384), (64, 640))
SHAPE_SHARES = (0.25, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125)
PAGE_STREAM = 3  # of random numbers
MIN_BOX_PX = 14  # height of a box for one digit


def build_page(bank: SampleBank, seed: int, index: int) -> tuple[Images, npt.NDArray[np.uint8]]:
    """A page, uint8 [H, W, 3], and the class of each pixel, uint8 [H, W].

    It depends on its arguments alone; `choose_shape` gives its shape.
    """
    rng = np.random.default_rng((seed, PAGE_STREAM, index))
    page = _Page(bank, choose_shape(seed, index), rng)
    page.lay_out()
    page.distort()
    return photograph(page.text_HW, page.rules.ink_HW, page.pattern_HW, rng)


def choose_shape(seed: int, index: int) -> tuple[int, int]:
    """Rows and columns of a page."""
    rng = np.random.default_rng((seed, PAGE_STREAM, 1, index))
    return SHAPES[int(rng.choice(len(SHAPES), p=SHAPE_SHARES))]


class _Page:
    """Layers of ink of one page; `boxes` hold the texts, `digit_px` is the height of digits."""

    def __init__(self, bank: SampleBank, shape: tuple[int, int], rng: Rng) -> None:
        self.bank, self.rng = bank, rng
        self.height, self.width = shape
        self.text_HW, rules_HW, self.pattern_HW = np.zeros((3, *shape), np.float32)
        self.rules = RuleLayer(rules_HW, rng)
        self.boxes: list[PageBox] = []
        self.digit_px = self.height * rng.uniform(0.1, 0.5)

    def lay_out(self) -> None:
        """Write texts, then draw marks around them, ruled lines and a printed background."""
        layouts = (
            (self._write_digit, 0.22),
            (self._write_line, 0.16),
            (self._write_lines, 0.12),
            (self._fill_table, 0.19),
            (self._fill_boxes, 0.13),
            (self._fill_cell, 0.12),
        )  # the rest of the pages are blank
        which = self.rng.random()
        for lay_out, share in layouts:
            if 0 <= which < share:
                lay_out()
            which -= share
        if self.rng.random() < (0.25 if len(self.boxes) == 1 else 0.13):
            self._mark_texts()
        if self.rng.random() < 0.16:
            self._rule_paper()
        if self.rng.random() < 0.06:
            self._print_words()
        if self.rng.random() < 0.14:
            pattern_HW = draw_pattern(self.text_HW.shape, self.rng, in_parts=False)
            np.maximum(self.pattern_HW, pattern_HW, out=self.pattern_HW)
        if self.rng.random() < 0.03:
            self._scribble()

    def distort(self) -> None:
        """Turn the page a little, seen from an angle, sometimes much; bend it."""
        rng, rows, columns = self.rng, self.height, self.width
        is_strong = rng.random() < 0.12
        turn = math.radians(rng.uniform(-20, 20) if is_strong else rng.normal(0, 1.5))
        spread = (0.0009 if is_strong else 0.0004) / max(1, max(rows, columns) / 256)
        tilt_x, tilt_y = rng.normal(0, spread, 2)
        cos, sin, x, y = math.cos(turn), math.sin(turn), columns / 2, rows / 2
        matrix = np.array(
            [
                [cos, -sin, x - cos * x + sin * y],
                [sin, cos, y - sin * x - cos * y],
                [tilt_x, tilt_y, 1 - tilt_x * x - tilt_y * y],
            ]
        )
        layers = [
            cv2.warpPerspective(layer_HW, matrix, (columns, rows))
            for layer_HW in (self.text_HW, self.rules.ink_HW, self.pattern_HW)
        ]
        if rng.random() < 0.3:
            fields = rng.normal(0, rng.uniform(0.3, 2), (2, 3, 3)).astype(np.float32)
            layers = [displace(layer_HW, fields) for layer_HW in layers]
        self.text_HW, self.rules.ink_HW, self.pattern_HW = layers

    def _write_digit(self) -> None:
        u = self.rng.uniform
        share = u(0.3, 0.95) if self.rng.random() < 0.65 else u(0.85, 1.08)
        if self.rng.random() < 0.3:
            share = u(0.08, 0.3)
        self._write(share * self.height, is_digit=True, is_central=self.rng.random() < 0.5)

    def _write_line(self) -> None:
        u = self.rng.uniform
        share = u(0.15, 0.9) if self.rng.random() < 0.7 else u(0.85, 1.05)
        digit_px = min(share * self.height, self.width * u(0.1, 0.5))
        self._write(digit_px, max_width=self.width * u(0.7, 1.05))

    def _write(
        self,
        digit_px: float,
        *,
        is_digit: bool = False,
        is_central: bool = False,
        max_width: float = math.inf,
    ) -> None:
        """Write one text somewhere on the page; it fits, or is cut off a little."""
        rng, u = self.rng, self.rng.uniform
        ink_HW = self.bank.draw(digit_px, rng, is_digit=is_digit, max_width=max_width)
        rows, columns = ink_HW.shape
        scale = min(self.height / rows, 1.05 * self.width / columns)
        if scale < 1:
            scale *= 1 if rng.random() < 0.5 else u(1, 1.1)
            ink_HW = _resize(ink_HW, scale)
            rows, columns = ink_HW.shape
        left, top = (self.width - columns) / 2, (self.height - rows) / 2
        if is_central:
            left, top = left + rng.normal(0, 4), top + rng.normal(0, 4)
        else:
            left, top = 2 * max(0, left) * u(0, 1), 2 * max(0, top) * u(0, 1)
        self._paste(ink_HW, left, top)
        self.digit_px = digit_px

    def _write_lines(self) -> None:
        rng, u = self.rng, self.rng.uniform
        size = self.height * u(0.04, 0.28)
        pitch, y, indent = size * u(1.15, 2.6), size * u(0, 1.5), self.width * u(0, 0.25)
        has_columns = rng.random() < 0.4
        while y < self.height - 0.6 * size:
            x = indent + rng.normal(0, 0.2) * size
            while x < self.width - size:
                digit_px = size * math.exp(rng.normal(0, 0.07))
                ink_HW = self.bank.draw(digit_px, rng, max_width=self.width - x)
                if len(ink_HW) < 2.2 * size:
                    self._paste(ink_HW, x, y + size - len(ink_HW) + rng.normal(0, 0.06) * size)
                if not has_columns:
                    break
                x += ink_HW.shape[1] + size * u(0.8, 3)
            y += pitch
        self.digit_px = size

    def _fill_table(self) -> None:
        """A table, or rows of lines; the page may show a part of it."""
        rng, u = self.rng, self.rng.uniform
        row_px = self.height * (u(0.1, 0.75) if rng.random() < 0.6 else u(0.06, 0.2))
        is_cut_along_rows = rng.random() < 0.15
        if is_cut_along_rows:
            row_px = self.height * u(0.85, 1.1)
        column_px = row_px * (u(0.6, 1.3) if rng.random() < 0.5 else u(1.3, 4))
        left, top = self._choose_corner()
        if is_cut_along_rows:
            top = (self.height - row_px) * u(0, 1)
        num_columns = int(rng.integers(1, 20 if rng.random() < 0.3 else 12))
        num_rows = 1 if rng.random() < 0.35 else int(rng.integers(1, 12))
        widths = column_px * np.where(rng.random(num_columns) < 0.3, u(0.7, 1.4, num_columns), 1.0)
        xs = left + np.concatenate([[0.0], np.cumsum(widths)])
        ys = top + row_px * np.arange(num_rows + 1)
        self.rules.draw_table(xs, ys, self.rules.choose_thickness(row_px))
        self.digit_px = row_px * (u(0.35, 0.85) if rng.random() < 0.75 else u(0.85, 1.15))
        self._fill_cells(
            [
                (x, y, x + width, y + row_px)
                for y in ys[:-1]
                for x, width in zip(xs[:-1], widths, strict=True)
            ],
            filled=u(0.3, 1) if rng.random() < 0.8 else 0.0,
            is_digit=rng.random() < 0.5,
        )

    def _choose_corner(self) -> Point:
        """The left and the top of a table, which may begin beyond the page."""
        left, top = (
            side * (self.rng.uniform(-0.4, 0.3) if self.rng.random() < 0.6 else u)
            for side, u in zip(
                (self.width, self.height), self.rng.uniform(0.02, 0.2, 2), strict=True
            )
        )
        return left, top

    def _fill_boxes(self) -> None:
        """Rows of boxes, or combs, for one digit each, as forms have; many digits touch them."""
        rng, u = self.rng, self.rng.uniform
        num_rows = 1 if rng.random() < 0.6 else int(rng.integers(2, 6))
        height = max(MIN_BOX_PX, self.height / num_rows * (u(0.25, 0.9) if num_rows == 1 else 0.7))
        width, pitch = height * u(0.45, 1.1), height * u(1.05, 1.8)
        num_columns = int(rng.integers(2, 16))
        left, _ = self._choose_corner()
        top = (self.height - num_rows * pitch) * u(0, 1)
        is_comb, gap = rng.random() < 0.55, 0.0
        if not is_comb:
            gap = width * (u(0.02, 0.12) if rng.random() < 0.6 else u(0.12, 0.5))
        lefts = left + (width + gap) * np.arange(num_columns)
        tops = top + pitch * np.arange(num_rows)
        thickness = self.rules.choose_thickness(height)
        cells = [(x, y, x + width, y + height) for y in tops for x in lefts]
        if is_comb:
            edges = np.append(lefts, lefts[-1] + width)
            tooth = height * (u(0.12, 0.7) if rng.random() < 0.8 else 1.0)
            side = height if rng.random() < 0.3 else tooth
            has_top = rng.random() < 0.25
            for y in tops:
                self.rules.draw_comb(edges, y, y + height, tooth, side, thickness)
                if has_top:
                    self.rules.draw_line((edges[0], y), (edges[-1], y), thickness)
        else:
            for cell in cells:
                self.rules.draw_frame(cell, thickness)
        self.digit_px = height * (u(0.45, 0.9) if rng.random() < 0.7 else u(0.9, 1.2))
        spread = 0.04 if rng.random() < 0.5 else u(0.08, 0.2)
        filled = u(0.5, 1) if rng.random() < 0.93 else 0.0
        self._fill_cells(cells, filled, is_digit=True, spread=spread)

    def _fill_cells(
        self, cells: Iterable[PageBox], filled: float, *, is_digit: bool, spread: float = 0.04
    ) -> None:
        """Write into a share of the cells; texts are displaced by a share `spread` of one."""
        rng, u = self.rng, self.rng.uniform
        for left, top, right, bottom in cells:
            is_seen = left < self.width and top < self.height and right > 0 and bottom > 0
            if not is_seen or rng.random() > filled:
                continue
            width, height = right - left, bottom - top
            digit_px = self.digit_px * math.exp(rng.normal(0, 0.08))
            ink_HW = self.bank.draw(
                digit_px, rng, is_digit=is_digit, max_width=width * u(0.75, 1.11 + spread)
            )
            if len(ink_HW) > 1.15 * height:
                ink_HW = _resize(ink_HW, height / len(ink_HW))
            x = left + (width - ink_HW.shape[1]) * u(0.15, 0.85) + rng.normal(0, spread) * width
            y = top + (height - len(ink_HW)) * u(0.2, 0.8) + rng.normal(0, spread) * height
            self._paste(ink_HW, x, y)

    def _fill_cell(self) -> None:
        """One cell, cut out along its lines."""
        rng, u = self.rng, self.rng.uniform
        rows, columns = self.height, self.width
        share = math.exp(u(math.log(0.006), math.log(0.06)))
        thickness, lean = max(1, min(rows, columns) * share), rng.normal(0, 0.02)
        has_left, has_right, has_top, has_bottom = rng.random(4) < 0.7
        start, end = (-5 if rng.random() < 0.8 else u(0, 0.3)), u(0.7, 1)
        if has_left:
            x = columns * u(-0.03, 0.07)
            self.rules.draw_line((x, start * rows), (x + lean * rows, rows + 5), thickness)
        if has_right:
            x, last = columns * u(0.93, 1.03), rows + 5 if rng.random() < 0.8 else end * rows
            self.rules.draw_line((x, -5), (x + lean * rows, last), thickness)
        if has_top:
            y = rows * u(-0.03, 0.07)
            self.rules.draw_line((-5, y), (columns + 5, y - lean * columns), thickness)
        if has_bottom:
            y, first = rows * u(0.93, 1.03), -5 if rng.random() < 0.8 else u(0, 0.3) * columns
            self.rules.draw_line((first, y), (columns + 5, y - lean * columns), thickness)
        if rng.random() < 0.6:
            self._write_digit()
        else:
            self._write_line()

    def _mark_texts(self) -> None:
        """Circle, frame, underline or strike out up to three texts by hand."""
        rng, u = self.rng, self.rng.uniform
        for which in rng.permutation(len(self.boxes))[: int(rng.integers(1, 4))]:
            left, top, right, bottom = self.boxes[which]
            size, kind = self.digit_px, rng.random()
            thickness = max(1, size * u(0.03, 0.12))
            x, y = (left + right) / 2, (top + bottom) / 2
            if kind < 0.45:
                first = u(0, 360)
                angles = np.radians(np.linspace(first, first + u(330, 420), 40))
                reach = 0.72 * u(1.05, 1.7) * (1 + u(0, 0.06) * np.sin(2 * angles + u(0, 6)))
                reach += np.linspace(0, u(-0.1, 0.1), len(angles))
                across, down = right - left + 0.1 * size, bottom - top
                if rng.random() < 0.5:  # round, whatever it holds
                    across = down = max(across, down) * u(0.75, 1.2)
                xs, ys = x + reach * across * np.cos(angles), y + reach * down * np.sin(angles)
                self.rules.draw_curve(np.stack([xs, ys], axis=1), thickness)
            elif kind < 0.65:
                margin = size * u(0.1, 0.5)
                box = (left - margin, top - margin, right + margin, bottom + margin)
                self.rules.draw_frame(box, thickness, wobble=0.04 * size)
            elif kind < 0.9:
                for number in range(2 if rng.random() < 0.2 else 1):
                    below = bottom + size * (u(0.02, 0.3) + 0.18 * number)
                    ends = left - size * u(-0.1, 0.4), right + size * u(-0.1, 0.4)
                    middle = below + rng.normal(0, 0.05) * size
                    end = below + rng.normal(0, 0.06) * size
                    points = [(ends[0], below), (x, middle), (ends[1], end)]
                    self.rules.draw_curve(np.array(points), thickness)
            else:
                ends = left - size * u(0, 0.3), right + size * u(0, 0.3)
                tilts = rng.normal(0, 0.07, 2) * size
                points = [(ends[0], y + tilts[0]), (ends[1], y + tilts[1])]
                self.rules.draw_curve(np.array(points), thickness)

    def _rule_paper(self) -> None:
        """Ruled or squared paper, some with a margin line."""
        rng, u = self.rng, self.rng.uniform
        pitch = max(self.digit_px * u(0.5, 2.2), 5)
        thickness, strength = max(1, pitch * u(0.01, 0.06)), u(0.25, 1)
        for y in np.arange(u(-2, -1) * pitch, self.height + 2 * pitch, pitch):
            self.rules.draw_line((-5, y), (self.width + 5, y), thickness, strength)
        kind = rng.random()
        xs: Sequence[float] | npt.NDArray[np.float64] = []
        if kind < 0.45:
            xs = np.arange(u(-2, -1) * pitch, self.width + 2 * pitch, pitch)
        elif kind < 0.6:
            xs = [self.width * u(0, 0.3)]
        for x in xs:
            self.rules.draw_line((x, -5), (x, self.height + 5), thickness, strength)

    def _print_words(self) -> None:
        rng, u = self.rng, self.rng.uniform
        for _ in range(int(rng.integers(1, 5))):
            size = self.height * u(0.03, 0.12)
            x, y = self.width * u(0, 0.8), self.height * u(0, 0.95)
            for _ in range(int(rng.integers(2, 9))):
                letter = LETTERS[int(rng.integers(len(LETTERS)))]
                ink_HW = crop_to_ink(draw_font_character(letter, rng))
                if ink_HW is not None:
                    ink_HW = _resize(ink_HW, size / max(ink_HW.shape))
                    paste(self.text_HW, ink_HW, round(x), round(y + size - len(ink_HW)))
                    x += ink_HW.shape[1] + 1

    def _scribble(self) -> None:
        """A scribble behind the writing."""
        u = self.rng.uniform
        points = np.stack([u(0, self.width, size=14), u(0, self.height, size=14)], axis=1)
        scribble_HW = np.zeros_like(self.pattern_HW)
        draw_polyline(scribble_HW, points, self.digit_px * u(0.03, 0.15))
        np.maximum(self.pattern_HW, scribble_HW * np.float32(u(0.2, 0.6)), out=self.pattern_HW)

    def _paste(self, ink_HW: InkMap, left: float, top: float) -> None:
        paste(self.text_HW, ink_HW, round(left), round(top))
        self.boxes.append((left, top, left + ink_HW.shape[1], top + len(ink_HW)))


def _resize(ink_HW: InkMap, scale: float) -> InkMap:
    size = tuple(max(2, round(side * scale)) for side in ink_HW.shape[::-1])
    return cv2.resize(ink_HW, size, interpolation=cv2.INTER_AREA)
