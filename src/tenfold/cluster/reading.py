"""Reading a folder of images into a folder of Parquet files on a Ray cluster.

Each task reads a block of images and writes one Parquet file. Both folders must exist, under the
same names, on every machine of the cluster.
"""

import functools
import hashlib
import json
import math
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenfold
from tenfold.cluster.connecting import connecting, require_cluster_extra
from tenfold.cluster.tasks import run_tasks, translating_ray_errors
from tenfold.errors import ClusterError, ReadingError
from tenfold.reading.bulk import list_files
from tenfold.reading.digit_classifier import BUNDLED_MODEL
from tenfold.reading.line_reader import BUNDLED_LINES
from tenfold.reading.reader import Reader
from tenfold.reading.result import Reading, Status
from tenfold.reading.settings import ReadingOptions, build_settings
from tenfold.system.files import make_folder, replace_file
from tenfold.system.locks import locking

MAX_BLOCK_FILES = 1000
BLOCKS_PER_CORE = 4  # at least, if there are enough files, so that no core idles at the end
MAX_FAILED_BLOCKS = 10  # whose workers died, each as often as Ray retries
OPTIONS = b"tenfold"  # the key of the options in the metadata of the Parquet files


@dataclass(frozen=True, kw_only=True)
class FolderReadings:
    """How many images have each status, and how many of them earlier calls had read.

    `num_left_out` counts the files whose names are not those of images.
    """

    counts: dict[str, int]
    num_before: int
    num_left_out: int


def read_folder(
    images: Path,
    out: Path,
    *,
    reading: ReadingOptions | None = None,
    model: Path | None = None,
    lines: Path | None = None,
    address: str | None = None,
    on_progress: Callable[[int, int], object] = lambda num_done, num_files: None,
) -> FolderReadings:
    """Read the images of a folder on a cluster into Parquet files in `out`.

    `reading` are options of `Reader.read`, `address` is as in `connecting`, and the columns are
    those of `build_schema`. An image that cannot be read is a row with status error. Images that
    `out` has are skipped, so the same call continues one that was stopped. `on_progress` is called
    after each block.

    Raises ReadingError if a folder cannot be used, if another call writes to `out`, or if `out` was
    written with other options; ModelError if a model cannot be used; ClusterError if the cluster
    cannot be used or workers died; MissingExtraError without Ray.
    """
    require_cluster_extra()
    reading = reading or {}
    build_settings(**reading)  # raises for wrong ones here, not on a worker
    images, out = images.resolve(), out.resolve()
    if images == out:
        raise ReadingError(f"{out}: the readings must go to another folder than the images")
    left_out: list[Path] = []
    paths = [*map(str, list_files([images], leave_out=[out], skip=left_out.append))]
    if not paths or not images.is_dir():
        raise ReadingError(f"{images}: not a folder with images")
    models = (model or BUNDLED_MODEL).resolve(), (lines or BUNDLED_LINES).resolve()
    Reader(models[0], lines=models[1])  # raises ModelError here, not on a worker
    checksums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in models]
    options = json.dumps([tenfold.__version__, reading, *checksums]).encode()
    try:
        make_folder(out)
    except OSError as error:
        raise ReadingError(f"cannot write {out}: {error.strerror}") from error
    with locking(out, ReadingError(f"{out}: another command is writing there; wait until it ends")):
        before = done = _load_statuses(out, options)
        missing = [path for path in paths if _name_row(path, images) not in before]
        if missing:
            with connecting(address) as cluster, translating_ray_errors():
                common = (images, reading, *models, options)
                _read_blocks(missing, out, common, cluster.num_cores, on_progress)
            done = _load_statuses(out, options)
    unread = [name for path in missing if (name := _name_row(path, images)) not in done]
    if unread:
        raise ClusterError(
            f"{out} lacks {len(unread):,} images, the first is {unread[0]}: workers died while "
            "reading them, or do not share this folder; run the same command again to retry"
        )
    counts = Counter(done.values())
    return FolderReadings(
        counts={str(status): counts[status] for status in Status},
        num_before=len(before),
        num_left_out=len(left_out),
    )


def build_schema(options: bytes) -> Any:  # noqa: ANN401 - pyarrow's
    """The columns of the Parquet files: the fields of `tenfold read --json`.

    `file` is the path relative to the folder of images; bytes that are not UTF-8 are escaped. The
    metadata has the options.
    """
    import pyarrow as pa

    required = functools.partial(pa.field, nullable=False)
    digit = [
        required("digit", pa.int8()),
        required("confidence", pa.float64()),
        required("box", pa.list_(pa.int32())),
        required("line", pa.int32()),
        required("is_sure", pa.bool_()),
        required("starts_number", pa.bool_()),
    ]
    sign = [
        required("sign", pa.string()),
        *digit[1:],
        required("num_digits_before", pa.int32()),
    ]
    columns = [
        required("file", pa.string()),
        required("status", pa.string()),
        required("text", pa.string()),
        pa.field("value", pa.float64()),
        required("digits", pa.list_(pa.struct(digit))),
        required("signs", pa.list_(pa.struct(sign))),
        pa.field("message", pa.string()),
    ]
    return pa.schema(columns, {OPTIONS: options})


def _name_row(path: str, images: Path) -> str:
    name = os.path.relpath(path, images)
    return os.fsencode(name).decode(errors="backslashreplace")


def _load_statuses(out: Path, options: bytes) -> dict[str, str]:
    """The status of each image that has been read, by the name in its row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    statuses: dict[str, str] = {}
    for path in sorted(out.glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                metadata = file.schema_arrow.metadata or {}
                if metadata.get(OPTIONS) != options:
                    raise ReadingError(
                        f"{path}: was written with other options, models, or another version; use "
                        "another folder"
                    )
                rows = file.read(["file", "status"])
        except (OSError, pa.ArrowException) as error:
            raise ReadingError(
                f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}; delete it to "
                "read its images again"
            ) from error
        statuses |= zip(rows["file"].to_pylist(), rows["status"].to_pylist(), strict=True)
    return statuses


def _read_blocks(
    paths: list[str],
    out: Path,
    common: tuple[Path, ReadingOptions, Path, Path, bytes],
    num_cores: int,
    on_progress: Callable[[int, int], object],
) -> None:
    import ray

    size = min(MAX_BLOCK_FILES, math.ceil(len(paths) / (BLOCKS_PER_CORE * num_cores)))
    call = secrets.token_hex(4)  # files of several calls lie in one folder
    read_block = ray.remote(_read_block).options(name="tenfold read")

    def submit(start: int) -> object:
        file = out / f"{call}-{start // size:07}.parquet"
        return read_block.remote(paths[start : start + size], file, *common)

    num_done = num_failed = 0
    starts = range(0, len(paths), size)
    # Twice as many as cores, so that a worker has its next block at once.
    with closing(run_tasks(submit, starts, max_running=2 * num_cores)) as tasks:
        for start, reference in filter(None, tasks):
            try:
                ray.get(reference)
            except ray.exceptions.RayError as error:
                num_failed += 1
                if isinstance(error, ray.exceptions.RayTaskError) or num_failed > MAX_FAILED_BLOCKS:
                    raise
            num_done += len(paths[start : start + size])
            on_progress(num_done, len(paths))


def _read_block(
    paths: list[str],
    file: Path,
    images: Path,
    reading: ReadingOptions,
    model: Path,
    lines: Path,
    options: bytes,
) -> None:
    """Read the images of a block on a worker. Its file is complete or absent."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not images.is_dir():  # otherwise each image would become an error
        raise ClusterError(f"{images} is missing on {socket.gethostname()}")
    readings = _load_reader(model, lines).read_many(map(Path, paths), **reading)
    rows = [
        {"file": _name_row(path, images), **_describe(each)}
        for path, each in zip(paths, readings, strict=True)
    ]
    written = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=build_schema(options)), written)
    replace_file(file, written.getvalue().to_pybytes())


def _describe(reading: Reading) -> dict[str, Any]:
    """A reading as JSON has it, with a value that any column of numbers can have."""
    value = None if reading.value is None else float(reading.value)
    return {**reading.to_json(), "value": value}


@functools.cache
def _load_reader(model: Path, lines: Path) -> Reader:
    """The reader of this worker, which is kept for its next blocks."""
    import cv2

    cv2.setNumThreads(1)
    return Reader(model, lines=lines)
