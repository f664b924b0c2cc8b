"""The folder that readings go to: a Parquet file for each chunk of images.

In: rows, some at a time. Out: files that are complete or absent, and what is in them already.

Beside them lies what decides the answers, so that a call with other options is refused, and the
name of the call: a worker writes only as long as the folder has its own call's.
"""

import hashlib
import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenfold.errors import ReadingError
from tenfold.system.files import (
    parse_json,
    replace_file,
)
from tenfold.system.locks import (
    locking,
)

CALL = "_tenfold.json"  # what reads a folder of Parquet files passes over such a name
FORMAT = 1
LEFT_OVER = re.compile(r"\.part-\w+\.(parquet\.\w+\.tmp|tries)")
ROWS_AT_A_TIME = 100_000  # of what is there already


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


def name_part(names: Iterable[str]) -> str:
    """The name of the Parquet file of a chunk, which follows from its files."""
    digest = hashlib.sha256(b"\0".join(map(os.fsencode, names))).hexdigest()
    return f"part-{digest[:24]}.parquet"


@contextmanager
def opening(out: Path, options: dict[str, Any]) -> Iterator[str]:
    """Make the folder, or check that it is of the same call, and hold it; yield this call's name.

    Raises ReadingError if it cannot be used, or if another call is at it.
    """
    with telling_of(out):
        out.mkdir(parents=True, exist_ok=True)
        os.listdir(out)  # noqa: PTH208 - whether it may be listed
    busy = ReadingError(
        f"{out}: expected to be the only call that writes there, found that another is at it. Wait "
        "for its end, or name another folder."
    )
    with locking(out, busy):
        yield _begin_call(out, options)


def _begin_call(out: Path, options: dict[str, Any]) -> str:
    names = os.listdir(out)  # noqa: PTH208 - names are all that is asked for
    if CALL in names:
        _, known = _load_call(out)
        differing = [name for name in options if options[name] != known.get(name)]
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
    for name in filter(LEFT_OVER.fullmatch, names):  # by a worker that was killed
        with telling_of(out / name, "a file that can be removed"):
            (out / name).unlink(missing_ok=True)
    call = secrets.token_hex(8)
    values = {"format": FORMAT, "call": call, "options": options}
    with telling_of(out):
        replace_file(out / CALL, (json.dumps(values, indent=1) + "\n").encode())
    return call


def _load_call(out: Path) -> tuple[str, dict[str, Any]]:
    """The name of the folder's call, and its options."""
    try:
        values = parse_json((out / CALL).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}")
        return str(values["call"]), dict(values["options"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadingError(
            f"{out / CALL}: expected what this version of Tenfold wrote of a call, found: {error}"
        ) from error


def check_call(out: Path, call: str) -> None:
    """Raise ReadingError if the folder has another call's name by now.

    Calls keep one another away, but a killed one's worker may live a little longer, and not all
    file systems have locks.
    """
    if _load_call(out)[0] != call:
        raise ReadingError(
            f"{out}: expected to be the only call that writes there, found that another has begun"
        )


@contextmanager
def telling_of(path: Path, expected: str = "a folder to write to") -> Iterator[None]:
    """Make what the system says of a path a mistake that the user can mend."""
    try:
        yield
    except OSError as error:
        raise ReadingError(
            f"{path}: expected {expected}, found: {error.strerror or error}"
        ) from error


def find_done(out: Path) -> tuple[set[str], Counter[str]]:
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


def write_part(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a chunk's rows as a Parquet file, under another name first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=build_schema()), sink)
    with telling_of(path.parent):
        replace_file(path, sink.getvalue().to_pybytes())
