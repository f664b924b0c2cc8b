import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.data.batches import build_order, count_batches
from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import (
    AugmentationConfig,
    ConvolutionalConfig,
    OptimizerConfig,
    PerceptronConfig,
)
from tenfold.recipes.recipe import Recipe
from tenfold.training import loop
from tenfold.training.augment import Augmentation, build_generator
from tenfold.training.loop import Progress, train_model
from tenfold.training.threads import setting_threads

ONE_EPOCH = RECIPES["classic"].replace(epochs=1)
SMALL = Recipe(
    name="small",
    summary="fast to train",
    model=PerceptronConfig(hidden_sizes=(20,)),
    batch_size=100,
    epochs=3,
)
AUGMENTED = dataclasses.replace(
    SMALL,
    augmentation=AugmentationConfig(
        rotation_degrees=15, shift_px=2, scale=0.1, shear=0.1, elastic_px=1, stroke=0.4
    ),
)
CONVOLUTIONAL = dataclasses.replace(
    SMALL,
    model=ConvolutionalConfig(channels=(4, 8), depths=(1, 1)),
    optimizer=OptimizerConfig(
        optimizer="sgd", learning_rate=0.1, schedule="one-cycle", warmup=1 / 3
    ),
    batch_size=50,
)


@pytest.fixture(autouse=True)
def _threads_are_left_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert after == before


@pytest.fixture(scope="module")
def few(training: LabelledImages) -> LabelledImages:
    return take(training, 2000)


def take(training: LabelledImages, num_images: int) -> LabelledImages:
    return training.select(np.arange(num_images))


def train(
    recipe: Recipe, data: LabelledImages, seed: int, model: nn.Module | None = None
) -> tuple[Tensor, list[Progress]]:
    """The weights in one tensor, and all progress."""
    model = model or build_model(recipe.model, seed)
    progress = list(train_model(model, recipe, data.images_NHW, data.labels_N, seed))
    return flatten(model), progress


def flatten(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def losses_of(progress: list[Progress]) -> list[list[float]]:
    """The losses of each epoch; each progress must start where the last one ended."""
    epochs: list[list[float]] = []
    for piece in progress:
        if piece.first_batch == 0:
            assert piece.epoch == len(epochs)
            epochs.append([])
        assert piece.epoch == len(epochs) - 1
        assert piece.first_batch == len(epochs[-1])
        assert piece.losses
        epochs[-1] += piece.losses
    return epochs


def test_the_seed_alone_decides_weights_and_losses_bitwise(few: LabelledImages) -> None:
    images, labels = few.images_NHW.copy(), few.labels_N.copy()
    ends = []
    for global_seed, seed in ((0, 0), (1, 0), (0, 1)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            ends.append(train(ONE_EPOCH, few, seed))
    (first, progress), (again, progress_again), (other, _) = ends
    assert torch.equal(first, again)
    assert losses_of(progress) == losses_of(progress_again)
    assert not torch.equal(first, other)
    same_start = train(ONE_EPOCH, few, 1, build_model(ONE_EPOCH.model, 0))[0]  # another order
    assert not torch.equal(first, same_start)
    np.testing.assert_array_equal(few.images_NHW, images)  # training does not change its data
    np.testing.assert_array_equal(few.labels_N, labels)


@pytest.mark.skipif(sys.platform != "linux", reason="OpenMP's threads flush as ours on Linux")
def test_moments_contain_no_denormal_numbers(training: LabelledImages) -> None:
    # Each pixel is lit in one image only. From then on its weights have no gradient, and their
    # moments are denormal after some 800 steps.
    images_NHW = np.zeros((1500, 28, 28), np.uint8)
    images_NHW.reshape(1500, -1)[range(1500), np.arange(1500) % 784] = 255
    data = dataclasses.replace(take(training, 1500), images_NHW=images_NHW)
    recipe = SMALL.replace(batch_size=1, epochs=1, hidden_sizes=(64,))
    with setting_threads(2):
        torch.ones(100_000).add_(1)  # starts a thread of OpenMP that does not flush
        _, progress = train(recipe, data, seed=0)
    mean = progress[-1].optimizer["mean"]
    assert (mean == 0).any()
    for moment in (mean, progress[-1].optimizer["mean_square"]):
        assert not ((moment != 0) & (moment.abs() < torch.finfo(moment.dtype).tiny)).any()


@pytest.mark.parametrize("seconds_between_progress", [0.0, 0.25, 1e9])
def test_progress_reports_every_loss_once(
    seconds_between_progress: float, few: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_PROGRESS", seconds_between_progress)
    _, progress = train(SMALL, few, seed=0)
    epochs = losses_of(progress)
    assert [len(losses) for losses in epochs] == [count_batches(2000, 100)] * 3
    assert np.isfinite(epochs).all()
    if seconds_between_progress == 0.0:
        assert len(progress) == 60  # one for each batch
    if seconds_between_progress == 1e9:
        assert len(progress) == 3  # one at the end of each epoch


@pytest.mark.parametrize(
    ("num_images", "batch_size"), [(1030, 100), (50, 60_000), (100, 100), (101, 100), (7, 1)]
)
def test_the_last_batch_may_be_smaller(
    num_images: int, batch_size: int, training: LabelledImages
) -> None:
    recipe = SMALL.replace(batch_size=batch_size)
    weights, progress = train(recipe, take(training, num_images), seed=0)
    epochs = losses_of(progress)
    assert [len(losses) for losses in epochs] == [count_batches(num_images, batch_size)] * 3
    assert np.isfinite([loss for losses in epochs for loss in losses]).all()
    assert weights.isfinite().all()


def build_plain(sizes: tuple[int, ...], seed: int) -> nn.Sequential:
    modules: list[nn.Module] = [nn.Flatten()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for inputs, outputs in itertools.pairwise(sizes):
            modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def train_plainly(
    model: nn.Module, recipe: Recipe, data: LabelledImages, seed: int
) -> tuple[Tensor, list[float]]:
    """The loop of every tutorial, with Tenfold's order of images."""
    images = torch.tensor(data.images_NHW).float() / 255
    labels = torch.tensor(data.labels_N).long()
    config = recipe.optimizer
    optimizer: torch.optim.Optimizer
    if config.optimizer == "adam":
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=config.weight_decay)
    else:
        optimizer = torch.optim.SGD(
            model.parameters(),
            momentum=config.momentum,
            nesterov=True,
            weight_decay=config.weight_decay,
        )
    num_steps = recipe.epochs * count_batches(len(data), recipe.batch_size)
    losses: list[float] = []
    for epoch in range(recipe.epochs):
        order = torch.tensor(build_order(seed, epoch, len(data)))
        for first in range(0, len(data), recipe.batch_size):
            rows = order[first : first + recipe.batch_size]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            share = 1.0
            if config.schedule == "one-cycle":  # in the warm-up from 0 up to 1, then down to 0
                rising, step = round(config.warmup * num_steps), len(losses)
                share = min((step + 1) / rising, (num_steps - step) / (num_steps - rising))
            optimizer.param_groups[0]["lr"] = share * config.learning_rate
            optimizer.step()
            losses.append(loss.item())
    return flatten(model), losses


@pytest.mark.parametrize(
    ("hidden_sizes", "changes"),
    [
        ((500, 125), {}),
        ((20,), {"schedule": "one-cycle", "warmup": 0.3}),
        ((20,), {"weight_decay": 0.5}),
        ((20,), {"optimizer": "sgd", "weight_decay": 0.01}),
    ],
)
def test_weights_and_losses_equal_those_of_a_plain_loop(
    hidden_sizes: tuple[int, ...], changes: dict[str, Any], training: LabelledImages
) -> None:
    recipe = RECIPES["classic"].replace(hidden_sizes=hidden_sizes, epochs=2, **changes)
    data = take(training, 950)
    weights, progress = train(recipe, data, seed=4)
    plain = build_plain((784, *hidden_sizes, 10), seed=4)
    expected, expected_losses = train_plainly(plain, recipe, data, seed=4)
    losses = [loss for epoch_losses in losses_of(progress) for loss in epoch_losses]
    assert len(losses) == 20
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    # Adam divides by the size of a gradient: where that is tiny, rounding changes a few weights by
    # less than the length of a step.
    torch.testing.assert_close(weights, expected, rtol=0, atol=recipe.optimizer.learning_rate)
    assert (weights - expected).abs().mean() < 1e-4 * recipe.optimizer.learning_rate
    assert ((weights - expected).abs() > 1e-5).sum() < 50


def test_a_convolutional_network_trains_like_in_a_plain_loop(training: LabelledImages) -> None:
    data = take(training, 330)
    model, plain = (build_model(CONVOLUTIONAL.model, seed=4).train() for _ in range(2))
    weights, progress = train(CONVOLUTIONAL, data, 4, model)
    expected, expected_losses = train_plainly(plain, CONVOLUTIONAL, data, seed=4)
    losses = [loss for epoch_losses in losses_of(progress) for loss in epoch_losses]
    assert len(losses) == 21
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-4)
    for name, buffer in model.named_buffers():  # statistics of the batches
        torch.testing.assert_close(buffer, plain.get_buffer(name), rtol=1e-3, atol=1e-4)


def test_training_starts_with_the_first_progress_requested(few: LabelledImages) -> None:
    model = build_model(SMALL.model, 0)
    before = flatten(model)
    train_model(model, SMALL, few.images_NHW, few.labels_N, 0)
    assert torch.equal(flatten(model), before)


@dataclass
class Recorded:
    """The inputs of the gradients by epoch, in the order of the data set."""

    images: list[Tensor]
    labels: list[list[int]]
    was_training: list[bool]


SEED = 3
Record = Callable[[Recipe, LabelledImages], Recorded]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Train with recorded inputs and no gradients; set eval mode after each epoch."""

    def record(recipe: Recipe, data: LabelledImages) -> Recorded:
        batches: list[tuple[Tensor, Tensor]] = []
        was_training: list[bool] = []
        model = build_model(recipe.model, 0)

        def record_batch(images: Tensor, labels: Tensor) -> Tensor:
            batches.append((images.clone(), labels))
            was_training.append(model.training)
            return torch.tensor(1.0)

        monkeypatch.setattr(loop, "SECONDS_BETWEEN_PROGRESS", 1e9)
        monkeypatch.setattr(loop, "build_gradients", lambda *_: record_batch)
        for _ in train_model(model, recipe, data.images_NHW, data.labels_N, SEED):
            model.eval()
        recorded = Recorded([], [], was_training)
        num_batches = count_batches(len(data), recipe.batch_size)
        for epoch in range(recipe.epochs):
            of_epoch = batches[epoch * num_batches : (epoch + 1) * num_batches]
            places = torch.from_numpy(build_order(SEED, epoch, len(data))).argsort()
            recorded.images.append(torch.cat([images for images, _ in of_epoch])[places])
            labels = torch.cat([labels for _, labels in of_epoch])[places]
            recorded.labels.append(labels.tolist())
        return recorded

    return record


def test_every_epoch_trains_on_every_image_with_its_label(
    training: LabelledImages, record: Record
) -> None:
    data = take(training, 130)
    recorded = record(SMALL, data)
    for images, labels in zip(recorded.images, recorded.labels, strict=True):
        assert torch.equal(images, torch.tensor(data.images_NHW) / 255)  # from 0 to 1
        assert labels == data.labels_N.tolist()


def test_images_are_augmented_with_the_draws_of_the_epoch(
    training: LabelledImages, record: Record
) -> None:
    data = take(training, 130)
    images = torch.tensor(data.images_NHW) / 255
    augmentation = Augmentation(AUGMENTED.augmentation)
    recorded = record(AUGMENTED, data)
    for epoch in range(3):
        draws = augmentation.draw(130, build_generator(SEED, epoch))
        expected = augmentation.apply(images, draws)
        torch.testing.assert_close(recorded.images[epoch], expected, rtol=0, atol=2e-5)
        assert recorded.labels[epoch] == data.labels_N.tolist()
        assert (recorded.images[epoch] - images).abs().mean() > 0.01
    assert (recorded.images[1] - recorded.images[0]).abs().mean() > 0.01


@pytest.mark.parametrize(("batch_size", "num_images"), [(7, 130), (1000, 130), (100, 60)])
def test_augmentation_of_an_image_does_not_depend_on_batches_or_other_images(
    batch_size: int, num_images: int, training: LabelledImages, record: Record
) -> None:
    expected = record(AUGMENTED, take(training, 130))
    recorded = record(AUGMENTED.replace(batch_size=batch_size), take(training, num_images))
    for epoch in range(3):
        torch.testing.assert_close(
            recorded.images[epoch], expected.images[epoch][:num_images], rtol=0, atol=2e-5
        )


@pytest.mark.parametrize(
    ("clean_share", "num_augmented"), [(0.0, 3), (0.1, 3), (0.2, 2), (0.34, 2), (0.6, 1), (1.0, 0)]
)
def test_the_last_epochs_may_be_without_augmentation(
    clean_share: float, num_augmented: int, training: LabelledImages, record: Record
) -> None:
    data = take(training, 130)
    images = torch.tensor(data.images_NHW) / 255
    recorded = record(AUGMENTED.replace(clean_share=clean_share), data)
    is_augmented = [not torch.equal(augmented, images) for augmented in recorded.images]
    assert is_augmented == [True] * num_augmented + [False] * (3 - num_augmented)


def test_a_model_evaluated_between_epochs_returns_to_training_mode(
    few: LabelledImages, record: Record
) -> None:
    assert record(CONVOLUTIONAL, few).was_training == [True] * 3 * 40
