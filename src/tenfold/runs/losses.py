"""The training losses of a run: losses.jsonl, one line for each optimizer step. No torch."""

import os
from pathlib import Path

from tenfold.errors import RunError
from tenfold.system.files import append_to_file, parse_json

LOSSES = "losses.jsonl"
LONGEST_LINE_BYTES = 200


def append_losses(path: Path, epoch: int, first_batch: int, losses: list[float]) -> None:
    """Append the losses of some batches to the losses.jsonl of a run folder.

    `epoch` and `first_batch` count from 0. Raises RunError if the file cannot be written.
    """
    append_to_file(path / LOSSES, _format_losses(epoch, first_batch, losses))


def format_losses(epochs: list[list[float]]) -> str:
    """The content of losses.jsonl for the losses of each epoch."""
    return "".join(_format_losses(epoch, 0, losses) for epoch, losses in enumerate(epochs))


def _format_losses(epoch: int, first_batch: int, losses: list[float]) -> str:
    return "".join(
        f'{{"epoch": {epoch}, "batch": {first_batch + i}, "loss": {loss!r}}}\n'
        for i, loss in enumerate(losses)
    )


def read_losses(path: Path) -> list[list[float]]:
    """The losses in a run folder, a list for each epoch. Raises RunError if they are unreadable."""
    epochs: list[list[float]] = []
    try:
        for line in (path / LOSSES).read_text().splitlines():
            step = parse_json(line)
            if step["epoch"] == len(epochs):
                epochs.append([])
            epochs[step["epoch"]].append(float(step["loss"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise RunError(f"{path / LOSSES}: cannot read the losses of the run: {error}") from error
    if not epochs:
        raise RunError(f"{path / LOSSES}: the file has no losses")
    return epochs


def read_num_epochs(path: Path, num_batches: int) -> float:
    """How many epochs of `num_batches` are trained, by the last line of losses.jsonl.

    It is 0.0 if there is no such line, or if it is being written at this moment.
    """
    try:
        with (path / LOSSES).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LINE_BYTES))
            last = parse_json(file.read().splitlines()[-1])
        return float(last["epoch"] + (last["batch"] + 1) / num_batches)
    except (OSError, ValueError, IndexError):
        return 0.0
