"""The perceptron: fully connected layers with ReLU between them."""

import itertools

import torch
from torch import Tensor, nn

from tenfold.recipes.configs import PerceptronConfig


class Perceptron(nn.Module):
    """784 inputs, the config's hidden layers with ReLU, 10 logits."""

    def __init__(self, config: PerceptronConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(num_inputs, num_outputs)
            for num_inputs, num_outputs in itertools.pairwise(config.sizes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images, [N, 28, 28] or [N, 784] in [0, 1], to logits [N, 10]."""
        activations = images.flatten(1)
        *hidden, last = self.linear_layers()
        for layer in hidden:
            activations = torch.relu(layer(activations))
        logits: Tensor = last(activations)
        return logits

    def linear_layers(self) -> list[nn.Linear]:
        """The fully connected layers, from the input to the logits."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]
