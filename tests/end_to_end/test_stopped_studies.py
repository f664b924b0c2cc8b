"""Studies in processes of their own that are killed or interrupted, and go on."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import tenfold
import tenfold.workflow.study
from forcing import depending_on_threads
from groups import check_that_all_end
from tenfold.errors import StudyError
from tenfold.studies.study import load_study

# Each seed trains for about half a second.
SLOW: dict[str, Any] = {"hidden_sizes": [16], "epochs": 20, "batch_size": 20}
NUM_SLOW_SEEDS = 5


@pytest.fixture(scope="module", autouse=True)
def _bits_that_depend_on_threads() -> Iterator[None]:
    with depending_on_threads():
        yield


@pytest.fixture(scope="module")
def uninterrupted(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Study:
    """What the studies that are stopped shall give in the end: here one seed follows another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
        return tenfold.study(
            "classic",
            seeds=NUM_SLOW_SEEDS,
            data=small_data,
            out=tmp_path_factory.mktemp("slow"),
            alone=0,
            jobs=1,
            **SLOW,
        )


@contextmanager
def starting_study(small_data: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    """`tenfold study` with two jobs, in a group of processes of its own that lists a run by now."""
    command = f"-m tenfold study classic --seeds {NUM_SLOW_SEEDS} --alone 0 --jobs 2 --epochs 20"
    command += f" --batch-size 20 --hidden-sizes 16 --data {small_data} --out {out}"
    with subprocess.Popen(
        [sys.executable, *command.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            wait_for_first_run(out)
            yield process
        finally:  # else a test that fails would leave processes
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_first_run(out: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (out / "study.json").exists() and load_study(out).runs:
            return
        time.sleep(0.02)
    raise TimeoutError(out)


def test_a_study_that_was_killed_is_continued_by_the_same_call(
    small_data: Path,
    tmp_path: Path,
    uninterrupted: tenfold.Study,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "study"
    with starting_study(small_data, out) as process:
        with pytest.raises(StudyError, match=f"^{re.escape(str(out))}: the study is locked"):
            tenfold.study("classic", data=small_data, out=out, **SLOW)
        process.kill()  # it alone: the processes that it began must see that it is gone
        process.wait()
        check_that_all_end(process.pid)
    before = load_study(out).runs
    assert 0 < len(before) < NUM_SLOW_SEEDS
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
    done = tenfold.study(
        "classic", seeds=NUM_SLOW_SEEDS, data=small_data, out=out, alone=0, jobs=2, **SLOW
    )
    # What was done stays as it was, down to the seconds and the time of day.
    assert {run.seed: run for run in before}.items() <= {run.seed: run for run in done.runs}.items()
    assert [run.seed for run in done.runs] == [*range(NUM_SLOW_SEEDS)]
    for run, expected in zip(done.runs, uninterrupted.runs, strict=True):
        assert run.weights_sha256 == expected.weights_sha256
        assert run.mistakes == expected.mistakes
        assert run.epoch_losses == expected.epoch_losses
        assert run.epoch_accuracies == expected.epoch_accuracies


def test_ctrl_c_stops_all_processes_and_exits_130(
    small_data: Path, tmp_path: Path, uninterrupted: tenfold.Study
) -> None:
    out = tmp_path / "study"
    with starting_study(small_data, out) as process:
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        check_that_all_end(process.pid)
    assert printed == ""
    assert errors.splitlines()[-1] == (
        f"tenfold: interrupted; the same command continues the study in {out}"
    )
    assert "Traceback" not in errors
    runs = load_study(out).runs
    assert 0 < len(runs) < NUM_SLOW_SEEDS
    expected = {run.seed: run.weights_sha256 for run in uninterrupted.runs}
    assert {run.seed: run.weights_sha256 for run in runs}.items() <= expected.items()
