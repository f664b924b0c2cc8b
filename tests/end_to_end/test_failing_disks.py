"""Disks that fail while a run is trained: what is told of it, and that the run goes on later."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tenfold
from tenfold.runs.folder import CHECKPOINT
from tenfold.runs.losses import LOSSES

FAILING_CALLS = Path(__file__).with_name("failing_calls.py")
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(sys.path),
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
}


@pytest.mark.skipif(os.name != "posix", reason="sets the largest file of a process")
def test_losses_that_find_no_room_for_good_are_told_with_the_way_on(
    small_data: Path, tmp_path: Path
) -> None:
    """As on a disk that is full and stays full: closing the file fails as well."""
    out = tmp_path / "run"
    small = ["--hidden-sizes", "2", "--epochs", "8", "--batch-size", "50", "--threads", "1"]
    limit = 'ulimit -f 4; exec "$0" -m tenfold train "$@"'
    done = subprocess.run(
        [
            *("bash", "-c", limit, sys.executable, *small, "--checkpoint-every", "0"),
            *("--data", str(small_data), "--out", str(out)),
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        f"tenfold: {out / LOSSES}: no space left on the disk; free some, or use another disk; the "
        f"unfinished run stays in {out}: `tenfold train --resume {out}"
    )
    run = tenfold.resume(out, threads=1)
    assert [len(epoch) for epoch in run.read_losses()] == [24] * 8
    assert not (out / CHECKPOINT).exists()


def fail_calls(small_data: Path, folder: Path, step: int) -> dict[str, Any]:
    """Make every `step`-th round of failing_calls.py."""
    done = subprocess.run(
        [sys.executable, FAILING_CALLS, small_data, folder, str(step)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


with_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="makes system calls fail with strace"
)


@with_strace
def test_some_writes_fail(small_data: Path, tmp_path: Path) -> None:
    found = fail_calls(small_data, tmp_path, step=17)
    assert found["wrong"] == []
    assert len(found["rounds"]) >= 12


@pytest.mark.heavy
@with_strace
def test_every_write_fails_once_and_for_good(small_data: Path, tmp_path: Path) -> None:
    """Each call that writes to the run's folder; then the run goes on."""
    found = fail_calls(small_data, tmp_path, step=1)
    assert found["wrong"] == []
    for report, num_calls in ((False, 30), (True, 15)):
        rounds = [one for one in found["rounds"] if one["report"] == report]
        calls = {(one["name"], one["place"]) for one in rounds}
        assert len(calls) >= num_calls
        expected = {"write", "fsync", "rename", "openat", "mkdir"}
        assert {name for name, _ in calls} == expected | ({"unlink"} if not report else set())
