"""Studies on a Ray of two workers give what they give in one process."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import tenfold
from cluster.workers import NUM_SLOW_SEEDS, SLOW, list_workers, needs_cluster_extra, wait_until
from tenfold.cluster.connecting import Cluster
from tenfold.cluster.studies import (
    PackedFile,
    _find_session_folder,
    _making_room,
    _unpack,
    run_seeds_on_ray,
)
from tenfold.errors import ClusterError, RunError, StudyError
from tenfold.recipes.catalogue import (
    RECIPES,
)
from tenfold.runs.run import load_run
from tenfold.studies.study import StudyConfig, load_study
from tenfold.workflow.study import SeedTraining, StudyProgress

pytestmark = needs_cluster_extra
TINY: dict[str, Any] = {"hidden_sizes": [16], "epochs": 2}


@pytest.fixture(autouse=True)
def _without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)


def train_here(monkeypatch: pytest.MonkeyPatch, **asked: Any) -> tenfold.Study:
    """A study whose seeds are trained one after another by this process."""

    def run_here(
        train_seed: Callable[[int], Any], seeds: Sequence[int], num_jobs: int
    ) -> Iterator[Any]:
        yield from map(train_seed, seeds)

    monkeypatch.setattr("tenfold.workflow.study.run_seeds", run_here)
    return tenfold.study("classic", alone=0, **asked)


def check_same(study: tenfold.Study, expected: tenfold.Study) -> None:
    assert [run.seed for run in study.runs] == [run.seed for run in expected.runs]
    for run, other in zip(study.runs, expected.runs, strict=True):
        assert run.weights_sha256 == other.weights_sha256
        assert run.mistakes == other.mistakes
        assert run.epoch_losses == other.epoch_losses
        assert run.epoch_accuracies == other.epoch_accuracies
        assert load_run(study.path / "runs" / str(run.seed)).config.seed == run.seed
    assert load_study(study.path).runs == study.runs


def test_a_study_on_two_workers_is_that_of_one_process(
    cluster: Cluster, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"data": small_data, **TINY}
    out = tmp_path / "study"
    (out / "runs/.1.tmp").mkdir(parents=True)  # as a call that was killed leaves it
    seen: list[StudyProgress] = []
    study = tenfold.study("classic", seeds=2, out=out, on="ray", on_progress=seen.append, **asked)
    check_same(study, train_here(monkeypatch, seeds=2, out=tmp_path / "other", **asked))
    assert {path.name for path in (out / "runs").iterdir()} == {"0", "1"}
    assert [one.num_done for one in seen if one.newest is not None] == [1, 2]
    # A run that study.json lacks is taken as it is; only what is missing is trained.
    (out / "study.json").unlink()
    started = (out / "runs/0/config.json").stat().st_mtime_ns
    longer = tenfold.study("classic", seeds=3, out=out, on="ray", **asked)
    assert longer.runs[:2] == study.runs
    assert [run.seed for run in longer.runs] == [0, 1, 2]
    assert (out / "runs/0/config.json").stat().st_mtime_ns == started


def test_a_seed_that_diverges_says_so_and_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    # No recipe in range was found that diverges so far, so the training is replaced.
    def diverge(out: Path, seed: int) -> None:
        out.mkdir()
        error = RunError(f"{out}: training diverged in epoch 1")
        error.add_note(f"the unfinished run stays in {out}")
        raise error

    with pytest.raises(RunError) as raised:
        list(run_seeds_on_ray(diverge, [3], 2, num_cores=1, folder=tmp_path / "runs"))
    # It speaks of the folder where the run would be, not of the worker's own.
    assert str(raised.value) == f"{tmp_path}/runs/3: training diverged in epoch 1"
    assert raised.value.__notes__ == [f"seed 3, on {socket.gethostname()}"]
    assert list((tmp_path / "runs").iterdir()) == []


def test_who_stops_asking_stops_the_tasks(cluster: Cluster, tmp_path: Path) -> None:
    def sleep(out: Path, seed: int) -> None:
        out.mkdir()
        time.sleep(0 if seed == 9 else 60)

    landed = run_seeds_on_ray(sleep, range(9), 2, num_cores=1, folder=tmp_path)
    assert next(landed) is None  # about once a second, so that progress can be shown
    # A task has its name before it has written anything.
    wait_until(lambda: len(list(_find_session_folder().glob("tenfold/*/*"))) == 2)
    assert len(list_workers("tenfold study")) == 2
    landed.close()  # type: ignore[attr-defined]
    wait_until(lambda: not list_workers("tenfold study"))
    assert list(tmp_path.iterdir()) == []
    # What the killed workers wrote lies in Ray's folder, and the next task removes it.
    assert len(list(_find_session_folder().glob("tenfold/*/*"))) == 2
    landed = run_seeds_on_ray(sleep, [9], 1, num_cores=1, folder=tmp_path)
    assert [one for one in landed if one] == [9]
    assert list(_find_session_folder().glob("tenfold/*")) == []


def test_only_what_is_left_of_processes_that_are_gone_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    for process in (gone.pid, os.getppid(), os.getpid()):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "losses.jsonl").write_text("")
    with _making_room(tmp_path) as own:
        assert own == tmp_path / str(os.getpid())
        assert list(own.iterdir()) == []
        assert {path.name for path in tmp_path.iterdir()} == {own.name, str(os.getppid())}
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getppid())]


def test_no_run_has_a_cluster_to_itself() -> None:
    message = "--alone: expected 0 with --on ray, found 2: no run has a cluster to itself"
    with pytest.raises(StudyError, match=f"^{message}$"):
        tenfold.study("classic", alone=2, on="ray")


def test_a_folder_that_a_worker_does_not_see_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    config = StudyConfig(
        recipe=RECIPES["classic"],
        holdout=False,
        data_folder=str(missing),
        checksums={},
        num_evaluated=0,
    )
    message = f"--data: expected {missing} on every machine of the cluster, found nothing there"
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        SeedTraining(
            path=tmp_path,
            config=config,
            threads=1,
            by_epoch=False,
        ).train_where_it_lies(tmp_path / "out", 0)


def test_a_file_that_is_not_what_the_worker_sent_is_refused(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"sent").hexdigest()
    _unpack([PackedFile(name="a", content=b"sent", sha256=sha256)], tmp_path / "0")
    assert (tmp_path / "0/a").read_bytes() == b"sent"
    message = (
        f"{tmp_path}/1/a: expected what the worker sent (SHA-256 {sha256}), found other bytes. "
        "Try again."
    )
    with pytest.raises(ClusterError, match=f"^{re.escape(message)}$"):
        _unpack([PackedFile(name="a", content=b"other", sha256=sha256)], tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


@pytest.mark.heavy
def test_a_worker_that_is_killed_costs_a_study_nothing_but_time(
    cluster: Cluster, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"seeds": NUM_SLOW_SEEDS, "data": small_data, **SLOW}
    killed = []

    def kill_one() -> None:
        wait_until(lambda: list_workers("tenfold study"))
        [worker, *_] = list_workers("tenfold study")
        os.kill(worker.pid, signal.SIGKILL)
        killed.append(worker.pid)

    killing = threading.Thread(target=kill_one)
    killing.start()
    study = tenfold.study("classic", out=tmp_path / "study", on="ray", **asked)
    killing.join()
    assert killed
    check_same(study, train_here(monkeypatch, out=tmp_path / "other", **asked))
    assert {path.name for path in (tmp_path / "study/runs").iterdir()} == set("0123")


@pytest.mark.heavy
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_stopped_leaves_nothing_on_the_disk(
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
        wait_until(lambda: list(temporary.glob(f"ray/{session}/tenfold/*/*/losses.jsonl")))
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1] == (
            f"tenfold: interrupted; the same command continues the study in {out}"
        )
    assert list(temporary.glob(f"ray/{session}")) == []
    assert set(temporary.glob("tenfold-*")) == before
    assert list((out / "runs").iterdir()) == []
