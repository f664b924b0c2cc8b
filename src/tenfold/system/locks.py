"""Folders locked by one process at a time; a lock ends with its process, however that ends."""

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

SECONDS_TO_LOCK = 0.5  # a process that only asks whether a folder is locked is done sooner


@contextmanager
def locking(folder: Path, busy: TenfoldError) -> Iterator[None]:
    """Hold a folder for this process; it is free again when the process ends, in any way.

    Raises `busy` if another process holds it. Where the system has no such locks, nothing is held.
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
    """Whether a process holds a folder; None where that cannot be told."""
    if fcntl is None:
        return None
    try:
        with open_folder(folder) as descriptor:  # shared, for whoever else looks
            is_free = _try_to_lock(descriptor, fcntl.LOCK_SH)
    except OSError:
        return None
    return None if is_free is None else not is_free


def _try_to_lock(descriptor: int, kind: int) -> bool | None:
    """Lock a folder until it is closed; False if another process's lock is in the way.

    None where the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
