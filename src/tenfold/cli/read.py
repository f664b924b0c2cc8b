"""`tenfold read`."""

import itertools
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tenfold.cli.output import Flag, print_note
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
from tenfold.cli.tokens import STANDARD_INPUT
from tenfold.errors import ImageError, ReadingError

if TYPE_CHECKING:
    from tenfold.reading.bulk import File

# Files that only this process can open, and only once.
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

    Prints for each file the digits on it, or why they are uncertain. Only digits are read: points,
    commas and signs are left out. The exit code is 1 if a file could not be read as an image, a
    picture could not be written, or the output was closed early.

    Parameters
    ----------
    files
        Images, folders of images, or - for an image on standard input. In folders, links to files
        are read, and links to other folders are skipped.
    single
        Read each image as one digit.
    json
        Print JSON Lines, one object for each file.
    csv
        Print CSV, one row for each file.
    out
        Write JSON Lines or CSV to this file. Files that it already contains are skipped, so that a
        stopped call can be continued. Its settings are kept in NAME.settings.json.
    annotate
        A folder for copies of the images with boxes, digits and confidences.
    stages
        With --single: a folder for pictures of the stages of reading.
    model
        A digit model that `tenfold export` wrote; by default the bundled one.
    lines
        A model exported from a run of the recipe `lines`; by default the bundled one.
    on
        Read a folder on a Ray cluster, and write Parquet files to the folder that is named second.
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
        raise ReadingError("no images or folders were given; try: tenfold read photo.jpg")
    if json and csv:
        raise ReadingError("--json cannot be combined with --csv")
    if out is not None and not (json or csv):
        raise ReadingError("--out needs --json or --csv")
    if stages is not None and not single:
        raise ReadingError("--stages needs --single, as it shows how one digit is read")
    paths = {"out": out, "annotate": annotate, "stages": stages, "model": model, "lines": lines}
    for name, path in paths.items():
        if path == Path(STANDARD_INPUT):
            raise ReadingError(f"--{name} needs a path, and - is standard input")
    outputs = [path for path in (out, annotate, stages) if path is not None]
    if out is not None:
        outputs.append(find_settings(out))
    _check_folders(files, outputs, [path for path in (annotate, stages) if path is not None])

    from tenfold.reading.bulk import read_files

    skipped: Counter[str] = Counter()

    def skip(path: Path) -> None:
        skipped[
            "links to folders" if _is_link_to_folder(path) else "files that are not images"
        ] += 1

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
            print_note(f"{out} already contains all of these files; delete it to read them again")
        elif num_done:
            print_note(f"skipping {num_done} files that {out} already contains")
        if first is not None:
            pictures.make_folders()
            inputs = itertools.chain([first], inputs)
        submitted: deque[tuple[str, Stamp | None]] = deque()

        def submit() -> "Iterator[File]":
            for name, file in inputs:
                submitted.append((name, pictures.stamp(file)))
                yield file

        for file, reading in read_files(submit(), model=model, lines=lines, single=single):
            name, stamp = submitted.popleft()
            write(format_reading(name, reading))
            num_errors += reading.status == "error"
            num_errors += not pictures.write(name, file, reading, stamp)
    for kind, count in sorted(skipped.items()):
        print_note(f"skipped {kind}: {count}")
    return 1 if num_errors else 0


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _skip_done(
    inputs: "Iterator[tuple[str, File]]", output: OutputFile
) -> "Iterator[tuple[str, File]]":
    """The inputs that the output does not contain. Standard input and pipes are always read."""
    for name, file in inputs:
        if isinstance(file, bytes) or not output.has(name):
            yield name, file


def _check_folders(
    arguments: tuple[str, ...], outputs: list[Path], picture_folders: list[Path]
) -> None:
    """Raise ReadingError for a folder without images, or one that pictures would be written to."""
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
        message = f"{argument}: the folder has no images"
        if skipped:
            message += f", only {len(skipped)} other file{'s' * (len(skipped) != 1)}"
        if any(map(_is_link_to_folder, skipped)):
            message += "; a link to a folder is followed only if it is named itself"
        raise ReadingError(message)


def _is_link_to_folder(path: Path) -> bool:
    return path.is_symlink() and path.is_dir()


def _list_inputs(
    arguments: tuple[str, ...], outputs: list[Path], skip: Callable[[Path], object]
) -> "Iterator[tuple[str, File]]":
    """The name and the file of each input, in the order of the arguments."""
    from tenfold.reading.bulk import list_files
    from tenfold.reading.decoding import read_bytes

    for argument in arguments:
        if argument == STANDARD_INPUT:
            if sys.stdin is None:  # closed by a shell, with <&-
                raise ReadingError("-: standard input is closed")
            yield "-", read_bytes(sys.stdin.buffer)
        elif _is_read_once(argument):
            yield argument, _read_if_possible(Path(argument))
        else:
            for path in list_files([Path(argument)], leave_out=outputs, skip=skip):
                yield str(path), path


def _is_read_once(argument: str) -> bool:
    """Whether it is a pipe, a device, or a path that means another file in other processes."""
    try:
        path = Path(argument)
        is_special = path.exists() and not (path.is_file() or path.is_dir())
    except (OSError, ValueError):  # a name that is too long
        return False
    return is_special or argument.startswith(OWN_FILES)


def _read_if_possible(path: Path) -> "File":
    """The content of a file, or its path if that fails, so that its reading has the error."""
    from tenfold.reading.decoding import read_bytes

    try:
        return read_bytes(path)
    except ImageError:
        return path
