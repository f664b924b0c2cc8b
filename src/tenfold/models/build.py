"""From a model's config to the model, initialised from a seed."""

import torch
from torch import nn

from tenfold.models.convolutional import ConvolutionalNetwork
from tenfold.models.line_network import SequenceNetwork
from tenfold.models.perceptron import Perceptron
from tenfold.recipes.configs import ModelConfig, PerceptronConfig, SequenceConfig


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
