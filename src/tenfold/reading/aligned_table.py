"""Tables without lines: the numbers of an image in rows, and in columns where they are aligned."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tenfold.reading.glyphs import Box, find_box
from tenfold.reading.result import ReadDigit, Reading, ReadSign, Status
from tenfold.reading.settings import Settings
from tenfold.reading.table_result import Table, TableCell

# Chosen on drawn tables.
MIN_COLUMN_GAP, MIN_FULL = 1.2, 0.6  # of the digits' height; how full columns are
NO_GRID_MESSAGE = "there is no grid; the columns are those in which numbers are aligned"
NO_COLUMNS_MESSAGE = "there is no grid, nor clear columns; a row is a line of digits"


@dataclass(frozen=True)
class _Number:
    """The digits of a number, and its signs, with the digits of the number that are before each."""

    digits: Sequence[ReadDigit]
    signs: Sequence[ReadSign]

    @property
    def box(self) -> Box:
        return find_box([one.box for one in self.marks])

    @property
    def marks(self) -> list[ReadDigit | ReadSign]:
        return [*self.digits, *self.signs]


def align(reading: Reading, settings: Settings) -> Table:
    """The numbers of a reading in rows, which are its lines, and columns, if they are clear."""
    if reading.status not in (Status.READ, Status.UNCERTAIN):
        return Table(reading.status, message=reading.message)
    height = float(np.median([one.box[3] - one.box[1] for one in reading.digits]))
    lines = [
        (list(digits), [sign for sign in reading.signs if sign.line == line])
        for line, digits in itertools.groupby(reading.digits, lambda one: one.line)
    ]
    numbers = [_split(digits, signs, MIN_COLUMN_GAP * height) for digits, signs in lines]
    columns = _find_columns(numbers)
    message = NO_GRID_MESSAGE
    if columns is None:
        numbers = [[_Number(digits, signs)] for digits, signs in lines]
        message, columns = NO_COLUMNS_MESSAGE, [[0] for _ in lines]
    rows = tuple(
        tuple(
            TableCell(y, column, 1, 1, number.box, _read_number(number, reading, settings))
            for number, column in zip(*line, strict=True)
        )
        for y, line in enumerate(zip(numbers, columns, strict=True))
    )
    is_doubtful = any(cell.is_doubtful for row in rows for cell in row)
    status = Status.UNCERTAIN if is_doubtful else reading.status
    return Table(status, rows, "; ".join(filter(None, (message, reading.message))))


def _split(digits: Sequence[ReadDigit], signs: Sequence[ReadSign], gap: float) -> list[_Number]:
    """The numbers of a line, which wide gaps part. A sign in a gap belongs to what is nearer."""
    starts = [0]
    for i, (before, digit) in enumerate(itertools.pairwise(digits), 1):
        between = [sign.box for sign in signs if sign.num_digits_before == i]
        boxes = [before.box, *between, digit.box]
        widest = max(after[0] - one[2] for one, after in itertools.pairwise(boxes))
        if digit.starts_number or widest > gap:
            starts.append(i)
    numbers = []
    for start, end in itertools.pairwise([*starts, len(digits)]):
        own = [
            replace(sign, num_digits_before=sign.num_digits_before - start)
            for sign in signs
            if start <= _find_digit(sign, digits, starts) < end
        ]
        numbers.append(_Number(digits[start:end], own))
    return numbers


def _find_digit(sign: ReadSign, digits: Sequence[ReadDigit], starts: Sequence[int]) -> int:
    """The number of a digit of the number that a sign belongs to."""
    after = sign.num_digits_before
    if after == len(digits) or (after > 0 and after not in starts):
        return after - 1
    if after == 0:
        return 0
    is_before = sign.box[0] - digits[after - 1].box[2] < digits[after].box[0] - sign.box[2]
    return after - 1 if is_before else after


def _find_columns(numbers: Sequence[Sequence[_Number]]) -> list[list[int]] | None:
    """The column of each number; None if there is one, or numbers are not below one another."""
    boxes = [[number.box for number in line] for line in numbers]
    ends: list[int] = []
    starts: list[int] = []
    for box in sorted(itertools.chain.from_iterable(boxes)):
        if not ends or box[0] >= ends[-1]:
            starts.append(box[0])
            ends.append(box[2])
        ends[-1] = max(ends[-1], box[2])
    columns = [[sum(start <= box[0] for start in starts) - 1 for box in line] for line in boxes]
    is_clear = all(len(set(line)) == len(line) for line in columns)
    is_clear &= sum(map(len, columns)) >= MIN_FULL * len(columns) * len(starts)
    return columns if is_clear and len(numbers) > 1 and len(starts) > 1 else None


def _read_number(number: _Number, reading: Reading, settings: Settings) -> Reading:
    """The reading of a number alone, doubted if it is not what is expected."""
    first = replace(number.digits[0], starts_number=False)
    signs = tuple(
        replace(sign, starts_number=sign.starts_number and sign.num_digits_before > 0)
        for sign in number.signs
    )
    is_sure = all(one.is_sure for one in number.marks)
    status = Status.READ if is_sure else Status.UNCERTAIN
    message = None if is_sure else reading.message
    digits = (first, *number.digits[1:])
    found = Reading(status, digits, message, signs=signs, decimal=reading.decimal)
    if settings.pattern is None or settings.accepts(found.text):
        return found
    message = f"{found.text} does not fit the pattern {settings.pattern.text}"
    return replace(found, status=Status.UNCERTAIN, message=message)
