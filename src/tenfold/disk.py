"""Files on a disk: written so that whatever happens the old or the new one is there. No torch.

All that a run or a study writes, but for the growing losses, goes through `write_file`.
"""

import errno
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from tenfold.errors import RunError, TenfoldError

LOCK_TRIES = 20


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
    if os.name == "posix":  # the new name must reach the disk too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON as `write_file` writes."""
    write_file(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


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


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises RunError if there is none."""
    try:
        values = json.loads(path.read_text())
    except OSError as error:
        raise RunError(f"{path}: expected a readable file, found: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path}: expected JSON, found: {error}") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values


@contextmanager
def locking(folder: Path, busy: TenfoldError) -> Iterator[None]:
    """Hold a folder for this process; it is free again when the process ends, in any way.

    Raises `busy` if another process holds it. Where the system has no such locks, nothing is held.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(LOCK_TRIES):
            if _lock(descriptor, fcntl.LOCK_EX) is not False:
                break
            time.sleep(0.01)  # it may only be looked at: `is_locked` holds it for a moment
        else:
            raise busy
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool | None:
    """Whether a process holds a folder; None where that cannot be told."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        is_free = _lock(descriptor, fcntl.LOCK_SH)  # several may look at once
    finally:
        os.close(descriptor)
    return None if is_free is None else not is_free


def _lock(descriptor: int, kind: int) -> bool | None:
    """Whether a lock could be taken at once; None where a file system has none."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
