import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.data.batches import build_order, count_batches
from tenfold.data.mnist import LabelledImages
from tenfold.models.perceptron import build_perceptron
from tenfold.recipes import RECIPES, PerceptronConfig, Recipe
from tenfold.training import loop
from tenfold.training.gradients import AutogradGradients, PerceptronGradients
from tenfold.training.loop import Batches, Progress, train_model
from tenfold.training.threads import ThreadBalance, gives_same_bits

ONE_EPOCH = RECIPES["classic"].replace(epochs=1)
SMALL = Recipe(
    name="small",
    summary="fast to train",
    model=PerceptronConfig(hidden_sizes=(20,)),
    batch_size=100,
    epochs=3,
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
    return dataclasses.replace(
        training,
        images_NHW=training.images_NHW[:num_images],
        labels_N=training.labels_N[:num_images],
    )


def train(
    recipe: Recipe, data: LabelledImages, seed: int, model: nn.Module | None = None
) -> tuple[Tensor, list[Progress]]:
    """The weights in one tensor, and all progress."""
    model = model or build_perceptron(recipe.model, seed)
    progress = list(train_model(model, recipe, data.images_NHW, data.labels_N, seed))
    return flatten(model), progress


def flatten(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def losses_of(progress: list[Progress]) -> list[list[float]]:
    """The losses of each epoch; every piece must begin where the one before it ended."""
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


def test_the_same_seed_gives_the_same_bits(few: LabelledImages) -> None:
    first, first_progress = train(ONE_EPOCH, few, seed=0)
    again, progress_again = train(ONE_EPOCH, few, seed=0)
    assert torch.equal(first, again)
    assert losses_of(first_progress) == losses_of(progress_again)


def test_another_seed_gives_other_weights(few: LabelledImages) -> None:
    first, _ = train(SMALL, few, seed=0)
    other, _ = train(SMALL, few, seed=1)
    assert not torch.equal(first, other)


def test_the_seed_decides_the_order_too(few: LabelledImages) -> None:
    ends = []
    for seed in (0, 1):
        model = build_perceptron(SMALL.model, 5)
        ends.append(train(SMALL, few, seed, model)[0])
    assert not torch.equal(*ends)


def test_the_global_generator_decides_nothing(few: LabelledImages) -> None:
    ends = []
    for global_seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            ends.append(train(SMALL, few, seed=0)[0])
    assert torch.equal(*ends)


@pytest.mark.parametrize("num_images", [2000, 1030])
def test_the_number_of_threads_does_not_change_a_bit(
    num_images: int, training: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def spy(compute: Callable[[], Tensor]) -> bool:
        judged.append(gives_same_bits(compute))
        return judged[-1]

    monkeypatch.setattr(loop, "gives_same_bits", spy)
    data = take(training, num_images)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with_two, _ = train(ONE_EPOCH, data, seed=0)
        torch.set_num_threads(1)
        with_one, _ = train(ONE_EPOCH, data, seed=0)
    finally:
        torch.set_num_threads(before)
    if not judged[0]:
        pytest.skip("on this machine the bits of a step depend on threads, as the loop found out")
    assert torch.equal(with_two, with_one)


def test_where_threads_change_bits_their_number_stays(
    few: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = []

    class Balance(ThreadBalance):
        def __init__(self, *, may_vary: bool) -> None:
            allowed.append(may_vary)
            super().__init__(may_vary=may_vary)

    monkeypatch.setattr(loop, "ThreadBalance", Balance)
    for judgement in (True, False):
        monkeypatch.setattr(loop, "gives_same_bits", lambda _, same=judgement: same)
        train(SMALL, few, seed=0)
    assert allowed == [True, False]


@pytest.mark.parametrize("seconds_between_progress", [0.0, 0.25, 1e9])
def test_progress_tells_every_loss_once(
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
    sizes: tuple[int, ...], recipe: Recipe, data: LabelledImages, seed: int
) -> tuple[Tensor, list[float]]:
    """The loop that every tutorial has; only the order of images is Tenfold's."""
    model = build_plain(sizes, seed)
    images = torch.tensor(data.images_NHW).float() / 255
    labels = torch.tensor(data.labels_N).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    losses = []
    for epoch in range(recipe.epochs):
        order = torch.tensor(build_order(seed, epoch, len(data)))
        for first in range(0, len(data), recipe.batch_size):
            rows = order[first : first + recipe.batch_size]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return flatten(model), losses


@pytest.mark.parametrize(
    ("hidden_sizes", "num_images", "epochs"),
    [((500, 125), 2000, 1), ((500, 125), 950, 2), ((20,), 1000, 2)],
)
def test_twenty_steps_end_where_a_plain_loop_ends(
    hidden_sizes: tuple[int, ...], num_images: int, epochs: int, training: LabelledImages
) -> None:
    recipe = RECIPES["classic"].replace(hidden_sizes=hidden_sizes, epochs=epochs)
    data = take(training, num_images)
    weights, progress = train(recipe, data, seed=4)
    expected, expected_losses = train_plainly((784, *hidden_sizes, 10), recipe, data, seed=4)
    losses = [loss for epoch_losses in losses_of(progress) for loss in epoch_losses]
    assert len(losses) == 20
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    # Adam divides by the size of a gradient: where that is next to nothing, rounding shows in a
    # weight or two, by less than the length of a step.
    torch.testing.assert_close(weights, expected, rtol=0, atol=recipe.learning_rate)
    assert (weights - expected).abs().mean() < 1e-4 * recipe.learning_rate
    assert ((weights - expected).abs() > 1e-5).sum() < 50


def test_the_model_learns(training: LabelledImages, test_images: LabelledImages) -> None:
    model = build_perceptron(SMALL.model, 0)
    _, progress = train(SMALL.replace(learning_rate=0.005), take(training, 5000), 0, model)
    epochs = losses_of(progress)
    assert np.mean(epochs[-1]) < np.mean(epochs[0]) / 2
    with torch.inference_mode():
        predicted = model(torch.tensor(test_images.images_NHW) / 255).argmax(1).numpy()
    assert (predicted == test_images.labels_N).mean() > 0.85


def test_other_models_are_trained_by_the_same_loop(
    few: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = build_plain((784, 20, 10), seed=0)
    by_autograd, _ = train(SMALL, few, seed=0, model=plain)
    explicitly, _ = train(SMALL, few, seed=0)
    torch.testing.assert_close(by_autograd, explicitly, rtol=1e-3, atol=1e-4)


def test_the_images_are_left_as_they_were(few: LabelledImages) -> None:
    images, labels = few.images_NHW.copy(), few.labels_N.copy()
    train(SMALL, few, seed=0)
    np.testing.assert_array_equal(few.images_NHW, images)
    np.testing.assert_array_equal(few.labels_N, labels)


def test_nothing_is_trained_before_it_is_asked_for(few: LabelledImages) -> None:
    model = build_perceptron(SMALL.model, 0)
    before = flatten(model)
    train_model(model, SMALL, few.images_NHW, few.labels_N, 0)
    assert torch.equal(flatten(model), before)


def test_an_abandoned_training_sets_the_threads_back(
    few: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_PROGRESS", 0.0)
    before = torch.get_num_threads()
    model = build_perceptron(SMALL.model, 0)
    training = iter(train_model(model, SMALL, few.images_NHW, few.labels_N, 0))
    next(training)
    torch.set_num_threads(before + 1)  # as a trial might have left it
    del training
    assert torch.get_num_threads() == before


def test_a_batch_is_gathered_as_numbers_from_0_to_1(few: LabelledImages) -> None:
    batches = Batches(few.images_NHW, few.labels_N, 100)
    rows = np.array([5, 0, 1999, 5])
    images, labels = batches.gather(torch.from_numpy(rows))
    expected = few.images_NHW[rows].astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(images.numpy(), expected, strict=True)
    assert labels.dtype == torch.int64
    assert labels.tolist() == few.labels_N[rows].tolist()
    assert (images.min().item(), images.max().item()) == (0, 1)


@pytest.mark.parametrize("kind", [PerceptronGradients, AutogradGradients])
def test_the_trial_of_threads_moves_no_weight(
    kind: type, few: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[bool] = []

    def spy(compute: Callable[[], Tensor]) -> bool:
        before = flatten(model)
        steps = [compute(), compute()]
        moved.append(not torch.equal(before, flatten(model)))
        assert torch.equal(*steps)
        assert not torch.equal(steps[0][: len(before)], before)  # a step was made, elsewhere
        return True

    monkeypatch.setattr(loop, "gives_same_bits", spy)
    is_plain = kind is AutogradGradients
    model = build_plain((784, 20, 10), 0) if is_plain else build_perceptron(SMALL.model, 0)
    train(SMALL.replace(epochs=1), few, seed=0, model=model)
    assert moved == [False]
