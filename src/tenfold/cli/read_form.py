"""`tenfold read --form`: sheets of a form, as a table."""

import csv
import io
import itertools
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.output import print_note
from tenfold.cli.read_options import ReadOptions
from tenfold.cli.read_output import hash_models, refuse_existing, writing
from tenfold.cli.watching import Watcher
from tenfold.errors import ReadingError, TenfoldError
from tenfold.system.escaping import escape
from tenfold.system.files import make_folder, replace_file
from tenfold.system.outputs import name_settings_file

if TYPE_CHECKING:
    from tenfold.forms.form import Form
    from tenfold.forms.records import Record
    from tenfold.forms.result import Batch, FormReading
    from tenfold.reading.bulk import File

WORKING = ".part.jsonl"  # of the record of a table that is not complete


def read_form(
    arguments: tuple[str, ...], inputs: Iterable[tuple[str, "File"]], options: ReadOptions
) -> int:
    """Read sheets of a form, and return how many could not be read.

    With --watch, those that come into the folders `arguments`; else `inputs`.

    Sheets are written one by one to standard output, or to a record, from which the table and the
    workbook are made when all are read.
    """
    from tenfold.forms.form import load_form
    from tenfold.forms.result import Batch

    _check(options)
    assert options.form is not None
    form = load_form(options.form)
    path = _find_record(options)
    sheets: list[tuple[str, FormReading]] = []
    with ExitStack() as stack:
        record = None
        if path is not None:
            record = stack.enter_context(_open_record(path, form, options))
            sheets = record.sheets
        show = _prepare_printing(form, options)
        done = set() if record is None else record.names
        if done:
            print_note(f"{len(done)} files were read before; reading the others")
        found = (
            _watch(arguments, form, options, done)
            if options.watch
            else _read(inputs, form, options, done)
        )
        for name, sheet in found:
            if record is not None:
                record.add(name, sheet)
            else:
                sheets.append((name, sheet))
            show(name, sheet)
    batch = Batch(form, tuple(sheets))
    _write_tables(batch, options, path)
    _sum_up(batch, options)
    return sum(sheet.status == "error" for _, sheet in sheets)


def _check(options: ReadOptions) -> None:
    """Raise ReadingError before anything is read, for what could not be written in the end."""
    for name in ("single", "annotate", "stages", "on", "expect", "digits"):
        if getattr(options, name):
            raise ReadingError(f"--form cannot be combined with --{name}")
    if not options.signs or options.decimal != ".":
        raise ReadingError("--form cannot be combined with --no-signs or --decimal")
    if options.watch and (options.xlsx is not None or (options.csv and options.out is not None)):
        raise ReadingError(
            "--watch writes each sheet when it comes, so use --json --out FILE; the same command "
            "without --watch, and with --xlsx, then makes the workbook"
        )
    if options.xlsx is not None:
        from tenfold.forms.workbook import check_workbook

        check_workbook(options.xlsx)
        refuse_existing(options.xlsx)
    if options.csv and options.out is not None:
        refuse_existing(options.out)
        with writing(options.out):
            make_folder(options.out.parent)


def _find_record(options: ReadOptions) -> Path | None:
    """Where the sheets are kept while they are read; None if they are only printed."""
    if options.out is not None and options.json:
        return options.out
    table = options.out or options.xlsx
    return None if table is None else table.with_name(f"{table.name}{WORKING}")


def _open_record(
    path: Path, form: "Form", options: ReadOptions
) -> "AbstractContextManager[Record]":
    from tenfold.forms.records import hash_form, opening_record

    return opening_record(path, {"form": hash_form(form), **hash_models(options)})


def _watch(
    folders: tuple[str, ...], form: "Form", options: ReadOptions, done: set[str]
) -> Iterator[tuple[str, "FormReading"]]:
    """Read files as they come in, until Ctrl-C; the form is prepared once."""
    from tenfold.forms.reading import FormReader
    from tenfold.reading.reader import Reader
    from tenfold.reading.sources import split_pages

    form_reader = FormReader(Reader(options.model, lines=options.lines), form)
    watcher = Watcher(folders, options, done.__contains__)
    for name, path in itertools.chain.from_iterable(watcher.watch()):
        sheets = [form_reader.read(page) for page in split_pages(path)]
        if not watcher.is_lost(path, sheets[0]):
            yield from ((name, sheet) for sheet in sheets)


def _read(
    inputs: Iterable[tuple[str, "File"]], form: "Form", options: ReadOptions, done: set[str]
) -> Iterator[tuple[str, "FormReading"]]:
    """Read what the record does not have yet."""
    from tenfold.forms.batch import read_sheets

    names: deque[str] = deque()

    def submit() -> Iterator["File"]:
        for name, file in inputs:
            if name not in done:
                names.append(name)
                yield file

    for _, sheet in read_sheets(submit(), form, model=options.model, lines=options.lines):
        name = names[0]
        if sheet.page == sheet.num_pages:
            names.popleft()
        yield name, sheet


def _prepare_printing(form: "Form", options: ReadOptions) -> Callable[[str, "FormReading"], None]:
    """What prints a sheet; if everything goes to files, only why it could not be read."""
    if options.csv and options.out is None:
        from tenfold.forms.result import Batch

        _print(_format_rows([Batch(form, ()).columns]))
        return lambda name, sheet: _print(_format_rows(Batch(form, ((name, sheet),)).list_rows()))
    if options.json and options.out is None:
        return lambda name, sheet: _print(json.dumps({"file": name, **sheet.to_json()}) + "\n")
    if options.out is not None or options.xlsx is not None:
        return _show_progress
    return lambda name, sheet: _print(_format_text(name, sheet))


def _show_progress(name: str, sheet: "FormReading") -> None:
    if sheet.status == "error":
        page = f", page {sheet.page}" if sheet.page is not None else ""
        print_note(f"{name}{page}: {sheet.message}")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _format_rows(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(escape, row) for row in rows)
    return text.getvalue()


def _format_text(name: str, sheet: "FormReading") -> str:
    """A line for the sheet, and one for each field."""
    page = f", page {sheet.page}" if sheet.page is not None else ""
    if not sheet.fields:
        return f"{escape(name)}{page}: ({sheet.status}: {escape(sheet.message or '')})\n"
    num_sure = len(sheet.fields) - len(sheet.doubtful)
    note = f" (uncertain: {escape(sheet.message)})" if sheet.message else ""
    lines = [f"{escape(name)}{page}: {num_sure} of {len(sheet.fields)} fields are sure{note}"]
    width = max(len(one.name) for one in sheet.fields)
    for one in sheet.fields:
        doubt = "" if one.is_sure else f"  (uncertain: {escape(one.message or 'not sure')})"
        lines.append(f"  {escape(one.name):<{width}}  {escape(one.value)}{doubt}".rstrip())
    return "\n".join(lines) + "\n"


def _write_tables(batch: "Batch", options: ReadOptions, record: Path | None) -> None:
    """Write the table and the workbook, and remove a record that is only for them.

    What was read is kept in the record if they cannot be written.
    """
    try:
        if options.csv and options.out is not None:
            with writing(options.out):
                rows = itertools.chain([batch.columns], batch.list_rows())
                replace_file(options.out, _format_rows(rows).encode(errors="surrogateescape"))
        if options.xlsx is not None:
            from tenfold.forms.review import write_review

            write_review(options.xlsx, batch)
    except TenfoldError as error:
        if record is None:
            raise
        raise ReadingError(
            f"{error}. What was read is in {record}; the same command again continues from it"
        ) from error
    if record is not None and record.name.endswith(WORKING):
        for path in (record, name_settings_file(record)):
            path.unlink(missing_ok=True)


def _sum_up(batch: "Batch", options: ReadOptions) -> None:
    num_fields = sum(len(sheet.fields) for _, sheet in batch.sheets)
    num_doubtful = sum(len(sheet.doubtful) for _, sheet in batch.sheets)
    num_refused = sum(not sheet.fields for _, sheet in batch.sheets)
    text = f"sheets: {len(batch.sheets)}, fields: {num_fields}, doubtful: {num_doubtful}"
    if num_refused:
        text += f"; sheets that do not match or cannot be read: {num_refused}"
    if options.xlsx is not None and num_doubtful:
        text += (
            f". Enter correct values in the sheet review of {options.xlsx}, then: "
            f"tenfold form merge {options.xlsx} -o final.csv"
        )
    print_note(text)
