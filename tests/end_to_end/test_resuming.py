"""Runs that are killed or interrupted, and resume to the same bits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tenfold
from end_to_end.interrupting import (
    SHORT,
    check_same_bits,
    count_saved_steps,
    interrupt_at,
    train_and_interrupt,
)
from run_errors import catch_error
from tenfold.runs.folder import CHECKPOINT, STATE, lock_run
from tenfold.runs.losses import LOSSES
from tenfold.runs.progress import DrawingProgress, StageProgress, TrainingProgress
from tenfold.system.files import replace_file
from tenfold.training.devices import choose_device

KILLED_RUNS = Path(__file__).with_name("killed_runs.py")
heavy = pytest.mark.heavy
pytestmark = pytest.mark.usefixtures("progress_at_every_step")


@pytest.mark.parametrize(
    ("num_kills", "seed", "flags", "least_runs", "least_from_checkpoint"),
    [
        pytest.param(6, 0, [], 1, 1, id="while training"),
        pytest.param(200, 1, [], 20, 50, id="200 times", marks=heavy),
        pytest.param(20, 2, ["--whole"], 1, 0, id="calibrating and reporting, too", marks=heavy),
    ],
)
def test_runs_that_are_killed_at_random_resume_to_the_same_bits(
    small_data: Path,
    tmp_path: Path,
    num_kills: int,
    seed: int,
    flags: list[str],
    least_runs: int,
    least_from_checkpoint: int,
) -> None:
    done = subprocess.run(
        [sys.executable, KILLED_RUNS, small_data, tmp_path, str(num_kills), str(seed), *flags],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    assert found["kills"] == num_kills
    assert found["runs"] >= least_runs
    assert found["from_checkpoint"] >= least_from_checkpoint
    assert found["different"] == 0


def test_an_interrupted_run_continues_after_its_last_step_on_its_device(
    stopped: Path,
    whole: tenfold.Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run that was trained on the CPU stays there, even where there is a GPU."""
    devices: list[str] = []

    def choose(wanted: str) -> torch.device:
        devices.append(wanted)
        return choose_device(wanted)

    monkeypatch.setattr("tenfold.training.devices.choose_device", choose)
    assert json.loads((stopped / STATE).read_text())["state"] == "running"
    steps: list[Any] = []
    run = tenfold.resume(stopped, on_progress=steps.append)
    check_same_bits(run, whole)
    assert caplog.messages == []
    assert not run.evaluation.training.resumed_with
    assert (steps[0].epoch, steps[0].step) == (2, 26)
    assert run.evaluation.training.other_cores is None
    assert devices == ["cpu"]


def test_ctrl_c_saves_the_run_and_names_the_command_that_resumes_it(
    small_data: Path, tmp_path: Path, whole: tenfold.Run
) -> None:
    out = tmp_path / "a b"
    with pytest.raises(KeyboardInterrupt) as raised:
        tenfold.train("classic", data=small_data, out=out, on_progress=interrupt_at(1), **SHORT)
    [note] = raised.value.__notes__
    assert f"`tenfold train --resume '{out}'`" in note
    assert count_saved_steps(out) == 2
    check_same_bits(tenfold.resume(out), whole)


def test_a_run_without_a_checkpoint_starts_again(
    stopped: Path, whole: tenfold.Run, tmp_path: Path
) -> None:
    (stopped / CHECKPOINT).unlink()
    begun = shutil.copytree(stopped, tmp_path / "begun")
    check_same_bits(tenfold.resume(stopped), whole)
    for name in (STATE, LOSSES):  # as if killed between the first two files
        (begun / name).unlink()
    with pytest.raises(KeyboardInterrupt):
        tenfold.resume(begun, on_progress=interrupt_at(1))
    check_same_bits(tenfold.resume(begun), whole)


def test_a_run_keeps_what_an_interrupted_resume_changed(stopped: Path, whole: tenfold.Run) -> None:
    threads = whole.config.threads + 1
    with pytest.raises(KeyboardInterrupt) as raised:
        tenfold.resume(stopped, threads=threads, on_progress=interrupt_at(40))
    [note] = raised.value.__notes__
    assert f"`tenfold train --resume {stopped} --threads {threads}`" in note
    assert count_saved_steps(stopped) == 41
    run = tenfold.resume(stopped)  # with its first number of threads
    change = f"threads {threads} instead of {threads - 1}"
    assert run.evaluation.training.resumed_with == (change,)
    assert [len(epoch) for epoch in run.read_losses()] == [24] * 3
    assert f"resumed with {change}" in tenfold.evaluate(run).report.read_text()
    assert tenfold.load_run(run.path).accuracy == run.accuracy


def test_other_machines_and_versions_are_named(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine = {"cpu": "another", "cores": 64, "system": "x"}
    monkeypatch.setattr("tenfold.workflow.arguments.describe_machine", lambda: machine)
    monkeypatch.setattr("tenfold.workflow.arguments.list_versions", lambda: {"torch": "3.0"})
    run = tenfold.resume(stopped)
    [message] = caplog.messages
    for part in ("cpu another instead of ", "system x instead of ", "torch 3.0 instead of 2."):
        assert part in message
    assert "python none instead of 3." in message
    assert "cores" not in message
    assert "matplotlib" not in message
    assert "; ".join(run.evaluation.training.resumed_with) in message


def test_a_folder_with_leftovers_of_a_failed_start_can_be_used(
    small_data: Path, tmp_path: Path, whole: tenfold.Run
) -> None:
    (tmp_path / ".config.json.123.tmp").write_text("a partial write")
    run = tenfold.train("classic", data=small_data, out=tmp_path, **SHORT)
    check_same_bits(run, whole)
    assert not list(tmp_path.glob(".*"))


def test_resuming_needs_only_the_folder(small_data: Path, tmp_path: Path) -> None:
    """The config says whether the run has a report and event files."""
    train_and_interrupt(small_data, tmp_path / "run", tensorboard=True, report=True)
    events = tmp_path / "run" / "tensorboard"
    before = len(list(events.iterdir()))
    assert tenfold.resume(tmp_path / "run").report.is_file()
    assert len(list(events.iterdir())) == before + 1


def test_a_run_that_another_process_has_just_completed_is_returned_unchanged(
    stopped: Path, whole: tenfold.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock_late(path: Path) -> Any:
        monkeypatch.undo()
        check_same_bits(tenfold.resume(path), whole)
        return lock_run(path)

    monkeypatch.setattr("tenfold.workflow.train.lock_run", lock_late)
    steps: list[Any] = []
    check_same_bits(tenfold.resume(stopped, on_progress=steps.append), whole)
    assert steps == []


def test_a_complete_run_is_returned_unchanged(whole: tenfold.Run) -> None:
    before = (whole.path / STATE).stat().st_mtime_ns
    for name in (CHECKPOINT, ".state.json.123.tmp"):  # as if killed just before it ended
        (whole.path / name).write_text("left")
    again = tenfold.resume(whole.path)
    assert again.evaluation == whole.evaluation
    assert (whole.path / STATE).stat().st_mtime_ns == before
    assert not [*whole.path.glob(".*"), *whole.path.glob(CHECKPOINT)]


def interrupt_evaluation(progress: Any) -> None:
    if progress == StageProgress(stage="evaluating"):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("interrupt", [interrupt_at(72), interrupt_evaluation])
def test_a_run_interrupted_after_training_is_only_evaluated(
    interrupt: Callable[[Any], None], small_data: Path, tmp_path: Path, whole: tenfold.Run
) -> None:
    """A checkpoint is written after the last epoch in any case."""
    settings = SHORT | {"checkpoint_every": 0, "on_progress": interrupt}
    with pytest.raises(KeyboardInterrupt):
        tenfold.train("classic", data=small_data, out=tmp_path / "run", **settings)
    assert count_saved_steps(tmp_path / "run") == 72
    steps: list[Any] = []
    check_same_bits(tenfold.resume(tmp_path / "run", on_progress=steps.append), whole)
    assert steps == [StageProgress(stage="evaluating")]


def test_the_time_to_generate_images_counts_once(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, hours, stop_at_epoch = time.perf_counter, [0], 1
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 3600 * hours[0])
    recipe = tenfold.RECIPES["reader"].replace(
        channels=(4, 8, 8), scenes=60, epochs=2, calibrates=False
    )

    def take_an_hour(progress: Any) -> None:
        if isinstance(progress, DrawingProgress):
            hours[0] += 1
        elif isinstance(progress, TrainingProgress) and progress.epoch == stop_at_epoch:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"data": small_data, "out": tmp_path / "run", "report": False}
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(recipe, on_progress=take_an_hour, **settings)
    drawn = hours[0]
    stop_at_epoch = 0
    run = tenfold.resume(tmp_path / "run", on_progress=take_an_hour)
    assert hours[0] == 2 * drawn > 0
    assert drawn <= run.evaluation.training.seconds / 3600 < 2 * drawn


def test_losses_are_cut_back_to_the_checkpoint(stopped: Path, whole: tenfold.Run) -> None:
    with (stopped / LOSSES).open("a") as file:
        file.write('{"epoch": 1, "batch": 1, "loss": 9.0}\n{"epoch": 1, "ba')
    (stopped / ".config.json.123.tmp").write_text("a partial write")
    check_same_bits(tenfold.resume(stopped), whole)
    assert not list(stopped.glob(".*"))


@pytest.mark.parametrize(
    ("recipe", "changes", "steps"),
    [
        ("classic", {"optimizer": "sgd", "learning_rate": 0.01, "schedule": "one-cycle"}, (10, 37)),
        ("classic", {"rotation_degrees": 10.0, "elastic_px": 0.5, "clean_share": 0.4}, (10, 37)),
        ("strong", {"channels": (4, 8), "depths": (1, 1), "epochs": 2}, (12,)),
    ],
    ids=["sgd", "augmented", "batch normalisation"],
)
def test_the_state_of_every_kind_of_recipe_is_saved(
    recipe: str, changes: dict[str, Any], steps: tuple[int, ...], small_data: Path, tmp_path: Path
) -> None:
    settings = {"report": False, **changes} if recipe == "strong" else SHORT | changes
    whole = tenfold.train(recipe, data=small_data, out=tmp_path / "whole", **settings)
    for step in steps:
        out = tmp_path / f"after-{step}"
        train_and_interrupt(small_data, out, step, recipe, **settings)
        check_same_bits(tenfold.resume(out), whole)


@pytest.mark.parametrize(
    ("every", "expected"),
    [(1, [True] * 4), (3, [False, False, True, True]), (0, [False, False, False, True])],
)
def test_checkpoints_are_written_every_so_many_epochs(
    every: int, expected: list[bool], small_data: Path, tmp_path: Path
) -> None:
    seen: list[bool] = []

    def look(progress: Any) -> None:
        if isinstance(progress, TrainingProgress) and progress.step % 24 == 0:
            seen.append((tmp_path / CHECKPOINT).exists())

    settings = SHORT | {"epochs": 4, "checkpoint_every": every, "on_progress": look}
    tenfold.train("classic", data=small_data, out=tmp_path, **settings)
    assert seen == expected


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tenfold.Run
) -> None:
    out = tmp_path / "run"
    written: list[bytes] = []

    def fail_at_the_second(path: Path, content: bytes) -> None:
        if path.name == CHECKPOINT and written:
            monkeypatch.setattr(os, "fsync", fail)
        replace_file(path, content)
        if path.name == CHECKPOINT:
            written.append(content)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tenfold.training.trainer.replace_file", fail_at_the_second)
    message = catch_error(lambda: tenfold.train("classic", data=small_data, out=out, **SHORT))
    assert str(out / CHECKPOINT) in message
    assert "no space left" in message
    monkeypatch.undo()
    assert (out / CHECKPOINT).read_bytes() == written[0]
    check_same_bits(tenfold.resume(out), whole)


def test_a_run_whose_folder_is_removed_fails_and_does_not_recreate_it(
    small_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def remove(progress: Any) -> None:
        if progress.step == 24:
            shutil.rmtree(out)

    message = catch_error(
        lambda: tenfold.train("classic", data=small_data, out=out, on_progress=remove, **SHORT)
    )
    assert str(out / LOSSES) in message
    assert "No such file" in message
    assert not out.exists()
