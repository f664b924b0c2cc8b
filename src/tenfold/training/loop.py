"""The training loop: trains a model in place and yields its losses.

It writes and prints nothing; the caller does.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tenfold.data.batches import build_order, count_batches
from tenfold.digits import WHITE
from tenfold.errors import DivergedError
from tenfold.models.seeding import seeding
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.recipe import Recipe
from tenfold.training.augment import Augmentation, Draws, build_generator
from tenfold.training.flat_parameters import flatten_parameters
from tenfold.training.gradients import build_gradients
from tenfold.training.optimizer import build_optimizer
from tenfold.training.signals import StopRequest
from tenfold.training.threads import in_own_thread

SECONDS_BETWEEN_PROGRESS = 0.25
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Losses of the batches since the previous `Progress`; `epoch` and `first_batch` count from 0.

    `optimizer` is the live state of the optimizer, which the next step changes. `is_stopped` marks
    the final one after a stop request.
    """

    epoch: int
    first_batch: int
    losses: list[float]
    optimizer: Mapping[str, Tensor]
    is_stopped: bool = False

    def check_losses(self) -> None:
        """Raise DivergedError if a loss is not finite."""
        for loss in self.losses:
            if not math.isfinite(loss):
                raise DivergedError(
                    f"training diverged in epoch {self.epoch + 1}: the loss is {loss}. Try a "
                    "smaller --learning-rate."
                )


class Batches:
    """The training images as bytes on a device, and a buffer for one batch of floats."""

    def __init__(
        self,
        images_NHW: npt.NDArray[np.uint8],
        labels_N: npt.NDArray[np.uint8],
        batch_size: int,
        device: torch.device = CPU,
    ) -> None:
        self.images = torch.tensor(images_NHW, device=device)
        self.labels = torch.tensor(labels_N, dtype=torch.int64, device=device)
        shape = (batch_size, *self.images.shape[1:])
        self.pixels = torch.empty(shape, dtype=torch.uint8, device=device)
        self.scaled = torch.empty(shape, device=device)

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images at `indices`, int64 [N], as float32 in [0, 1], and their labels.

        The next call overwrites the images.
        """
        pixels, scaled = self.pixels[: len(indices)], self.scaled[: len(indices)]
        torch.index_select(self.images, 0, indices, out=pixels)
        torch.div(pixels, WHITE, out=scaled)
        return scaled, self.labels[indices]


@in_own_thread
def train_model(
    model: nn.Module,
    recipe: Recipe,
    images_NHW: npt.NDArray[np.uint8],
    labels_N: npt.NDArray[np.uint8],
    seed: int,
    *,
    first_step: int = 0,
    optimizer_tensors: Mapping[str, Tensor] | None = None,
    stop: StopRequest | None = None,
) -> Iterator[Progress]:
    """Train `model` in place, on its device, on uint8 images [N, 28, 28] and labels [N].

    Yields progress about four times a second and at the end of each epoch, and pauses until the
    next is requested. `seed` decides the order of the images and their augmentation. To resume,
    `first_step` is the number of steps done and `optimizer_tensors` the optimizer's state after
    them. Training ends after the current step when `stop` is requested.
    """
    stop = stop or StopRequest()
    device = next(model.parameters()).device
    num_images, num_batches = len(labels_N), count_batches(len(labels_N), recipe.batch_size)
    num_steps = recipe.epochs * num_batches
    batches = Batches(images_NHW, labels_N, recipe.batch_size, device)
    augmentation = Augmentation(recipe.augmentation, device)
    optimizer = build_optimizer(flatten_parameters(model), recipe.optimizer)
    compute_gradients = build_gradients(model, recipe)
    if optimizer_tensors:
        optimizer.resume(optimizer_tensors)
    losses = torch.empty(num_batches, device=device)
    has_own_model = isinstance(recipe.model, ModuleConfig)  # which may draw random numbers

    model.train()
    first_batch, reported = first_step % num_batches, time.perf_counter()
    for step, indices, draws in _iterate_steps(recipe, augmentation, num_images, seed, first_step):
        epoch, batch = divmod(step, num_batches)
        images, labels = batches.gather(indices)
        if draws is not None:
            images = augmentation.apply(images, draws)
        with seeding(mix_seed(seed, step), device) if has_own_model else nullcontext():
            losses[batch] = compute_gradients(images, labels)
        optimizer.step(recipe.optimizer.scale_at(step, num_steps))

        is_stopped = stop.is_set
        is_last = batch == num_batches - 1 or is_stopped
        if is_last or time.perf_counter() - reported > SECONDS_BETWEEN_PROGRESS:
            yield Progress(
                epoch=epoch,
                first_batch=first_batch,
                losses=losses[first_batch : batch + 1].tolist(),
                optimizer=optimizer.tensors,
                is_stopped=is_stopped,
            )
            if is_stopped:
                return
            model.train()  # the caller may have evaluated the model
            first_batch, reported = (batch + 1) % num_batches, time.perf_counter()


def mix_seed(seed: int, step: int) -> int:
    """The seed of the random numbers that a model draws in a step, so that none need be saved."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])


def _iterate_steps(
    recipe: Recipe, augmentation: Augmentation, num_images: int, seed: int, first_step: int
) -> Iterator[tuple[int, Tensor, Draws | None]]:
    """The number, image indices and augmentation of each step; the last epochs may have none."""
    num_batches = count_batches(num_images, recipe.batch_size)
    num_augmented_epochs = 0
    if not recipe.augmentation.is_none:
        num_augmented_epochs = recipe.epochs - recipe.count_clean_epochs()
    for epoch in range(first_step // num_batches, recipe.epochs):
        order = torch.from_numpy(build_order(seed, epoch, num_images)).to(augmentation.device)
        draws = None
        if epoch < num_augmented_epochs:
            draws = augmentation.draw(num_images, build_generator(seed, epoch))
        for step, indices in enumerate(order.split(recipe.batch_size), epoch * num_batches):
            if step >= first_step:
                yield step, indices, None if draws is None else draws[indices]
