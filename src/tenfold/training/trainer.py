"""Training for a run folder: losses are written as they come, checkpoints after epochs.

In: a model, the run's config and the images, and where an earlier process came to. Out: the model,
trained in place, and what was seen.
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
from tenfold.runs.run import (
    CHECKPOINT,
    CONFIG,
    LOSSES,
    OnProgress,
    RunConfig,
    TrainingProgress,
    append_losses,
    format_losses,
)
from tenfold.system.files import (
    flush_file,
    hash_file,
    replace_file,
    reporting_disk_errors,
    write_file,
)
from tenfold.training.checkpoint import (
    Checkpoint,
    Position,
    dump_checkpoint,
    load_model_state,
)
from tenfold.training.loop import Progress, train_model
from tenfold.training.signals import noting_signals
from tenfold.training.tensorboard import EventWriter


@dataclass
class Trained:
    """What training gave: losses, a list an epoch, and what `watch` said after each epoch.

    `seconds` is the time that training took, without watching.
    """

    losses: list[list[float]]
    accuracies: list[float]
    seconds: float = 0.0


class Recorder:
    """Trains a model and keeps a run's folder up with it.

    `path` is the run's folder. `checkpoint` is where an earlier process came to. `start` is when
    this one began, by time.perf_counter.
    """

    def __init__(
        self,
        model: nn.Module,
        config: RunConfig,
        images: LabelledImages,
        path: Path,
        *,
        start: float,
        checkpoint: Checkpoint | None = None,
        on_progress: OnProgress | None = None,
        watch: Callable[[], float] | None = None,
    ) -> None:
        self.model, self.config, self.recipe = model, config, config.recipe
        self.images, self.path = images, path
        self.on_progress, self.watch = on_progress, watch
        self.config_sha256 = hash_file(path / CONFIG)
        self.num_batches = count_batches(len(images), self.recipe.batch_size)
        self.position = Position(epoch=0, batch=0)
        self.optimizer_tensors: Mapping[str, Tensor] | None = None
        self.trained = Trained([], [])
        self.start = start
        if checkpoint is not None:
            load_model_state(model, checkpoint)
            self.position = checkpoint.position
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
        # The losses so far and no others.
        write_file(self.path / LOSSES, format_losses(self.trained.losses))
        self._train_model()
        flush_file(self.path / LOSSES)
        if self.events is not None:
            self.events.close()
        self.trained.seconds = self._measure_seconds()
        return self.trained

    def _train_model(self) -> None:
        first = self.position
        with noting_signals() as stop:
            for new in train_model(
                self.model,
                self.recipe,
                self.images.images_NHW,
                self.images.labels_N,
                self.config.seed,
                first_step=first.epoch * self.num_batches + first.batch,
                optimizer_tensors=self.optimizer_tensors,
                stop=stop,
            ):
                self._take(new)
                if new.is_stopped:
                    self._write_checkpoint(new.optimizer)

    def _take(self, new: Progress) -> None:
        """Record some steps: losses, then accuracy, then checkpoint, then what is shown."""
        losses, epoch = self.trained.losses, new.epoch
        if not all(map(math.isfinite, new.losses)):
            raise DivergedError(
                f"training diverged in epoch {epoch + 1}: expected finite losses, found "
                f"{next(x for x in new.losses if not math.isfinite(x))}. Try a smaller "
                "--learning-rate."
            )
        self._append(epoch, new.first_batch, new.losses)
        if epoch == len(losses):
            losses.append([])
        losses[epoch] += new.losses
        done = len(losses[epoch])
        self.position = Position(epoch=epoch, batch=done)
        if done == self.num_batches:
            self.position = Position(epoch=epoch + 1, batch=0)
            if self.watch is not None:
                before = time.perf_counter()
                self.trained.accuracies.append(self.watch())
                watching_seconds = time.perf_counter() - before
                self.start += watching_seconds
                self.start_here += watching_seconds
                if self.events is not None:
                    last_step = (epoch + 1) * self.num_batches - 1
                    self.events.write_accuracy(last_step, self.trained.accuracies[-1])
            every = self.config.checkpoint_every
            # At the end always: what comes then, evaluation or a signal, loses nothing.
            is_end = epoch + 1 == self.recipe.epochs
            is_due = is_end or (every > 0 and (epoch + 1) % every == 0)
            if is_due and not new.is_stopped:
                self._write_checkpoint(new.optimizer)
        if self.on_progress is not None:
            self.on_progress(self._describe_progress(epoch, done))

    def _append(self, epoch: int, first_batch: int, losses: list[float]) -> None:
        append_losses(self.path, epoch, first_batch, losses)
        if self.events is not None:
            self.events.write_losses(epoch * self.num_batches + first_batch, losses)

    def _write_checkpoint(self, optimizer: Mapping[str, Tensor]) -> None:
        if self.events is not None:
            self.events.flush()  # what a checkpoint has is not written again
        checkpoint = Checkpoint(
            position=self.position,
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
