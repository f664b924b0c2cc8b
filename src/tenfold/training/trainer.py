"""Training for a run folder: losses are written as they come, checkpoints after epochs.

In: a model, the run's config and the images, and the checkpoint where there is one. Out: the model,
trained in place, with its losses, accuracies and seconds.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from tenfold.data.batches import count_batches
from tenfold.data.mnist import LabelledImages
from tenfold.errors import DivergedError
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
from tenfold.training.checkpoint import (
    Checkpoint,
    dump_checkpoint,
    load_model_state,
)
from tenfold.training.loop import Progress, train_model
from tenfold.training.signals import deferred_signals
from tenfold.training.tensorboard import EventWriter


@dataclass
class Trained:
    """What training gave: the losses, a list for each epoch, and the accuracy after each epoch.

    Accuracies are empty if they were not measured, and `seconds` are without measuring them.
    """

    losses: list[list[float]]
    accuracies: list[float]
    seconds: float = 0.0


class Trainer:
    """Trains the model of a run and keeps the run's folder up with it.

    `path` is the run's folder, which has its config. `start` is when training began, by
    time.perf_counter. `checkpoint` is where an earlier process stopped. `measure_accuracy` is
    called after each epoch; its seconds do not count.
    """

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        model: nn.Module,
        images: LabelledImages,
        *,
        start: float,
        checkpoint: Checkpoint | None = None,
        measure_accuracy: Callable[[], float] | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.path, self.config, self.recipe = path, config, config.recipe
        self.config_sha256 = hash_file(path / CONFIG)
        self.model, self.images = model, images
        self.measure_accuracy, self.on_progress = measure_accuracy, on_progress
        self.num_batches = count_batches(len(images), self.recipe.batch_size)
        self.optimizer_tensors: Mapping[str, Tensor] | None = None
        self.trained = Trained([], [])
        self.start = start
        if checkpoint is not None:
            load_model_state(model, checkpoint)
            self.optimizer_tensors = checkpoint.optimizer
            steps = checkpoint.losses
            self.trained = Trained(
                [steps[i : i + self.num_batches] for i in range(0, len(steps), self.num_batches)],
                checkpoint.accuracies,
            )
            self.start -= checkpoint.seconds
        self.num_steps_before = sum(map(len, self.trained.losses))
        self.start_here = start
        self.events = None
        if config.tensorboard:
            self.events = EventWriter(path, self.num_steps_before)

    def train(self) -> Trained:
        """Train what is left to be trained.

        Raises RunError for losses that are no numbers, and for files that cannot be written;
        KeyboardInterrupt when it was stopped, after a checkpoint was written.
        """
        write_file(self.path / LOSSES, format_losses(self.trained.losses))  # so far, and no others
        with deferred_signals() as stop:
            for new in train_model(
                self.model,
                self.recipe,
                self.images.images_NHW,
                self.images.labels_N,
                self.config.seed,
                first_step=self.num_steps_before,
                optimizer_tensors=self.optimizer_tensors,
                stop=stop,
            ):
                self._record(new)
        flush_file(self.path / LOSSES)
        if self.events is not None:
            self.events.close()
        self.trained.seconds = self._measure_seconds()
        return self.trained

    def _record(self, new: Progress) -> None:
        """Record some steps: losses, then accuracy, then checkpoint, then what is shown."""
        self._record_losses(new)
        num_done = len(self.trained.losses[new.epoch])
        is_epoch_end = num_done == self.num_batches
        if is_epoch_end:
            self._record_accuracy(new.epoch)
        if new.is_stopped or (is_epoch_end and self._is_checkpoint_due(new.epoch + 1)):
            self._write_checkpoint(new.optimizer)
        if self.on_progress is not None:
            self.on_progress(self._describe_progress(new.epoch, num_done))

    def _record_losses(self, new: Progress) -> None:
        for loss in new.losses:
            if not math.isfinite(loss):
                raise DivergedError(
                    f"training diverged in epoch {new.epoch + 1}: expected finite losses, found "
                    f"{loss}. Try a smaller --learning-rate."
                )
        append_losses(self.path, new.epoch, new.first_batch, new.losses)
        if self.events is not None:
            self.events.write_losses(new.epoch * self.num_batches + new.first_batch, new.losses)
        if new.epoch == len(self.trained.losses):
            self.trained.losses.append([])
        self.trained.losses[new.epoch] += new.losses

    def _record_accuracy(self, epoch: int) -> None:
        if self.measure_accuracy is None:
            return
        before = time.perf_counter()
        self.trained.accuracies.append(self.measure_accuracy())
        seconds = time.perf_counter() - before
        self.start += seconds
        self.start_here += seconds
        if self.events is not None:
            last_step = (epoch + 1) * self.num_batches - 1
            self.events.write_accuracy(last_step, self.trained.accuracies[-1])

    def _is_checkpoint_due(self, num_epochs: int) -> bool:
        """Whether to save after so many epochs; after the last one always, for the evaluation."""
        every = self.config.checkpoint_every
        return num_epochs == self.recipe.epochs or (every > 0 and num_epochs % every == 0)

    def _write_checkpoint(self, optimizer: Mapping[str, Tensor]) -> None:
        if self.events is not None:
            self.events.flush()  # what a checkpoint has is not written again
        checkpoint = Checkpoint(
            model=self.model.state_dict(),
            optimizer=optimizer,
            losses=list(itertools.chain.from_iterable(self.trained.losses)),
            accuracies=self.trained.accuracies,
            seconds=self._measure_seconds(),
        )
        file = self.path / CHECKPOINT
        with reporting_disk_errors(file):  # a folder that is gone is not made again
            replace_file(file, dump_checkpoint(checkpoint, self.config_sha256))

    def _measure_seconds(self) -> float:
        return time.perf_counter() - self.start

    def _describe_progress(self, epoch: int, done: int) -> TrainingProgress:
        num_epochs = self.recipe.epochs
        step, num_steps = epoch * self.num_batches + done, num_epochs * self.num_batches
        steps_here = step - self.num_steps_before
        seconds = time.perf_counter() - self.start_here
        return TrainingProgress(
            step=step,
            num_steps=num_steps,
            epoch=epoch + 1,
            num_epochs=num_epochs,
            mean_loss=sum(self.trained.losses[epoch]) / done,
            images_per_second=steps_here * len(self.images) / self.num_batches / seconds,
            seconds_left=seconds * (num_steps - step) / steps_here,
        )
