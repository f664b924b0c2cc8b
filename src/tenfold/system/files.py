"""Atomic and durable writes of files, and reading JSON and checksums.

All files of runs and studies are written by `write_file`, except the losses, which are appended.
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

# Errors of file systems that cannot flush folders, and of folders that are not readable.
NO_FOLDER_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file atomically and durably, creating its folder if missing.

    Raises RunError if the disk is full or the file cannot be written.
    """
    # A report may contain a folder name that is not UTF-8.
    data = content.encode(errors="replace") if isinstance(content, str) else content
    with reporting_disk_errors(path):
        path.parent.mkdir(exist_ok=True)
        replace_file(path, data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file like `write_file` into an existing folder; raises OSError."""
    if path.exists() and not (path.is_file() or path.is_dir()):  # a device, which renaming replaces
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    # Not named after the process: machines that share a folder may have equal process ids.
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
    """Make a folder and its missing parents durably; raises OSError."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as error:
        reason = "there is a file where a folder should be"
        raise FileExistsError(errno.EEXIST, reason, str(path)) from error
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, if its file system supports that."""
    if os.name != "posix":
        return
    try:
        with open_folder(path) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_FLUSH:
            raise


def append_to_file(path: Path, text: str) -> None:
    """Append to a file. Raises RunError like `write_file`; part of the text may be written."""
    with reporting_disk_errors(path), path.open("a") as file:
        file.write(text)


def flush_file(path: Path) -> None:
    """Flush a file to the disk. Raises RunError if that fails."""
    with reporting_disk_errors(path), path.open("r+b") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: object) -> None:
    """Write a dataclass or JSON values as JSON, like `write_file`."""
    write_file(path, json.dumps(to_json(value), indent=1, allow_nan=False) + "\n")


@contextmanager
def reporting_disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing `path` into a RunError with a clear message."""
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
    return hashlib.sha256(read_file(path)).hexdigest()


def read_file(path: Path) -> bytes:
    """The content of a file. Raises RunError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON. Raises ValueError if it is invalid or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises RunError if it cannot be read."""
    try:
        values = parse_json(read_file(path).decode())
    except ValueError as error:
        raise RunError(f"{path}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: must be a JSON object, not {type(values).__name__}")
    return values


@contextmanager
def open_folder(folder: Path) -> Iterator[int]:
    """A file descriptor of a folder, to flush or lock it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
