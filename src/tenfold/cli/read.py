"""`tenfold read`."""

import csv as csv_format
import io
import itertools
import json as json_format
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from tenfold.cli import STANDARD_INPUT
from tenfold.cli.output import Flag, print_note
from tenfold.cli.reading_on_ray import read_on_ray
from tenfold.disk import parse_json
from tenfold.errors import ImageError, ReadingError
from tenfold.escaping import escape

if TYPE_CHECKING:
    from tenfold.reading.answers import Reading
    from tenfold.reading.bulk import File

JSON_BEGIN = '{"file": "'
MAX_LINE = 1_000_000  # characters; a sheet of 4,000 digits has a third of them
CSV_COLUMNS = ("file", "status", "text", "confidence", "message")
# What a file may be that only this process can open, and once.
OWN_FILES = ("/dev/stdin", "/dev/fd/", "/proc/")


def read(
    *files: str,
    single: Flag = False,
    json: Flag = False,
    csv: Flag = False,
    out: Path | None = None,
    annotate: Path | None = None,
    stages: Path | None = None,
    model: Path | None = None,
    lines: Path | None = None,
    on: Literal["ray"] | None = None,
    address: str | None = None,
) -> int:
    """Read handwritten digits from images: photos, scans, drawings.

    Prints for each file what is written on it, or why that is not certain. Only digits are read:
    points, commas and signs are left out. The exit code is 1 if a file was no image that can be
    read.

    Parameters
    ----------
    files
        Images, folders of images, or - for one image on standard input. In folders, links to files
        are read and links to other folders are not followed.
    single
        Read each image as one digit.
    json
        Print JSON Lines, one object for each file.
    csv
        Print CSV, one row for each file.
    out
        Write JSON lines or CSV to this file. If an earlier call did so for the same files, but was
        stopped, this one goes on where it ended.
    annotate
        A folder for copies of the images with boxes, digits and confidences.
    stages
        With --single: a folder for pictures of each stage of reading.
    model
        A digit model that `tenfold export` wrote; by default the bundled one.
    lines
        A line model of the recipe `lines`; by default the bundled one.
    on
        Read a folder on a Ray cluster and write Parquet files to a second folder, named after it.
        The same command again continues. Ray comes with the extra `cluster`.
    address
        With --on ray: HOST:PORT of the cluster; by default Ray is started on this machine.
    """
    if on is not None or address is not None:
        others = {"csv": csv, "out": out, "annotate": annotate, "stages": stages}
        given = [name for name, value in others.items() if value]
        if given:
            raise ReadingError(
                f"--{given[0]} cannot be combined with --on ray, which writes Parquet files"
            )
        return read_on_ray(
            files,
            on=on,
            address=address,
            single=single,
            model=model,
            lines=lines,
            json=json,
        )
    if not files:
        raise ReadingError("no images or folders to read were given; try: tenfold read a.png")
    if json and csv:
        raise ReadingError("--json cannot be combined with --csv")
    if out is not None and not (json or csv):
        raise ReadingError("--out: expected --json or --csv with it, found neither")
    if stages is not None and not single:
        raise ReadingError("--stages needs --single, as it shows how one digit is read")
    paths = {"out": out, "annotate": annotate, "stages": stages, "model": model, "lines": lines}
    for name, path in paths.items():
        if path == Path(STANDARD_INPUT):
            raise ReadingError(f"--{name}: - is standard input, and a path is needed")
    outputs = [path for path in (out, annotate, stages) if path is not None]
    _check_folders(files, outputs, [path for path in (annotate, stages) if path is not None])

    from tenfold.reading.bulk import read_files

    skipped: Counter[str] = Counter()

    def skip(path: Path) -> None:
        skipped["link" if _leads_to_a_folder(path) else "file"] += 1

    format_reading = _format_json if json else _format_csv_line if csv else _format_text
    pictures = _Pictures(annotate, stages, model)
    inputs = _list_inputs(files, outputs, skip)
    with ExitStack() as stack:
        stream: TextIO = sys.stdout
        done = _Done()
        if out is not None:
            stream = stack.enter_context(_open_output(out))
            done = _skip_done(stream, inputs, out, is_csv=csv)
        num_errors = done.num_errors
        first = next(inputs, None)
        if done.num_readings:
            note = f"{out} has {done.num_readings} readings; going on after them"
            if first is None:
                note = f"{out} is complete already; delete it to read everything again"
            print_note(note)
        waiting: Iterator[tuple[str, Any]] = iter(())
        if first is not None:
            pictures.make_folders()
            waiting = itertools.chain([first], inputs)

        def put(text: str) -> None:
            if out is None:
                stream.write(text)
                stream.flush()
                return
            with _telling_of(out, "room to write"):
                stream.write(text)
                stream.flush()

        if csv and not done.num_lines:
            put(_format_csv(CSV_COLUMNS))
        taken: deque[tuple[str, _Stamp | None]] = deque()

        def take() -> "Iterator[File]":
            for name, file in waiting:
                taken.append((name, pictures.stamp(file)))
                yield file

        for file, reading in read_files(take(), model=model, lines=lines, single=single):
            name, stamp = taken.popleft()
            put(format_reading(name, reading))
            num_errors += reading.status == "error"
            num_errors += not pictures.write(name, file, reading, stamp)
    for kind, why in (("file", "as no images"), ("link", "as they lead to other folders")):
        if count := skipped[kind]:
            noun = kind if count == 1 else f"{kind}s"
            print_note(f"left out of folders, {why}: {count} {noun}")
    return 1 if num_errors else 0


def _check_folders(
    arguments: tuple[str, ...], outputs: list[Path], picture_folders: list[Path]
) -> None:
    """Raise ReadingError for a folder without images, or one that pictures are written to."""
    from tenfold.reading.bulk import list_files

    taken = {os.path.realpath(folder) for folder in picture_folders}
    for argument in arguments:
        if argument == STANDARD_INPUT:
            continue
        path = Path(argument)
        if os.path.realpath(path) in taken:
            raise ReadingError(f"{argument}: pictures cannot be written to the folder that is read")
        if next(list_files([path], leave_out=outputs), None):
            continue
        skipped: list[Path] = []
        list(list_files([path], leave_out=outputs, skip=skipped.append))
        found = "the folder has no images"
        if skipped:
            found += f", only {len(skipped)} other file{'s' * (len(skipped) != 1)}"
        if any(map(_leads_to_a_folder, skipped)):
            found += "; a link to a folder is followed only if it is named itself"
        raise ReadingError(f"{argument}: {found}")


def _leads_to_a_folder(path: Path) -> bool:
    return path.is_symlink() and path.is_dir()


def _list_inputs(
    arguments: tuple[str, ...], outputs: list[Path], skip: Callable[[Path], object]
) -> "Iterator[tuple[str, File]]":
    """The name and the file of each input, in order."""
    from tenfold.reading.bulk import list_files
    from tenfold.reading.decoding import read_bytes

    for argument in arguments:
        if argument == STANDARD_INPUT:
            if sys.stdin is None:  # as it is where a shell closed it
                raise ReadingError("-: standard input is closed")
            yield "-", read_bytes(sys.stdin.buffer)
        elif _is_read_once(argument):
            yield argument, _read_if_possible(Path(argument))
        else:
            for path in list_files([Path(argument)], leave_out=outputs, skip=skip):
                yield str(path), path


def _is_read_once(argument: str) -> bool:
    """Whether it is a pipe, a device, or a file that no other process finds under this name."""
    try:
        path = Path(argument)
        is_special = path.exists() and not (path.is_file() or path.is_dir())
    except (OSError, ValueError):  # a name that is too long
        return False
    return is_special or argument.startswith(OWN_FILES)


def _read_if_possible(path: Path) -> "File":
    """The bytes of a file; if they cannot be read the path, of which reading says so."""
    from tenfold.reading.decoding import read_bytes

    try:
        return read_bytes(path)
    except ImageError:
        return path


def _format_json(name: str, reading: "Reading") -> str:
    return json_format.dumps({"file": name, **reading.to_json()}) + "\n"


def _format_csv_line(name: str, reading: "Reading") -> str:
    least = min((digit.confidence for digit in reading.digits), default=None)
    confidence = "" if least is None else f"{least:.4f}"
    text = reading.text.replace("\n", " ")
    return _format_csv((name, str(reading.status), text, confidence, reading.message or ""))


def _format_text(name: str, reading: "Reading") -> str:
    status = str(reading.status).replace("_", " ")
    name, message = escape(name), escape(reading.message or "")
    note = f"({status}: {message})"
    if reading.status == "read":
        note = f"({message})" if message else ""
    lines = reading.text.split("\n")
    if len(lines) > 1:  # a sheet of digits looks like one
        return f"{name}: {note}".rstrip() + "\n" + "".join(f"  {line}\n" for line in lines)
    return " ".join(part for part in (f"{name}:", lines[0], note) if part) + "\n"


def _format_csv(values: tuple[str, ...]) -> str:
    """A line of CSV: it may be shown on a terminal, too, so its cells are escaped as text is."""
    row = io.StringIO()
    csv_format.writer(row, lineterminator="\n").writerow(map(escape, values))
    return row.getvalue()


@contextmanager
def _telling_of(path: Path, expected: str) -> Iterator[None]:
    """Make what the system says of a path a mistake that the user can mend."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ReadingError(f"{path}: expected {expected}, found: {reason}") from error


@contextmanager
def _open_output(path: Path) -> Iterator[TextIO]:
    """The file for reading what it has and writing more."""
    with _telling_of(path, "a file to write to"):
        path.touch()
        stream = path.open("r+", encoding="utf-8", errors="surrogateescape", newline="\n")
    try:
        yield stream
    finally:
        with _telling_of(path, "room to write"):  # it writes what is left
            stream.close()


@dataclass(frozen=True)
class _Done:
    """What an earlier call wrote: lines, and how many of them are readings, and errors."""

    num_lines: int = 0
    num_readings: int = 0
    num_errors: int = 0


def _skip_done(
    stream: TextIO, inputs: "Iterator[tuple[str, File]]", path: Path, *, is_csv: bool
) -> _Done:
    """Leave out the inputs that the file has already, and a last line without its end.

    Raises ReadingError if it was written for other inputs.
    """
    header = _format_csv(CSV_COLUMNS)
    num_lines = num_errors = num_bytes = 0
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
        found, status = _find_name_and_status(line, is_csv=is_csv) or (None, "")
        name, _ = next(inputs, (None, b""))
        if found is None or name is None or found != (escape(name) if is_csv else name):
            raise ReadingError(
                f"{path}: line {num_lines}: expected what was read of {name or 'no more files'}, "
                f"found {'another file' if found is None else found}. Name another file with --out."
            )
        num_errors += status == "error"
    stream.seek(num_bytes)
    stream.truncate()
    return _Done(num_lines, num_lines - (is_csv and num_lines > 0), num_errors)


def _find_name_and_status(line: str, *, is_csv: bool) -> tuple[str, str] | None:
    """Of which file a line is and what came of it; None if reading did not write the line."""
    try:
        if is_csv:
            name, status, *_ = next(csv_format.reader([line]))
            return name, status
        values = parse_json(line)
        return str(values["file"]), str(values["status"])
    except (ValueError, KeyError, TypeError, IndexError, StopIteration, csv_format.Error):
        return None


_Stamp = tuple[int, int, int]  # what changes when a file does


class _Pictures:
    """The pictures that --annotate and --stages ask for, each under a name of its own."""

    def __init__(self, annotated: Path | None, stages: Path | None, model: Path | None) -> None:
        self.annotated, self.stages, self.model = annotated, stages, model

    def make_folders(self) -> None:
        """Make the folders, so that what is wrong with them is known before anything is read."""
        for folder in filter(None, (self.annotated, self.stages)):
            with _telling_of(folder, "a folder to write pictures to"):
                folder.mkdir(parents=True, exist_ok=True)

    def stamp(self, file: "File") -> _Stamp | None:
        """What tells whether a file is still the one that was read, if a picture needs it again."""
        if isinstance(file, bytes) or (self.annotated is None and self.stages is None):
            return None
        try:
            state = file.stat()
        except (OSError, ValueError):
            return None
        return state.st_ino, state.st_size, state.st_mtime_ns

    def write(self, name: str, file: "File", reading: "Reading", stamp: _Stamp | None) -> bool:
        """Write an image's pictures; False, and a line on stderr, if it cannot be read again."""
        if (self.annotated is None and self.stages is None) or reading.status == "error":
            return True
        from tenfold.reading.decoding import decode, read_bytes
        from tenfold.reading.pictures import annotate, draw_stages
        from tenfold.reading.reader import Reader

        try:
            decoded = decode(read_bytes(file) if isinstance(file, Path) else file)
            if self.stamp(file) != stamp:
                raise ImageError("expected the file that was read, found another in its place")
        except ImageError as error:
            print_note(f"{name}: no picture: {error}")
            return False
        stem = "standard-input" if name == "-" else Path(name).stem
        if self.annotated is not None:
            image = annotate(decoded, reading)
            with _telling_of(self.annotated, "a folder to write pictures to"):
                image.save(_find_free(self.annotated, stem, ".png"))
        if self.stages is not None:
            pictures = draw_stages(decoded, Reader(self.model))
            with _telling_of(self.stages, "a folder to write pictures to"):
                folder = _find_free(self.stages, stem, "")
                folder.mkdir()
                for stage, picture in pictures.items():
                    picture.save(folder / f"{stage}.png")
        return True


def _find_free(folder: Path, stem: str, suffix: str) -> Path:
    """A path that nothing has yet: two inputs of one name get two outputs."""
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path
