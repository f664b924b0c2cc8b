"""Training for a run folder: the losses are written as they come, an ensemble's members in turn.

In: a model, the run's config and the images. Out: the model, trained in place, and what was seen.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from tenfold.data.batches import count_batches
from tenfold.data.mnist import LabelledImages
from tenfold.errors import RunError
from tenfold.models.build import list_members
from tenfold.run import (
    LOSSES,
    OnProgress,
    Run,
    RunConfig,
    TrainingProgress,
    append_losses,
    load_run,
    reporting_disk_errors,
)
from tenfold.training.loop import train_model
from tenfold.training.weights import load_weights


@dataclass
class Trained:
    """What training gave: losses, a list an epoch, and what `watch` said after each epoch."""

    losses: list[list[float]]
    accuracies: list[float]
    watching_seconds: float = 0.0
    reused_seconds: float = 0.0  # that members took which were not trained again


def train_and_record(
    model: nn.Module,
    config: RunConfig,
    images: LabelledImages,
    path: Path,
    *,
    on_progress: OnProgress | None,
    watch: Callable[[], float] | None,
    members_from: Path | None,
) -> Trained:
    """Train, writing the losses as they come; `watch` is called for an accuracy at epoch ends."""
    recipe = config.recipe
    num_batches = count_batches(len(images), recipe.batch_size)
    num_epochs = recipe.members * recipe.epochs
    trained = Trained([], [])
    losses = trained.losses
    start = time.perf_counter()
    with reporting_disk_errors(path / LOSSES):
        file = (path / LOSSES).open("x")
    with file:
        for member, seed in zip(
            list_members(model), recipe.list_member_seeds(config.seed), strict=True
        ):
            first_epoch = len(losses)
            known = None if members_from is None else find_member(members_from, config, seed)
            if known is not None:
                load_weights(member, known.weights_path)
                losses += known.read_losses()
                trained.reused_seconds += known.state["training"]["seconds"]
                with reporting_disk_errors(path / LOSSES):
                    for epoch in range(first_epoch, len(losses)):
                        append_losses(file, epoch, 0, losses[epoch])
                continue
            losses += [[] for _ in range(recipe.epochs)]
            for new in train_model(member, recipe, images.images_NHW, images.labels_N, seed):
                epoch = first_epoch + new.epoch
                if not all(map(math.isfinite, new.losses)):
                    raise RunError(
                        f"{path}: training diverged in epoch {epoch + 1}: expected finite losses, "
                        f"found {next(x for x in new.losses if not math.isfinite(x))}. "
                        "Try a smaller --learning-rate."
                    )
                with reporting_disk_errors(path / LOSSES):
                    append_losses(file, epoch, new.first_batch, new.losses)
                losses[epoch] += new.losses
                done = len(losses[epoch])
                if watch is not None and done == num_batches:
                    before = time.perf_counter()
                    trained.accuracies.append(watch())
                    trained.watching_seconds += time.perf_counter() - before
                if on_progress is not None:
                    step, num_steps = epoch * num_batches + done, num_epochs * num_batches
                    images_done = epoch * len(images) + min(done * recipe.batch_size, len(images))
                    seconds = time.perf_counter() - start - trained.watching_seconds
                    on_progress(
                        TrainingProgress(
                            step=step,
                            num_steps=num_steps,
                            epoch=epoch + 1,
                            num_epochs=num_epochs,
                            mean_loss=sum(losses[epoch]) / done,
                            images_per_second=images_done / seconds,
                            seconds_left=seconds * (num_steps / step - 1),
                        )
                    )
    return trained


def find_member(folder: Path, config: RunConfig, seed: int) -> Run | None:
    """The finished run of one member of an ensemble, None if it is not there.

    Raises RunError if the run that is there is of another recipe or other data.
    """
    if not (folder / str(seed)).is_dir():
        return None
    run = load_run(folder / str(seed))
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
