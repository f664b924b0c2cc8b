"""Builds a model from its config and a seed."""

from torch import nn

from tenfold.models.convolutional import ConvolutionalNetwork, MultiColumnNetwork
from tenfold.models.own_model import build_own_model
from tenfold.models.perceptron import Perceptron
from tenfold.models.seeding import seeding
from tenfold.models.separable import SeparableNetwork
from tenfold.models.upright import UprightNetwork
from tenfold.recipes.configs import ModelConfig, PerceptronConfig, SeparableConfig
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.upright import UprightConfig


def build_model(config: ModelConfig, seed: int) -> nn.Module:
    """A model with PyTorch's default initialisation, or its own, drawn from `seed`.

    PyTorch's global generator is left unchanged. Raises RecipeError for a model of one's own that
    cannot be imported or does not fit.
    """
    with seeding(seed):
        if isinstance(config, PerceptronConfig):
            return Perceptron(config)
        if isinstance(config, ModuleConfig):
            return build_own_model(config)
        if isinstance(config, SeparableConfig):
            return SeparableNetwork(config)
        if isinstance(config, UprightConfig):
            return UprightNetwork(config)
        if config.columns > 1:
            return MultiColumnNetwork(config)
        [evenness] = config.list_evenness()
        return ConvolutionalNetwork(config, evenness)
