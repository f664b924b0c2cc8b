"""Files on a disk: written so that whatever happens the old or the new one is there. No torch.

All that a run or a study writes goes through `write_file`, but for the losses, which grow.
"""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenfold.errors import RunError
from tenfold.system.json_types import to_json

# What file systems that flush no folders answer, and folders that may be written but not read.
NO_FOLDER_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def write_file(path: Path, content: bytes | str) -> None:
    """Write a whole file so that, whatever happens, the old or the new one is there.

    Raises RunError if the disk is full or does not let it be written.
    """
    # A folder's name that is not UTF-8 may stand in a report: it is shown as well as can be.
    data = content.encode(errors="replace") if isinstance(content, str) else content
    with reporting_disk_errors(path):
        path.parent.mkdir(exist_ok=True)
        replace_file(path, data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a whole file as `write_file` does; the disk's errors pass as they are."""
    # A folder may be shared by machines on which numbers of processes are the same.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; the disk's errors pass as they are."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Let the names in a folder reach the disk, where its file system can be asked to."""
    if os.name != "posix":
        return
    try:
        with open_folder(path) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_FLUSH:
            raise


def append_to_file(path: Path, text: str) -> None:
    """Add to a file that grows. Raises RunError as `write_file` does; a part may be added then."""
    with reporting_disk_errors(path), path.open("a") as file:
        file.write(text)


def flush_file(path: Path) -> None:
    """Let what was added to a file reach the disk. Raises RunError if it does not."""
    with reporting_disk_errors(path), path.open("r+b") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: object) -> None:
    """Write a dataclass or JSON values as JSON, as `write_file` writes."""
    write_file(path, json.dumps(to_json(value), indent=1, allow_nan=False) + "\n")


@contextmanager
def reporting_disk_errors(path: Path) -> Iterator[None]:
    """Turn what a disk may answer to a write of `path` into a RunError of one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise RunError(
                f"{path}: no space left on the disk; free some, or use another disk"
            ) from error
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error


def hash_file(path: Path) -> str:
    """The SHA-256 of a file. Raises RunError if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RunError(f"{path}: expected a readable file, found: {error.strerror}") from error


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """The values of JSON. Raises ValueError for what is none, or is nested without end."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises RunError if there is none."""
    try:
        values = parse_json(path.read_text())
    except OSError as error:
        raise RunError(f"{path}: expected a readable file, found: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path}: expected JSON, found: {error}") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values


@contextmanager
def open_folder(folder: Path) -> Iterator[int]:
    """A descriptor of a folder, to flush or to lock it by."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
