"""Studies that are killed or interrupted while several processes train, and continue."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import tenfold
from end_to_end.interrupting import check_same_runs
from forcing import depending_on_threads
from processes import wait_for_group_to_end, wait_until
from tenfold.errors import StudyError
from tenfold.studies.study import load_study

# Each seed trains for about half a second.
SLOW: dict[str, Any] = {"hidden_sizes": [16], "epochs": 20, "batch_size": 20}
NUM_SEEDS = 4


@pytest.fixture(scope="module", autouse=True)
def _bits_that_depend_on_threads() -> Iterator[None]:
    with depending_on_threads():
        yield


def study(small_data: Path, out: Path, jobs: int) -> tenfold.Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
        return tenfold.study(
            "classic", seeds=NUM_SEEDS, data=small_data, out=out, alone=0, jobs=jobs, **SLOW
        )


@pytest.fixture(scope="module")
def whole(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Study:
    """A study that was not stopped, trained one seed after another in this process."""
    return study(small_data, tmp_path_factory.mktemp("slow"), jobs=1)


@contextmanager
def starting_study(
    small_data: Path, out: Path, num_seeds: int = NUM_SEEDS
) -> Iterator[subprocess.Popen[str]]:
    """`tenfold study` with two jobs in its own process group, once the first run is done."""
    command = f"-m tenfold study classic --seeds {num_seeds} --alone 0 --jobs 2 --epochs 20"
    command += f" --batch-size 20 --hidden-sizes 16 --data {small_data} --out {out}"
    with subprocess.Popen(
        [sys.executable, *command.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            wait_until(lambda: (out / "study.json").exists() and bool(load_study(out).runs))
            yield process
        finally:  # a failing test must not leave processes behind
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_killed_study_continues_to_the_same_bits(
    small_data: Path, tmp_path: Path, whole: tenfold.Study
) -> None:
    out = tmp_path / "study"
    with starting_study(small_data, out) as process:
        with pytest.raises(StudyError) as raised:  # it is locked
            tenfold.study("classic", data=small_data, out=out, **SLOW)
        assert str(raised.value).startswith(f"{out}: ")
        process.kill()  # its worker processes must notice and end
        process.wait()
        wait_for_group_to_end(process.pid)
    before = load_study(out).runs
    assert 0 < len(before) < NUM_SEEDS
    done = study(small_data, out, jobs=2)
    # Completed runs stay as they were, down to their seconds and the time of day.
    assert {run.seed: run for run in before}.items() <= {run.seed: run for run in done.runs}.items()
    check_same_runs(done.runs, whole.runs)


def test_ctrl_c_stops_all_processes_of_a_study_and_exits_130(
    small_data: Path, tmp_path: Path, whole: tenfold.Study
) -> None:
    out, many = tmp_path / "study", 20 * NUM_SEEDS  # not done before the signal arrives
    with starting_study(small_data, out, many) as process:
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        wait_for_group_to_end(process.pid)
    assert printed == ""
    message = errors.splitlines()[-1]
    assert message.startswith("tenfold: interrupted")
    assert str(out) in message
    assert "Traceback" not in errors
    runs = load_study(out).runs
    assert 0 < len(runs) < many
    found = {run.seed: run.weights_sha256 for run in runs}
    for run in whole.runs:
        assert found.get(run.seed, run.weights_sha256) == run.weights_sha256
