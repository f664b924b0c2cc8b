"""Many files to readings, in order, on all cores, with memory that does not grow with their number.

In: files, by name or as bytes. Out: one reading after another, as the files come.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tenfold.errors import ReadingError
from tenfold.reading.reader import Reader
from tenfold.reading.result import Reading
from tenfold.system.machine import count_cores
from tenfold.system.processes import KILLED, starting_pool

# Fewer files are read by this process: starting others takes as long as reading some hundreds.
FEWEST_FOR_PROCESSES = 300
CHUNK_FILES = 32
CHUNKS_AHEAD = 4  # of each process
# What lies beside images and is none; formats are told by content, so any other name may be one.
OTHER_SUFFIXES = {
    *(".txt", ".csv", ".json", ".jsonl", ".md", ".html", ".xml", ".pdf"),
    *(".db", ".ini", ".py", ".log", ".sha256"),
}

# Lies in folders that reading wrote pictures to; inside another folder they are left out.
PICTURES_MARK = ".tenfold-pictures"

File = Path | bytes

_reader: Reader | None = None  # a worker's own


def list_files(
    arguments: Iterable[Path],
    *,
    leave_out: Collection[Path] = (),
    skip: Callable[[Path], object] = lambda _: None,
) -> Iterator[Path]:
    """The files that paths name: of a folder all that lie below it, sorted by name.

    Of what lies in a folder, these are left out: names that begin with a dot, for they are what
    file browsers leave behind; `leave_out`, the files and folders that results go to; folders of
    pictures that earlier calls wrote; and, told to `skip`, what has a name of another kind of
    file, or is no file at all, as a named pipe or a link to a folder is. Such links are followed
    where a path names them, as by `grep -r`: inside a folder they may lead in circles, or out
    through the whole system.

    A path where nothing is comes as it is, and reading it says so.
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
    except (OSError, ValueError):  # a name that is too long
        return False


def _walk(folder: Path, outputs: Collection[str], skip: Callable[[Path], object]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (one.name, *_classify(one)) for one in entries if not one.name.startswith(".")
            )
    except OSError:  # a folder that may not be listed: reading it says so
        yield folder
        return
    for name, is_folder, is_file, is_link in found:
        path = folder / name
        if outputs and (os.path.realpath(path) if is_link else str(Path(real, name))) in outputs:
            continue
        if is_folder:
            if not (path / PICTURES_MARK).exists():
                yield from _walk(path, outputs, skip)
        elif is_file and path.suffix.lower() not in OTHER_SUFFIXES:
            yield path
        else:
            skip(path)


def _classify(entry: os.DirEntry[str]) -> tuple[bool, bool, bool]:
    """Whether it is a folder itself, a file that may be read, also by a link, and a link."""
    is_link = entry.is_symlink()
    try:
        # Of a link that leads nowhere reading says so.
        is_file = entry.is_file() or (is_link and not Path(entry.path).exists())
        return entry.is_dir(follow_symlinks=False), is_file, is_link
    except OSError:  # a link in circles, or to where nobody may look
        return False, True, is_link


def read_files(
    files: Iterable[File],
    *,
    model: Path | None = None,
    lines: Path | None = None,
    single: bool = False,
    processes: int | None = None,
) -> Iterator[tuple[File, Reading]]:
    """Read files in order, with as many processes as there are cores if they are many.

    A file is a path, or its bytes. One that cannot be read gives a reading with status error.

    Raises ModelError for a model that cannot be used, and ReadingError if a worker process is
    killed.
    """
    processes = processes or count_cores()
    files = iter(files)
    first = list(itertools.islice(files, FEWEST_FOR_PROCESSES))
    reader = Reader(model, lines=lines)
    if processes == 1 or len(first) < FEWEST_FOR_PROCESSES:
        named, sources = itertools.tee(itertools.chain(first, files))
        yield from zip(named, reader.read_many(sources, single=single), strict=False)
        return
    yield from _read_in_processes(itertools.chain(first, files), (model, lines), single, processes)


def _read_in_processes(
    files: Iterator[File], models: tuple[Path | None, Path | None], single: bool, processes: int
) -> Iterator[tuple[File, Reading]]:
    waiting: deque[Future[list[tuple[File, Reading]]]] = deque()
    try:
        with starting_pool(processes, _prepare_worker, *models, finish=True) as pool:
            for chunk in iter(lambda: list(itertools.islice(files, CHUNK_FILES)), []):
                waiting.append(pool.submit(_read_chunk, chunk, single))
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
    gc.freeze()  # modules and networks stay; looking through them took a tenth of the time


def _read_chunk(files: list[File], single: bool) -> list[tuple[File, Reading]]:
    assert _reader is not None
    return list(zip(files, _reader.read_many(files, single=single), strict=True))
