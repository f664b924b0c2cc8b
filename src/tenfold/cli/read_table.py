"""`tenfold read --table` and `--xlsx`: tables as text, CSV, JSON or a workbook."""

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.output import print_note
from tenfold.cli.read_options import ReadOptions
from tenfold.cli.read_output import refuse_existing, writing
from tenfold.system.escaping import escape
from tenfold.system.files import make_folder, replace_file

if TYPE_CHECKING:
    from tenfold.forms.workbook import Entry, Sheet
    from tenfold.reading.bulk import File
    from tenfold.reading.table_result import Table, TableCell

DOUBT = "?"  # after a doubtful text, or in place of what is no digits
HEADER = ("file", "page", "text", "value", "status", "message")
Tables = Iterable[tuple[str, "Table"]]


def write_tables(inputs: "Iterable[tuple[str, File]]", options: ReadOptions) -> int:
    """Read files as tables, or for a workbook also as they are; return how many had an error."""
    for path in (options.out, options.xlsx):
        if path is not None:
            refuse_existing(path)
    if options.xlsx is not None:
        return _write_workbook(inputs, options, options.xlsx)
    if options.out is not None:
        with writing(options.out):
            make_folder(options.out.parent)
    num_errors = 0
    lines: list[str] = []
    # One table is written as it is; of several, each row says which it is of.
    tables = _read_tables(inputs, options)
    first = list(itertools.islice(tables, 2))
    for name, table in itertools.chain(first, tables):
        num_errors += table.status == "error"
        if options.json:
            text = json.dumps({"file": name, **table.to_json()}) + "\n"
        elif options.csv:
            text = "".join(_list_csv_rows(name, table, is_one=len(first) == 1))
            _print_message(name, table)
        else:
            text = format_table(name, table)
        lines.append(text)
        if options.out is None:
            sys.stdout.write(text)
            sys.stdout.flush()
    if options.out is not None:
        with writing(options.out):
            replace_file(options.out, "".join(lines).encode(errors="surrogateescape"))
    return num_errors


def _read_tables(
    inputs: "Iterable[tuple[str, File]]", options: ReadOptions
) -> Iterator[tuple[str, "Table"]]:
    from tenfold.reading.reader import Reader
    from tenfold.reading.sources import split_pages

    reader = Reader(options.model, lines=options.lines)
    for name, file in inputs:
        for page in split_pages(file):
            yield name, reader.read_table(page, **options.reading)


def mark(cell: "TableCell") -> str:
    """The text of a cell in one line, with a question mark if somebody should look at it."""
    text = " ".join(cell.reading.text.split())
    return escape(text + DOUBT * cell.is_doubtful)


def list_rows(table: "Table") -> list[list[str]]:
    """The marked texts, as many in each row; empty where nothing was read."""
    rows = table.to_rows()
    for cell in itertools.chain.from_iterable(table.rows):
        rows[cell.row][cell.column] = mark(cell)
    return rows


def format_table(name: str, table: "Table") -> str:
    """A title with the message, and the rows, with columns aligned on the right."""
    note = f" ({escape(table.message)})" if table.message else ""
    page = f", page {table.page}" if table.page is not None else ""
    text = f"{escape(name)}{page}:{note}\n"
    # The mark stands right of the digits, which stay in line.
    rows = [
        [cell if cell.endswith(DOUBT) else f"{cell} " for cell in row] for row in list_rows(table)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        text += f"  {' '.join(cells)}".rstrip() + "\n"
    return text.rstrip("\n") + "\n"  # empty rows at the end show nothing


def _list_csv_rows(name: str, table: "Table", *, is_one: bool) -> Iterator[str]:
    for number, row in enumerate(list_rows(table), 1):
        place = [] if is_one else [escape(name), str(table.page or 1), str(number)]
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(place + row)
        yield line.getvalue()


def _print_message(name: str, table: "Table") -> None:
    if table.message is not None:
        page = f", page {table.page}" if table.page is not None else ""
        print_note(f"{escape(name)}{page}: {escape(table.message)}")


def _write_workbook(inputs: "Iterable[tuple[str, File]]", options: ReadOptions, path: Path) -> int:
    """Write a sheet for each table, or one with a row for each file."""
    from tenfold.forms.workbook import Sheet, check_workbook, write_workbook

    check_workbook(path)
    num_errors, sheets = 0, []
    if options.table:
        for name, table in _read_tables(inputs, options):
            num_errors += table.status == "error"
            _print_message(name, table)
            sheets.append(_build_sheet(name, table))
    else:
        rows = list(_list_readings(inputs, options))
        num_errors = sum(row[4].text == "error" for row in rows)
        sheets = [Sheet("readings", HEADER, rows)]
    if sheets:
        write_workbook(path, sheets, pictures=options.pictures)
        print_note(f"wrote {path}")
    return num_errors


def _build_sheet(name: str, table: "Table") -> "Sheet":
    from tenfold.forms.workbook import Entry, Sheet

    title = Path(name).stem + (f" page {table.page}" if table.page is not None else "")
    rows = [[Entry() for _ in range(table.num_columns)] for _ in table.rows]
    for cell in itertools.chain.from_iterable(table.rows):
        rows[cell.row][cell.column] = Entry(
            cell.reading.text,
            cell.reading.value,
            cell.is_doubtful,
            cell.reading.message if cell.is_doubtful else None,
            cell.picture,
        )
    return Sheet(title, [str(number) for number in range(1, table.num_columns + 1)], rows)


def _list_readings(
    inputs: "Iterable[tuple[str, File]]", options: ReadOptions
) -> "Iterator[list[Entry]]":
    from tenfold.forms.workbook import Entry
    from tenfold.reading.bulk import read_files

    names: list[str] = []

    def submit() -> "Iterator[File]":
        for name, file in inputs:
            names.append(name)
            yield file

    number = -1
    for _, reading in read_files(
        submit(), model=options.model, lines=options.lines, **options.reading
    ):
        number += reading.page in (None, 1)
        is_doubtful = reading.status not in ("read", "blank")
        page = "" if reading.page is None else str(reading.page)
        value = "" if reading.value is None else f"{reading.value:f}"
        yield [
            Entry(names[number]),
            Entry(page, Decimal(page) if page else None),
            Entry(reading.text, None, is_doubtful, reading.message),
            Entry(value, reading.value, is_doubtful),
            Entry(str(reading.status)),
            Entry(reading.message or ""),
        ]
