"""Locks on folders and files, which the system releases when the process ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from tenfold.errors import TenfoldError
from tenfold.system.files import open_folder

SECONDS_TO_LOCK = 0.5  # `is_locked` in another process holds a folder for less


@contextmanager
def locking(folder: Path, busy: TenfoldError) -> Iterator[None]:
    """Lock a folder in the context. Raises `busy` if another process has locked it.

    Where the system has no such locks, nothing is locked.
    """
    if fcntl is None:
        yield
        return
    deadline = time.monotonic() + SECONDS_TO_LOCK
    with open_folder(folder) as descriptor:
        while _try_to_lock(descriptor, fcntl.LOCK_EX) is False:
            if time.monotonic() > deadline:
                raise busy
            time.sleep(0.01)
        yield


def is_locked(folder: Path) -> bool | None:
    """Whether a process has locked a folder; None if that is unknown."""
    if fcntl is None:
        return None
    try:
        with open_folder(folder) as descriptor:  # shared with other calls of this function
            is_free = _try_to_lock(descriptor, fcntl.LOCK_SH)
    except OSError:
        return None
    return None if is_free is None else not is_free


def lock_file(descriptor: int) -> bool:
    """Lock an open file until it is closed; False if another process has locked it.

    Where the system has no such locks, nothing is locked.
    """
    return fcntl is None or _try_to_lock(descriptor, fcntl.LOCK_EX) is not False


def _try_to_lock(descriptor: int, kind: int) -> bool | None:
    """Lock a folder or file until it is closed; False if another process has locked it.

    None if the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
