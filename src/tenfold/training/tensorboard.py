"""Event files for TensorBoard: the loss of every step, and accuracies where they are measured."""

from pathlib import Path
from typing import Any

from tenfold.errors import MissingExtraError, describe_install

FOLDER = "tensorboard"  # in the run's folder


class EventWriter:
    """Writes a run's event files.

    What an earlier process wrote of `first_step` and later ones is hidden by TensorBoard. Raises
    MissingExtraError without the extra.
    """

    def __init__(self, path: Path, first_step: int) -> None:
        self.writer = find_writer()(str(path / FOLDER), purge_step=first_step)

    def write_losses(self, first_step: int, losses: list[float]) -> None:
        """Write the losses of some steps; `first_step` counts from 0."""
        for step, loss in enumerate(losses, first_step):
            self.writer.add_scalar("loss", loss, step)

    def write_accuracy(self, step: int, accuracy: float) -> None:
        """Write a share of the evaluated images, as it was after that step."""
        self.writer.add_scalar("accuracy", accuracy, step)

    def flush(self) -> None:
        """See to it that all so far is in the file."""
        self.writer.flush()

    def close(self) -> None:
        """Write what is not written yet."""
        self.writer.close()


def find_writer() -> Any:  # noqa: ANN401 - a class without types
    """TensorBoard's writer. Raises MissingExtraError without the extra."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError(
            f"--tensorboard needs the extra 'tensorboard': {describe_install('tensorboard')}"
        ) from error
    return SummaryWriter
