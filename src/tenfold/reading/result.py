"""The result of reading an image: a status, digits and a message."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tenfold.reading.digit_image import DigitImage
from tenfold.reading.glyphs import Box
from tenfold.reading.numbers import parse_number, to_number

Point = tuple[float, float]


class Status(StrEnum):
    """How reliable a reading is; `error` means that the image could not be decoded."""

    READ = "read"
    UNCERTAIN = "uncertain"
    BLANK = "blank"
    NOT_DIGITS = "not_digits"
    ERROR = "error"


@dataclass(frozen=True)
class ReadDigit:
    """One digit, with its confidence from 0 to 1, its box, and its text line, counted from 0.

    The box is left, top, right, bottom, in pixels of the upright image at its original size.
    `probabilities` are those of the ten digits; the rest is the probability that it is not a
    digit. `image` is what the network saw, uint8 [28, 28]. `is_sure` says whether
    the digit can be relied on. In a line that was read as a whole, either all digits are sure or
    none; the reading's message names those that make it doubtful. `starts_number` says that a gap
    wider than between digits parts it from the digit before it in its line.
    """

    digit: int
    confidence: float
    box: Box
    probabilities: tuple[float, ...]
    image: DigitImage = field(repr=False, compare=False)
    line: int = 0
    is_sure: bool = False
    starts_number: bool = False

    def to_json(self) -> dict[str, Any]:
        """Everything but the probabilities and the image, as JSON values."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, 4),
            "box": list(self.box),
            "line": self.line,
            "is_sure": self.is_sure,
            "starts_number": self.starts_number,
        }


@dataclass(frozen=True)
class ReadSign:
    """A sign beside digits: one of `. , - + / : $ %`, with confidence, box and text line.

    `num_digits_before` are those of its line before it. `starts_number` says that a wide gap parts
    it from what is before it.
    """

    sign: str
    confidence: float
    box: Box
    line: int
    num_digits_before: int
    is_sure: bool = False
    starts_number: bool = False

    def to_json(self) -> dict[str, Any]:
        """The sign as JSON values."""
        return {
            "sign": self.sign,
            "confidence": round(self.confidence, 4),
            "box": list(self.box),
            "line": self.line,
            "num_digits_before": self.num_digits_before,
            "is_sure": self.is_sure,
            "starts_number": self.starts_number,
        }


@dataclass(frozen=True)
class ReadLine:
    """A text line: its text, and its likeliest texts with probabilities, the likeliest first."""

    text: str
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Cell:
    """A cell of a printed or ruled grid: its box, as of digits, and its row and column, from 0.

    A cell that spans several rows or columns has the first, and how many they are. Grids of an
    image are counted as one. The corners, x and y from the left at the top clockwise, are those of
    the quadrangle that a photo shows; the box touches the middles of its sides.
    """

    box: Box
    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    corners: tuple[Point, ...] = field(default=(), repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The cell as JSON values, without corners; with spans of more than one."""
        spans = {"row_span": self.row_span, "column_span": self.column_span}
        spans = {name: span for name, span in spans.items() if span > 1}
        return {"box": list(self.box), "row": self.row, "column": self.column, **spans}


@dataclass(frozen=True)
class Reading:
    """The reading of an image: a status, digits and signs in reading order, and a message.

    `message` explains the status. With the status `read` it is None, or says that other marks were
    ignored. `line_alternatives` are the likeliest texts of each line, without spaces, with their
    probabilities. `decimal` is the decimal sign of numbers that would be ambiguous. If the pages of
    a file were read one by one, `page` is the number of this one, from 1, and `num_pages` how many
    there are. `cells` are those of a grid that digits are written in, by rows; empty if there is
    none.
    """

    status: Status
    digits: tuple[ReadDigit, ...] = ()
    message: str | None = None
    page: int | None = None
    num_pages: int | None = None
    cells: tuple[Cell, ...] = ()
    signs: tuple[ReadSign, ...] = ()
    line_alternatives: tuple[tuple[tuple[str, float], ...], ...] = ()
    decimal: str = "."

    @property
    def text(self) -> str:
        """Digits and signs, line by line, with a space where a wide gap parts two numbers.

        Empty unless the status is read or uncertain.
        """
        return "\n".join(line.text for line in self.lines)

    @property
    def lines(self) -> tuple[ReadLine, ...]:
        """The text lines. Empty unless the status is read or uncertain."""
        if self.status not in (Status.READ, Status.UNCERTAIN):
            return ()
        digits: dict[int, list[ReadDigit]] = {}
        signs: dict[int, list[ReadSign]] = {}
        for digit in self.digits:
            digits.setdefault(digit.line, []).append(digit)
        for sign in self.signs:
            signs.setdefault(sign.line, []).append(sign)
        alternatives = itertools.chain(self.line_alternatives, itertools.repeat(()))
        return tuple(
            ReadLine(_spell(digits[line], signs.get(line, [])), likely)
            for line, likely in zip(sorted(digits), alternatives, strict=False)
        )

    @property
    def value(self) -> Decimal | None:
        """The number, if the text is exactly one; None for dates, fractions and several numbers."""
        return parse_number(self.text, self.decimal)

    def add_note(self, note: str | None) -> "Reading":
        """The reading with something else that its message says, if there is anything."""
        return replace(self, message="; ".join(filter(None, (self.message, note))) or None)

    def to_json(self, *, top: int = 0) -> dict[str, Any]:
        """Status, text, value, digits, signs and message as JSON values.

        With the page of one of several, and the cells of a grid. `top` adds so many of the
        likeliest labels of each digit, and of the likeliest texts of each line.
        """
        pages = {} if self.page is None else {"page": self.page, "num_pages": self.num_pages}
        cells = {"cells": [cell.to_json() for cell in self.cells]} if self.cells else {}
        lines = {"lines": [_describe_line(line, top) for line in self.lines]} if top else {}
        return {
            **pages,
            "status": str(self.status),
            "text": self.text,
            "value": to_number(self.value),
            "digits": [_describe_digit(digit, top) for digit in self.digits],
            "signs": [sign.to_json() for sign in self.signs],
            **lines,
            **cells,
            "message": self.message,
        }


def part_cells(reading: Reading) -> Reading:
    """The reading with a gap between what is in different cells of a grid.

    If no cell has several digits, the cells may be boxes for the digits of one number.
    """

    def find_cell(box: Box) -> int | None:
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        for number, (left, top, right, bottom) in enumerate(cell.box for cell in reading.cells):
            if left <= x < right and top <= y < bottom:
                return number
        return None

    cells = [find_cell(digit.box) for digit in reading.digits]
    inside = [cell for cell in cells if cell is not None]
    if len(set(inside)) == len(inside):
        return reading
    parted: list[ReadDigit | ReadSign] = []
    for line in sorted({digit.line for digit in reading.digits}):
        last = None
        for mark in _order(
            [one for one in reading.digits if one.line == line],
            [one for one in reading.signs if one.line == line],
        ):
            cell = find_cell(mark.box)
            is_first = cell is not None and last is not None and cell != last
            parted.append(replace(mark, starts_number=True) if is_first else mark)
            last = last if cell is None else cell
    digits = tuple(mark for mark in parted if isinstance(mark, ReadDigit))
    signs = tuple(mark for mark in parted if isinstance(mark, ReadSign))
    return replace(reading, digits=digits, signs=signs)


def _order(
    digits: Sequence[ReadDigit], signs: Sequence[ReadSign]
) -> Iterator[ReadDigit | ReadSign]:
    """The digits and signs of a line, from the left."""
    for number in range(len(digits) + 1):
        yield from (sign for sign in signs if sign.num_digits_before == number)
        yield from digits[number : number + 1]


def _spell(digits: Sequence[ReadDigit], signs: Sequence[ReadSign]) -> str:
    return "".join(
        " " * mark.starts_number + str(mark.digit if isinstance(mark, ReadDigit) else mark.sign)
        for mark in _order(digits, signs)
    )


def _describe_line(line: ReadLine, top: int) -> dict[str, Any]:
    likely = [{"text": text, "probability": round(each, 4)} for text, each in line.alternatives]
    return {"text": line.text, "alternatives": likely[:top]}


def _describe_digit(digit: ReadDigit, top: int) -> dict[str, Any]:
    likely = sorted(enumerate(digit.probabilities), key=lambda item: -item[1])[:top]
    alternatives = [{"digit": one, "probability": round(each, 4)} for one, each in likely]
    return digit.to_json() | ({"alternatives": alternatives} if top else {})
