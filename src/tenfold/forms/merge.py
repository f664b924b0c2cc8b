"""Merge what somebody corrected in the review list of a workbook into its table."""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tenfold.errors import FormError
from tenfold.forms.corrections import find_fault, normalise
from tenfold.forms.result import DOUBTFUL
from tenfold.forms.review import (
    ABOUT,
    ABOUT_HEADER,
    CORRECT,
    REVIEW,
    REVIEW_HEADER,
    TABLE,
    WHOLE_SHEET,
)
from tenfold.forms.workbook import Entry, Sheet, check_name
from tenfold.system.files import read_file

# Limits of a workbook that is read: bytes of the file, of its parts when unpacked, and how many.
MAX_BYTES, MAX_PART_BYTES, MAX_ALL_BYTES = 500_000_000, 300_000_000, 1_000_000_000
MAX_RATIO, MAX_PARTS = 1000, 200_000
MAX_ROWS, MAX_TEXT, MAX_SHOWN = 200_000, 1000, 5
COLUMNS = ("file", "page", "status", "message")
DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
NUM_HEAD_BYTES = 4096  # of a part of XML, where a declaration stands

FORMULA = "a formula without a value; open the workbook, save it, and merge again"

Place = tuple[str, str, str]  # file, page, field


@dataclass(frozen=True)
class Merged:
    """The final table, how many values were corrected, and what remains doubtful."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_corrected: int
    doubtful: tuple[Place, ...]
    refused: tuple[str, ...]
    hints: tuple[str, ...] = ()

    def to_sheet(self, numbers: frozenset[str]) -> Sheet:
        """The table as a sheet of a workbook; columns in `numbers` have numbers."""
        left = set(self.doubtful)
        rows = [
            [
                Entry(
                    text,
                    _to_number(text) if column in numbers else None,
                    (row[0], row[1], column) in left,
                )
                for column, text in zip(self.columns, row, strict=True)
            ]
            for row in self.rows
        ]
        return Sheet(TABLE, self.columns, rows)


@dataclass(frozen=True)
class Doubt:
    """A row of the review list: its number, what is in its columns, and what is in others."""

    number: int
    place: Place
    read: str
    given: str
    others: tuple[str, ...]

    @property
    def where(self) -> str:
        """The row, for messages."""
        return f"row {self.number}, {self.place[2][:40]}"


@dataclass(frozen=True)
class Review:
    """A workbook's table, the form's fields, and the rows of its review list."""

    path: Path
    fields: dict[str, tuple[str, str, tuple[str, ...]]]  # kind, format, labels
    columns: tuple[str, ...]
    rows: list[list[str]]
    doubts: list["Doubt"]

    @property
    def numbers(self) -> frozenset[str]:
        """The columns with numbers: file pages and digits without a comb's zeros in front."""
        return frozenset(name for name, (kind, _, _) in self.fields.items() if kind == "digits")


def load_review(path: Path) -> Review:
    """Load a workbook that `tenfold read --form --xlsx` wrote.

    Raises FormError for a file that is none, or too large, and MissingExtraError without the
    extra `xlsx`.
    """
    check_name(path)
    _check_archive(path)
    from openpyxl import load_workbook

    try:
        workbook = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        sheets = {
            name: list(_list_rows(workbook[name])) if name in workbook.sheetnames else []
            for name in (TABLE, REVIEW, ABOUT)
        }
        workbook.close()
        workbook = load_workbook(path, read_only=True, keep_links=False)  # formulas, not values
        formulas = list(_list_rows(workbook[REVIEW])) if REVIEW in workbook.sheetnames else []
        workbook.close()
    except FormError:
        raise
    except Exception as error:  # of a dozen kinds
        raise FormError(f"{path}: is damaged, or no XLSX file: {error}") from error
    table, review, about = (sheets[name] for name in (TABLE, REVIEW, ABOUT))
    is_ours = about and tuple(about[0][:4]) == ABOUT_HEADER
    if not is_ours or not table or tuple(table[0][:4]) != COLUMNS:
        raise FormError(f"{path}: was not written by `tenfold read --form ... --xlsx`")
    fields = {row[0]: (row[1], row[2], tuple(row[3].split("\n"))) for row in about[1:] if row[0]}
    columns = tuple(name for name in table[0] if name)
    if columns != (*COLUMNS, *fields):
        raise FormError(f"{path}: the columns of the sheet {TABLE} are not the form's any more")
    rows = [row[: len(columns)] for row in table[1:] if row[0]]
    return Review(path, fields, columns, rows, _list_doubts(path, review, formulas))


def merge(review: Review) -> Merged:
    """The table with the correct values of the review list. Raises FormError for wrong ones."""
    places = {(row[0], row[1]): row for row in review.rows}
    if len(places) < len(review.rows):
        raise FormError(f"{review.path}: the sheet {TABLE} has a file and page twice")
    rows = {key: list(row) for key, row in places.items()}
    mistakes, doubtful, refused, num_corrected = [], [], [], 0
    given_before: dict[Place, Doubt] = {}
    for doubt in review.doubts:
        file, page, field = doubt.place
        if field not in (*review.fields, WHOLE_SHEET):
            mistakes.append(f"row {doubt.number}: the form has no field {field[:40]!r}")
        elif field == WHOLE_SHEET:
            if doubt.given:
                mistakes.append(f"row {doubt.number}: a whole sheet has no correct value")
            refused.append(f"{file}{f', page {page}' if page else ''}")
        elif (file, page) not in rows:
            mistakes.append(f"row {doubt.number}: the table has no sheet {file} {page}".rstrip())
        elif not doubt.given:
            doubtful.append(doubt.place)
        elif doubt.given.startswith("="):
            mistakes.append(f"{doubt.where}: {FORMULA}")
        elif reason := find_fault(doubt.given, *review.fields[field]):
            mistakes.append(f"{doubt.where}: {doubt.given[:40]!r} {reason}")
        else:
            value = normalise(doubt.given, *review.fields[field])
            earlier = given_before.setdefault(doubt.place, doubt)
            if value != normalise(earlier.given, *review.fields[field]):
                mistakes.append(
                    f"rows {earlier.number} and {doubt.number}: {field[:40]} of {file} has two "
                    f"correct values, {earlier.given[:40]!r} and {doubt.given[:40]!r}"
                )
            num_corrected += earlier is doubt
            rows[file, page][review.columns.index(field)] = value
    doubtful = [place for place in dict.fromkeys(doubtful) if place not in given_before]
    mistakes += _list_missing(review)
    if mistakes:
        more = f"; and {len(mistakes) - MAX_SHOWN} more" if len(mistakes) > MAX_SHOWN else ""
        listed = "; ".join(mistakes[:MAX_SHOWN])
        raise FormError(f"{review.path}, sheet {REVIEW}: {listed}{more}")
    for (file, page), row in rows.items():
        left = [field for one, other, field in doubtful if (one, other) == (file, page)]
        if row[2] != "error":
            message = row[3].partition(DOUBTFUL)[0].rstrip("; ")
            row[2] = "uncertain" if left or (message and row[2] == "uncertain") else "read"
            listed = DOUBTFUL + ", ".join(left) if left else ""
            row[3] = "; ".join(filter(None, (message, listed)))
    table = tuple(map(tuple, rows.values()))
    hints = tuple(_list_hints(review, places))
    return Merged(review.columns, table, num_corrected, tuple(doubtful), tuple(refused), hints)


def _list_hints(review: Review, places: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[str]:
    """What seems to be a correct value that was entered in another column."""
    for doubt in review.doubts:
        file, page, field = doubt.place
        row = places.get((file, page))
        others = list(doubt.others)
        if row is not None and field in review.fields:
            others += [doubt.read] * (doubt.read != row[review.columns.index(field)])
        if others and not doubt.given:
            yield (
                f"{doubt.where}: {others[0][:40]!r} is not used; correct values belong in the "
                f"column {CORRECT!r}"
            )


def _list_missing(review: Review) -> list[str]:
    """The doubtful fields of the table that the review list does not have any more."""
    listed = {doubt.place for doubt in review.doubts}
    return [
        f"the row of {field} of {row[0]} is missing"
        for row in review.rows
        for field in row[3].partition(DOUBTFUL)[2].split(", ")
        if field and (row[0], row[1], field) not in listed
    ]


def _list_doubts(path: Path, review: list[list[str]], formulas: list[list[str]]) -> list[Doubt]:
    header = review[0] if review else []
    missing = [name for name in REVIEW_HEADER if name not in header]
    if missing:
        raise FormError(f"{path}: the sheet {REVIEW} has no column {missing[0]!r} any more")
    at = [header.index(name) for name in ("file", "page", "field", "read", CORRECT)]
    others = [i for i, name in enumerate(header) if name not in REVIEW_HEADER]
    doubts = []
    for number, (row, formula) in enumerate(zip(review[1:], formulas[1:], strict=True), 2):
        file, page, field, read, given = (row[i] for i in at)
        if file:
            given = given or formula[at[-1]]  # of a formula without a value, the formula itself
            beside = tuple(row[i] for i in others if row[i])
            doubts.append(Doubt(number, (file, page, field), read, given, beside))
    return doubts


def _list_rows(worksheet: Any) -> Iterator[list[str]]:  # noqa: ANN401 - openpyxl's
    """The rows of a sheet as texts, as long as its header."""
    width = 0
    for number, row in enumerate(worksheet.iter_rows(), 1):
        if number > MAX_ROWS:
            raise FormError(f"a sheet has more than {MAX_ROWS} rows")
        cells = [_to_text(cell.value, cell.number_format) for cell in row]
        width = width or len(cells)
        yield (cells + [""] * width)[:width]


def _to_text(value: object, number_format: str | None) -> str:
    """A cell's value as it is shown; a spreadsheet turns what is typed into numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        places = re.fullmatch(r"0\.(0+)", number_format or "")
        if places:
            return f"{value:.{len(places[1])}f}"
        return str(int(value)) if float(value).is_integer() else repr(value)
    if hasattr(value, "isoformat"):  # a date
        return str(value.isoformat())[:10]
    return str(value).strip()[:MAX_TEXT]


def _to_number(text: str) -> Decimal | None:
    is_number = text.isascii() and text.replace(".", "", 1).isdigit()
    return Decimal(text) if is_number else None


def _check_archive(path: Path) -> None:
    """Raise FormError for a file that is no archive, or unpacks to too much, or has entities."""
    if not path.is_file():
        raise FormError(f"{path}: there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise FormError(f"{path}: larger than {MAX_BYTES // 10**6} MB")
    if not read_file(path)[:2] == b"PK":
        raise FormError(f"{path}: is no XLSX file")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            total = sum(part.file_size for part in parts)
            is_bomb = len(parts) > MAX_PARTS or total > MAX_ALL_BYTES
            for part in parts:
                ratio = part.file_size / max(1, part.compress_size)
                is_bomb |= part.file_size > MAX_PART_BYTES
                is_bomb |= ratio > MAX_RATIO and part.file_size > 1_000_000
            if is_bomb:
                raise FormError(f"{path}: unpacks to more than a table of forms has")
            for part in parts:
                if part.filename.lower().endswith((".xml", ".rels")):
                    with archive.open(part) as file:
                        if DOCTYPE.search(file.read(NUM_HEAD_BYTES)):
                            raise FormError(f"{path}: declares entities, which no table needs")
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise FormError(f"{path}: is damaged, or no XLSX file: {error}") from error
