import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import tenfold
from tenfold.cli import main
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages
from tenfold.errors import RunError, StudyError
from tenfold.runs.config import DEFAULT_THREADS
from tenfold.runs.folder import lock_run
from tenfold.studies.study import load_study
from tenfold.workflow.seed_trainer import SeedTrainer
from tenfold.workflow.study import _train_on_cluster
from tiny_studies import TINY, list_files
from workflow.continued import Continued, stop


def test_a_run_resumed_with_other_threads_is_refused(again: Continued) -> None:
    run = again.leave_stopped()
    tenfold.resume(run, threads=1)
    message = f"{run}: the run was resumed with threads 1 instead of 2, so its weights"
    with pytest.raises(StudyError, match=f"^{re.escape(message)}"):
        again.train()


def test_a_finished_run_missing_in_study_json_is_added(
    study: tenfold.Study, again: Continued
) -> None:
    state = again.forget(1) / "state.json"
    changed = state.stat().st_mtime_ns
    done = again.train(3)
    assert again.calls == [([1], 1)]
    assert done.runs == study.runs
    assert state.stat().st_mtime_ns == changed


def test_an_unfinished_run_is_trained_anew(study: tenfold.Study, again: Continued) -> None:
    run = again.forget(1)
    (run / "state.json").write_text('{"state": "running"}')
    (run / "model.safetensors").unlink()
    new, old = again.train(3, jobs=1).runs[1], study.runs[1]
    assert new.threads == old.threads
    assert new.weights_sha256 == old.weights_sha256
    assert new.mistakes == old.mistakes
    assert tenfold.load_run(run).accuracy == pytest.approx(study.accuracies[1])


def test_a_stopped_seed_is_resumed_from_its_checkpoint(again: Continued) -> None:
    config = again.leave_stopped() / "config.json"
    config.touch()
    written, started = config.stat().st_mtime_ns, json.loads(config.read_text())["started"]
    done = again.train(alone=0)
    assert again.calls == [([3], 1)]
    assert done.runs[3].started == started
    assert config.stat().st_mtime_ns == written
    assert len(done.runs[3].epoch_accuracies) == 2


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_seed_finished_by_resume_is_part_of_the_study(
    is_watched: bool, again: Continued, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tenfold train --resume`, or a study with or without accuracies by epoch."""
    for seed in (4, 3):
        run = again.leave_stopped(seed, by_epoch=is_watched)
    for flags, report in (([], "`tenfold evaluate` writes it"), (["--json"], '"report": null')):
        assert main(["train", "--resume", str(run), *flags]) == 0
        assert report in capsys.readouterr().out
    done = again.train(5, by_epoch=not is_watched)
    assert [len(run.epoch_accuracies) for run in done.runs[3:]] == 2 * [2 * is_watched]
    assert load_study(again.path) == done
    assert again.train(5, by_epoch=not is_watched) == done


def test_incomplete_epoch_accuracies_are_dropped(again: Continued) -> None:
    """Runs that were resumed with other wishes than they began with had such, once."""
    file = again.forget(1) / "evaluation.json"
    evaluation = json.loads(file.read_text())
    evaluation["training"]["epoch_accuracies"].pop()
    file.write_text(json.dumps(evaluation))
    done = again.train(3)
    assert done.runs[1].epoch_accuracies == ()
    assert load_study(again.path).runs == done.runs


def test_a_locked_seed_is_not_trained(again: Continued) -> None:
    run = again.leave_stopped()

    def find_written() -> dict[str, tuple[int, int]]:
        files = {name: (run / name).stat() for name in list_files(run)}
        return {name: (file.st_mtime_ns, file.st_size) for name, file in files.items()}

    before = find_written()
    message = f"{run}: the run is locked: another process is training it"
    for _ in range(2):  # with a checkpoint, and before there is one
        with lock_run(run), pytest.raises(RunError, match=f"^{re.escape(message)}$"):
            again.train()
        assert find_written() == before
        (run / "checkpoint.safetensors").unlink(missing_ok=True)
        before.pop("checkpoint.safetensors", None)


def test_an_unreadable_checkpoint_is_kept(again: Continued) -> None:
    checkpoint = again.leave_stopped() / "checkpoint.safetensors"
    saved = checkpoint.rename(again.path / "saved")
    checkpoint.mkdir()  # which reading fails on, as on a disk that does
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: cannot be read: Is a directory"):
        again.train()
    checkpoint.rmdir()
    saved.rename(checkpoint)
    assert len(again.train().runs) == 4


def leave_damaged(again: Continued) -> None:
    (again.leave_stopped() / "checkpoint.safetensors").write_bytes(b"damaged")


def leave_resumed(again: Continued) -> None:
    again.leave_stopped()
    with pytest.raises(KeyboardInterrupt):
        tenfold.resume(again.get_run(3), threads=1, on_progress=stop)


def leave_of_another_torch(again: Continued) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.workflow.arguments.list_versions", lambda: {"torch": "1.0"})
        again.leave_stopped()


OTHER = "another recipe, data or number of threads"


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (leave_damaged, "/checkpoint.safetensors: the checkpoint is damaged: .*"),
        (lambda again: again.leave_stopped(epochs=3), f": the run has {OTHER}"),
        (lambda again: again.leave_stopped(threads=1), f": the run has {OTHER}"),
        (leave_resumed, ": the run would be resumed with threads 1 instead of 2"),
        (leave_of_another_torch, ": the run would be resumed with torch .* instead of 1.0; .*"),
    ],
)
def test_a_seed_that_cannot_be_resumed_starts_again_with_a_warning(
    leave: Callable[[Continued], object],
    reason: str,
    again: Continued,
    caplog: pytest.LogCaptureFixture,
) -> None:
    leave(again)
    done = again.train()
    assert done.runs[3].seed == 3
    reason = f"tenfold: {re.escape(str(again.get_run(3)))}{reason}; seed 3 begins anew"
    assert re.fullmatch(reason, caplog.messages[-1])
    assert not list((again.path / "runs").glob(".*"))


def test_on_a_cluster_a_stopped_run_stays_until_it_is_replaced(
    study: tenfold.Study, again: Continued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = again.leave_stopped()
    before = list_files(run)
    training = SeedTrainer(
        path=again.path, config=study.config, threads=DEFAULT_THREADS, by_epoch=True
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

    (again.path / "runs/.3.tmp").mkdir()  # as a call that was killed leaves it
    monkeypatch.setattr("tenfold.cluster.studies.run_seeds_on_ray", run_here)
    landed = _train_on_cluster(training, [0, 3], 1, num_cores=1)
    taken = next(landed)
    assert taken is not None
    assert taken.weights_sha256 == study.runs[0].weights_sha256
    assert next(landed) is None
    assert list_files(run) == before
    taken = next(landed)
    assert taken is not None
    assert taken.seed == 3
    assert tenfold.load_run(run).config.seed == 3
    assert {path.name for path in (again.path / "runs").iterdir()} == {"0", "1", "2", "3"}
    message = "the run is locked: another process is training it"
    shutil.rmtree(run)
    again.leave_stopped()
    with lock_run(run), pytest.raises(RunError, match=message):
        next(_train_on_cluster(training, [3], 1, num_cores=1))


@pytest.mark.parametrize("other", ["recipe", "seed", "data"])
def test_another_run_in_the_folder_of_a_seed_is_not_taken(
    other: str, again: Continued, test_images: LabelledImages, tmp_path: Path
) -> None:
    run = again.forget(1)
    shutil.rmtree(run)
    if other == "seed":
        shutil.copytree(again.get_run(0), run)
    else:
        data = shutil.copytree(again.data, tmp_path / "data")
        if other == "data":
            (data / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
        asked = TINY | ({"epochs": 1} if other == "recipe" else {})
        tenfold.train("classic", seed=1, data=data, out=run, report=False, **asked)
    before = list_files(again.path)
    message = (
        f"{run}: the finished run there is not seed 1 of this study: the recipe, seed, data or "
        "threads differ. Move it away."
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        again.train(3)
    assert list_files(again.path) == before  # it is not thrown away
    assert [run.seed for run in load_study(again.path).runs] == [0, 2]


def test_a_run_of_other_images_is_not_taken(again: Continued) -> None:
    (again.path / "study.json").unlink()
    with pytest.raises(StudyError, match="not seed 0 of this study: the recipe, seed, data"):
        again.train(1, holdout=True)
    assert not tenfold.load_run(again.get_run(0)).config.holdout


@pytest.mark.parametrize(
    ("name", "is_finished"),
    [("config.json", True), ("model.safetensors", True), ("config.json", False)],
)
def test_an_altered_run_is_refused_and_stays(
    name: str, is_finished: bool, again: Continued
) -> None:
    run = again.forget(1) if is_finished else again.leave_stopped()
    with (run / name).open("ab") as file:
        file.write(b"\n")
    before = {path: (again.path / path).read_bytes() for path in list_files(again.path)}
    message = f"{run}/{name}: changed after training wrote it: its SHA-256 is "
    with pytest.raises(RunError, match=f"^{re.escape(message)}") as raised:
        again.train()
    assert raised.value.__notes__ == [f"if {run} is not needed, move it away"]
    assert {path: (again.path / path).read_bytes() for path in list_files(again.path)} == before


@pytest.mark.parametrize("state", [None, "", "[]", '{"state": "stopped"}', '"running"'])
def test_a_run_with_an_invalid_state_is_kept(state: str | None, again: Continued) -> None:
    file = again.forget(1) / "state.json"
    file.unlink()
    if state is not None:
        file.write_text(state)
    before = list_files(again.path)
    with pytest.raises(RunError, match="runs/1"):
        again.train(3)
    assert list_files(again.path) == before


def test_a_run_that_was_killed_before_its_first_file_is_trained(fresh: Continued) -> None:
    fresh.get_run(0).mkdir(parents=True)
    (fresh.get_run(0) / ".state.json.12.tmp").touch()
    assert len(fresh.train(1).runs) == 1


def test_files_of_other_programs_are_kept(fresh: Continued) -> None:
    file = fresh.get_run(0) / "thesis.tex"
    file.parent.mkdir(parents=True)
    file.touch()
    message = "runs/0: not a run folder: it has no config.json"
    with pytest.raises(RunError, match=message) as raised:
        fresh.train(1)
    assert raised.value.__notes__ == [f"if {file.parent} is not needed, move it away"]
    assert file.exists()
