"""Builds a model from its config and a seed."""

import torch
from torch import nn

from tenfold.models.convolutional import ConvolutionalNetwork
from tenfold.models.line_network import LineNetwork
from tenfold.models.perceptron import Perceptron
from tenfold.recipes.configs import ModelConfig, PerceptronConfig, SequenceConfig


def build_model(config: ModelConfig, seed: int) -> nn.Module:
    """A model with PyTorch's default initialisation, drawn from `seed`.

    PyTorch's global generator is left unchanged.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(config, PerceptronConfig):
            return Perceptron(config)
        if isinstance(config, SequenceConfig):
            return LineNetwork(config)
        return ConvolutionalNetwork(config)
