"""The separable network: few parameters, some of them used more than once."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.recipes.configs import SeparableConfig


class SeparableNetwork(nn.Module):
    """A first convolution, the config's blocks, a sum over the pixels, and a linear layer.

    As in the convolutional network, pooling comes before batch normalisation.
    """

    def __init__(self, config: SeparableConfig) -> None:
        super().__init__()
        width, self.blocks = config.width, config.list_blocks()
        numbers = sorted({number for number, _ in self.blocks})
        self.first = nn.Conv2d(1, width, config.first_px, stride=2, bias=False)
        self.first_normalisation = nn.BatchNorm2d(width)
        self.depthwise = nn.ModuleDict(
            {
                str(number): nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
                for number in numbers
            }
        )
        self.pointwise = nn.ModuleDict(
            {str(number): nn.Conv2d(width, width, 1, bias=False) for number in numbers}
        )
        self.normalisations = nn.ModuleList(nn.BatchNorm2d(width) for _ in self.blocks)
        size_px = config.last_size_px
        self.sum = nn.Conv2d(width, width, size_px, groups=width, bias=False)
        nn.init.constant_(self.sum.weight, 1 / size_px**2)  # the mean, to begin with
        self.last = nn.Linear(width, 10)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Map images, [N, 28, 28] in [0, 1], to logits [N, 10]."""
        activations = F.relu(self.first_normalisation(self.first(images[:, None])))
        for (number, is_pooled), normalisation in zip(
            self.blocks, self.normalisations, strict=True
        ):
            activations = self.depthwise[str(number)](activations)
            activations = self.pointwise[str(number)](activations)
            if is_pooled:
                activations = F.max_pool2d(activations, 2)
            activations = F.relu(normalisation(activations))
        logits: Tensor = self.last(self.sum(activations).flatten(1))
        return logits
