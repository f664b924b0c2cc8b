"""The training loop: a model, images and a recipe in; the model is trained in place.

The loop hands out its losses while it goes, so that whoever called it can write and show them; it
writes and prints nothing itself.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tenfold.data.batches import build_order, count_batches
from tenfold.digits import WHITE
from tenfold.recipes.recipe import Recipe
from tenfold.training.augment import Augmentation, build_generator
from tenfold.training.flat_parameters import flatten_parameters
from tenfold.training.gradients import build_gradients
from tenfold.training.optimizer import build_optimizer
from tenfold.training.signals import StopRequest
from tenfold.training.threads import in_own_thread

SECONDS_BETWEEN_PROGRESS = 0.25
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Losses of the batches since the last progress; `epoch` and `first_batch` count from 0.

    `optimizer` is all that the optimizer remembers: live, the next step changes it. `is_stopped`
    says that a request to stop was followed: there will be no other progress.
    """

    epoch: int
    first_batch: int
    losses: list[float]
    optimizer: Mapping[str, Tensor]
    is_stopped: bool = False


class Batches:
    """The training images as bytes on a device, and a buffer for one batch of them as floats."""

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

    def gather(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The images at `samples`, int64 [N], as float32 in [0, 1], and their labels.

        The images lie in a buffer that the next call overwrites.
        """
        pixels, scaled = self.pixels[: len(samples)], self.scaled[: len(samples)]
        torch.index_select(self.images, 0, samples, out=pixels)
        torch.div(pixels, WHITE, out=scaled)
        return scaled, self.labels[samples]


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
    """Train `model` in place on uint8 images [N, 28, 28] and labels [N], shuffled by `seed`.

    It is trained on the device that its parameters are on.
    Yields progress about four times a second and at the end of each epoch; training goes on only
    while it is asked for more. To go on with a model that was trained before, `first_step` counts
    the steps that it made and `optimizer_tensors` are what the optimizer remembered after them.
    Training ends early, between two steps, when `stop` is requested.
    """
    stop = stop or StopRequest()
    device = next(model.parameters()).device
    num_images, num_batches = len(labels_N), count_batches(len(labels_N), recipe.batch_size)
    batches = Batches(images_NHW, labels_N, recipe.batch_size, device)
    augmentation = Augmentation(recipe.augmentation, device)
    parameters = flatten_parameters(model)
    gradients = build_gradients(model, recipe)
    optimizer = build_optimizer(parameters, recipe.optimizer)
    if optimizer_tensors is not None:
        optimizer.resume(optimizer_tensors)
    losses = torch.empty(num_batches, device=device)
    num_altered_epochs = 0
    if not recipe.augmentation.is_none:
        num_altered_epochs = recipe.epochs - recipe.count_clean_epochs()

    model.train()
    reported = time.perf_counter()
    for epoch in range(first_step // num_batches, recipe.epochs):
        order = torch.from_numpy(build_order(seed, epoch, num_images)).to(device)
        draws = None
        if epoch < num_altered_epochs:
            draws = augmentation.draw(num_images, build_generator(seed, epoch))
        first_batch = max(0, first_step - epoch * num_batches)
        for batch, samples in enumerate(order.split(recipe.batch_size)):
            step = epoch * num_batches + batch
            if step < first_step:
                continue
            images, labels = batches.gather(samples)
            if draws is not None:
                images = augmentation.alter(images, draws[samples])
            losses[batch] = gradients(images, labels)
            is_stopped = stop.is_made
            optimizer.step(recipe.optimizer.scale_at(step, recipe.epochs * num_batches))

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
                model.train()  # whoever got this progress may have evaluated the model
                first_batch, reported = batch + 1, time.perf_counter()
