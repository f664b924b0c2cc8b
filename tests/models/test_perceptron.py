import pytest
import torch
from torch import nn

from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import PerceptronConfig

CLASSIC = RECIPES["classic"].model


def build_sequential(*sizes: int, seed: int) -> nn.Sequential:
    """The perceptron as an nn.Sequential."""
    torch.manual_seed(seed)
    modules: list[nn.Module] = [nn.Flatten()]
    for i in range(len(sizes) - 1):
        modules += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def test_classic_has_the_parameters_of_the_brief() -> None:
    model = build_model(CLASSIC, seed=0)
    assert sum(parameter.numel() for parameter in model.parameters()) == 456_385
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]
    assert shapes == [(500, 784), (500,), (125, 500), (125,), (10, 125), (10,)]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize("hidden_sizes", [(500, 125), (7,), (30, 20, 10)])
def test_initialisation_equals_that_of_pytorch_after_manual_seed(
    hidden_sizes: tuple[int, ...],
) -> None:
    with torch.random.fork_rng(devices=[]):
        expected = build_sequential(784, *hidden_sizes, 10, seed=3)
    model = build_model(PerceptronConfig(hidden_sizes=hidden_sizes), seed=3)
    for mine, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_logits_equal_those_of_a_sequential(test_images: LabelledImages) -> None:
    with torch.random.fork_rng(devices=[]):
        expected = build_sequential(784, 500, 125, 10, seed=3)
    images = torch.tensor(test_images.images_NHW[:50]) / 255
    model = build_model(CLASSIC, seed=3)
    with torch.inference_mode():
        logits = model(images)
        assert logits.shape == (50, 10)
        assert torch.equal(logits, expected(images))
        assert torch.equal(logits, model(images.flatten(1)))
