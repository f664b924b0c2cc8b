"""The output of `tenfold read`: lines of text, JSON or CSV, to a file or not, and pictures."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tenfold.cli.output import print_note
from tenfold.errors import ImageError, ReadingError
from tenfold.system.escaping import escape
from tenfold.system.files import parse_json, replace_file

if TYPE_CHECKING:
    from tenfold.reading.bulk import File
    from tenfold.reading.result import Reading

CSV_COLUMNS = ("file", "status", "text", "confidence", "message")
START_ANEW = "delete it, or name another file with --out"


def format_json(name: str, reading: "Reading") -> str:
    """One line of JSON."""
    return json.dumps({"file": name, **reading.to_json()}) + "\n"


def format_csv(name: str, reading: "Reading") -> str:
    """One line of CSV."""
    least = min((digit.confidence for digit in reading.digits), default=None)
    confidence = "" if least is None else f"{least:.4f}"
    text = reading.text.replace("\n", " ")
    return format_csv_row((name, str(reading.status), text, confidence, reading.message or ""))


def format_csv_row(values: tuple[str, ...]) -> str:
    """One line of CSV. Its cells are escaped, as they may be printed to a terminal."""
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow(map(escape, values))
    return row.getvalue()


def format_text(name: str, reading: "Reading") -> str:
    """One line of text, and if there are several lines of digits, one more for each."""
    status = str(reading.status).replace("_", " ")
    name, message = escape(name), escape(reading.message or "")
    note = f"({status}: {message})"
    if reading.status == "read":
        note = f"({message})" if message else ""
    lines = reading.text.split("\n")
    if len(lines) > 1:
        return f"{name}: {note}".rstrip() + "\n" + "".join(f"  {line}\n" for line in lines)
    return " ".join(part for part in (f"{name}:", lines[0], note) if part) + "\n"


@dataclass
class OutputFile:
    """A file of readings, with the names of the files in it and how many of them are errors."""

    path: Path
    stream: BinaryIO
    is_csv: bool
    names: set[str]
    num_errors: int

    def write(self, text: str) -> None:
        """Append a line and flush it. Raises ReadingError if that fails."""
        with _writing(self.path):
            self.stream.write(text.encode(errors="surrogateescape"))
            self.stream.flush()

    def has(self, name: str) -> bool:
        """Whether it contains the reading of a file."""
        return (escape(name) if self.is_csv else name) in self.names


@contextmanager
def open_output(
    path: Path, *, is_csv: bool, single: bool, model: Path | None, lines: Path | None
) -> Iterator[OutputFile]:
    """Open a new file for readings, or one that an earlier call with the same settings wrote.

    The settings are kept beside it, in NAME.settings.json. An incomplete last line, which a killed
    call leaves, is removed.

    Raises ReadingError if the file cannot be written, has other settings, or is damaged.
    """
    from tenfold.reading.digit_classifier import BUNDLED_MODEL
    from tenfold.reading.line_reader import BUNDLED_LINES
    from tenfold.reading.model_file import read_model_bytes

    settings = {
        "format": "csv" if is_csv else "json",
        "single": single,
        "model": hashlib.sha256(read_model_bytes(model or BUNDLED_MODEL)).hexdigest(),
        "lines": hashlib.sha256(read_model_bytes(lines or BUNDLED_LINES)).hexdigest(),
    }
    with _writing(path):
        path.touch()
        stream = path.open("r+b")
    try:
        with _writing(path):
            _check_settings(path, settings)
            output = _find_readings(path, stream, is_csv=is_csv)
        if is_csv and not stream.tell():
            output.write(format_csv_row(CSV_COLUMNS))
        yield output
    finally:
        with _writing(path):  # closing flushes the buffer
            stream.close()


def find_settings(path: Path) -> Path:
    """The path of an output's settings."""
    return path.with_name(f"{path.name}.settings.json")


def _check_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write the settings of an empty file; raise ReadingError if another file has other ones."""
    beside = find_settings(path)
    if not path.stat().st_size:
        replace_file(beside, (json.dumps(settings, indent=1) + "\n").encode())
        return
    try:
        earlier = dict(parse_json(beside.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ReadingError(
            f"{path}: the settings it was written with are not in {beside.name}; {START_ANEW}"
        ) from error
    differing = [f"--{key}" for key, value in settings.items() if earlier.get(key) != value]
    if differing:
        differences = ", ".join(differing).replace("--format", "--csv or --json")
        raise ReadingError(f"{path}: was written with another {differences}; {START_ANEW}")


def _find_readings(path: Path, stream: BinaryIO, *, is_csv: bool) -> OutputFile:
    """Read what the file contains, and cut it off after the last complete line."""
    output = OutputFile(path, stream, is_csv, set(), 0)
    end = 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            break
        end += len(line)
        if is_csv and number == 1:
            continue
        try:
            text = line.decode(errors="surrogateescape")
            if is_csv:
                name, status, *_ = next(csv.reader([text]))
            else:
                values = parse_json(text)
                name, status = str(values["file"]), str(values["status"])
        except (ValueError, KeyError, TypeError, StopIteration, csv.Error) as error:
            raise ReadingError(f"{path}: line {number} is damaged; {START_ANEW}") from error
        output.names.add(name)
        output.num_errors += status == "error"
    stream.seek(end)
    stream.truncate()
    return output


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an error about a path into a ReadingError."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "unknown error"
        raise ReadingError(f"cannot write {path}: {reason[0].lower()}{reason[1:]}") from error


Stamp = tuple[int, int, int]  # inode, size and time of modification


class Pictures:
    """Writes the pictures of --annotate and --stages."""

    def __init__(self, annotated: Path | None, stages: Path | None, model: Path | None) -> None:
        self.annotated, self.stages, self.model = annotated, stages, model

    def make_folders(self) -> None:
        """Make the folders before anything is read, so that errors come early.

        New ones get a mark, so that later calls do not read the pictures as images.
        """
        from tenfold.reading.bulk import PICTURES_MARK

        for folder in filter(None, (self.annotated, self.stages)):
            with _writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                if not any(folder.iterdir()):
                    (folder / PICTURES_MARK).touch()

    def stamp(self, file: "File") -> Stamp | None:
        """The stamp of a file that a picture needs again, to notice if it changes meanwhile."""
        if isinstance(file, bytes) or (self.annotated is None and self.stages is None):
            return None
        try:
            state = file.stat()
        except (OSError, ValueError):
            return None
        return state.st_ino, state.st_size, state.st_mtime_ns

    def write(self, name: str, file: "File", reading: "Reading", stamp: Stamp | None) -> bool:
        """Write an image's pictures. If it cannot be read again, print a note and return False."""
        if (self.annotated is None and self.stages is None) or reading.status == "error":
            return True
        from tenfold.reading.annotate import annotate, draw_stages
        from tenfold.reading.decoding import decode, read_bytes
        from tenfold.reading.reader import Reader

        try:
            decoded = decode(read_bytes(file) if isinstance(file, Path) else file)
            if self.stamp(file) != stamp:
                raise ImageError("the file changed after it was read")
        except ImageError as error:
            print_note(f"{name}: no picture: {error}")
            return False
        stem = "standard-input" if name == "-" else Path(name).stem
        if self.annotated is not None:
            image = annotate(decoded, reading)
            with _writing(self.annotated):
                image.save(_find_free(self.annotated, stem, ".png"))
        if self.stages is not None:
            pictures = draw_stages(decoded, Reader(self.model))
            with _writing(self.stages):
                folder = _find_free(self.stages, stem, "")
                folder.mkdir()
                for stage, picture in pictures.items():
                    picture.save(folder / f"{stage}.png")
        return True


def _find_free(folder: Path, stem: str, suffix: str) -> Path:
    """A path that does not exist, numbered if an earlier input has the same name."""
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path
