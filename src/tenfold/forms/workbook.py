"""Writes XLSX files: named sheets of texts and numbers, with doubtful ones marked, and pictures."""

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.errors import MissingExtraError, ReadingError, describe_install
from tenfold.system.escaping import escape
from tenfold.system.files import make_folder, replace_file

if TYPE_CHECKING:
    from openpyxl.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

# Limits of the format, and of the numbers that Excel keeps exactly.
MAX_ROWS, MAX_COLUMNS, MAX_TEXT, MAX_TITLE = 1_048_576, 16_384, 32_767, 31
MAX_NUMBER_DIGITS = 15
NO_TITLE = re.compile(r"[][:*?/\\]")  # characters that the title of a sheet must not have
MIN_WIDTH, MAX_WIDTH = 6, 60  # of columns, in characters
PICTURE_SIZE = 240, 48  # pixels at most
PICTURE = "picture"  # the heading of a column of them
MARGIN_PX, CHARACTER_PX, POINTS_PER_PX = 2, 7, 0.75
DOUBTFUL_FILL, HEADER_FILL = "FFFFE08A", "FFE8EAED"


@dataclass(frozen=True)
class Entry:
    """What one cell of a sheet shows.

    `text` is what was read. With a `value` a number is written in its place, if nothing is lost by
    that. A doubtful entry is coloured, and a message becomes a note. `picture` is where it was read
    from, uint8 [H, W] or [H, W, 3]. What people enter in an input stays as it is: 007 is no 7.
    """

    text: str = ""
    value: Decimal | None = None
    is_doubtful: bool = False
    message: str | None = None
    picture: npt.NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    is_input: bool = False


@dataclass(frozen=True)
class Sheet:
    """A sheet: its title, its header, and its rows, which may be shorter or longer than that."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Entry]]


def check_workbook(path: Path) -> None:
    """Check before long work that a workbook can be written to a path.

    Raises MissingExtraError without the extra `xlsx`, and ReadingError for a path that is no name
    of a workbook, a folder, or a file that is open elsewhere or cannot be replaced.
    """
    check_name(path)
    with _writing(path):
        make_folder(path.parent)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(0, f"the folder {path.parent} cannot be written to")
        if path.exists():
            path.open("r+b").close()  # refused for folders, and on Windows for what Excel shows


def write_workbook(path: Path, sheets: Sequence[Sheet], *, pictures: bool = False) -> None:
    """Write a workbook, in place of an earlier file of this name only when it is complete.

    With `pictures`, a column whose entries have some gets one more beside it. Raises as
    `check_workbook` does, and ReadingError for a full disk or more rows than a sheet can have.
    """
    check_workbook(path)
    from openpyxl import Workbook

    workbook = Workbook()
    assert workbook.active is not None
    workbook.remove(workbook.active)
    for sheet in sheets:
        num_columns = 2 * max(map(len, (sheet.header, *sheet.rows)), default=0)
        if len(sheet.rows) >= MAX_ROWS or num_columns > MAX_COLUMNS:
            raise ReadingError(
                f"{path}: {len(sheet.rows)} rows and {num_columns // 2} columns; a sheet has at "
                f"most {MAX_ROWS - 1} and {MAX_COLUMNS // 2}"
            )
        title = _find_title(sheet.title, [each.lower() for each in workbook.sheetnames])
        _fill(workbook.create_sheet(title), sheet, pictures)
    content = io.BytesIO()
    workbook.save(content)
    with _writing(path):
        replace_file(path, content.getvalue())


def check_name(path: Path) -> None:
    """Raise MissingExtraError without the extra `xlsx`, and ReadingError for another suffix."""
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"XLSX files need the extra 'xlsx': {describe_install('xlsx')}"
        ) from error
    if path.suffix.lower() != ".xlsx":
        raise ReadingError(f"{path}: the name of a workbook ends with .xlsx")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, PermissionError) and error.errno and path.is_file():
            reason += "; if another program shows it, close it there"
        raise ReadingError(f"cannot write {path}: {reason[0].lower()}{reason[1:]}") from error


def _find_title(title: str, taken: Sequence[str]) -> str:
    """A title that the format allows, and that no sheet has; capitals do not count."""
    # An apostrophe must not be first or last.
    title = NO_TITLE.sub("_", escape(title)).strip("'") or "Sheet"
    found, number = title[:MAX_TITLE], 1
    while found.lower() in taken:
        number += 1
        found = f"{title[: MAX_TITLE - 3 - len(str(number))]} ({number})"
    return found


def _fill(worksheet: "Worksheet", sheet: Sheet, pictures: bool) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    num_columns = max(map(len, (sheet.header, *sheet.rows)), default=0)
    has_pictures = [
        pictures
        and any(entry.picture is not None for row in sheet.rows for entry in row[i : i + 1])
        for i in range(num_columns)
    ]
    columns = [1 + i + sum(has_pictures[:i]) for i in range(num_columns)]
    widths = [float(MIN_WIDTH)] * num_columns
    picture_widths = [float(len(PICTURE) + 2)] * num_columns
    headings = dict(zip(columns, sheet.header, strict=False))
    headings |= {columns[i] + 1: PICTURE for i, has_some in enumerate(has_pictures) if has_some}
    for column, name in headings.items():
        cell: Any = worksheet.cell(1, column)
        _write_text(cell, name)
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor=HEADER_FILL)
    for i, name in enumerate(sheet.header):
        widths[i] = max(widths[i], len(name) + 2)
    for y, row in enumerate(sheet.rows, 2):
        height = 0.0
        for i, entry in enumerate(row):
            cell = worksheet.cell(y, columns[i])
            _write_entry(cell, entry)
            widths[i] = max(widths[i], *(len(line) + 2 for line in entry.text.split("\n")))
            if has_pictures[i] and entry.picture is not None:
                size = _add_picture(worksheet, y, columns[i] + 1, entry.picture)
                picture_widths[i] = max(picture_widths[i], size[0] / CHARACTER_PX + 1)
                height = max(height, size[1] * POINTS_PER_PX)
                cell.alignment = Alignment(vertical="center")
        if height:
            worksheet.row_dimensions[y].height = height
    for i, column in enumerate(columns):
        widest = min(widths[i], MAX_WIDTH)
        worksheet.column_dimensions[get_column_letter(column)].width = widest
        if has_pictures[i]:
            worksheet.column_dimensions[get_column_letter(column + 1)].width = picture_widths[i]
    worksheet.freeze_panes = "A2"


def _write_entry(cell: "Cell", entry: Entry) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import PatternFill

    if entry.value is not None and _is_exact(entry.text, entry.value):
        decimals = max(0, -int(entry.value.as_tuple().exponent))
        cell.value = entry.value
        cell.number_format = f"0.{'0' * decimals}" if decimals else "0"
    else:
        _write_text(cell, entry.text)
    if entry.is_input:
        cell.number_format = "@"
    if entry.is_doubtful:
        cell.fill = PatternFill("solid", fgColor=DOUBTFUL_FILL)
    if entry.message:
        cell.comment = Comment(escape(entry.message), "Tenfold", height=60, width=240)


def _is_exact(text: str, value: Decimal) -> bool:
    """Whether a number shows what the text does: 012 is a code, and Excel rounds long numbers."""
    whole = re.sub(r"^[^0-9]*", "", text)
    has_leading_zero = len(whole) > 1 and whole[0] == "0" and whole[1].isdigit()
    num_digits = sum(character.isdigit() for character in text)
    return value.is_finite() and not has_leading_zero and 0 < num_digits <= MAX_NUMBER_DIGITS


def _write_text(cell: "Cell", text: str) -> None:
    """Write a text as such, whatever it looks like: no formula, error, date or number."""
    if not text:
        return
    lines = [escape(line) for line in text.split("\n")]
    cell.value = "\n".join(lines)[:MAX_TEXT]
    cell.data_type = "s"
    cell.number_format = "@"  # stays a text when somebody edits it
    if cell.value[0] in "=+-@":
        cell.quotePrefix = True


def _add_picture(
    worksheet: "Worksheet", row: int, column: int, picture: npt.NDArray[np.uint8]
) -> tuple[int, int]:
    """Put a picture into a cell, and return the width and height that it needs, in pixels."""
    from openpyxl.drawing.image import Image as Picture
    from openpyxl.utils import get_column_letter

    image, content = Image.fromarray(picture), io.BytesIO()
    image.thumbnail(PICTURE_SIZE)
    image.save(content, format="PNG")
    worksheet.add_image(Picture(content), f"{get_column_letter(column)}{row}")
    return image.width + 2 * MARGIN_PX, image.height + 2 * MARGIN_PX
