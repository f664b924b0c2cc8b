"""A folder of images to a folder of Parquet files, read on a Ray cluster.

In: a folder of images. Out: Parquet files with a row for each, and how many were read.

Ray Data hands out chunks of files. A worker reads a chunk and writes it as one Parquet file, under
another name first: a file is complete or absent. Its name follows from the chunk, so a chunk whose
worker died, and which is read again, is not there twice. What goes through Ray are names and
counts, no images and no readings, so memory does not grow with them. Both folders must be there,
under the same names, on every machine of the cluster; a worker that does not see them says so.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenfold
from tenfold.cluster.chunks import ChunkReader, ReadingOptions, Task, hash_models, probe
from tenfold.cluster.connecting import (
    connecting,
    reporting_cluster_errors,
    require_cluster_extra,
)
from tenfold.cluster.output import find_done, name_in_text, opening
from tenfold.errors import ReadingError
from tenfold.reading.bulk import list_files
from tenfold.reading.result import Status

MAX_CHUNK_FILES = 1000
CHUNKS_OF_A_CORE = 4  # at least, if there are enough files, so that no core waits long for others


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


def read_folder(
    images: Path,
    out: Path,
    *,
    address: str | None = None,
    options: ReadingOptions | None = None,
    on_progress: OnProgress | None = None,
) -> FolderReadings:
    """Read the images of a folder on a cluster, into Parquet files in `out`.

    The cluster is `connecting`'s with this address; it is connected to when all else is looked at,
    if anything is left to read. The rows' columns are `build_schema`'s. A file that cannot be read
    is a row with status error. Files that `out` has already are not read again, so the same call
    goes on where another ended. `on_progress` is called before the first chunk and after each.

    Raises ReadingError for folders that cannot be used, that another call writes to, or that an
    earlier call wrote with other options or from other images; ModelError for a model that cannot
    be used; ClusterError for a cluster that cannot, or if workers died again and again;
    MissingExtraError without Ray.
    """
    require_cluster_extra()
    options = _resolve(options or ReadingOptions())
    images, out = images.resolve(), out.resolve()
    if not images.is_dir():
        raise ReadingError(f"{images}: expected a folder of images, found none")
    if images == out:
        raise ReadingError(f"{out}: expected another folder for readings than the images'")
    if next(list_files([images], leave_out=[out]), None) is None:
        raise ReadingError(f"{images}: expected a folder with images, found none")
    _check_models(options)
    hashes = hash_models(options)
    with opening(out, _describe_options(images, options, hashes)) as call:
        done, counts = find_done(out)
        num_before, num_left_out = len(done), 0

        def leave_out(_: Path) -> None:
            nonlocal num_left_out
            num_left_out += 1

        missing = []
        for path in list_files([images], leave_out=[out], skip=leave_out):
            name = os.path.relpath(path, images)
            if name_in_text(name) not in done:
                missing.append(os.fsencode(name))
        del done

        def report() -> None:
            if on_progress is not None:
                num_files = num_before + len(missing)
                on_progress(ReadingProgress(num_done=counts.total(), num_files=num_files))

        report()
        if missing:
            known = next(filter(None, (probe(images, os.fsdecode(one)) for one in missing)), None)
            task = Task(
                images=images, out=out, call=call, options=options, hashes=hashes, probe=known
            )
            with connecting(address) as cluster:
                chunks = list(_cut(missing, cluster.num_cores))
                for row in _read_chunks(task, chunks, cluster.num_cores):
                    counts.update({status: int(row[status]) for status in Status})
                    report()
    return FolderReadings(
        counts={str(status): counts[status] for status in Status},
        num_before=num_before,
        num_left_out=num_left_out,
    )


def _resolve(options: ReadingOptions) -> ReadingOptions:
    """The same with names that do not depend on where a process was started."""
    return ReadingOptions(
        single=options.single,
        model=None if options.model is None else options.model.resolve(),
        lines=None if options.lines is None else options.lines.resolve(),
    )


def _check_models(options: ReadingOptions) -> None:
    """Raise ModelError for a network that cannot be used."""
    from tenfold.reading.digit_classifier import load_classifier
    from tenfold.reading.line_reader import load_lines

    load_classifier(options.model)
    load_lines(options.lines)


def _describe_options(
    images: Path, options: ReadingOptions, hashes: dict[str, str]
) -> dict[str, Any]:
    """What decides the answers."""
    return {
        "images": name_in_text(str(images)),
        "single": options.single,
        **hashes,
        "version": tenfold.__version__,
    }


def _cut(names: list[bytes], num_cores: int) -> Iterator[list[bytes]]:
    """Cut files into chunks of about the same size, neighbours together."""
    size = min(MAX_CHUNK_FILES, math.ceil(len(names) / (CHUNKS_OF_A_CORE * num_cores)))
    for first in range(0, len(names), size):
        yield names[first : first + size]


def _read_chunks(
    task: Task, chunks: Sequence[list[bytes]], num_cores: int
) -> Iterator[dict[str, Any]]:
    """Read chunks on the cluster; yield the number of files by status of each, as they come."""
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
