"""Runs that are killed, stopped, or meet a disk that fails, and go on as if nothing had been."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import tenfold
from tenfold.cli import main
from tenfold.data.mnist import LabelledImages
from tenfold.errors import DataError, RunError
from tenfold.runs.folder import CHECKPOINT, CONFIG, STATE, lock_run
from tenfold.runs.listing import find_state
from tenfold.runs.losses import LOSSES
from tenfold.runs.progress import DrawingProgress, StageProgress, TrainingProgress
from tenfold.system.files import replace_file
from tenfold.training.checkpoint import load_checkpoint, read_checkpoint
from tenfold.training.devices import choose_device

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "80"}
TENFOLD = (sys.executable, "-m", "tenfold")
KILLED_RUNS = Path(__file__).with_name("killed_runs.py")
SHORT: dict[str, Any] = {
    "hidden_sizes": (20,),
    "epochs": 3,
    "batch_size": 50,  # 24 steps an epoch
    "by_epoch": True,
    "report": False,  # which takes longer than all the rest
}


def kill_many(data: Path, folder: Path, num_kills: int, seed: int, *flags: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, KILLED_RUNS, data, folder, str(num_kills), str(seed), *flags],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_runs_that_are_killed_end_as_if_they_had_not_been(small_data: Path, tmp_path: Path) -> None:
    found = kill_many(small_data, tmp_path, num_kills=10, seed=0)
    assert found["kills"] == 10
    assert found["runs"] >= 1
    assert found["from_a_checkpoint"] >= 1
    assert found["unlike"] == 0


@pytest.mark.heavy
def test_two_hundred_kills(small_data: Path, tmp_path: Path) -> None:
    found = kill_many(small_data, tmp_path, num_kills=200, seed=1)
    assert found["kills"] == 200
    assert found["runs"] >= 20
    assert found["from_a_checkpoint"] >= 50
    assert found["unlike"] == 0


@pytest.mark.heavy
def test_kills_while_a_run_is_calibrated_and_its_report_written(
    small_data: Path, tmp_path: Path
) -> None:
    found = kill_many(small_data, tmp_path, 20, 2, "--whole")
    assert found["kills"] == 20
    assert found["runs"] >= 1
    assert found["unlike"] == 0


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress comes after every step, so that a run can be stopped inside an epoch."""
    monkeypatch.setattr("tenfold.training.loop.SECONDS_BETWEEN_PROGRESS", 0)


def stop_at(step: int) -> Callable[[Any], None]:
    """A callback that does as one Ctrl-C does when that step is reached."""
    stopped: list[int] = []

    def stop(progress: TrainingProgress | StageProgress) -> None:
        if isinstance(progress, TrainingProgress) and progress.step >= step and not stopped:
            stopped.append(progress.step)
            signal.raise_signal(signal.SIGINT)

    return stop


def interrupt(
    small_data: Path,
    out: Path,
    step: int = 24,
    recipe: str | tenfold.Recipe = "classic",
    **changes: Any,
) -> None:
    """Leave a run in `out` that was stopped, and saved, one step after `step`."""
    asked = SHORT | changes if recipe == "classic" else changes
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(recipe, data=small_data, out=out, on_progress=stop_at(step), **asked)
    assert count_saved_steps(out) == len(tenfold_losses(out)) == step + 1


def count_saved_steps(out: Path) -> int:
    """How many steps a run's checkpoint has the losses of."""
    data = read_checkpoint(out)
    assert data is not None
    return len(load_checkpoint(data, out).losses)


@pytest.fixture(scope="module")
def whole(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    return tenfold.train("classic", data=small_data, out=tmp_path_factory.mktemp("whole"), **SHORT)


@pytest.fixture
def stopped(small_data: Path, tmp_path: Path) -> Path:
    """A run that was stopped after the first step of its second epoch."""
    interrupt(small_data, tmp_path / "run")
    return tmp_path / "run"


def check_same(run: tenfold.Run, whole: tenfold.Run) -> None:
    assert run.training.weights_sha256 == whole.training.weights_sha256
    assert (run.path / LOSSES).read_bytes() == (whole.path / LOSSES).read_bytes()
    assert run.accuracy == whole.accuracy
    accuracies = [one.evaluation.training.epoch_accuracies for one in (run, whole)]
    assert accuracies[0] == accuracies[1]
    assert not (run.path / CHECKPOINT).exists()


def test_a_stopped_run_goes_on_after_the_step_that_was_its_last(
    stopped: Path, whole: tenfold.Run, caplog: pytest.LogCaptureFixture
) -> None:
    assert json.loads((stopped / STATE).read_text())["state"] == "running"
    steps: list[Any] = []
    run = tenfold.resume(stopped, on_progress=steps.append)
    check_same(run, whole)
    assert caplog.messages == []
    assert run.training.resumed_with == ()
    assert (steps[0].epoch, steps[0].step) == (2, 26)
    assert run.evaluation.training.other_cores is None


def test_ctrl_c_is_told_with_the_command_that_goes_on(
    small_data: Path, tmp_path: Path, whole: tenfold.Run
) -> None:
    asked: dict[str, Any] = {"data": small_data, "out": tmp_path / "a b", "on_progress": stop_at(1)}
    with pytest.raises(KeyboardInterrupt) as raised:
        tenfold.train("classic", **asked, **SHORT)
    assert raised.value.__notes__ == [
        f"the unfinished run stays in {tmp_path}/a b: "
        f"`tenfold train --resume '{tmp_path}/a b'` continues it"
    ]
    assert count_saved_steps(tmp_path / "a b") == 2
    check_same(tenfold.resume(tmp_path / "a b"), whole)


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(
    stopped: Path, whole: tenfold.Run, tmp_path: Path
) -> None:
    (stopped / CHECKPOINT).unlink()
    shutil.copytree(stopped, tmp_path / "begun")
    check_same(tenfold.resume(stopped), whole)
    for name in (STATE, LOSSES):  # as if killed between the first two files
        (tmp_path / "begun" / name).unlink()
    with pytest.raises(KeyboardInterrupt):  # and once more
        tenfold.resume(tmp_path / "begun", on_progress=stop_at(1))
    check_same(tenfold.resume(tmp_path / "begun"), whole)


def test_a_run_that_is_killed_again_keeps_what_it_was_resumed_with(
    stopped: Path, whole: tenfold.Run
) -> None:
    threads = whole.config.threads + 1
    with pytest.raises(KeyboardInterrupt) as raised:
        tenfold.resume(stopped, threads=threads, on_progress=stop_at(40))
    assert raised.value.__notes__ == [
        f"the unfinished run stays in {stopped}: "
        f"`tenfold train --resume {stopped} --threads {threads}` continues it"
    ]
    assert count_saved_steps(stopped) == 41
    run = tenfold.resume(stopped)  # with the threads that it began with
    told = [f"threads {threads} instead of {threads - 1}"]
    assert run.training.resumed_with == tuple(told)
    assert [len(epoch) for epoch in run.read_losses()] == [24] * 3


def test_a_folder_in_which_no_run_began_can_be_used(
    small_data: Path, tmp_path: Path, whole: tenfold.Run
) -> None:
    (tmp_path / ".config.json.123.tmp").write_text("a write that was cut off")
    run = tenfold.train("classic", data=small_data, out=tmp_path, **SHORT)
    check_same(run, whole)
    assert not list(tmp_path.glob(".*"))


def test_resuming_needs_nothing_but_the_folder(small_data: Path, tmp_path: Path) -> None:
    """What was wished of a run is in its config: accuracies, a report, event files."""
    out = tmp_path / "run"
    interrupt(small_data, out, tensorboard=True, report=True)
    before = len(list((out / "tensorboard").iterdir()))
    run = tenfold.resume(out)
    assert run.report.is_file()
    assert len(list((out / "tensorboard").iterdir())) == before + 1


def test_it_goes_on_where_it_began(
    stopped: Path, whole: tenfold.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with a GPU, a run that began on the processor stays there."""
    asked: list[str] = []

    def choose(wanted: str) -> torch.device:
        asked.append(wanted)
        return choose_device(wanted)

    monkeypatch.setattr("tenfold.training.devices.choose_device", choose)
    check_same(tenfold.resume(stopped), whole)
    assert asked == ["cpu"]


def test_a_run_that_another_program_has_completed_meanwhile_stays_as_it_is(
    stopped: Path, whole: tenfold.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock_late(path: Path) -> Any:
        monkeypatch.undo()
        check_same(tenfold.resume(path), whole)
        return lock_run(path)

    monkeypatch.setattr("tenfold.workflow.train.lock_run", lock_late)
    steps: list[Any] = []
    check_same(tenfold.resume(stopped, on_progress=steps.append), whole)
    assert steps == []


def test_a_folder_that_is_gone_is_not_made_again(small_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def remove(progress: Any) -> None:
        if progress.step == 24:
            shutil.rmtree(out)

    message = refusal(
        lambda: tenfold.train("classic", data=small_data, out=out, on_progress=remove, **SHORT)
    )
    assert message == f"{out / LOSSES}: cannot be written: No such file or directory"
    assert not out.exists()


def test_a_run_stopped_while_it_is_evaluated_is_not_trained_again(
    small_data: Path, tmp_path: Path, whole: tenfold.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without checkpoints after epochs."""
    out = tmp_path / "run"

    def stop(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    asked = SHORT | {"by_epoch": False, "checkpoint_every": 0}
    monkeypatch.setattr("tenfold.models.predict.predict", stop)
    with pytest.raises(KeyboardInterrupt):
        tenfold.train("classic", data=small_data, out=out, **asked)
    monkeypatch.undo()
    steps: list[Any] = []
    run = tenfold.resume(out, on_progress=steps.append)
    assert steps == [StageProgress(stage="evaluating")]
    assert run.training.weights_sha256 == whole.training.weights_sha256
    assert not (out / CHECKPOINT).exists()


def test_drawing_counts_once_in_the_seconds(
    small_data: Path, tmp_path: Path, few_readings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, hours, stop_at_epoch = time.perf_counter, [0], 1
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 3600 * hours[0])
    recipe = tenfold.RECIPES["reader"].replace(channels=(4, 8, 8), scenes=60, epochs=2)

    def take_an_hour(progress: Any) -> None:
        if isinstance(progress, DrawingProgress):
            hours[0] += 1
        elif isinstance(progress, TrainingProgress) and progress.epoch == stop_at_epoch:
            raise KeyboardInterrupt

    asked: dict[str, Any] = {"data": small_data, "out": tmp_path / "run", "report": False}
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(recipe, on_progress=take_an_hour, **asked)
    drawn = hours[0]
    stop_at_epoch = 0
    run = tenfold.resume(tmp_path / "run", on_progress=take_an_hour)
    assert hours[0] == 2 * drawn > 0
    assert drawn <= run.training.seconds / 3600 < 2 * drawn


def test_a_run_stopped_after_its_last_step_is_only_evaluated(
    small_data: Path, tmp_path: Path, whole: tenfold.Run
) -> None:
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(
            "classic", data=small_data, out=tmp_path / "run", on_progress=stop_at(72), **SHORT
        )
    assert count_saved_steps(tmp_path / "run") == 72
    steps: list[Any] = []
    check_same(tenfold.resume(tmp_path / "run", on_progress=steps.append), whole)
    assert steps == [StageProgress(stage="evaluating")]


def test_losses_are_cut_back_to_the_checkpoint(stopped: Path, whole: tenfold.Run) -> None:
    with (stopped / LOSSES).open("a") as file:
        file.write('{"epoch": 1, "batch": 1, "loss": 9.0}\n{"epoch": 1, "ba')
    (stopped / ".config.json.123.tmp").write_text("what a write that was cut off has left")
    check_same(tenfold.resume(stopped), whole)
    assert not list(stopped.glob(".*"))


def test_a_complete_run_is_returned_as_it_is(whole: tenfold.Run) -> None:
    before = (whole.path / STATE).stat().st_mtime_ns
    for name in (CHECKPOINT, ".state.json.123.tmp"):  # as of one killed just before its end
        (whole.path / name).write_text("left")
    again = tenfold.resume(whole.path)
    assert again.training == whole.training
    assert (whole.path / STATE).stat().st_mtime_ns == before
    assert not [*whole.path.glob(".*"), *whole.path.glob(CHECKPOINT)]


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "learning_rate": 0.01, "schedule": "one-cycle"},
        {"rotation_degrees": 10.0, "elastic_px": 0.5, "clean_share": 0.4},
    ],
    ids=["sgd", "augmented"],
)
def test_whatever_a_recipe_has_is_kept(
    changes: dict[str, Any], small_data: Path, tmp_path: Path
) -> None:
    whole = tenfold.train("classic", data=small_data, out=tmp_path / "whole", **SHORT | changes)
    for step in (10, 37):  # in the first epoch and in another
        out = tmp_path / f"after-{step}"
        interrupt(small_data, out, step, **changes)
        check_same(tenfold.resume(out), whole)


def test_normalisations_are_kept(small_data: Path, tmp_path: Path) -> None:
    recipe = tenfold.RECIPES["strong"].replace(channels=(4, 8), depths=(1, 1), epochs=2)
    whole = tenfold.train(recipe, data=small_data, out=tmp_path / "whole", report=False)
    interrupt(small_data, tmp_path / "run", 12, recipe)  # an epoch has ten steps
    check_same(tenfold.resume(tmp_path / "run"), whole)


def test_checkpoints_come_as_often_as_asked(small_data: Path, tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(progress: TrainingProgress | StageProgress) -> None:
        if isinstance(progress, TrainingProgress) and progress.step % 24 == 0:
            seen.append((tmp_path / str(every) / CHECKPOINT).exists())

    for every, expected in (
        (1, [True] * 4),
        (3, [False, False, True, True]),
        (0, [False, False, False, True]),
    ):
        seen.clear()
        tenfold.train(
            "classic",
            data=small_data,
            out=tmp_path / str(every),
            checkpoint_every=every,
            on_progress=look,  # type: ignore[arg-type]
            **SHORT | {"epochs": 4},
        )
        assert seen == expected


# --- what is refused


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(RunError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert refusal(lambda folder=folder: tenfold.resume(folder)) == (  # type: ignore[misc]
            f"{folder}: not a run folder: it has no config.json"
        )


@pytest.mark.parametrize("place", [4, 40, 3000, -1])  # at 40, in the name of what says what it is
def test_a_damaged_checkpoint_is_refused(place: int, stopped: Path) -> None:
    data = bytearray((stopped / CHECKPOINT).read_bytes())
    data[place] ^= 1
    (stopped / CHECKPOINT).write_bytes(data)
    message = refusal(lambda: tenfold.resume(stopped))
    expected = "checkpoint of Tenfold" if place == 40 else "whole checkpoint"
    assert message.startswith(f"{stopped / CHECKPOINT}: expected a {expected}, found ")
    assert message.endswith("Without the file, resuming begins with the first epoch.")


def test_a_checkpoint_that_was_cut_off_is_refused(stopped: Path) -> None:
    data = (stopped / CHECKPOINT).read_bytes()
    for length in (1, 7, 8, 100, len(data) // 2, len(data) - 1):
        (stopped / CHECKPOINT).write_bytes(data[:length])
        assert "expected a whole checkpoint" in refusal(lambda: tenfold.resume(stopped))
    (stopped / CHECKPOINT).write_bytes(b"")  # what a loss of power may leave
    assert refusal(lambda: tenfold.resume(stopped)) == (
        f"{stopped / CHECKPOINT}: expected a whole checkpoint, found it damaged: it is empty. "
        "Without the file, resuming begins with the first epoch."
    )


def test_a_file_that_is_no_checkpoint_is_refused(stopped: Path, whole: tenfold.Run) -> None:
    foreign = safetensors.torch.save({"weight": torch.zeros(3)})
    for content in (foreign, whole.weights_path.read_bytes()):
        (stopped / CHECKPOINT).write_bytes(content)
        assert refusal(lambda: tenfold.resume(stopped)) == (
            f"{stopped / CHECKPOINT}: expected a checkpoint of Tenfold, found a file that "
            "does not say it is one. Without the file, resuming begins with the first epoch."
        )


def test_the_checkpoint_of_another_run_is_refused(
    stopped: Path, small_data: Path, tmp_path: Path
) -> None:
    interrupt(small_data, tmp_path / "other", learning_rate=0.01)
    shutil.copy(tmp_path / "other" / CHECKPOINT, stopped)
    assert refusal(lambda: tenfold.resume(stopped)) == (
        f"{stopped / CHECKPOINT}: this is the checkpoint of another run. Without the file, "
        "resuming begins with the first epoch."
    )


def test_a_config_that_was_edited_is_refused(stopped: Path) -> None:
    text = (stopped / CONFIG).read_text()
    (stopped / CONFIG).write_text(text.replace('"seed": 0', '"seed": 1'))
    message = refusal(lambda: tenfold.resume(stopped))
    assert re.fullmatch(
        rf"{stopped}/config.json: changed after training wrote it: its SHA-256 is \w{{64}}, "
        r"not \w{64}",
        message,
    )


def test_other_threads_are_told_in_one_line(stopped: Path, whole: tenfold.Run) -> None:
    threads = whole.config.threads + 1
    done = subprocess.run(
        [*TENFOLD, "train", "--resume", stopped, "--threads", str(threads)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    told = f"threads {threads} instead of {threads - 1}"
    assert [line for line in done.stderr.splitlines() if line.startswith("tenfold: ")] == [
        f"tenfold: {stopped}: resumed with {told}; the weights may differ in their last bits"
    ]
    run = tenfold.load_run(stopped)
    assert run.evaluation.training.resumed_with == (told,)
    assert f"resumed with {told}" in tenfold.evaluate(run).report.read_text()
    assert tenfold.load_run(run.path).accuracy == run.accuracy


def test_other_machines_and_versions_are_told(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "tenfold.workflow.arguments.describe_machine",
        lambda: {"cpu": "another", "cores": 64, "system": "x"},
    )
    monkeypatch.setattr("tenfold.workflow.arguments.list_versions", lambda: {"torch": "3.0"})
    run = tenfold.resume(stopped)
    [message] = caplog.messages
    for part in ("cpu another instead of ", "system x instead of ", "torch 3.0 instead of 2."):
        assert part in message
    assert "python none instead of 3." in message
    assert "cores" not in message
    assert "matplotlib" not in message
    assert "; ".join(run.training.resumed_with) in message


def test_other_data_are_refused(
    stopped: Path, training: LabelledImages, small_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as raised:
        tenfold.resume(stopped, data=make_other_data(small_data, tmp_path / "data"))
    assert str(raised.value) == (
        f"{tmp_path / 'data'}: not the data of the run in {stopped}: the checksums differ. If the "
        "run's data have moved, say where they are with --data."
    )


def test_data_that_have_moved_are_asked_for(
    stopped: Path, small_data: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(small_data, tmp_path / "moved")
    out = tmp_path / "other"
    interrupt(moved, out)
    moved.rename(tmp_path / "moved again")
    with pytest.raises(DataError) as raised:
        tenfold.resume(out)
    assert str(raised.value) == (
        f"{moved}: no such folder; --data takes a folder of IDX files or of images"
    )
    assert raised.value.__notes__ == ["if the data have moved, say where they are with --data"]
    with pytest.raises(KeyboardInterrupt) as stopped_again:
        tenfold.resume(out, data=tmp_path / "moved again", on_progress=stop_at(40))
    assert stopped_again.value.__notes__ == [
        f"the unfinished run stays in {out}: `tenfold train --resume {out} --data "
        f"'{tmp_path}/moved again'` continues it"
    ]


def make_other_data(small_data: Path, folder: Path) -> Path:
    shutil.copytree(small_data, folder)
    labels = folder / "train-labels-idx1-ubyte"
    data = bytearray(labels.read_bytes())
    data[-1] = (data[-1] + 1) % 10
    labels.write_bytes(data)
    return folder


def test_a_run_that_is_going_on_is_left_alone(small_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        [*TENFOLD, "train", "--epochs", "9999", "--data", small_data, "--out", out],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for(lambda: (out / CHECKPOINT).exists())
            assert find_state(out) == "running"
            assert refusal(lambda: tenfold.resume(out)) == (
                f"{out}: the run is locked: another process is training it"
            )
            process.send_signal(signal.SIGTERM)  # saved as by Ctrl-C, and ended by the signal
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGTERM
    assert find_state(out) == "stopped"


def wait_for(is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_command_refuses_what_the_run_knows_itself(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(*flags: str) -> str:
        assert main(["train", *flags]) == 2
        return capsys.readouterr().err

    run = str(stopped)
    assert tell("classic", "--resume", run, "--seed", "0", "--epochs", "5") == (
        "tenfold: --resume: expected nothing that the run knows itself, found a recipe, --seed, "
        "--epochs\n"
    )
    assert tell("--resume", run, "--by-epoch", "--tensorboard") == (
        "tenfold: --resume: expected nothing that the run knows itself, found --by-epoch, "
        "--tensorboard\n"
    )
    assert tell("--resume", run, "b", "c") == (  # as a shell's pattern may give
        f"tenfold: --resume: expected the folder of one run, found 3: {stopped}, b, c\n"
    )


# --- a disk that fails: see test_failing_disks.py


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
    message = refusal(lambda: tenfold.train("classic", data=small_data, out=out, **SHORT))
    assert message.startswith(f"{out / CHECKPOINT}: no space left on the disk")
    monkeypatch.undo()
    assert (out / CHECKPOINT).read_bytes() == written[0]
    check_same(tenfold.resume(out), whole)


def tenfold_losses(out: Path) -> list[str]:
    return (out / LOSSES).read_text().splitlines()
