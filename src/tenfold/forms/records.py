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
from tenfold.system.files import parse_json, replace_file
from tenfold.system.locks import lock_file

START_ANEW = "delete it, or name another file"


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


def describe_settings(form: Form, models: dict[str, bytes]) -> dict[str, str]:
    """What the sheets of a record depend on, as checksums."""
    data = repr((form.fields, form.size_mm, form.filled)).encode() + form.reference.read_bytes()
    return {"form": hashlib.sha256(data).hexdigest()} | {
        name: hashlib.sha256(model).hexdigest() for name, model in models.items()
    }


@contextmanager
def opening_record(path: Path, settings: dict[str, str]) -> Iterator[Record]:
    """Open a new record, or continue one with the same settings, which are kept beside it.

    An incomplete last line is removed, and so are the pages of a file that lacks some.
    Raises ReadingError if it cannot be written, has other settings, or is damaged.
    """
    beside = path.with_name(f"{path.name}.settings.json")
    try:
        path.touch()
        stream = path.open("r+b")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReadingError(f"cannot write {path}: {reason}") from error
    with stream:
        if not lock_file(stream.fileno()):
            raise ReadingError(f"{path}: another command is writing there; wait until it ends")
        if not path.stat().st_size:
            replace_file(beside, (json.dumps(settings, indent=1) + "\n").encode())
        else:
            _check_settings(path, beside, settings)
        record = Record(path, stream)
        _load(record)
        yield record


def _check_settings(path: Path, beside: Path, settings: dict[str, str]) -> None:
    try:
        earlier = dict(parse_json(beside.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ReadingError(
            f"{path}: the settings it was written with are not in {beside.name}; {START_ANEW}"
        ) from error
    other = [f"--{key}" for key, value in settings.items() if earlier.get(key) != value]
    if other:
        raise ReadingError(f"{path}: was written with another {', '.join(other)}; {START_ANEW}")


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
