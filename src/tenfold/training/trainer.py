"""Training a run: losses and checkpoints are written to its folder as training proceeds."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from tenfold.data.batches import count_batches
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ResumeError, RunError
from tenfold.models.weights import restore
from tenfold.runs.config import RunConfig
from tenfold.runs.folder import CHECKPOINT, CONFIG
from tenfold.runs.losses import LOSSES, append_losses, format_losses
from tenfold.runs.progress import OnProgress, TrainingProgress
from tenfold.system.files import (
    flush_file,
    hash_file,
    replace_file,
    reporting_disk_errors,
    write_file,
)
from tenfold.training.checkpoint import Checkpoint, dump_checkpoint
from tenfold.training.loop import Progress, train_model
from tenfold.training.signals import deferred_signals
from tenfold.training.trackers import Metrics, Trackers


@dataclass
class TrainingHistory:
    """Losses, a list for each epoch; the accuracy after each epoch if it was measured.

    `seconds` do not include measuring the accuracies and logging.
    """

    losses: list[list[float]]
    accuracies: list[float]
    seconds: float = 0.0


class Trainer:
    """Trains the model of a run and keeps its folder up to date.

    `path` is the run's folder, with its config. `start` is when training began, by
    time.perf_counter. `checkpoint` is where an earlier process stopped. `measure_accuracy` is
    called after each epoch. Its time, and that of `trackers`, which have started, is not counted.
    """

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        model: nn.Module,
        images: LabelledImages,
        *,
        start: float,
        trackers: Trackers,
        checkpoint: Checkpoint | None = None,
        measure_accuracy: Callable[[], float] | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.path, self.config, self.recipe = path, config, config.recipe
        self.model, self.images = model, images
        self.measure_accuracy, self.on_progress = measure_accuracy, on_progress
        self.config_sha256 = hash_file(path / CONFIG)
        self.num_batches = count_batches(len(images), self.recipe.batch_size)
        self.start, self.trackers = start, trackers
        self.checkpoint = checkpoint or Checkpoint(model={}, optimizer={}, losses=[])
        if checkpoint is not None:
            try:
                restore(model, checkpoint.model, str(path / CHECKPOINT))
            except RunError as error:  # such as of a model of one's own that has changed
                raise ResumeError(str(error)) from error
        losses = self.checkpoint.losses
        self.first_step = len(losses)
        epochs = range(0, len(losses), self.num_batches)
        self.history = TrainingHistory(
            [losses[i : i + self.num_batches] for i in epochs], self.checkpoint.accuracies
        )

    def train(self) -> TrainingHistory:
        """Train the remaining steps.

        Raises DivergedError for losses that are not finite, RunError for files that cannot be
        written, and KeyboardInterrupt, after a checkpoint, when training was interrupted.
        """
        write_file(self.path / LOSSES, format_losses(self.history.losses))  # drop later ones
        with deferred_signals() as stop:
            for progress in train_model(
                self.model,
                self.recipe,
                self.images.images_NHW,
                self.images.labels_N,
                self.config.seed,
                first_step=self.first_step,
                optimizer_tensors=self.checkpoint.optimizer,
                stop=stop,
            ):
                self._record(progress)
        flush_file(self.path / LOSSES)
        self.history.seconds = self._measure_seconds()
        return self.history

    def _record(self, progress: Progress) -> None:
        """Write losses, measure the accuracy, log both, write a checkpoint, report progress."""
        self._record_losses(progress)
        is_epoch_end = progress.first_batch + len(progress.losses) == self.num_batches
        accuracy = None
        if is_epoch_end and self.measure_accuracy is not None:
            with self._not_counting():
                accuracy = self.measure_accuracy()
            self.history.accuracies.append(accuracy)
        if self.trackers:
            self._log(progress, accuracy)
        if progress.is_stopped or (is_epoch_end and self._is_checkpoint_due(progress.epoch + 1)):
            self._write_checkpoint(progress.optimizer)
        if self.on_progress is not None:
            self.on_progress(self._describe_progress(progress.epoch))

    def _record_losses(self, progress: Progress) -> None:
        epoch, losses = progress.epoch, progress.losses
        progress.check_losses()
        append_losses(self.path, epoch, progress.first_batch, losses)
        if epoch == len(self.history.losses):
            self.history.losses.append([])
        self.history.losses[epoch] += losses

    def _log(self, progress: Progress, accuracy: float | None) -> None:
        epoch = progress.epoch
        first_step = epoch * self.num_batches + progress.first_batch
        metrics = [
            Metrics(step=step, epoch=epoch, loss=loss)
            for step, loss in enumerate(progress.losses, first_step)
        ]
        speed = self._describe_progress(epoch).images_per_second
        metrics[-1] = replace(metrics[-1], images_per_second=speed, accuracy=accuracy)
        with self._not_counting():
            self.trackers.log(metrics)

    @contextmanager
    def _not_counting(self) -> Iterator[None]:
        """Leave what is done here out of the time of training."""
        before = time.perf_counter()
        yield
        self.start += time.perf_counter() - before

    def _is_checkpoint_due(self, num_epochs: int) -> bool:
        """Whether to save after so many epochs: always after the last, for the evaluation."""
        every = self.config.checkpoint_every
        return num_epochs == self.recipe.epochs or (every > 0 and num_epochs % every == 0)

    def _write_checkpoint(self, optimizer: Mapping[str, Tensor]) -> None:
        checkpoint = Checkpoint(
            model=self.model.state_dict(),
            optimizer=optimizer,
            losses=list(itertools.chain.from_iterable(self.history.losses)),
            accuracies=self.history.accuracies,
            seconds=self._measure_seconds(),
        )
        file = self.path / CHECKPOINT
        with reporting_disk_errors(file):  # write_file would create a deleted run folder again
            replace_file(file, dump_checkpoint(checkpoint, self.config_sha256))

    def _measure_seconds(self) -> float:
        return self.checkpoint.seconds + time.perf_counter() - self.start

    def _describe_progress(self, epoch: int) -> TrainingProgress:
        num_epochs, losses = self.recipe.epochs, self.history.losses[epoch]
        step, num_steps = epoch * self.num_batches + len(losses), num_epochs * self.num_batches
        steps_here = step - self.first_step
        seconds = time.perf_counter() - self.start
        return TrainingProgress(
            step=step,
            num_steps=num_steps,
            epoch=epoch + 1,
            num_epochs=num_epochs,
            mean_loss=sum(losses) / len(losses),
            images_per_second=steps_here * len(self.images) / self.num_batches / seconds,
            seconds_left=seconds * (num_steps - step) / steps_here,
        )
