import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import tenfold
import tenfold.workflow.study
from tenfold.cli import main
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages
from tenfold.errors import RunError, StudyError
from tenfold.runs.config import DEFAULT_THREADS, RunConfig
from tenfold.runs.folder import load_config, lock_run, read_state
from tenfold.studies.study import load_study, write_study
from tenfold.workflow.seed_trainer import SeedTrainer
from tenfold.workflow.study import _train_on_cluster
from tiny_studies import TINY, Calls, list_files


def test_a_run_resumed_with_other_threads_is_refused(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    leave_stopped(small_data, copy / "runs/3")
    tenfold.resume(copy / "runs/3", threads=1)
    message = f"{copy}/runs/3: the run was resumed with threads 1 instead of 2, so its weights"
    with pytest.raises(StudyError, match=f"^{re.escape(message)}"):
        tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)


def forget(folder: Path, seed: int) -> None:
    """Take a run out of study.json, as a study leaves it that was killed before it wrote that."""
    known = load_study(folder)
    kept = tuple(run for run in known.runs if run.seed != seed)
    write_study(tenfold.Study(folder, known.config, kept))


def test_a_finished_run_missing_in_study_json_is_added(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    changed = (copy / "runs/1/state.json").stat().st_mtime_ns
    done = tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert calls == [([1], 1)]
    assert done.runs == study.runs
    assert (copy / "runs/1/state.json").stat().st_mtime_ns == changed


def test_an_unfinished_run_is_trained_anew(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    (copy / "runs/1/state.json").write_text('{"state": "running"}')
    (copy / "runs/1/model.safetensors").unlink()
    threads = study.runs[1].threads
    done = tenfold.study("classic", seeds=3, data=small_data, out=copy, jobs=1, **TINY)
    assert done.runs[1].threads == threads
    assert done.runs[1].weights_sha256 == study.runs[1].weights_sha256
    assert done.runs[1].mistakes == study.runs[1].mistakes
    assert tenfold.load_run(copy / "runs/1").accuracy == pytest.approx(study.accuracies[1])


def leave_stopped(small_data: Path, out: Path, **changes: Any) -> RunConfig:
    """A run in `out` that was stopped after the first of its two epochs, as a study leaves it."""

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    asked: dict[str, Any] = {"seed": 3, "by_epoch": True, **TINY}
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(data=small_data, out=out, report=False, on_progress=stop, **asked | changes)
    return load_config(out, read_state(out))


def test_a_stopped_seed_is_resumed_from_its_checkpoint(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    began = leave_stopped(small_data, copy / "runs/3")
    (copy / "runs/3/config.json").touch()
    written = (copy / "runs/3/config.json").stat().st_mtime_ns
    done = tenfold.study("classic", seeds=4, data=small_data, out=copy, alone=0, **TINY)
    assert calls == [([3], 1)]
    assert done.runs[3].started == began.started
    assert (copy / "runs/3/config.json").stat().st_mtime_ns == written
    assert len(done.runs[3].epoch_accuracies) == 2


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_seed_finished_by_resume_is_part_of_the_study(
    is_watched: bool,
    small_data: Path,
    copy: Path,
    calls: Calls,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`tenfold train --resume`, or a study with or without accuracies by epoch."""
    for seed in (3, 4):
        leave_stopped(small_data, copy / f"runs/{seed}", seed=seed, by_epoch=is_watched)
    for flags, report in (
        ([], "`tenfold evaluate` writes it"),
        (["--json"], '"report": null'),
    ):
        assert main(["train", "--resume", str(copy / "runs/3"), *flags]) == 0
        assert report in capsys.readouterr().out
    asked: dict[str, Any] = {"data": small_data, "out": copy, "by_epoch": not is_watched, **TINY}
    done = tenfold.study("classic", seeds=5, **asked)
    assert [len(run.epoch_accuracies) for run in done.runs[3:]] == 2 * [2 * is_watched]
    assert load_study(copy) == done
    assert tenfold.study("classic", seeds=5, **asked) == done


def test_incomplete_epoch_accuracies_are_dropped(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    """Runs that were resumed with other wishes than they began with had such, once."""
    forget(copy, 1)
    evaluation = json.loads((copy / "runs/1/evaluation.json").read_text())
    evaluation["training"]["epoch_accuracies"].pop()
    (copy / "runs/1/evaluation.json").write_text(json.dumps(evaluation))
    done = tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert done.runs[1].epoch_accuracies == ()
    assert load_study(copy).runs == done.runs


def test_a_locked_seed_is_not_trained(small_data: Path, copy: Path, calls: Calls) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    before = {name: (run / name).stat() for name in list_files(run)}
    message = f"{run}: the run is locked: another process is training it"
    for _ in range(2):  # with a checkpoint, and before there is one
        with lock_run(run), pytest.raises(RunError, match=f"^{re.escape(message)}$"):
            tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
        assert {name: (run / name).stat() for name in list_files(run)} == before
        (run / "checkpoint.safetensors").unlink(missing_ok=True)
        before.pop("checkpoint.safetensors", None)


def test_an_unreadable_checkpoint_is_kept(small_data: Path, copy: Path, calls: Calls) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    saved = (run / "checkpoint.safetensors").rename(copy / "saved")
    (run / "checkpoint.safetensors").mkdir()  # which reading fails on, as on a disk that does
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: cannot be read: Is a directory"):
        tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
    (run / "checkpoint.safetensors").rmdir()
    saved.rename(run / "checkpoint.safetensors")
    assert len(tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY).runs) == 4


def leave_damaged(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run)
    (run / "checkpoint.safetensors").write_bytes(b"damaged")


def leave_of_another_recipe(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run, epochs=3)


def leave_with_other_threads(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run, threads=1)


def leave_resumed_with_other_threads(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tenfold.resume(run, threads=1, on_progress=stop)


def leave_of_another_torch(small_data: Path, run: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.workflow.arguments.list_versions", lambda: {"torch": "1.0"})
        leave_stopped(small_data, run)


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (leave_damaged, "/checkpoint.safetensors: the checkpoint is damaged: .*"),
        (
            leave_of_another_recipe,
            ": the run has another recipe, data or number of threads",
        ),
        (
            leave_with_other_threads,
            ": the run has another recipe, data or number of threads",
        ),
        (
            leave_resumed_with_other_threads,
            ": the run would be resumed with threads 1 instead of 2",
        ),
        (
            leave_of_another_torch,
            ": the run would be resumed with torch .* instead of 1.0; .*",
        ),
    ],
)
def test_a_seed_that_cannot_be_resumed_starts_again_with_a_warning(
    leave: Callable[[Path, Path], None],
    reason: str,
    small_data: Path,
    copy: Path,
    calls: Calls,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = copy / "runs/3"
    leave(small_data, run)
    done = tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
    assert done.runs[3].seed == 3
    said = caplog.messages[-1]
    assert re.fullmatch(f"tenfold: {re.escape(str(run))}{reason}; seed 3 begins anew", said)
    assert not list((copy / "runs").glob(".*"))


def test_a_stopped_run_with_an_edited_config_is_kept(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    with (run / "config.json").open("a") as file:
        file.write("\n")
    before = list_files(copy)
    with pytest.raises(RunError, match=r"config\.json: changed after training") as raised:
        tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
    assert raised.value.__notes__ == [f"if {run} is not needed, move it away"]
    assert list_files(copy) == before


def test_on_a_cluster_a_stopped_run_stays_until_it_is_replaced(
    study: tenfold.Study,
    small_data: Path,
    copy: Path,
    calls: Calls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    before = list_files(run)
    training = SeedTrainer(
        path=copy,
        config=study.config,
        threads=DEFAULT_THREADS,
        by_epoch=True,
    )

    def run_here(
        train_into: Callable[[Path, int], object], seeds: Sequence[int], *_: int, **__: object
    ) -> Iterator[tuple[int, dict[str, bytes]] | None]:
        """As `run_seeds_on_ray`, without Ray."""
        for seed in seeds:
            yield None
            out = tmp_path / str(seed)
            train_into(out, seed)
            yield seed, {path.name: path.read_bytes() for path in out.iterdir()}

    (copy / "runs/.3.tmp").mkdir()  # as a call that was killed leaves it
    monkeypatch.setattr("tenfold.cluster.studies.run_seeds_on_ray", run_here)
    landed = _train_on_cluster(training, [0, 3], 1, num_cores=1)
    taken = next(landed)
    assert taken is not None
    assert taken.weights_sha256 == study.runs[0].weights_sha256
    assert next(landed) is None
    assert list_files(run) == before
    landed_run = next(landed)
    assert landed_run is not None
    assert landed_run.seed == 3
    assert tenfold.load_run(run).config.seed == 3
    assert {path.name for path in (copy / "runs").iterdir()} == {"0", "1", "2", "3"}
    message = "the run is locked: another process is training it"
    shutil.rmtree(run)
    leave_stopped(small_data, run)
    with lock_run(run), pytest.raises(RunError, match=message):
        next(_train_on_cluster(training, [3], 1, num_cores=1))


def test_a_run_of_another_recipe_is_not_taken(small_data: Path, copy: Path, calls: Calls) -> None:
    forget(copy, 1)
    shutil.rmtree(copy / "runs/1")
    other = TINY | {"epochs": 1}
    tenfold.train("classic", seed=1, data=small_data, out=copy / "runs/1", report=False, **other)
    with pytest.raises(StudyError, match="runs/1: the finished run there is not seed 1"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert tenfold.load_run(copy / "runs/1").config.recipe.epochs == 1  # it is not thrown away


def test_a_run_of_another_seed_is_not_taken(small_data: Path, copy: Path, calls: Calls) -> None:
    forget(copy, 1)
    shutil.rmtree(copy / "runs/1")
    shutil.copytree(copy / "runs/0", copy / "runs/1")
    with pytest.raises(StudyError, match="runs/1: the finished run there is not seed 1"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)


def test_a_run_of_other_data_is_not_taken(
    small_data: Path, copy: Path, calls: Calls, test_images: LabelledImages, tmp_path: Path
) -> None:
    other = shutil.copytree(small_data, tmp_path / "data")
    (other / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
    forget(copy, 1)
    shutil.rmtree(copy / "runs/1")
    tenfold.train("classic", seed=1, data=other, out=copy / "runs/1", report=False, **TINY)
    before = list_files(copy)
    message = (
        f"{copy}/runs/1: the finished run there is not seed 1 of this study: the recipe, seed, "
        "data or threads differ. Move it away."
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert list_files(copy) == before
    assert [run.seed for run in load_study(copy).runs] == [0, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "config.json: changed after training wrote it: its SHA-256 is "),
        ("model.safetensors", "model.safetensors: changed after training wrote it: its SHA"),
    ],
)
def test_an_altered_run_is_refused_and_stays(
    name: str, message: str, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    with (copy / "runs/1" / name).open("ab") as file:
        file.write(b"\n")
    before = {path: (copy / path).read_bytes() for path in list_files(copy)}
    with pytest.raises(RunError, match=f"^{re.escape(f'{copy}/runs/1/{message}')}") as raised:
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert raised.value.__notes__ == [f"if {copy}/runs/1 is not needed, move it away"]
    assert {path: (copy / path).read_bytes() for path in list_files(copy)} == before


@pytest.mark.parametrize("state", [None, "", "[]", '{"state": "stopped"}', '"running"'])
def test_a_run_with_an_invalid_state_is_kept(
    state: str | None, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    (copy / "runs/1/state.json").unlink()
    if state is not None:
        (copy / "runs/1/state.json").write_text(state)
    before = list_files(copy)
    with pytest.raises(RunError, match="runs/1"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert list_files(copy) == before


def test_a_run_that_was_killed_before_its_first_file_is_trained(
    small_data: Path, tmp_path: Path, calls: Calls
) -> None:
    (tmp_path / "runs/0").mkdir(parents=True)
    (tmp_path / "runs/0/.state.json.12.tmp").touch()
    assert len(tenfold.study("classic", seeds=1, data=small_data, out=tmp_path, **TINY).runs) == 1


def test_a_run_of_other_images_is_not_taken(small_data: Path, copy: Path, calls: Calls) -> None:
    (copy / "study.json").unlink()
    with pytest.raises(StudyError, match="not seed 0 of this study: the recipe, seed, data"):
        tenfold.study("classic", seeds=1, holdout=True, data=small_data, out=copy, **TINY)
    assert not tenfold.load_run(copy / "runs/0").config.holdout


def test_files_of_other_programs_are_kept(small_data: Path, tmp_path: Path, calls: Calls) -> None:
    (tmp_path / "runs/0").mkdir(parents=True)
    (tmp_path / "runs/0/thesis.tex").touch()
    message = "runs/0: not a run folder: it has no config.json"
    with pytest.raises(RunError, match=message) as raised:
        tenfold.study("classic", seeds=1, data=small_data, out=tmp_path, **TINY)
    assert raised.value.__notes__ == [f"if {tmp_path}/runs/0 is not needed, move it away"]
    assert (tmp_path / "runs/0/thesis.tex").exists()
