"""The training loop: a model, images and a recipe in; the model is trained in place.

The loop hands out its losses while it goes, so that whoever called it can write and show them; it
writes and prints nothing itself.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tenfold.data.batches import build_order, count_batches
from tenfold.recipes import Recipe
from tenfold.training.augment import Augmentation, build_generator
from tenfold.training.gradients import build_gradients
from tenfold.training.optimizer import build_optimizer
from tenfold.training.parameters import FlatParameters, flatten_parameters
from tenfold.training.threads import ThreadBalance, gives_same_bits

SECONDS_BETWEEN_PROGRESS = 0.25
WHITE = 255


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Losses of the batches since the last progress; `epoch` and `first_batch` count from 0."""

    epoch: int
    first_batch: int
    losses: list[float]


class Batches:
    """The training images as bytes, and a buffer for one batch of them as floats."""

    def __init__(
        self, images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8], batch_size: int
    ) -> None:
        self.images = torch.tensor(images_NHW)
        self.labels = torch.tensor(labels_N, dtype=torch.int64)
        shape = (batch_size, *self.images.shape[1:])
        self.pixels = torch.empty(shape, dtype=torch.uint8)
        self.scaled = torch.empty(shape)

    def gather(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The images at `samples`, int64 [N], as float32 in [0, 1], and their labels.

        The images lie in a buffer that the next call overwrites.
        """
        pixels, scaled = self.pixels[: len(samples)], self.scaled[: len(samples)]
        torch.index_select(self.images, 0, samples, out=pixels)
        torch.div(pixels, WHITE, out=scaled)
        return scaled, self.labels[samples]


def train_model(
    model: nn.Module,
    recipe: Recipe,
    images_NHW: npt.NDArray[np.uint8],
    labels_N: npt.NDArray[np.uint8],
    seed: int,
) -> Iterator[Progress]:
    """Train `model` in place on uint8 images [N, 28, 28] and labels [N], shuffled by `seed`.

    Yields progress about four times a second and at the end of each epoch; training goes on only
    while it is asked for more.
    """
    num_images, num_batches = len(labels_N), count_batches(len(labels_N), recipe.batch_size)
    batches = Batches(images_NHW, labels_N, recipe.batch_size)
    augmentation = Augmentation(recipe.augmentation)
    parameters = flatten_parameters(model)
    gradients = build_gradients(model, recipe)
    optimizer = build_optimizer(parameters, recipe.optimizer)
    losses = torch.empty(num_batches)
    num_altered_epochs = 0
    if not recipe.augmentation.is_none:
        num_altered_epochs = recipe.epochs - recipe.count_clean_epochs()

    def try_step() -> Tensor:
        """The weights after a step on a whole and on the last batch; the model stays as it is."""
        statistics = [buffer.clone() for buffer in model.buffers()]
        samples = torch.arange(num_images).split(recipe.batch_size)
        trial_draws = augmentation.draw(num_images, build_generator(seed, 0))
        trials = []
        for batch in (samples[0], samples[-1]):
            images, labels = batches.gather(batch)
            if num_altered_epochs:
                images = augmentation.alter(images, trial_draws[batch])
            gradients(images, labels)
            trials.append(FlatParameters(parameters.values.clone(), parameters.gradients))
            build_optimizer(trials[-1], recipe.optimizer).step()
        for buffer, before in zip(model.buffers(), statistics, strict=True):
            buffer.copy_(before)
        return torch.cat([trial.values for trial in trials])

    model.train()
    balance = ThreadBalance(may_vary=gives_same_bits(try_step))
    try:
        reported = time.perf_counter()
        for epoch in range(recipe.epochs):
            order = torch.from_numpy(build_order(seed, epoch, num_images))
            draws = None
            if epoch < num_altered_epochs:
                draws = augmentation.draw(num_images, build_generator(seed, epoch))
            first_batch = 0
            for batch, samples in enumerate(order.split(recipe.batch_size)):
                images, labels = batches.gather(samples)
                if draws is not None:
                    images = augmentation.alter(images, draws[samples])
                losses[batch] = gradients(images, labels)
                step = epoch * num_batches + batch
                optimizer.step(recipe.optimizer.scale_at(step, recipe.epochs * num_batches))
                balance.count_step()

                is_last = batch == num_batches - 1
                if is_last or time.perf_counter() - reported > SECONDS_BETWEEN_PROGRESS:
                    new = losses[first_batch : batch + 1].tolist()
                    yield Progress(epoch=epoch, first_batch=first_batch, losses=new)
                    model.train()  # whoever got this progress may have evaluated the model
                    first_batch, reported = batch + 1, time.perf_counter()
                    balance.start_window()
    finally:
        balance.stop()
