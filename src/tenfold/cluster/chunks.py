"""What a worker of the cluster does: it reads a chunk of images and writes its Parquet file.

In: names of files. Out: how many of them have which status.
"""

import hashlib
import os
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tenfold
from tenfold.cluster.output import (
    CALL,
    check_call,
    name_in_text,
    name_part,
    telling_of,
    write_part,
)
from tenfold.errors import ReadingError
from tenfold.reading.result import Reading, Status

MAX_DEATHS = 3  # of workers at the same file, before it is given up
MAX_TRIES = 20  # of a chunk, if its worker dies each time


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """What decides the answers: whether each image is one digit, and the files of the networks."""

    single: bool = False
    model: Path | None = None
    lines: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every worker has to know; `probe` is a file of the folder and its size in bytes."""

    images: Path
    out: Path
    call: str
    options: ReadingOptions
    hashes: dict[str, str]
    probe: tuple[str, int] | None
    version: str = field(default=tenfold.__version__)


class ChunkReader:
    """A worker: it holds one reader, and reads one chunk after another.

    What keeps it from reading goes back in place of numbers: a retry would not help.
    """

    def __init__(self, task: Task) -> None:
        import cv2

        from tenfold.reading.reader import Reader

        cv2.setNumThreads(1)
        self.task = task
        self.problem = find_problem(task)
        if self.problem is None:
            self.reader = Reader(task.options.model, lines=task.options.lines)

    def __call__(self, batch: Any) -> Any:  # noqa: ANN401 - pyarrow's tables
        """The numbers of a chunk, as a table of one row, when its Parquet file is written."""
        import pyarrow as pa

        counts: Counter[str] = Counter()
        problem = self.problem
        if problem is None:
            try:
                [names] = batch.column("files").to_pylist()
                counts = self._read(list(map(os.fsdecode, names)))
            except (ReadingError, OSError) as error:
                problem = str(error)
        return pa.table(
            {
                "problem": pa.array([problem], pa.string()),
                **{str(status): pa.array([counts[status]], pa.int64()) for status in Status},
            }
        )

    def _read(self, names: list[str]) -> Counter[str]:
        images, out, single = self.task.images, self.task.out, self.task.options.single
        part = out / name_part(names)
        tries = _Tries(part.with_name(f".{part.stem}.tries"), names)
        if tries.num_before:
            readings = self._read_one_by_one(names, tries)
        else:
            readings = self.reader.read_many((images / name for name in names), single=single)
        rows = [
            {"file": name_in_text(name), **reading.to_json()}
            for name, reading in zip(names, readings, strict=True)
        ]
        check_call(out, self.task.call)
        write_part(part, rows)
        with telling_of(out):
            tries.path.unlink(missing_ok=True)
        return Counter(row["status"] for row in rows)

    def _read_one_by_one(self, names: list[str], tries: "_Tries") -> Iterator[Reading]:
        for name in names:
            if tries.deaths[name] < MAX_DEATHS:
                tries.begin(name)
                yield self.reader.read(self.task.images / name, single=self.task.options.single)
            else:
                message = (
                    f"expected a worker that reads it, found {MAX_DEATHS} that ended while they "
                    "did: out of memory, or stopped from outside?"
                )
                yield Reading(Status.ERROR, message=message)


class _Tries:
    """How often a chunk was begun, and at which of its files workers died.

    Ray gives a chunk whose worker died to another one, without an end. From the second try on a
    worker notes each file before it reads it: a line for a try, with the numbers of its files.
    """

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path = path
        self._numbers = {name: str(number) for number, name in enumerate(names)}
        with telling_of(path.parent):
            known = path.read_text() if path.exists() else ""
            self._note("\n")
        before = known.split("\n")[1:]
        last = Counter(line.split()[-1] for line in before if line)
        self.num_before = len(before)
        self.deaths = Counter({name: last[number] for name, number in self._numbers.items()})
        if self.num_before >= MAX_TRIES:
            found = ", ".join(name_in_text(name) for name in names if self.deaths[name])
            raise ReadingError(
                f"expected workers that read on, found {self.num_before} that ended at: {found}. "
                "Were they out of memory, or stopped from outside? Without these files the same "
                "command goes on."
            )

    def begin(self, name: str) -> None:
        """Note that a file will be read now."""
        self._note(f"{self._numbers[name]} ")

    def _note(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)


def hash_models(options: ReadingOptions) -> dict[str, str]:
    """The SHA-256 of each network's file."""
    from tenfold.reading.digit_classifier import BUNDLED_MODEL
    from tenfold.reading.line_reader import BUNDLED_LINES

    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in (
            ("model", options.model or BUNDLED_MODEL),
            ("lines", options.lines or BUNDLED_LINES),
        )
    }


def probe(images: Path, name: str) -> tuple[str, int] | None:
    """A file's name and size, by which a folder is known; None if it cannot be told."""
    try:
        return name, (images / name).stat().st_size
    except OSError:
        return None


def find_problem(task: Task) -> str | None:
    """What a worker's machine lacks for this task; None if nothing."""
    where = f"on {socket.gethostname()}"
    if tenfold.__version__ != task.version:
        return (
            f"expected Tenfold {task.version} on every machine of the cluster, found "
            f"{tenfold.__version__} {where}"
        )
    try:
        check_call(task.out, task.call)
    except ReadingError as error:
        if (task.out / CALL).exists():
            return str(error)
        return (
            f"{task.out}: expected a folder that every machine of the cluster shares, found "
            f"another or none {where}"
        )
    if task.probe is not None and probe(task.images, task.probe[0]) != task.probe:
        return (
            f"{task.images}: expected the same images on every machine of the cluster, found "
            f"{task.probe[0]} to be another file or none {where}"
        )
    try:
        hashes = hash_models(task.options)
    except OSError:
        hashes = {}
    differing = [f"--{name}" for name in task.hashes if hashes.get(name) != task.hashes[name]]
    if differing:
        return (
            f"{', '.join(differing)}: expected the same file on every machine of the cluster, "
            f"found another or none {where}"
        )
    return None
