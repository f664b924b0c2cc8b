"""`tenfold read`."""

import itertools
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tenfold.cli import STANDARD_INPUT
from tenfold.cli.output import print_note
from tenfold.cli.read_output import (
    CSV_COLUMNS,
    OutputFile,
    Pictures,
    Stamp,
    find_settings,
    format_csv,
    format_csv_row,
    format_json,
    format_text,
    open_output,
)
from tenfold.cli.reading_on_ray import read_on_ray
from tenfold.errors import ImageError, ReadingError

if TYPE_CHECKING:
    from tenfold.reading.bulk import File

# What a file may be that only this process can open, and once.
OWN_FILES = ("/dev/stdin", "/dev/fd/", "/proc/")
Flag = Annotated[bool, Parameter(negative=())]


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
        Each image is known to be one digit.
    json
        Print a JSON object for each file, one a line.
    csv
        Print comma-separated values, a line for each file.
    out
        Write JSON lines or CSV to this file. Files that it names already are skipped, so a call
        that was stopped can be repeated. Its settings are kept in NAME.settings.json.
    annotate
        Write each image with boxes, digits and confidences to this folder.
    stages
        With --single: write every stage of reading as a picture to this folder.
    model
        A model that `tenfold export` wrote, instead of the one that Tenfold brings along.
    lines
        A model of lines, of the recipe `lines`, instead of the one that Tenfold brings along.
    on
        Read one folder on a Ray cluster, and write Parquet files to another, which is named after
        it. Stopped and called again, it goes on where it was. The extra `cluster` brings Ray.
    address
        With --on ray: HOST:PORT of the cluster; by default a Ray of this machine is started.
    """
    if on is not None or address is not None:
        others = {"csv": csv, "out": out, "annotate": annotate, "stages": stages}
        given = [name for name, value in others.items() if value]
        if given:
            raise ReadingError(f"--{given[0]}: expected no --on ray with it, for it writes Parquet")
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
        raise ReadingError(
            "expected images or folders to read, found none. Try: tenfold read a.png"
        )
    if json and csv:
        raise ReadingError("expected --json or --csv, found both")
    if out is not None and not (json or csv):
        raise ReadingError("--out: expected --json or --csv with it, found neither")
    if stages is not None and not single:
        raise ReadingError("--stages: expected --single with it, for it shows the way to one digit")
    paths = {"out": out, "annotate": annotate, "stages": stages, "model": model, "lines": lines}
    for name, path in paths.items():
        if path == Path(STANDARD_INPUT):
            raise ReadingError(f"--{name}: expected a path, found -, which is standard input")
    outputs = [path for path in (out, annotate, stages) if path is not None]
    if out is not None:
        outputs.append(find_settings(out))
    _check_folders(files, outputs, [path for path in (annotate, stages) if path is not None])

    from tenfold.reading.bulk import read_files

    skipped: Counter[str] = Counter()

    def skip(path: Path) -> None:
        skipped["link" if _leads_to_a_folder(path) else "file"] += 1

    format_reading = format_json if json else format_csv if csv else format_text
    pictures = Pictures(annotate, stages, model)
    inputs = _list_inputs(files, outputs, skip)
    num_errors = 0
    with ExitStack() as stack:
        write, num_done = _print, 0
        if out is not None:
            output = stack.enter_context(
                open_output(out, is_csv=csv, single=single, model=model, lines=lines)
            )
            write, num_done, num_errors = output.write, len(output.names), output.num_errors
            inputs = _skip_done(inputs, output)
        elif csv:
            write(format_csv_row(CSV_COLUMNS))
        first = next(inputs, None)
        if num_done and first is None:
            print_note(f"{out} has all of these files already; delete it to read them again")
        elif num_done:
            print_note(f"{out} has {num_done} files already, which are skipped")
        if first is not None:
            pictures.make_folders()
            inputs = itertools.chain([first], inputs)
        taken: deque[tuple[str, Stamp | None]] = deque()

        def take() -> "Iterator[File]":
            for name, file in inputs:
                taken.append((name, pictures.stamp(file)))
                yield file

        for file, reading in read_files(take(), model=model, lines=lines, single=single):
            name, stamp = taken.popleft()
            write(format_reading(name, reading))
            num_errors += reading.status == "error"
            num_errors += not pictures.write(name, file, reading, stamp)
    for kind, why in (("file", "as no images"), ("link", "as they lead to other folders")):
        if count := skipped[kind]:
            noun = kind if count == 1 else f"{kind}s"
            print_note(f"left out of folders, {why}: {count} {noun}")
    return 1 if num_errors else 0


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _skip_done(
    inputs: "Iterator[tuple[str, File]]", output: OutputFile
) -> "Iterator[tuple[str, File]]":
    """The inputs that the output does not name; what comes through a pipe may be another image."""
    for name, file in inputs:
        if isinstance(file, bytes) or not output.has(name):
            yield name, file


def _check_folders(
    arguments: tuple[str, ...], outputs: list[Path], picture_folders: list[Path]
) -> None:
    """Raise ReadingError for a folder that has nothing to read, or that pictures go to."""
    from tenfold.reading.bulk import list_files

    taken = {os.path.realpath(folder) for folder in picture_folders}
    for argument in arguments:
        if argument == STANDARD_INPUT:
            continue
        path = Path(argument)
        if os.path.realpath(path) in taken:
            raise ReadingError(
                f"{argument}: expected another folder for pictures than the one that is read"
            )
        if next(list_files([path], leave_out=outputs), None):
            continue
        skipped: list[Path] = []
        list(list_files([path], leave_out=outputs, skip=skipped.append))
        found = f"only what is none: {len(skipped)}" if skipped else "none"
        if any(map(_leads_to_a_folder, skipped)):
            found += ". A link to another folder is followed where it is named itself"
        raise ReadingError(f"{argument}: expected a folder with images, found {found}")


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
                raise ReadingError("-: expected an image on standard input, found it closed")
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
