"""Runs that cannot be resumed: what is wrong, and what to do."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

import tenfold
from end_to_end.interrupting import interrupt_at, train_and_interrupt
from processes import wait_until
from run_errors import catch_error
from tenfold.cli import main
from tenfold.errors import DataError
from tenfold.runs.folder import CHECKPOINT, CONFIG
from tenfold.runs.listing import find_state
from tenfold.runs.losses import LOSSES

pytestmark = pytest.mark.usefixtures("progress_at_every_step")


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    for folder, reason in ((tmp_path, CONFIG), (tmp_path / "nowhere", "no such folder")):
        message = catch_error(lambda folder=folder: tenfold.resume(folder))  # type: ignore[misc]
        assert message.startswith(f"{folder}: ")
        assert reason in message


def check_refused_checkpoint(run: Path, content: bytes) -> str:
    """Check that a checkpoint with this content is refused; the message."""
    (run / CHECKPOINT).write_bytes(content)
    message = catch_error(lambda: tenfold.resume(run))
    assert message.startswith(f"{run / CHECKPOINT}: ")
    assert "first epoch" in message  # what happens without the file
    return message


def test_a_damaged_or_truncated_checkpoint_is_refused(stopped: Path) -> None:
    data = (stopped / CHECKPOINT).read_bytes()
    for place in (4, 40, 3000, -1):  # 40 is in the name of the format
        changed = bytearray(data)
        changed[place] ^= 1
        check_refused_checkpoint(stopped, bytes(changed))
    for length in (1, 7, 8, 100, len(data) // 2, len(data) - 1):
        check_refused_checkpoint(stopped, data[:length])
    assert "empty" in check_refused_checkpoint(stopped, b"")  # as a power loss may leave it


def test_a_file_that_is_not_a_checkpoint_is_refused(stopped: Path, whole: tenfold.Run) -> None:
    check_refused_checkpoint(stopped, safetensors.torch.save({"weight": torch.zeros(3)}))
    check_refused_checkpoint(stopped, whole.weights_path.read_bytes())


def test_the_checkpoint_of_another_run_is_refused(
    stopped: Path, small_data: Path, tmp_path: Path
) -> None:
    train_and_interrupt(small_data, tmp_path / "other", learning_rate=0.01)
    other = (tmp_path / "other" / CHECKPOINT).read_bytes()
    assert "another run" in check_refused_checkpoint(stopped, other)


def test_an_edited_config_is_refused(stopped: Path) -> None:
    text = (stopped / CONFIG).read_text()
    (stopped / CONFIG).write_text(text.replace('"seed": 0', '"seed": 1'))
    message = catch_error(lambda: tenfold.resume(stopped))
    assert message.startswith(f"{stopped / CONFIG}: ")
    assert "SHA-256" in message


def test_other_data_are_refused(stopped: Path, small_data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_data, tmp_path / "data")
    labels = folder / "train-labels-idx1-ubyte"
    data = bytearray(labels.read_bytes())
    data[-1] = (data[-1] + 1) % 10
    labels.write_bytes(data)
    with pytest.raises(DataError) as raised:
        tenfold.resume(stopped, data=folder)
    for part in (str(folder), str(stopped), "--data"):
        assert part in str(raised.value)


def test_resuming_after_the_data_folder_moved_needs_its_new_path(
    small_data: Path, tmp_path: Path
) -> None:
    data, moved, out = tmp_path / "data", tmp_path / "moved data", tmp_path / "run"
    train_and_interrupt(Path(shutil.copytree(small_data, data)), out)
    data.rename(moved)
    with pytest.raises(DataError) as raised:
        tenfold.resume(out)
    assert str(data) in str(raised.value)
    assert "--data" in raised.value.__notes__[0]
    with pytest.raises(KeyboardInterrupt) as interrupted:
        tenfold.resume(out, data=moved, on_progress=interrupt_at(40))
    [note] = interrupted.value.__notes__
    assert f"`tenfold train --resume {out} --data '{moved}'`" in note


def test_a_run_is_locked_while_a_command_resumes_it(small_data: Path, tmp_path: Path) -> None:
    """The command warns of other threads in one line, and SIGTERM stops it like Ctrl-C."""
    out = tmp_path / "run"
    train_and_interrupt(small_data, out, epochs=9999)
    with subprocess.Popen(
        [sys.executable, "-m", "tenfold", "train", "--resume", out, "--threads", "3"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: (out / LOSSES).read_bytes().count(b"\n") > 100)
            assert find_state(out) == "running"
            message = catch_error(lambda: tenfold.resume(out))
            assert message.startswith(f"{out}: ")
            assert "another" in message
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGTERM
    assert find_state(out) == "stopped"
    [warning] = [line for line in errors.splitlines() if "resumed with" in line]
    assert warning.startswith(f"tenfold: {out}: ")
    assert "threads 3 instead of 2" in warning


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["classic", "--resume", "RUN", "--seed", "0", "--epochs", "5"], "recipe --seed --epochs"),
        (["--resume", "RUN", "--by-epoch", "--tensorboard"], "--by-epoch --tensorboard"),
        (["--resume", "RUN", "b", "c"], "RUN b c"),  # as a shell pattern may give
    ],
)
def test_the_command_takes_one_run_without_settings(
    arguments: list[str], refused: str, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(stopped)
    assert main(["train", *(run if one == "RUN" else one for one in arguments)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in ("--resume", *refused.replace("RUN", run).split()):
        assert word in message
