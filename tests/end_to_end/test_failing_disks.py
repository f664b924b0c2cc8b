"""Disks that fail while a run is trained: what is told of it, and that the run goes on later."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tenfold
from tenfold.run import CHECKPOINT, LOSSES

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
    run = tenfold.resume(out, threads=1, report=False)
    assert [len(epoch) for epoch in run.read_losses()] == [24] * 8
    assert not (out / CHECKPOINT).exists()
