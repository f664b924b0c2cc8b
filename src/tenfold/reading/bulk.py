"""List and read many files in order, on all cores, in constant memory."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Unpack

from tenfold.errors import ReadingError
from tenfold.reading.pdf import has_pdf_extra
from tenfold.reading.reader import Reader
from tenfold.reading.result import Reading
from tenfold.reading.settings import ReadingOptions, build_settings
from tenfold.reading.sources import Source, split_pages
from tenfold.system.machine import count_cores
from tenfold.system.processes import KILLED, starting_pool

# Fewer files are read in this process: starting others takes as long as reading some hundreds.
MIN_FILES_FOR_PROCESSES = 300
CHUNK_FILES = 32
CHUNKS_AHEAD = 4  # queued for each process
# Skipped in folders. Any other name may be an image, as the content tells the format.
OTHER_SUFFIXES = {
    *(".txt", ".csv", ".json", ".jsonl", ".md", ".html", ".xml", ".toml", ".xlsx"),
    *(".db", ".ini", ".py", ".log", ".sha256"),
}
PDF_SUFFIX = ".pdf"  # skipped without the extra that reads it

# Marks a folder that reading wrote pictures to, which is left out inside another folder.
PICTURES_MARK = ".tenfold-pictures"

File = Path | bytes

_reader: Reader | None = None  # one for each worker process


def list_files(
    arguments: Iterable[Path],
    *,
    leave_out: Collection[Path] = (),
    skip: Callable[[Path], object] = lambda _: None,
) -> Iterator[Path]:
    """List files; a folder stands for all files below it, sorted by name.

    Inside folders, names that begin with a dot, `leave_out` (files and folders of results) and
    folders of pictures from earlier calls are left out. So are files with the suffix of another
    kind and everything that is not a regular file, for which `skip` is called. Links to folders
    are among those, as they may lead in circles or through the whole system; like `grep -r`, only
    links that are arguments are followed.

    A missing file is listed, and reading it gives an error.
    """
    outputs = {os.path.realpath(path) for path in leave_out}
    for path in arguments:
        if _is_folder(path):
            yield from _walk(path, outputs, skip)
        else:
            yield path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # such as a name that is too long
        return False


def _walk(folder: Path, outputs: Collection[str], skip: Callable[[Path], object]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (one.name, *_find_kind(one)) for one in entries if not one.name.startswith(".")
            )
    except OSError:  # no permission: reading the folder gives an error
        yield folder
        return
    for name, is_folder, is_file, is_link in found:
        path = folder / name
        if outputs and (os.path.realpath(path) if is_link else str(Path(real, name))) in outputs:
            continue
        if is_folder:
            if not (path / PICTURES_MARK).exists():
                yield from _walk(path, outputs, skip)
        elif is_file and _may_be_image(path.suffix.lower()):
            yield path
        else:
            skip(path)


def _may_be_image(suffix: str) -> bool:
    return has_pdf_extra() if suffix == PDF_SUFFIX else suffix not in OTHER_SUFFIXES


def needs_pdf_extra(path: Path) -> bool:
    """Whether a file was skipped only for want of the extra that reads PDF files."""
    return path.suffix.lower() == PDF_SUFFIX and not has_pdf_extra() and path.is_file()


def _find_kind(entry: os.DirEntry[str]) -> tuple[bool, bool, bool]:
    """Whether an entry is a folder, a file or a link to one, and a link."""
    is_link = entry.is_symlink()
    try:
        # A broken link is listed, and reading it gives an error.
        is_file = entry.is_file() or (is_link and not Path(entry.path).exists())
        return entry.is_dir(follow_symlinks=False), is_file, is_link
    except OSError:  # a circular link, or no permission
        return False, True, is_link


def read_files(
    files: Iterable[File],
    *,
    model: Path | None = None,
    lines: Path | None = None,
    processes: int | None = None,
    **options: Unpack[ReadingOptions],
) -> Iterator[tuple[File, Reading]]:
    """Read files, by path or as bytes, in order. Many files are read on all cores.

    A file with several pages comes once for each. A file or page that cannot be read gives a
    reading with status error. The options are those of `Reader.read`. Raises ModelError for a
    model that cannot be used, and ReadingError for wrong options or if a worker process is killed.
    """
    build_settings(**options)  # raises for wrong ones before anything is read
    processes = processes or count_cores()
    files = iter(files)
    first = list(itertools.islice(files, MIN_FILES_FOR_PROCESSES))
    reader = Reader(model, lines=lines)
    if processes == 1 or len(first) < MIN_FILES_FOR_PROCESSES:
        yield from _read_pages(reader, itertools.chain(first, files), options)
        return
    yield from _read_in_processes(itertools.chain(first, files), (model, lines), options, processes)


def _read_pages(
    reader: Reader, files: Iterable[File], options: ReadingOptions
) -> Iterator[tuple[File, Reading]]:
    taken: deque[File] = deque()

    def take() -> Iterator[Source]:
        for file in files:
            for page in split_pages(file):
                taken.append(file)
                yield page

    for reading in reader.read_many(take(), **options):
        yield taken.popleft(), reading


def _read_in_processes(
    files: Iterator[File],
    models: tuple[Path | None, Path | None],
    options: ReadingOptions,
    processes: int,
) -> Iterator[tuple[File, Reading]]:
    waiting: deque[Future[list[tuple[File, Reading]]]] = deque()
    try:
        with starting_pool(processes, _prepare_worker, *models, finish=True) as pool:
            for chunk in iter(lambda: list(itertools.islice(files, CHUNK_FILES)), []):
                waiting.append(pool.submit(_read_chunk, chunk, options))
                if len(waiting) >= CHUNKS_AHEAD * processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ReadingError(f"{KILLED}; run again, with --out to continue") from error


def _prepare_worker(model: Path | None, lines: Path | None) -> None:
    import gc

    import cv2

    global _reader
    cv2.setNumThreads(1)
    _reader = Reader(model, lines=lines)
    gc.freeze()  # scanning modules and networks took a tenth of the time


def _read_chunk(files: list[File], options: ReadingOptions) -> list[tuple[File, Reading]]:
    assert _reader is not None
    return list(_read_pages(_reader, files, options))
