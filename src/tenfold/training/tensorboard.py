"""TensorBoard event files: the loss of every step, and accuracies if they are measured."""

from pathlib import Path
from typing import Any

from tenfold.errors import MissingExtraError, describe_install

FOLDER = "tensorboard"  # in the run's folder


def open_events(path: Path, first_step: int) -> Any:  # noqa: ANN401 - a class without types
    """A SummaryWriter for a run's folder that replaces earlier events from `first_step` on.

    Raises MissingExtraError if TensorBoard is not installed.
    """
    return find_writer()(str(path / FOLDER), purge_step=first_step)


def find_writer() -> Any:  # noqa: ANN401 - a class without types
    """TensorBoard's SummaryWriter. Raises MissingExtraError if it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError(
            f"--tensorboard needs the extra 'tensorboard': {describe_install('tensorboard')}"
        ) from error
    return SummaryWriter
