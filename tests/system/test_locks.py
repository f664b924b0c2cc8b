import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold.errors import RunError
from tenfold.system.locks import is_locked, locking

pytestmark = pytest.mark.skipif(os.name != "posix", reason="where there are locks")
LOOKER = """
import pathlib, sys
from tenfold.system.locks import (is_locked,)
print("looking", flush=True)
while True:
    is_locked(pathlib.Path(sys.argv[1]))
"""


def test_checking_a_lock_does_not_block_locking(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LOOKER, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as looker:
        try:
            assert looker.stdout is not None
            looker.stdout.readline()
            for _ in range(3000):
                with locking(tmp_path, RunError("busy")):
                    pass
                assert not is_locked(tmp_path)  # another who looks does not hold it
        finally:
            looker.kill()
    with locking(tmp_path, RunError("busy")):
        assert is_locked(tmp_path)
        with pytest.raises(RunError, match=r"^busy$"), locking(tmp_path, RunError("busy")):
            pass


def test_several_processes_can_check_a_lock_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool | None] = []
    close = os.close

    def look_and_close(descriptor: int) -> None:
        monkeypatch.undo()
        found.append(is_locked(tmp_path))  # while the first still looks
        close(descriptor)

    monkeypatch.setattr(os, "close", look_and_close)
    found.append(is_locked(tmp_path))
    assert found == [False, False]


def test_without_file_locks_the_answer_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    assert is_locked(tmp_path) is False
    assert is_locked(tmp_path / "nowhere") is None
    monkeypatch.setattr("fcntl.flock", fail)  # a file system without
    with locking(tmp_path, RunError("busy")):
        assert is_locked(tmp_path) is None
    monkeypatch.setattr("tenfold.system.locks.fcntl", None)  # a system without
    with locking(tmp_path, RunError("busy")):
        assert is_locked(tmp_path) is None
