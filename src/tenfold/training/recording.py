"""Training for a run folder: losses are written as they come, checkpoints after epochs.

In: a model, the run's config and the images, and where an earlier process came to. Out: the model,
trained in place, an ensemble's members in turn, and what was seen.
"""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from tenfold.data.batches import count_batches
from tenfold.data.mnist import LabelledImages
from tenfold.disk import flush_file, replace_file, reporting_disk_errors, write_file
from tenfold.errors import DivergedError, RunError
from tenfold.models.build import list_members
from tenfold.run import (
    CHECKPOINT,
    LOSSES,
    OnProgress,
    Run,
    RunConfig,
    TrainingProgress,
    append_losses,
    format_losses,
    load_run,
)
from tenfold.training.checkpoints import (
    Checkpoint,
    Position,
    dump_checkpoint,
    load_model_state,
)
from tenfold.training.events import EventWriter
from tenfold.training.loop import Progress, train_model
from tenfold.training.processes import Processes, outliving_torchrun
from tenfold.training.stopping import noting_signals
from tenfold.training.weights import load_weights


@dataclass
class Trained:
    """What training gave: losses, a list an epoch, and what `watch` said after each epoch.

    `seconds` is the time that training took, without watching, `reused_seconds` the part of members
    that were not trained again.
    """

    losses: list[list[float]]
    accuracies: list[float]
    seconds: float = 0.0
    reused_seconds: float = 0.0


class Recorder:
    """Trains the members of a model one after another, and keeps a run's folder up with it.

    `path` is the run's folder, which the first of several processes writes to. `checkpoint` is
    where an earlier process came to. `start` is when this one began, by time.perf_counter.
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
        processes: Processes | None = None,
        on_progress: OnProgress | None = None,
        watch: Callable[[], float] | None = None,
    ) -> None:
        self.model, self.config, self.recipe = model, config, config.recipe
        self.images, self.path = images, path
        self.processes = processes or Processes()
        self.on_progress, self.watch = on_progress, watch
        self.num_batches = count_batches(len(images), self.recipe.batch_size)
        self.position = Position(member=0, epoch=0, batch=0)
        self.optimizer_tensors: Mapping[str, Tensor] | None = None
        self.trained = Trained([], [])
        self.start = start
        if checkpoint is not None:
            load_model_state(model, checkpoint)
            self.position = checkpoint.position
            self.optimizer_tensors = checkpoint.optimizer or None
            steps = checkpoint.losses
            self.trained = Trained(
                [steps[i : i + self.num_batches] for i in range(0, len(steps), self.num_batches)],
                checkpoint.accuracies,
                reused_seconds=checkpoint.reused_seconds,
            )
            self.start -= checkpoint.seconds - checkpoint.reused_seconds
        self.num_steps_before = sum(map(len, self.trained.losses))
        self.start_here = start
        self.events = None
        if config.tensorboard and self.processes.is_first:
            self.events = EventWriter(path, self.num_steps_before)

    def train(self) -> Trained:
        """Train what is left to be trained.

        Raises RunError for losses that are no numbers, and for files that cannot be written;
        KeyboardInterrupt when it was stopped, after a checkpoint was written.
        """
        members = list_members(self.model)
        seeds = self.recipe.list_member_seeds(self.config.seed)
        if self.processes.is_first:  # the losses so far and no others
            write_file(self.path / LOSSES, format_losses(self.trained.losses))
        while self.position.member < len(members):
            member, seed = members[self.position.member], seeds[self.position.member]
            if self.position.epoch == self.position.batch == 0 and self._reuse(member, seed):
                continue
            self._train_member(member, seed)
        if self.processes.is_first:
            flush_file(self.path / LOSSES)
        if self.events is not None:
            self.events.close()
        self.trained.seconds = self._measure_seconds()
        return self.trained

    def _reuse(self, member: nn.Module, seed: int) -> bool:
        """Take a member that was trained before, if there is one."""
        known = find_member(self.config, seed)
        if known is None:
            return False
        load_weights(member, known.weights_path)
        first_epoch = len(self.trained.losses)
        self.trained.losses += known.read_losses()
        self.trained.reused_seconds += known.training.seconds
        for epoch in range(first_epoch, len(self.trained.losses)):
            self._append(epoch, 0, self.trained.losses[epoch])
        self.position = Position(member=self.position.member + 1, epoch=0, batch=0)
        self.optimizer_tensors = None
        return True

    def _train_member(self, member: nn.Module, seed: int) -> None:
        first = self.position
        with noting_signals() as stop, outliving_torchrun(self.processes):
            for new in train_model(
                member,
                self.recipe,
                self.images.images_NHW,
                self.images.labels_N,
                seed,
                first_step=first.epoch * self.num_batches + first.batch,
                optimizer_tensors=self.optimizer_tensors,
                processes=self.processes,
                stop=stop,
            ):
                self._take(first.member, new)
                if new.is_stopped:
                    self._write_checkpoint(new.optimizer)
                    break
        if new.is_stopped:  # by a signal that another process got
            raise RunError("expected all processes to go on, found that one was stopped")
        self.optimizer_tensors = None

    def _take(self, member: int, new: Progress) -> None:
        """Record some steps: losses, then accuracy, then checkpoint, then what is shown."""
        losses = self.trained.losses
        epoch = member * self.recipe.epochs + new.epoch
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
        is_epoch_end = done == self.num_batches
        self.position = Position(member=member, epoch=new.epoch, batch=done)
        if is_epoch_end:
            is_member_end = new.epoch + 1 == self.recipe.epochs
            self.position = Position(
                member=member + is_member_end,
                epoch=0 if is_member_end else new.epoch + 1,
                batch=0,
            )
            if self.watch is not None and self.processes.is_first:
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
            is_due = is_member_end or (every > 0 and (epoch + 1) % every == 0)
            if is_due and not new.is_stopped:
                self._write_checkpoint(new.optimizer)
        if self.on_progress is not None and self.processes.is_first:
            self.on_progress(self._describe_progress(epoch, done))

    def _append(self, epoch: int, first_batch: int, losses: list[float]) -> None:
        if self.processes.is_first:
            append_losses(self.path, epoch, first_batch, losses)
        if self.events is not None:
            self.events.write_losses(epoch * self.num_batches + first_batch, losses)

    def _write_checkpoint(self, optimizer: Mapping[str, Tensor]) -> None:
        if not self.processes.is_first:
            return
        if self.events is not None:
            self.events.flush()  # what a checkpoint has is not written again
        checkpoint = Checkpoint(
            position=self.position,
            model=self.model.state_dict(),
            # The next member begins with an optimizer of its own.
            optimizer=optimizer if self.position.epoch or self.position.batch else {},
            losses=list(itertools.chain.from_iterable(self.trained.losses)),
            accuracies=self.trained.accuracies,
            seconds=self._measure_seconds(),
            reused_seconds=self.trained.reused_seconds,
        )
        file = self.path / CHECKPOINT
        with reporting_disk_errors(file):  # a folder that is gone is not made again
            replace_file(file, dump_checkpoint(checkpoint, self.config))

    def _measure_seconds(self) -> float:
        return time.perf_counter() - self.start + self.trained.reused_seconds

    def _describe_progress(self, epoch: int, done: int) -> TrainingProgress:
        num_epochs = self.recipe.members * self.recipe.epochs
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


def find_member(config: RunConfig, seed: int) -> Run | None:
    """The finished run of one member of an ensemble, None if it is not there.

    Raises RunError if the run that is there is of another recipe or other data.
    """
    if config.members_from is None or not Path(config.members_from, str(seed)).is_dir():
        return None
    run = load_run(Path(config.members_from, str(seed)))
    expected = dataclasses.replace(
        config.recipe, members=1, name=run.config.recipe.name, summary=run.config.recipe.summary
    )
    same_data = run.config.checksums == config.checksums and run.config.holdout == config.holdout
    if run.config.recipe != expected or run.config.seed != seed or not same_data:
        raise RunError(
            f"{run.path}: expected a run of the ensemble's member with seed {seed}, found one of "
            "another recipe, seed or data"
        )
    return run
