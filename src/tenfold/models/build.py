"""From a recipe or a model's config to the model, initialised from a seed."""

import torch
from torch import nn

from tenfold.configs import ModelConfig, PerceptronConfig, SequenceConfig
from tenfold.models.convolutional import ConvolutionalNetwork
from tenfold.models.ensemble import Ensemble
from tenfold.models.perceptron import Perceptron
from tenfold.models.sequence import SequenceNetwork
from tenfold.recipes import Recipe


def build_classifier(recipe: Recipe, seed: int) -> nn.Module:
    """The model that a recipe trains; with several members, their ensemble."""
    members = [build_model(recipe.model, member) for member in recipe.list_member_seeds(seed)]
    return members[0] if len(members) == 1 else Ensemble(members)


def build_model(config: ModelConfig, seed: int) -> nn.Module:
    """A model with PyTorch's default initialisation, drawn from `seed`.

    PyTorch's global generator, which initialisation draws from, is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(config, PerceptronConfig):
            return Perceptron(config)
        if isinstance(config, SequenceConfig):
            return SequenceNetwork(config)
        return ConvolutionalNetwork(config)


def list_members(model: nn.Module) -> list[nn.Module]:
    """The models that are trained one after another: an ensemble's members, or the one model."""
    return list(model.members) if isinstance(model, Ensemble) else [model]
