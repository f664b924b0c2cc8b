"""`tenfold read`."""

import itertools
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.output import print_note
from tenfold.cli.pictures import Pictures, Stamp
from tenfold.cli.read_options import ReadOptions
from tenfold.cli.read_output import Output, opening_output
from tenfold.cli.read_table import write_tables
from tenfold.cli.reading_on_ray import read_on_ray
from tenfold.cli.tokens import STANDARD_INPUT
from tenfold.cli.watching import Watcher
from tenfold.errors import ImageError, ReadingError, describe_install

if TYPE_CHECKING:
    from tenfold.reading.bulk import File

# Files that only this process can open, and only once.
OWN_FILES = ("/dev/stdin", "/dev/fd/", "/proc/")
DEFAULTS = ReadOptions()


def read(*files: str, options: ReadOptions = DEFAULTS) -> int:
    """Read handwritten digits from images: photos, scans, drawings.

    Prints for each file, or page of a PDF or TIFF, its digits and signs, such as 12.50, or why they
    are uncertain. The exit code is 1 if a file could not be read as an image, a picture could not
    be written, or the output was closed early. It is 2, and nothing is read, for a wrong option or
    a folder without images.

    Parameters
    ----------
    files
        Images, PDF files, folders of them, or - for one on standard input. In folders, links to
        files are read, and links to other folders are skipped.
    """
    is_table = options.table or options.xlsx is not None
    if not is_table and (options.on is not None or options.address is not None):
        return read_on_ray(files, options)
    options.check()
    if not files:
        raise ReadingError("no images or folders were given; try: tenfold read photo.jpg")
    _check_folders(files, options)
    if options.form is not None:
        from tenfold.cli.read_form import read_form

        inputs = _list_inputs(files, options.outputs, lambda _: None)
        return 1 if read_form(files, inputs, options) else 0
    return 1 if _read(files, options) else 0


def _read(arguments: tuple[str, ...], options: ReadOptions) -> int:
    """Read and write everything; return how many files or pictures had an error."""
    from tenfold.reading.bulk import read_files

    skipped: Counter[str] = Counter()

    def skip(path: Path) -> None:
        skipped[_describe_skipped(path)] += 1

    if options.table or options.xlsx is not None:
        num_errors = write_tables(_list_inputs(arguments, options.outputs, skip), options)
        _print_skipped(skipped)
        return num_errors
    pictures, num_without_picture = Pictures(options), 0
    with opening_output(options) as output:
        watcher = Watcher(arguments, options, output.contains)
        inputs = (
            (name, file)
            for name, file in _list_inputs(arguments, options.outputs, skip)
            # Standard input and pipes are always read.
            if isinstance(file, bytes) or not output.contains(name)
        )
        submitted: deque[tuple[str, Stamp | None]] = deque()

        def submit(batch: "Iterator[tuple[str, File]]") -> "Iterator[File]":
            for name, file in batch:
                submitted.append((name, pictures.stamp(file)))
                yield file

        if options.watch:
            _note_names(output, options, has_more=True)
        for batch in watcher.watch() if options.watch else [inputs]:
            first = list(itertools.islice(batch, 1))
            if first:
                pictures.make_folders()
            if not options.watch:
                _note_names(output, options, has_more=bool(first))
            for file, reading in read_files(
                submit(itertools.chain(first, batch)),
                model=options.model,
                lines=options.lines,
                **options.reading,
            ):
                if reading.page in (None, 1):
                    name, stamp = submitted.popleft()
                    if options.watch and watcher.is_lost(file, reading):
                        continue
                output.write(name, reading)
                num_without_picture += not pictures.write(name, file, reading, stamp)
    _print_skipped(skipped)
    return output.num_errors + num_without_picture


def _print_skipped(skipped: Counter[str]) -> None:
    for kind, count in sorted(skipped.items()):
        print_note(f"skipped {kind}: {count}")


def _note_names(output: Output, options: ReadOptions, *, has_more: bool) -> None:
    """Print how many files the output already contains."""
    if output.names and has_more:
        num = len(output.names)
        files = "1 file" if num == 1 else f"{num} files"
        print_note(f"skipping {files} that {options.out} already contains")
    elif output.names:
        print_note(
            f"{options.out} already contains all of these files; delete it to read them again"
        )


def _check_folders(arguments: tuple[str, ...], options: ReadOptions) -> None:
    """Raise ReadingError for a folder without images, or one that pictures would be written to."""
    from tenfold.reading.bulk import list_files, needs_pdf_extra

    taken = set(map(os.path.realpath, options.picture_folders))
    for argument in arguments:
        path = Path(argument)
        if options.watch and (argument == STANDARD_INPUT or not path.is_dir()):
            raise ReadingError(f"{argument}: --watch needs folders that exist")
        if argument == STANDARD_INPUT:
            continue
        if os.path.realpath(path) in taken:
            raise ReadingError(f"{argument}: pictures cannot be written to the folder that is read")
        if options.watch or next(list_files([path], leave_out=options.outputs), None):
            continue
        skipped: list[Path] = []
        list(list_files([path], leave_out=options.outputs, skip=skipped.append))
        message = f"{argument}: the folder has no images"
        if skipped:
            message += f", only {len(skipped)} other file{'s' * (len(skipped) != 1)}"
        if any(map(needs_pdf_extra, skipped)):
            message += f"; PDF files need the extra 'pdf': {describe_install('pdf')}"
        if any(map(_is_link_to_folder, skipped)):
            message += "; a link to a folder is followed only if it is named itself"
        raise ReadingError(message)


def _describe_skipped(path: Path) -> str:
    from tenfold.reading.bulk import needs_pdf_extra

    if _is_link_to_folder(path):
        return "links to folders"
    if needs_pdf_extra(path):
        return f"PDF files, which need the extra 'pdf' ({describe_install('pdf')})"
    return "files that are not images"


def _is_link_to_folder(path: Path) -> bool:
    return path.is_symlink() and path.is_dir()


def _list_inputs(
    arguments: tuple[str, ...], outputs: list[Path], skip: Callable[[Path], object]
) -> "Iterator[tuple[str, File]]":
    """The name and the file of each input, in the order of the arguments."""
    from tenfold.reading.bulk import list_files
    from tenfold.reading.decoding import read_bytes

    for argument in arguments:
        path = Path(argument)
        if argument == STANDARD_INPUT:
            if sys.stdin is None:  # closed by a shell, with <&-
                raise ReadingError("-: standard input is closed")
            yield "-", read_bytes(sys.stdin.buffer)
        elif not _is_read_once(argument):
            for one in list_files([path], leave_out=outputs, skip=skip):
                yield argument if "://" in argument else str(one), one  # Path takes a slash
        else:
            try:
                yield argument, read_bytes(path)
            except ImageError:
                yield argument, path  # so that its reading has the error


def _is_read_once(argument: str) -> bool:
    """Whether it is a pipe, a device, or a path that means another file in other processes."""
    try:
        path = Path(argument)
        is_special = path.exists() and not (path.is_file() or path.is_dir())
    except (OSError, ValueError):  # a name that is too long
        return False
    return is_special or argument.startswith(OWN_FILES)
