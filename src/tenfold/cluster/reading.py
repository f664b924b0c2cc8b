"""A folder of images to a folder of Parquet files, read on a Ray cluster.

In: a folder of images. Out: Parquet files with a row for each, and how many were read.

Ray Data hands out chunks of files. A worker reads a chunk and writes it as one Parquet file, under
another name first: a file is complete or absent. Its name follows from the chunk, so a chunk whose
worker died, and which is read again, is not there twice. What goes through Ray are names and
counts, no images and no readings, so memory does not grow with them. Both folders must be there,
under the same names, on every machine of the cluster; a worker that does not see them says so.
"""

import hashlib
import json
import logging
import math
import os
import re
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tenfold
from tenfold.cluster.connecting import Cluster, reporting_cluster_errors
from tenfold.disk import replace_file
from tenfold.errors import ReadingError
from tenfold.reading.answers import Reading, Status
from tenfold.reading.bulk import list_files

CALL = "_tenfold.json"  # what reads a folder of Parquet files passes over such a name
FORMAT = 1
MAX_CHUNK_FILES = 1000
CHUNKS_OF_A_CORE = 4  # at least, if there are enough files, so that no core waits long for others
MAX_TRIES = 4  # of a chunk, if its worker dies each time
LEFT_OVER = re.compile(r"\.part-\w+\.(parquet\.\w+\.tmp|tries)")
ROWS_AT_A_TIME = 100_000  # of what is there already


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """What decides the answers: whether each image is one digit, and the files of the networks."""

    single: bool = False
    model: Path | None = None
    lines: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FolderReadings:
    """How many images of a folder have which status, by status; those of earlier calls included.

    `num_before` is how many an earlier call had read, `num_left_out` how many files of the folder
    are of another kind than images.
    """

    counts: dict[str, int]
    num_before: int
    num_left_out: int


@dataclass(frozen=True, kw_only=True)
class ReadingProgress:
    """How many of a folder's files are done, and how many there are."""

    num_done: int
    num_files: int


OnProgress = Callable[[ReadingProgress], None]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What every worker has to know; `probe` is a file of the folder and its size in bytes."""

    images: Path
    out: Path
    call: str
    options: ReadingOptions
    hashes: dict[str, str]
    probe: tuple[str, int] | None
    version: str = field(default=tenfold.__version__)


def read_folder(
    images: Path,
    out: Path,
    *,
    cluster: Cluster,
    options: ReadingOptions | None = None,
    on_progress: OnProgress | None = None,
) -> FolderReadings:
    """Read the images of a folder on the cluster that is connected to, into Parquet files in `out`.

    The rows' columns are `build_schema`'s. A file that cannot be read is a row with status error.
    Files that `out` has already are not read again, so the same call goes on where another ended.

    Raises ReadingError for folders that cannot be used, or that an earlier call wrote with other
    options or from other images; ModelError for a model that cannot be used; ClusterError if
    workers died again and again.
    """
    options = _resolve(options or ReadingOptions())
    images, out = images.resolve(), out.resolve()
    if not images.is_dir():
        raise ReadingError(f"{images}: expected a folder of images, found none")
    if images == out:
        raise ReadingError(f"{out}: expected another folder for readings than the images'")
    if next(list_files([images], leave_out=[out]), None) is None:
        raise ReadingError(f"{images}: expected a folder with images, found none")
    hashes = _hash_models(options)
    call = _open_output(out, _describe_options(images, options, hashes))
    done, counts = _find_done(out)
    num_left_out = 0

    def leave_out(_: Path) -> None:
        nonlocal num_left_out
        num_left_out += 1

    missing, probe = [], None
    for path in list_files([images], leave_out=[out], skip=leave_out):
        name = os.path.relpath(path, images)
        if name_in_text(name) not in done:
            missing.append(os.fsencode(name))
            probe = probe or _probe(path, name)
    num_before = len(done)
    del done
    task = _Task(images=images, out=out, call=call, options=options, hashes=hashes, probe=probe)
    num_done = num_before
    for row in _read_chunks(task, list(_cut(missing, cluster.num_cores)), cluster.num_cores):
        new = {status: int(row[status]) for status in Status if row[status]}
        counts.update(new)
        num_done += sum(new.values())
        if on_progress is not None:
            on_progress(ReadingProgress(num_done=num_done, num_files=num_before + len(missing)))
    return FolderReadings(
        counts={str(status): counts[status] for status in Status},
        num_before=num_before,
        num_left_out=num_left_out,
    )


def build_schema() -> Any:  # noqa: ANN401 - pyarrow's
    """The columns of the Parquet files: the fields of `tenfold read --json`.

    `file` is the path from the folder of images; a name that is not UTF-8 has its bytes escaped.
    """
    import pyarrow as pa

    digit = pa.struct(
        [
            pa.field("digit", pa.int8(), nullable=False),
            pa.field("confidence", pa.float64(), nullable=False),
            pa.field("box", pa.list_(pa.int32()), nullable=False),
            pa.field("line", pa.int32(), nullable=False),
            pa.field("is_sure", pa.bool_(), nullable=False),
        ]
    )
    return pa.schema(
        [
            pa.field("file", pa.string(), nullable=False),
            pa.field("status", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("digits", pa.list_(digit), nullable=False),
            pa.field("message", pa.string()),
        ]
    )


def name_in_text(name: str) -> str:
    """A file's name as UTF-8 can have it."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def _resolve(options: ReadingOptions) -> ReadingOptions:
    """The same with names that do not depend on where a process was started."""
    return ReadingOptions(
        single=options.single,
        model=None if options.model is None else options.model.resolve(),
        lines=None if options.lines is None else options.lines.resolve(),
    )


def _probe(path: Path, name: str) -> tuple[str, int] | None:
    try:
        return name, path.stat().st_size
    except OSError:
        return None


def _hash_models(options: ReadingOptions) -> dict[str, str]:
    """The SHA-256 of each network's file, after a look whether it can be used."""
    from tenfold.reading.classifier import load_classifier
    from tenfold.reading.lines import load_lines

    load_classifier(options.model)
    load_lines(options.lines)
    return _hash_files(options)


def _hash_files(options: ReadingOptions) -> dict[str, str]:
    from tenfold.reading.classifier import BUNDLED_MODEL
    from tenfold.reading.lines import BUNDLED_LINES

    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in (
            ("model", options.model or BUNDLED_MODEL),
            ("lines", options.lines or BUNDLED_LINES),
        )
    }


def _describe_options(
    images: Path, options: ReadingOptions, hashes: dict[str, str]
) -> dict[str, Any]:
    return {"images": name_in_text(str(images)), "single": options.single, **hashes}


def _open_output(out: Path, options: dict[str, Any]) -> str:
    """Make the folder, or check that it is of the same call; return a name for this call.

    A worker writes only as long as the folder has its call's name: of a call that was killed a
    worker may live a little longer than the next call waits.
    """
    with _telling_of(out):
        out.mkdir(parents=True, exist_ok=True)
        names = os.listdir(out)  # noqa: PTH208 - names are all that is asked for
    if CALL in names:
        known = _load_call(out)
        differing = [name for name in options if options[name] != known["options"].get(name)]
        if differing:
            raise ReadingError(
                f"{out}: expected readings of the same call to go on with, found some that differ "
                f"in {', '.join(differing)}. Name another folder."
            )
    elif any(not name.startswith(".") for name in names):
        raise ReadingError(
            f"{out}: expected a new or empty folder, or one that an earlier call wrote, found "
            "other files in it"
        )
    for name in names:
        if LEFT_OVER.fullmatch(name):  # by a worker that was killed
            (out / name).unlink(missing_ok=True)
    call = secrets.token_hex(8)
    values = {"format": FORMAT, "tenfold": tenfold.__version__, "call": call, "options": options}
    with _telling_of(out):
        replace_file(out / CALL, (json.dumps(values, indent=1) + "\n").encode())
    return call


def _load_call(out: Path) -> dict[str, Any]:
    try:
        values = json.loads((out / CALL).read_text(encoding="utf-8"))
        if values["format"] != FORMAT or not isinstance(values["options"], dict):
            raise ValueError(f"format {values['format']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadingError(
            f"{out / CALL}: expected what this version of Tenfold wrote of a call, found: {error}"
        ) from error
    return dict(values)


@contextmanager
def _telling_of(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReadingError(
            f"{out}: expected a folder to write to, found: {error.strerror or error}"
        ) from error


def _find_done(out: Path) -> tuple[set[str], Counter[str]]:
    """The files that are read already, and how many of them have which status."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    done: set[str] = set()
    counts: Counter[str] = Counter()
    for path in sorted(out.glob("part-*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS_AT_A_TIME, columns=["file", "status"]):
                    done.update(batch.column("file").to_pylist())
                    counts.update(batch.column("status").to_pylist())
        except (OSError, pa.ArrowException, KeyError) as error:
            reason = " ".join(str(error).split())
            raise ReadingError(
                f"{path}: expected readings as Parquet, found: {reason}. Remove it, and its "
                "images are read again."
            ) from error
    return done, counts


def _cut(names: list[bytes], num_cores: int) -> Iterator[list[bytes]]:
    """Cut files into chunks of about the same size, neighbours together."""
    if not names:
        return
    size = min(MAX_CHUNK_FILES, math.ceil(len(names) / (CHUNKS_OF_A_CORE * num_cores)))
    for first in range(0, len(names), size):
        yield names[first : first + size]


def _read_chunks(
    task: _Task, chunks: Sequence[list[bytes]], num_cores: int
) -> Iterator[dict[str, Any]]:
    """Read chunks on the cluster; yield the number of files by status of each, as they come."""
    if not chunks:
        return
    import pyarrow as pa
    import ray
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    files = pa.list_(pa.binary())
    num_workers = min(num_cores, len(chunks))
    with reporting_cluster_errors("read on"):
        # A block for each chunk: that is what a worker is given.
        blocks = [pa.table({"files": pa.array([chunk], files)}) for chunk in chunks]
        counted = ray.data.from_arrow(blocks).map_batches(
            ChunkReader,
            fn_constructor_args=(task,),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(
                min_size=1,  # others may have cores, too
                max_size=num_workers,
                initial_size=num_workers,
                max_tasks_in_flight_per_actor=2,
            ),
            num_cpus=1,
        )
        for row in counted.iter_rows():
            if row["problem"]:
                raise ReadingError(row["problem"])
            yield row


class ChunkReader:
    """A worker: it holds one reader, and reads one chunk after another.

    What keeps it from reading goes back in place of numbers: a retry would not help.
    """

    def __init__(self, task: _Task) -> None:
        import cv2

        from tenfold.reading.reader import Reader

        cv2.setNumThreads(1)
        self.task = task
        self.problem = _find_problem(task)
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
        import pyarrow as pa
        import pyarrow.parquet as pq

        images, out = self.task.images, self.task.out
        part = name_part(names)
        tries = _count_try(out / f".{Path(part).stem}.tries", names)
        files = (images / name for name in names)
        readings = self.reader.read_many(files, single=self.task.options.single)
        rows = [_build_row(*one) for one in zip(names, readings, strict=True)]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=build_schema()), sink)
        _check_call(self.task)
        with _telling_of(out):
            replace_file(out / part, sink.getvalue().to_pybytes())
            tries.unlink(missing_ok=True)
        return Counter(row["status"] for row in rows)


def _count_try(path: Path, names: list[str]) -> Path:
    """Note that a chunk is begun; Ray would give it to one worker after another, without an end."""
    with _telling_of(path.parent), path.open("ab") as file:
        num_before = file.tell()
        if num_before >= MAX_TRIES:
            raise ReadingError(
                f"expected workers that read on, found {num_before} that ended while they read "
                f"the {len(names)} files from {name_in_text(names[0])} on: out of memory, or "
                "stopped from outside?"
            )
        file.write(b".")
    return path


def name_part(names: Iterable[str]) -> str:
    """The name of the Parquet file of a chunk, which follows from its files."""
    digest = hashlib.sha256(b"\0".join(map(os.fsencode, names))).hexdigest()
    return f"part-{digest[:24]}.parquet"


def _build_row(name: str, reading: Reading) -> dict[str, Any]:
    return {"file": name_in_text(name), **reading.to_json()}


def _check_call(task: _Task) -> None:
    if _load_call(task.out)["call"] != task.call:
        raise ReadingError(
            f"{task.out}: expected to be the only call that writes there, found that another has "
            "begun"
        )


def _find_problem(task: _Task) -> str | None:
    """What a worker's machine lacks for this task; None if nothing."""
    where = f"on {socket.gethostname()}"
    if tenfold.__version__ != task.version:
        return (
            f"expected Tenfold {task.version} on every machine of the cluster, found "
            f"{tenfold.__version__} {where}"
        )
    try:
        _check_call(task)
    except ReadingError as error:
        if (task.out / CALL).exists():
            return str(error)
        return (
            f"{task.out}: expected a folder that every machine of the cluster shares, found "
            f"another or none {where}"
        )
    if task.probe is not None:
        name, size = task.probe
        if _probe(task.images / name, name) != (name, size):
            return (
                f"{task.images}: expected the same images on every machine of the cluster, found "
                f"{name} to be another file or none {where}"
            )
    try:
        hashes = _hash_files(task.options)
    except OSError:
        hashes = {}
    differing = [f"--{name}" for name in task.hashes if hashes.get(name) != task.hashes[name]]
    if differing:
        return (
            f"{', '.join(differing)}: expected the same file on every machine of the cluster, "
            f"found another or none {where}"
        )
    return None
