"""A folder of images to a folder of Parquet files, read on a Ray cluster.

In: a folder of images. Out: Parquet files with a row for each image, and how many were read.

Ray Data hands out blocks of file names; a task reads the images of a block and writes one Parquet
file. Both folders must be there, under the same names, on every machine of the cluster.
"""

import functools
import hashlib
import json
import logging
import math
import os
import socket
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenfold
from tenfold.cluster.connecting import (
    connecting,
    require_cluster_extra,
    translating_ray_errors,
)
from tenfold.errors import ClusterError, ReadingError
from tenfold.reading.bulk import list_files
from tenfold.reading.digit_classifier import BUNDLED_MODEL, load_classifier
from tenfold.reading.line_reader import BUNDLED_LINES, load_line_reader
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status
from tenfold.system.locks import (
    locking,
)

MAX_BLOCK_FILES = 1000
BLOCKS_PER_CORE = 4  # at least, where there are enough files, so that no core idles at the end
MAX_RETRIES = 3  # of a block whose worker died; Ray Data itself would never give up
MAX_ERRORED_BLOCKS = 10
OPTIONS = b"tenfold"  # the key in the metadata of the Parquet files
ROWS_AT_A_TIME = 100_000


@dataclass(frozen=True, kw_only=True)
class FolderReadings:
    """The number of images by status, and how many of them an earlier call had read.

    `num_left_out` files of the folder have the name of another kind of file.
    """

    counts: dict[str, int]
    num_before: int
    num_left_out: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker has to know; `options` decide the answers and go to the files' metadata."""

    images: Path
    single: bool
    model: Path
    lines: Path
    options: bytes


def read_folder(
    images: Path,
    out: Path,
    *,
    single: bool = False,
    model: Path | None = None,
    lines: Path | None = None,
    address: str | None = None,
) -> FolderReadings:
    """Read the images of a folder on a cluster, into Parquet files in `out`.

    `single`, `model` and `lines` are as in `tenfold read`; `address` is as in `connecting`. The
    columns are `build_schema`'s. An image that cannot be read is a row with status error. Images
    that `out` has are not read again, so the same call continues one that was stopped.

    Raises ReadingError for folders that cannot be used, that another call writes to, or that were
    written with other options; ModelError for a model that cannot be used; ClusterError for a
    cluster that cannot, or for images whose workers died; MissingExtraError without Ray.
    """
    require_cluster_extra()
    images, out = images.resolve(), out.resolve()
    if images == out:
        raise ReadingError(f"{out}: the readings need another folder than the images")
    left_out: list[Path] = []
    paths = [str(path) for path in list_files([images], leave_out=[out], skip=left_out.append)]
    if not paths or not images.is_dir():
        raise ReadingError(f"{images}: there is no folder with images")
    task = _build_task(images, single, model or BUNDLED_MODEL, lines or BUNDLED_LINES)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReadingError(f"cannot write {out}: {error.strerror}") from error
    with locking(out, ReadingError(f"{out}: another call is writing there; wait for its end")):
        before = done = _load_statuses(out, task.options)
        missing = [path for path in paths if _name_row(path, images) not in before]
        if missing:
            with connecting(address) as cluster, translating_ray_errors():
                _read_on_ray(task, missing, out, cluster.num_cores)
            done = _load_statuses(out, task.options)
    unread = [name for path in missing if (name := _name_row(path, images)) not in done]
    if unread:
        raise ClusterError(
            f"{out} lacks {len(unread):,} images, first {unread[0]}: their workers died or failed, "
            "as Ray reported, or do not share this folder. The same command tries again"
        )
    counts = Counter(done.values())
    return FolderReadings(
        counts={str(status): counts[status] for status in Status},
        num_before=len(before),
        num_left_out=len(left_out),
    )


def _build_task(images: Path, single: bool, model: Path, lines: Path) -> Task:
    """Raises ModelError for a network that cannot be used."""
    load_classifier(model)
    load_line_reader(lines)
    options = {
        "version": tenfold.__version__,
        "single": single,
        "model": hashlib.sha256(model.read_bytes()).hexdigest(),
        "lines": hashlib.sha256(lines.read_bytes()).hexdigest(),
    }
    return Task(
        images=images,
        single=single,
        model=model.resolve(),
        lines=lines.resolve(),
        options=json.dumps(options).encode(),
    )


def build_schema(options: bytes) -> Any:  # noqa: ANN401 - pyarrow's
    """The columns of the Parquet files: the fields of `tenfold read --json`.

    `file` is the path from the folder of images; bytes that are not UTF-8 are escaped. `options`,
    by which the readings were made, stand in the metadata.
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
        ],
        {OPTIONS: options},
    )


def _name_row(path: str, images: Path) -> str:
    name = os.path.relpath(path, images)
    return os.fsencode(name).decode(errors="backslashreplace")


def _load_statuses(out: Path, options: bytes) -> dict[str, str]:
    """The status of each image that is read, by its name in the Parquet files.

    Raises ReadingError for a file that is no such Parquet file, or was made with other options.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    statuses: dict[str, str] = {}
    for path in sorted(out.glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                metadata = file.schema_arrow.metadata or {}
                for batch in file.iter_batches(ROWS_AT_A_TIME, columns=["file", "status"]):
                    statuses.update(zip(*(column.to_pylist() for column in batch), strict=True))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise ReadingError(
                f"{path}: cannot be read as Parquet, perhaps because its writer was killed: "
                f"{' '.join(str(error).split())}. Delete it, and its images are read again"
            ) from error
        if metadata.get(OPTIONS) != options:
            raise ReadingError(
                f"{path}: was written with other options, models, or another version; use another "
                "folder"
            )
    return statuses


def _read_on_ray(task: Task, paths: list[str], out: Path, num_cores: int) -> None:
    import pyarrow as pa
    import ray.data

    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = MAX_ERRORED_BLOCKS
    context.enable_progress_bars = sys.stdout is not None and sys.stdout.isatty()
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    least = min(len(paths), BLOCKS_PER_CORE * num_cores)
    # Names need not be text, so they go as bytes.
    table = pa.table({"path": pa.array(map(os.fsencode, paths), pa.binary())})
    num_blocks = max(least, math.ceil(len(paths) / MAX_BLOCK_FILES))
    with warnings.catch_warnings():
        # Ray wants no `max_retries` here from 2.64 on, and has nothing in its place.
        warnings.simplefilter("ignore", DeprecationWarning)
        rows = ray.data.from_arrow(table, override_num_blocks=num_blocks).map_batches(
            lambda block: _read_block(block, task),
            batch_size=None,  # a block
            batch_format="pyarrow",
            num_cpus=1,
            max_retries=MAX_RETRIES,
        )
    rows.write_parquet(str(out), schema=build_schema(task.options))


def _read_block(block: Any, task: Task) -> Any:  # noqa: ANN401 - pyarrow's tables
    """Read the images of a block of paths, on a worker; a row for each."""
    import pyarrow as pa

    if not task.images.is_dir():  # else each image would become an error
        raise ClusterError(f"{task.images} is missing on {socket.gethostname()}")
    paths = list(map(os.fsdecode, block.column("path").to_pylist()))
    reader = _load_reader(task.model, task.lines)
    readings = reader.read_many(map(Path, paths), single=task.single)
    rows = [
        {"file": _name_row(path, task.images), **reading.to_json()}
        for path, reading in zip(paths, readings, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=build_schema(task.options))


@functools.cache
def _load_reader(model: Path, lines: Path) -> Reader:
    """The reader of this worker, kept for its next blocks."""
    import cv2

    cv2.setNumThreads(1)
    return Reader(model, lines=lines)
