"""Interrupts runs at a chosen step, and compares them with a run that was not interrupted."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import tenfold
from tenfold.runs.folder import CHECKPOINT
from tenfold.runs.losses import LOSSES
from tenfold.runs.progress import StageProgress, TrainingProgress
from tenfold.studies.study import StudyRun
from tenfold.training.checkpoint import load_checkpoint, read_checkpoint

SHORT: dict[str, Any] = {
    "hidden_sizes": (20,),
    "epochs": 3,
    "batch_size": 50,  # 24 steps an epoch
    "by_epoch": True,
    "report": False,  # which takes longer than all the rest
}


def interrupt_at(step: int) -> Callable[[Any], None]:
    """A progress callback that sends Ctrl-C once, when this step is reached."""
    is_sent = False

    def send(progress: TrainingProgress | StageProgress) -> None:
        nonlocal is_sent
        if isinstance(progress, TrainingProgress) and progress.step >= step and not is_sent:
            is_sent = True
            signal.raise_signal(signal.SIGINT)

    return send


def train_and_interrupt(
    data: Path,
    out: Path,
    step: int = 24,
    recipe: str = "classic",
    **changes: Any,
) -> None:
    """Leave an interrupted run in `out` whose checkpoint is one step after `step`."""
    settings = SHORT | changes if recipe == "classic" else changes
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(recipe, data=data, out=out, on_progress=interrupt_at(step), **settings)
    assert count_saved_steps(out) == len((out / LOSSES).read_text().splitlines()) == step + 1


def count_saved_steps(out: Path) -> int:
    """The number of steps whose losses are in the checkpoint of a run."""
    data = read_checkpoint(out)
    assert data is not None
    return len(load_checkpoint(data, out).losses)


def check_same_runs(runs: Sequence[StudyRun], expected: Sequence[StudyRun]) -> None:
    """Check that a study's runs have the seeds, weights and numbers of another one's."""
    for run, other in zip(runs, expected, strict=True):
        assert run.seed == other.seed
        assert run.weights_sha256 == other.weights_sha256
        assert run.mistakes == other.mistakes
        assert run.epoch_losses == other.epoch_losses
        assert run.epoch_accuracies == other.epoch_accuracies


def check_same_bits(run: tenfold.Run, whole: tenfold.Run) -> None:
    """Check that a run is complete and has the weights and numbers of another one."""
    found, expected = run.evaluation.training, whole.evaluation.training
    assert found.weights_sha256 == expected.weights_sha256
    assert found.epoch_accuracies == expected.epoch_accuracies
    assert (run.path / LOSSES).read_bytes() == (whole.path / LOSSES).read_bytes()
    assert run.accuracy == whole.accuracy
    assert not (run.path / CHECKPOINT).exists()
