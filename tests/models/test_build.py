"""Every model: its seed, and the costs that its config reports."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tenfold.models.build import build_model
from tenfold.models.convolutional import ConvolutionalNetwork
from tenfold.models.perceptron import Perceptron
from tenfold.models.separable import SeparableNetwork
from tenfold.models.upright import PlaneSum, UprightNetwork
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import (
    ConvolutionalConfig,
    ModelConfig,
    PerceptronConfig,
    SeparableConfig,
)
from tenfold.recipes.upright import UprightConfig

SMALL_PERCEPTRON = PerceptronConfig(hidden_sizes=(30, 20))
SMALL_CONVOLUTIONAL = ConvolutionalConfig(channels=(4, 6, 8), depths=(1, 2, 1))
SMALL_SEPARABLE = SeparableConfig(width=5, blocks=(1, 2, 2, 0, 1))
SMALL_UPRIGHT = UprightConfig(widths=(3, 5, 4), dilations=(2, 1))
CONFIGS = [SMALL_PERCEPTRON, SMALL_CONVOLUTIONAL, SMALL_SEPARABLE, SMALL_UPRIGHT]


def flatten(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def count_with_hooks(model: nn.Module) -> int:
    """Multiply-adds for one image, counted from the outputs of the layers."""
    counts = []

    def count(layer: Any, _: object, output: Tensor) -> None:
        counts.append(output[0].numel() * layer.weight[0].numel())

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | PlaneSum):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        model.eval()(torch.zeros(3, 28, 28))
    return sum(counts)


def test_the_config_selects_the_model() -> None:
    assert isinstance(build_model(SMALL_PERCEPTRON, 0), Perceptron)
    assert isinstance(build_model(SMALL_CONVOLUTIONAL, 0), ConvolutionalNetwork)
    assert isinstance(build_model(SMALL_SEPARABLE, 0), SeparableNetwork)
    assert isinstance(build_model(SMALL_UPRIGHT, 0), UprightNetwork)


@pytest.mark.parametrize("config", CONFIGS)
def test_weights_depend_on_the_seed_alone(config: ModelConfig) -> None:
    before = torch.random.get_rng_state()
    first, same, other = (flatten(build_model(config, seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.dtype == torch.float32
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "config",
    [
        *CONFIGS,
        PerceptronConfig(),
        ConvolutionalConfig(),
        ConvolutionalConfig(channels=(3,), depths=(1,), first_kernel_px=1),
        ConvolutionalConfig(channels=(3, 5), depths=(3, 2), first_kernel_px=7),
        ConvolutionalConfig(channels=(3, 5, 4), depths=(2, 1, 1), first_stride_px=2),
        ConvolutionalConfig(channels=(8, 4, 2, 6), depths=(1, 1, 2, 3), first_kernel_px=3),
        SeparableConfig(width=1, first_px=1, blocks=(3,)),
        SeparableConfig(width=3, first_px=7, blocks=(1, 2, 0, 2, 0, 1, 0)),
        UprightConfig(widths=(2, 3), dilations=(6,)),
        *(recipe.model for recipe in RECIPES.values()),
    ],
)
def test_parameters_and_multiply_adds_equal_those_of_the_layers(config: ModelConfig) -> None:
    model = build_model(config, 0)
    assert config.count_parameters() == len(flatten(model))
    assert config.count_multiply_adds() == count_with_hooks(model)
