"""The convolutional network: stages of 3x3 convolutions with 2x2 pooling between them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.models.upright import make_upright
from tenfold.recipes.configs import Convolution, ConvolutionalConfig


class Block(nn.Module):
    """Convolution, optional 2x2 max pooling, batch normalisation, ReLU.

    Pooling comes first, so that the rest is computed on a quarter of the pixels.
    """

    def __init__(self, convolution: Convolution) -> None:
        super().__init__()
        kernel_px = convolution.kernel_px
        self.convolution = nn.Conv2d(
            convolution.num_inputs,
            convolution.num_outputs,
            kernel_px,
            stride=convolution.stride_px,
            padding=kernel_px // 2,  # what "same" is for an odd kernel, which a stride excludes
            bias=False,
        )
        self.normalisation = nn.BatchNorm2d(convolution.num_outputs)
        self.is_pooled = convolution.is_pooled

    def forward(self, images: Tensor) -> Tensor:
        """Map activations [N, C, H, W] to those of the next block."""
        activations = self.convolution(images)
        if self.is_pooled:
            activations = F.max_pool2d(activations, 2)
        return F.relu(self.normalisation(activations))


class ConvolutionalNetwork(nn.Module):
    """A column of the config: blocks, mean and maximum of each channel, and a linear layer."""

    def __init__(self, config: ConvolutionalConfig, evenness: float | None) -> None:
        super().__init__()
        self.upright_px, self.evenness = config.upright_px, evenness
        self.blocks = nn.Sequential(*map(Block, config.list_convolutions()))
        self.last = nn.Linear(2 * config.channels[-1], config.num_answers)
        # Channels-last, CPU kernels take two thirds of the time. The weights' layout decides, as an
        # image of one channel has none.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Map images, [N, 28, 28] in [0, 1], to logits [N, 10], or [N, 11] with a reject class."""
        if self.evenness is not None:
            images = make_upright(images, self.upright_px, self.evenness)
        activations = self.blocks(images[:, None])
        summary = torch.cat([activations.mean((2, 3)), activations.amax((2, 3))], 1)
        logits: Tensor = self.last(summary)
        return logits


class MultiColumnNetwork(nn.Module):
    """The config's columns side by side."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.columns = nn.ModuleList(
            ConvolutionalNetwork(config, evenness) for evenness in config.list_evenness()
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images, [N, 28, 28] in [0, 1], to the columns' mean logits [N, 10 or 11].

        In training mode, to the logits of each column, [columns, N, 10 or 11], for their losses.
        """
        logits = torch.stack([column(images) for column in self.columns])
        return logits if self.training else logits.mean(0)
