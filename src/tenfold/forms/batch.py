"""Read many sheets of a form, in order, on all cores."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tenfold.errors import ReadingError
from tenfold.forms.form import Form
from tenfold.forms.reading import FormReader
from tenfold.forms.result import FormReading
from tenfold.reading.bulk import File
from tenfold.reading.reader import Reader
from tenfold.reading.sources import split_pages
from tenfold.system.machine import count_cores
from tenfold.system.processes import KILLED, starting_pool

MIN_FILES_FOR_PROCESSES = 6  # starting others takes as long as reading two or three sheets
FILES_AHEAD = 3  # queued for each process

_form_reader: FormReader | None = None  # one for each worker process


def read_sheets(
    files: Iterable[File],
    form: Form,
    *,
    model: Path | None = None,
    lines: Path | None = None,
    processes: int | None = None,
) -> Iterator[tuple[File, FormReading]]:
    """Read files, by path or as bytes, in order; one with several pages comes once for each.

    A sheet that does not match, or cannot be decoded, has the status error. Raises FormError if
    the form's reference cannot be used, and ReadingError if a worker process is killed.
    """
    processes = processes or count_cores()
    files = iter(files)
    first = list(itertools.islice(files, MIN_FILES_FOR_PROCESSES))
    form_reader = FormReader(Reader(model, lines=lines), form)  # raises before processes start
    if processes == 1 or len(first) < MIN_FILES_FOR_PROCESSES:
        for file in itertools.chain(first, files):
            for sheet in _read_file(form_reader, file):
                yield file, sheet
        return
    yield from _read_in_processes(itertools.chain(first, files), form, (model, lines), processes)


def _read_file(form_reader: FormReader, file: File) -> Iterator[FormReading]:
    for page in split_pages(file):
        yield form_reader.read(page)


def _read_in_processes(
    files: Iterator[File], form: Form, models: tuple[Path | None, Path | None], processes: int
) -> Iterator[tuple[File, FormReading]]:
    waiting: deque[tuple[File, Future[list[FormReading]]]] = deque()
    try:
        with starting_pool(processes, _prepare_worker, form, *models, finish=True) as pool:
            for file in files:
                waiting.append((file, pool.submit(_read_in_worker, file)))
                if len(waiting) >= FILES_AHEAD * processes:
                    yield from _take(waiting)
            while waiting:
                yield from _take(waiting)
    except BrokenProcessPool as error:
        raise ReadingError(f"{KILLED}; run again, with --out to continue") from error


def _take(
    waiting: deque[tuple[File, Future[list[FormReading]]]],
) -> Iterator[tuple[File, FormReading]]:
    file, future = waiting.popleft()
    for sheet in future.result():
        yield file, sheet


def _prepare_worker(form: Form, model: Path | None, lines: Path | None) -> None:
    import gc

    import cv2

    global _form_reader
    cv2.setNumThreads(1)
    _form_reader = FormReader(Reader(model, lines=lines), form)
    gc.freeze()


def _read_in_worker(file: File) -> list[FormReading]:
    assert _form_reader is not None
    return list(_read_file(_form_reader, file))
