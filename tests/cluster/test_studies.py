"""Studies on a local Ray with two workers."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

import tenfold
from cluster.workers import list_workers, needs_cluster_extra
from end_to_end.interrupting import check_same_runs
from processes import wait_until
from tenfold.cluster.connecting import Cluster
from tenfold.cluster.studies import run_seeds_on_ray
from tenfold.errors import RunError, StudyError
from tenfold.runs.folder import load_run
from tenfold.studies.study import load_study
from tenfold.workflow.study_progress import StudyProgress

pytestmark = needs_cluster_extra


@pytest.fixture(autouse=True)
def _without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)


def test_a_study_on_two_workers_equals_that_of_one_process(
    cluster: Cluster, small_data: Path, tmp_path: Path, in_this_process: None
) -> None:
    asked: dict[str, Any] = {"data": small_data, "hidden_sizes": [16], "epochs": 2}
    out = tmp_path / "study"
    seen: list[StudyProgress] = []
    study = tenfold.study("classic", seeds=2, out=out, on="ray", on_progress=seen.append, **asked)
    expected = tenfold.study("classic", seeds=2, out=tmp_path / "other", alone=0, **asked)
    check_same_runs(study.runs, expected.runs)
    for run in study.runs:
        assert load_run(out / "runs" / str(run.seed)).config.seed == run.seed
    assert load_study(out).runs == study.runs
    assert {path.name for path in (out / "runs").iterdir()} == {"0", "1"}
    assert [one.num_done for one in seen if one.newest is not None] == [1, 2]
    # A finished run that study.json lacks is used; only the missing seed is trained.
    (out / "study.json").unlink()
    started = (out / "runs/0/config.json").stat().st_mtime_ns
    longer = tenfold.study("classic", seeds=3, out=out, on="ray", **asked)
    assert longer.runs[:2] == study.runs
    assert [run.seed for run in longer.runs] == [0, 1, 2]
    assert (out / "runs/0/config.json").stat().st_mtime_ns == started


def test_an_error_of_a_worker_names_the_folder_of_the_run(cluster: Cluster, tmp_path: Path) -> None:
    def diverge(out: Path, seed: int) -> None:
        out.mkdir()
        error = RunError(f"{out}: training diverged in epoch 1")
        error.add_note(f"the unfinished run stays in {out}")
        raise error

    with pytest.raises(RunError) as raised:
        list(run_seeds_on_ray(diverge, [3], 2, num_cores=1, folder=tmp_path / "runs"))
    assert str(raised.value) == f"{tmp_path}/runs/3: training diverged in epoch 1"
    assert raised.value.__notes__ == [f"seed 3, on {socket.gethostname()}"]
    assert list(tmp_path.iterdir()) == []


def test_closing_the_iterator_stops_the_tasks(cluster: Cluster, tmp_path: Path) -> None:
    def sleep(out: Path, seed: int) -> None:
        (tmp_path / str(seed)).touch()
        time.sleep(60)

    done = run_seeds_on_ray(sleep, range(9), 2, num_cores=1, folder=tmp_path / "runs")
    assert next(done) is None  # about once a second, so that progress can be shown
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    assert len(list_workers("tenfold study")) == 2
    done.close()  # type: ignore[attr-defined]
    wait_until(lambda: not list_workers("tenfold study"))
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def test_a_seed_is_retried_if_its_worker_dies(cluster: Cluster, tmp_path: Path) -> None:
    def die_once(out: Path, seed: int) -> None:
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (out / "figures").mkdir(parents=True)
        (out / "figures/a.png").write_bytes(b"a")

    done = run_seeds_on_ray(die_once, [5], 2, num_cores=1, folder=tmp_path / "runs")
    assert [one for one in done if one] == [(5, {"figures/a.png": b"a"})]
    assert (tmp_path / "died").exists()


def test_alone_cannot_be_combined_with_ray() -> None:
    with pytest.raises(StudyError, match="--alone cannot be combined with --on ray"):
        tenfold.study("classic", alone=2, on="ray")


@pytest.mark.heavy
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_study_leaves_no_files(
    how: signal.Signals, small_data: Path, tmp_path: Path
) -> None:
    out, temporary = tmp_path / "study", Path(tempfile.gettempdir())
    command = "-m tenfold study classic --seeds 2 --on ray --epochs 5000 --hidden-sizes 16"
    command += f" --batch-size 100 --data {small_data} --out {out}"
    before = set(temporary.glob("tenfold-*"))
    with subprocess.Popen(
        [sys.executable, *command.split()],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        session = f"session_*_{process.pid}"
        wait_until(lambda: any(temporary.glob(f"ray/{session}/tenfold-*/*/losses.jsonl")))
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1] == (
            f"tenfold: interrupted; the same command continues the study in {out}"
        )
    assert list(temporary.glob(f"ray/{session}")) == []
    assert set(temporary.glob("tenfold-*")) == before
    assert not (out / "runs").exists()
