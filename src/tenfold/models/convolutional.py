"""The convolutional network: stages of 3x3 convolutions, each stage at half the size.

In: digit images as float32 in [0, 1], [N, 28, 28]. Out: logits [N, 10], or
[N, 11] where the last says that the image shows no digit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.recipes.configs import Convolution, ConvolutionalConfig


class Block(nn.Module):
    """Convolution, 2x2 pooling where there is one, batch normalisation, ReLU.

    Pooled first, the other two work on a quarter of the pixels.
    """

    def __init__(self, convolution: Convolution) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            convolution.num_inputs,
            convolution.num_outputs,
            convolution.kernel_px,
            padding="same",
            bias=False,
        )
        self.normalisation = nn.BatchNorm2d(convolution.num_outputs)
        self.is_pooled = convolution.is_pooled

    def forward(self, images: Tensor) -> Tensor:
        """Activations [N, C, H, W] to activations of the next block."""
        activations = self.convolution(images)
        if self.is_pooled:
            activations = F.max_pool2d(activations, 2)
        return F.relu(self.normalisation(activations))


class ConvolutionalNetwork(nn.Module):
    """The config's blocks; mean and maximum of each channel; one linear layer."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*map(Block, config.list_convolutions()))
        self.last = nn.Linear(2 * config.channels[-1], config.num_answers)
        # With the channels last in memory, CPU kernels take two thirds of the time. The layout of
        # the kernels decides it: an image of one channel has none.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Images, [N, 28, 28] in [0, 1], to logits [N, 10 or 11]."""
        activations = self.blocks(images[:, None])
        summary = torch.cat([activations.mean((2, 3)), activations.amax((2, 3))], 1)
        logits: Tensor = self.last(summary)
        return logits
