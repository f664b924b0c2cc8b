"""The result of reading an image: a status, digits and a message."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tenfold.reading.digit_image import DigitImage
from tenfold.reading.glyphs import Box

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
    """The reading of an image: a status, digits in reading order, and a message.

    `message` explains the status. With the status `read` it is None, or says that other marks were
    ignored. If the pages of a file were read one by one, `page` is the number of this one, from 1,
    and `num_pages` how many there are. `cells` are those of a grid that digits are written in,
    by rows; empty if there is none.
    """

    status: Status
    digits: tuple[ReadDigit, ...] = ()
    message: str | None = None
    page: int | None = None
    num_pages: int | None = None
    cells: tuple[Cell, ...] = ()

    @property
    def text(self) -> str:
        """The digits, line by line, with a space where a wide gap parts two numbers.

        Empty unless the status is read or uncertain.
        """
        if self.status not in (Status.READ, Status.UNCERTAIN):
            return ""
        lines: dict[int, str] = {}
        for digit in self.digits:
            gap = " " * digit.starts_number
            lines[digit.line] = lines.get(digit.line, "") + gap + str(digit.digit)
        return "\n".join(lines[line] for line in sorted(lines))

    def to_json(self) -> dict[str, Any]:
        """Status, text, digits and message as JSON values.

        With the page of one of several, and the cells of a grid.
        """
        pages = {} if self.page is None else {"page": self.page, "num_pages": self.num_pages}
        cells = {"cells": [cell.to_json() for cell in self.cells]} if self.cells else {}
        return {
            **pages,
            "status": str(self.status),
            "text": self.text,
            "digits": [digit.to_json() for digit in self.digits],
            **cells,
            "message": self.message,
        }
