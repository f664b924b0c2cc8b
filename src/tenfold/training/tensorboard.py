"""TensorBoard event files: the loss of every step, and accuracies if they are measured."""

from pathlib import Path
from typing import Any

from tenfold.errors import MissingExtraError, describe_install

FOLDER = "tensorboard"  # in the run's folder


class EventWriter:
    """Writes a run's event files, replacing earlier events from `first_step` on.

    Raises MissingExtraError if TensorBoard is not installed.
    """

    def __init__(self, path: Path, first_step: int) -> None:
        self.writer = find_writer()(str(path / FOLDER), purge_step=first_step)

    def write_losses(self, first_step: int, losses: list[float]) -> None:
        """Write the losses of some steps; `first_step` counts from 0."""
        for step, loss in enumerate(losses, first_step):
            self.writer.add_scalar("loss", loss, step)

    def write_accuracy(self, step: int, accuracy: float) -> None:
        """Write the accuracy after a step, from 0 to 1."""
        self.writer.add_scalar("accuracy", accuracy, step)

    def flush(self) -> None:
        """Write buffered events to the file."""
        self.writer.flush()

    def close(self) -> None:
        """Write buffered events and close the file."""
        self.writer.close()


def find_writer() -> Any:  # noqa: ANN401 - a class without types
    """TensorBoard's SummaryWriter. Raises MissingExtraError if it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError(
            f"--tensorboard needs the extra 'tensorboard': {describe_install('tensorboard')}"
        ) from error
    return SummaryWriter
