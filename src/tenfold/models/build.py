"""Builds a model from its config and a seed."""

import torch
from torch import nn

from tenfold.models.convolutional import ConvolutionalNetwork
from tenfold.models.perceptron import Perceptron
from tenfold.recipes.configs import ModelConfig, PerceptronConfig


def build_model(config: ModelConfig, seed: int) -> nn.Module:
    """A model with PyTorch's default initialisation, drawn from `seed`.

    PyTorch's global generator is left unchanged.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(config, PerceptronConfig):
            return Perceptron(config)
        return ConvolutionalNetwork(config)
