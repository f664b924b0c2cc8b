"""Disks that fail while a run is trained: the error says where, and the run can be resumed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.skipif(os.name != "posix", reason="limits the file size of a process")
def test_losses_that_do_not_fit_on_the_disk_leave_a_run_that_can_be_resumed(
    small_data: Path, tmp_path: Path
) -> None:
    """On a disk that stays full, closing the file fails, too."""
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
    message = done.stderr.splitlines()[-1]
    assert message.startswith("tenfold: ")
    for part in (str(out / LOSSES), "no space left on", f"`tenfold train --resume {out}"):
        assert part in message
    run = tenfold.resume(out, threads=1)
    assert [len(epoch) for epoch in run.read_losses()] == [24] * 8
    assert not (out / CHECKPOINT).exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="makes system calls fail with strace")
@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.heavy)])
def test_a_run_can_be_resumed_after_any_write_fails(
    step: int, small_data: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, FAILING_CALLS, small_data, tmp_path, str(step)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert len(found["trials"]) >= 7
    if step > 1:
        return
    for report, num_calls in ((False, 30), (True, 15)):
        trials = [trial for trial in found["trials"] if trial["report"] == report]
        calls = {(trial["name"], trial["place"]) for trial in trials}
        assert len(calls) >= num_calls
        expected = {"write", "fsync", "rename", "openat", "mkdir"}
        assert {name for name, _ in calls} == expected | ({"unlink"} if not report else set())
