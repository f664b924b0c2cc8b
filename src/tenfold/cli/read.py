"""`tenfold read`."""

import csv as csv_format
import io
import json as json_format
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter

from tenfold.cli.output import AsJson
from tenfold.errors import ReadingError

if TYPE_CHECKING:
    from tenfold.reading.answers import Reading
    from tenfold.reading.bulk import File

STANDARD_INPUT = "\0-"  # what `main` makes of a lone dash; no file has such a name
JSON_BEGIN = '{"file": "'
MAX_LINE = 1_000_000  # characters; a sheet of 4,000 digits has a third of them
CSV_COLUMNS = ("file", "status", "text", "confidence", "message")
Flag = Annotated[bool, Parameter(negative=())]


def read(
    *files: str,
    single: Flag = False,
    json: AsJson = False,
    csv: Flag = False,
    out: Path | None = None,
    annotate: Path | None = None,
    stages: Path | None = None,
    model: Path | None = None,
    lines: Path | None = None,
) -> int:
    """Read handwritten digits from images: photos, scans, drawings.

    Prints for each file what is written on it, or why that is not certain. The exit code is 1 if
    a file was no image that can be read.

    Parameters
    ----------
    files
        Images, folders of images, or - for one image on standard input.
    single
        Each image is known to be one digit.
    json
        Print a JSON object for each file, one a line.
    csv
        Print comma-separated values, a line for each file.
    out
        Write JSON lines or CSV to this file. If an earlier call did so for the same files, but was
        stopped, this one goes on where it ended.
    annotate
        Write each image with boxes, digits and confidences to this folder.
    stages
        With --single: write every stage of reading as a picture to this folder.
    model
        A model that `tenfold export` wrote, instead of the one that Tenfold brings along.
    lines
        A model of lines, of the recipe `lines`, instead of the one that Tenfold brings along.
    """
    if not files:
        raise ReadingError(
            "expected images or folders to read, found none. Try: tenfold read a.png"
        )
    if json and csv:
        raise ReadingError("expected --json or --csv, found both")
    if out is not None and not (json or csv):
        raise ReadingError("--out: expected --json or --csv with it, found neither")
    if stages is not None and not single:
        raise ReadingError("--stages: expected --single with it, for it shows the way to one digit")

    from tenfold.reading.bulk import read_files

    write = _write_json if json else _write_csv if csv else _write_text
    pictures = _Pictures(annotate, stages, model)
    num_errors = 0
    inputs = _list_inputs(files, out)
    with ExitStack() as stack:
        stream: TextIO = sys.stdout
        is_begun = False
        if out is not None:
            stream = stack.enter_context(_open_output(out))
            is_begun = _skip_done(stream, inputs, out, is_csv=csv)
        if csv and not is_begun:
            stream.write(_format_csv(CSV_COLUMNS))
        names: list[str] = []

        def take() -> "Iterator[File]":
            for name, file in inputs:
                names.append(name)
                yield file

        for file, reading in read_files(take(), model=model, lines=lines, single=single):
            name = names.pop(0)
            write(stream, name, reading)
            stream.flush()
            pictures.write(name, file, reading)
            num_errors += reading.status == "error"
    return 1 if num_errors else 0


def _list_inputs(arguments: tuple[str, ...], out: Path | None) -> "Iterator[tuple[str, File]]":
    """The name and the file of each input, in order."""
    from tenfold.reading.bulk import list_files
    from tenfold.reading.decoding import read_bytes

    for argument in arguments:
        if argument == STANDARD_INPUT:
            yield "-", read_bytes(sys.stdin.buffer)
        else:
            for path in list_files([Path(argument)], leave_out=[out] if out else []):
                yield str(path), path


def _write_json(stream: TextIO, name: str, reading: "Reading") -> None:
    stream.write(json_format.dumps({"file": name, **reading.to_json()}) + "\n")


def _write_csv(stream: TextIO, name: str, reading: "Reading") -> None:
    least = min((digit.confidence for digit in reading.digits), default=None)
    confidence = "" if least is None else f"{least:.4f}"
    text = reading.text.replace("\n", " ")
    stream.write(
        _format_csv((_flatten(name), str(reading.status), text, confidence, reading.message or ""))
    )


def _write_text(stream: TextIO, name: str, reading: "Reading") -> None:
    status = str(reading.status).replace("_", " ")
    note = f"({status}: {reading.message})"
    if reading.status == "read":
        note = f"({reading.message})" if reading.message else ""
    lines = reading.text.split("\n")
    if len(lines) > 1:  # a sheet of digits looks like one
        stream.write(f"{name}: {note}".rstrip() + "\n" + "".join(f"  {line}\n" for line in lines))
    else:
        stream.write(" ".join(part for part in (f"{name}:", lines[0], note) if part) + "\n")


def _flatten(name: str) -> str:
    """A file's name in one line."""
    return name.replace("\r", "\\r").replace("\n", "\\n")


def _format_csv(values: tuple[Any, ...]) -> str:
    row = io.StringIO()
    csv_format.writer(row, lineterminator="\n").writerow(values)
    return row.getvalue()


def _open_output(path: Path) -> TextIO:
    """The file for reading what it has and writing more."""
    try:
        path.touch()
        return path.open("r+", encoding="utf-8", errors="surrogateescape", newline="\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReadingError(f"{path}: expected a file to write to, found: {reason}") from error


def _skip_done(
    stream: TextIO, inputs: "Iterator[tuple[str, File]]", path: Path, *, is_csv: bool
) -> bool:
    """Leave out the inputs that the file has already, and a last line without its end.

    Whether it has any line is returned. Raises ReadingError if it was written for other inputs.
    """
    header = _format_csv(CSV_COLUMNS)
    num_lines = num_bytes = 0
    while line := stream.readline(MAX_LINE):
        is_header = is_csv and num_lines == 0
        begin = header if is_csv else JSON_BEGIN
        if num_lines == 0 and not (line.startswith(begin) or begin.startswith(line)):
            raise ReadingError(f"{path}: expected what tenfold read wrote, found another file")
        if not line.endswith("\n"):
            break  # whoever wrote it was stopped
        num_lines += 1
        num_bytes += len(line.encode("utf-8", errors="surrogateescape"))
        if is_header:
            continue
        found = _find_name(line, is_csv=is_csv)
        name, _ = next(inputs, (None, b""))
        if found is None or name is None or found != (_flatten(name) if is_csv else name):
            raise ReadingError(
                f"{path}: line {num_lines}: expected what was read of {name or 'no more files'}, "
                f"found {'another file' if found is None else found}. Name another file with --out."
            )
    stream.seek(num_bytes)
    stream.truncate()
    num_done = num_lines - (is_csv and num_lines > 0)
    if num_done > 0:
        print(f"{path} has {num_done} readings; going on after them", file=sys.stderr)
    return num_lines > 0


def _find_name(line: str, *, is_csv: bool) -> str | None:
    try:
        if is_csv:
            return next(csv_format.reader([line]))[0]
        return str(json_format.loads(line)["file"])
    except (ValueError, KeyError, TypeError, IndexError, StopIteration, csv_format.Error):
        return None


class _Pictures:
    """The pictures that --annotate and --stages ask for, each under a name of its own."""

    def __init__(self, annotated: Path | None, stages: Path | None, model: Path | None) -> None:
        self.annotated, self.stages, self.model = annotated, stages, model

    def write(self, name: str, file: "File", reading: "Reading") -> None:
        if (self.annotated is None and self.stages is None) or reading.status == "error":
            return
        from tenfold.reading.decoding import decode, read_bytes
        from tenfold.reading.pictures import annotate, draw_stages
        from tenfold.reading.reader import Reader

        decoded = decode(read_bytes(file) if isinstance(file, Path) else file)
        reader = Reader(self.model)
        stem = "standard-input" if name == "-" else Path(name).stem
        try:
            if self.annotated is not None:
                image = annotate(decoded, reading)
                self.annotated.mkdir(parents=True, exist_ok=True)
                image.save(_find_free(self.annotated, stem, ".png"))
            if self.stages is not None:
                folder = _find_free(self.stages, stem, "")
                folder.mkdir(parents=True)
                for stage, picture in draw_stages(decoded, reader).items():
                    picture.save(folder / f"{stage}.png")
        except OSError as error:
            where = self.annotated or self.stages
            raise ReadingError(
                f"{where}: expected a folder to write pictures to, found: {error.strerror}"
            ) from error


def _find_free(folder: Path, stem: str, suffix: str) -> Path:
    """A path that nothing has yet: two inputs of one name get two outputs."""
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path
