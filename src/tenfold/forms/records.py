"""The record of a batch: a file of JSON Lines, a sheet each, that a stopped command continues."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tenfold.errors import ReadingError
from tenfold.forms.form import Form
from tenfold.forms.result import FormReading
from tenfold.system.files import parse_json
from tenfold.system.outputs import START_ANEW, continuing


@dataclass
class Record:
    """An open record: the sheets that it has, by the names of their files."""

    path: Path
    stream: BinaryIO
    sheets: list[tuple[str, FormReading]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The files that it has completely."""
        return {name for name, _ in self.sheets}

    def add(self, name: str, sheet: FormReading) -> None:
        """Add a sheet and write it at once. Raises ReadingError if that fails."""
        line = json.dumps({"file": name, **sheet.to_json()}) + "\n"
        try:
            self.stream.write(line.encode(errors="surrogateescape"))
            self.stream.flush()
        except OSError as error:
            raise ReadingError(f"cannot write {self.path}: {error.strerror}") from error
        self.sheets.append((name, sheet))


def hash_form(form: Form) -> str:
    """The checksum of what the readings of a sheet depend on, apart from the networks."""
    data = repr((form.fields, form.size_mm, form.filled)).encode() + form.reference.read_bytes()
    return hashlib.sha256(data).hexdigest()


@contextmanager
def opening_record(path: Path, settings: dict[str, str]) -> Iterator[Record]:
    """Open a new record, or continue one with the same settings, which are kept beside it.

    An incomplete last line is removed, and so are the pages of a file that lacks some.
    Raises ReadingError if it cannot be written, has other settings, or is damaged.
    """
    with continuing(path, settings) as stream:
        record = Record(path, stream)
        _load(record)
        yield record


def _load(record: Record) -> None:
    """Read the sheets, and cut the file off after the last file with all its pages."""
    end = num_bytes = 0
    waiting: list[tuple[str, FormReading]] = []
    for number, line in enumerate(record.stream, 1):
        if not line.endswith(b"\n"):
            break
        num_bytes += len(line)
        try:
            values: dict[str, Any] = parse_json(line.decode(errors="surrogateescape"))
            waiting.append((str(values["file"]), FormReading.from_json(values)))
        except (ValueError, KeyError, TypeError) as error:
            message = f"{record.path}: line {number} is damaged; {START_ANEW}"
            raise ReadingError(message) from error
        if values.get("page") == values.get("num_pages"):
            record.sheets += waiting
            waiting, end = [], num_bytes
    record.stream.seek(end)
    record.stream.truncate()
