import fcntl
import os
import time
from pathlib import Path

import pytest

from tenfold.disk import is_locked, locking
from tenfold.errors import RunError

BUSY = RunError("busy")


def test_a_folder_is_locked_while_one_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_locked(tmp_path) is False
    with locking(tmp_path, BUSY):
        assert is_locked(tmp_path) is True
        with pytest.raises(RunError, match="busy"), locking(tmp_path, BUSY):
            pass
        assert is_locked(tmp_path) is True
    assert is_locked(tmp_path) is False
    assert is_locked(tmp_path / "nowhere") is None
    monkeypatch.setattr("tenfold.disk.fcntl", None)
    with locking(tmp_path, BUSY):
        assert is_locked(tmp_path) is None


def test_a_file_system_without_locks_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locking(tmp_path, BUSY):
        assert is_locked(tmp_path) is None


def test_whoever_looks_hinders_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking holds the folder for a moment: others may look, and who wants it waits as long."""
    looking = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert is_locked(tmp_path) is False
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        os.close(looking)

    monkeypatch.setattr(time, "sleep", sleep)
    with locking(tmp_path, BUSY):
        assert is_locked(tmp_path) is True
    assert len(slept) == 1
