"""The output of `tenfold read`: text, JSON Lines or CSV, printed or in a file that is continued."""

import csv
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tenfold.cli.read_options import ReadOptions
from tenfold.errors import ReadingError
from tenfold.system.escaping import escape
from tenfold.system.files import parse_json
from tenfold.system.outputs import START_ANEW, continuing
from tenfold.system.outputs import writing as writing

if TYPE_CHECKING:
    from tenfold.reading.result import Reading

CSV_COLUMNS = ("file", "status", "text", "value", "confidence", "message", "page", "num_pages")
CSV_LINE_BREAK = " | "  # a row stays one line; spaces part the numbers of a line


def format_json(name: str, reading: "Reading", top: int = 0) -> str:
    """One line of JSON."""
    return json.dumps({"file": name, **reading.to_json(top=top)}) + "\n"


def format_csv(name: str, reading: "Reading", top: int = 0) -> str:
    """One line of CSV."""
    least = min((digit.confidence for digit in reading.digits), default=None)
    confidence = "" if least is None else f"{least:.4f}"
    text = reading.text.replace("\n", CSV_LINE_BREAK)
    pages = ("" if value is None else str(value) for value in (reading.page, reading.num_pages))
    value = "" if reading.value is None else f"{reading.value:f}"
    message = reading.message or ""
    return _format_row(name, str(reading.status), text, value, confidence, message, *pages)


def format_text(name: str, reading: "Reading", top: int = 0) -> str:
    """One line of text, and if there are several lines of digits, one more for each."""
    status = str(reading.status).replace("_", " ")
    name, message = escape(name), escape(reading.message or "")
    if reading.page is not None:
        name += f", page {reading.page}"
    note = f"({status}: {message})"
    if reading.status == "read":
        note = f"({message})" if message else ""
    lines = reading.text.split("\n")
    if len(lines) > 1:
        return f"{name}: {note}".rstrip() + "\n" + "".join(f"  {line}\n" for line in lines)
    return " ".join(part for part in (f"{name}:", lines[0], note) if part) + "\n"


FORMATS = {"json": format_json, "csv": format_csv, "text": format_text}


def _format_row(*cells: str) -> str:
    """One line of CSV. Its cells are escaped, as they may be printed to a terminal."""
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow(map(escape, cells))
    return row.getvalue()


@dataclass
class Output:
    """Where readings go; `names` are the files that it contained before, as it spells them."""

    format: str
    append: Callable[[str], None]
    names: set[str] = field(default_factory=set)
    num_errors: int = 0
    top: int = 0

    def contains(self, name: str) -> bool:
        """Whether it contained the reading of a file."""
        return (escape(name) if self.format == "csv" else name) in self.names

    def write(self, name: str, reading: "Reading") -> None:
        """Write a reading at once. Raises ReadingError if a file cannot be written."""
        self.append(FORMATS[self.format](name, reading, self.top))
        self.num_errors += reading.status == "error"


@contextmanager
def opening_output(options: ReadOptions) -> Iterator[Output]:
    """Open standard output, a new file, or one that a command with the same settings wrote.

    The settings of a file are kept beside it. An incomplete last line, which a killed command
    leaves, is removed, and so are the pages of a last file of which some are missing.

    Raises ReadingError if the file cannot be written, has other settings, is damaged, or is written
    by another command.
    """
    path, header = options.out, _format_row(*CSV_COLUMNS) if options.format == "csv" else ""
    if path is None:
        _print(header)
        yield Output(options.format, _print, top=options.top)
        return
    with continuing(path, _list_settings(options)) as stream:

        def append(text: str) -> None:
            with writing(path):
                stream.write(text.encode(errors="surrogateescape"))
                stream.flush()

        with writing(path):
            output = _find_readings(path, stream, Output(options.format, append, top=options.top))
        if not stream.tell():
            append(header)
        yield output


def refuse_existing(path: Path) -> None:
    """Raise ReadingError for a file that is written at the end, and that exists already."""
    if path.exists():
        raise ReadingError(f"{path} exists; {START_ANEW}")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _list_settings(options: ReadOptions) -> dict[str, Any]:
    return {"format": options.format, "top": options.top, **options.reading, **hash_models(options)}


def hash_models(options: ReadOptions) -> dict[str, str]:
    """The checksums of the networks that read."""
    from tenfold.reading.digit_classifier import BUNDLED_MODEL
    from tenfold.reading.line_reader import BUNDLED_LINES
    from tenfold.reading.model_file import read_model_bytes
    from tenfold.reading.page_segmenter import BUNDLED_PAGE

    models = {
        "model": options.model or BUNDLED_MODEL,
        "lines": options.lines or BUNDLED_LINES,
        "page": BUNDLED_PAGE,
    }
    return {
        name: hashlib.sha256(read_model_bytes(model)).hexdigest() for name, model in models.items()
    }


def _find_readings(path: Path, stream: BinaryIO, output: Output) -> Output:
    """Add what the file contains, and cut it off after the last image with all its pages."""
    is_csv = output.format == "csv"
    end = num_bytes = num_errors = 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            break
        num_bytes += len(line)
        if is_csv and number == 1:
            if line != _format_row(*CSV_COLUMNS).encode():
                raise ReadingError(f"{path}: was written with other columns; {START_ANEW}")
            end = num_bytes
            continue
        try:
            text = line.decode(errors="surrogateescape")
            if is_csv:
                name, status, *_, page, num_pages = next(csv.reader([text]))
            else:
                values = parse_json(text)
                name, status = str(values["file"]), str(values["status"])
                page, num_pages = values.get("page"), values.get("num_pages")
        except (ValueError, KeyError, TypeError, StopIteration, csv.Error) as error:
            raise ReadingError(f"{path}: line {number} is damaged; {START_ANEW}") from error
        num_errors += status == "error"
        if page == num_pages:
            output.names.add(name)
            output.num_errors, end = num_errors, num_bytes
    stream.seek(end)
    stream.truncate()
    return output
