"""A network of integers: what the exported C code computes, bit by bit, in PyTorch.

Pixels and activations are uint8, weights int8, sums int32. A layer's sums become activations as in
Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference": times an int32 multiplier, over a power of two.

Array names carry their axes: N images, O outputs, I inputs, H rows, W columns of a kernel, K
classes. Tensors of activations are [N, channels, rows, columns].
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

BATCH_SIZE = 250
MAX_WEIGHT, MAX_ACTIVATION, MAX_SUM = 127, 255, 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Rescaling:
    """Sums to activations, by channel.

    zero + sum * multiplier / 2^shift, rounded to the nearest integer, halves upwards, and limited
    to 0 to 255, which is also ReLU if `zero` is 0. This is the rounding of TensorFlow Lite's
    "single rounding". `multipliers_O` is int32 [O], or [1] for all channels; a negative one
    reverses a channel, as batch normalisation may. `zero` is what stands for 0, where activations
    may be negative.
    """

    multipliers_O: npt.NDArray[np.int32]
    shift: int  # from 1 to 54, as zero * 2^shift must fit into int64, too
    zero: int = 0

    def apply(self, sums: Tensor) -> Tensor:
        """Activations of sums, both whole numbers as float64."""
        multipliers = torch.tensor(self.multipliers_O, dtype=torch.int64)[:, None, None]
        rounded = (sums.long() * multipliers + (1 << (self.shift - 1))) >> self.shift
        return (self.zero + rounded).clamp(0, MAX_ACTIVATION).double()


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A convolution, the maximum of each `pool_px` x `pool_px` sums, and rescaling.

    A fully connected layer is one of 1x1 on an image of one pixel, `size_px` = 1, whose channels
    are the pixels of all channels if it follows a convolution. Without `rescaling`, the sums are
    the network's scores.
    """

    weights_OIHW: npt.NDArray[np.int8]
    biases_O: npt.NDArray[np.int32]
    rescaling: Rescaling | None
    size_px: int  # of the inputs
    stride_px: int = 1
    padding_px: int = 0  # on each side, with zeros
    num_groups: int = 1
    pool_px: int = 1

    def __post_init__(self) -> None:
        largest_O = MAX_ACTIVATION * np.abs(self.weights_OIHW.astype(np.int64)).sum((1, 2, 3))
        assert (largest_O + np.abs(self.biases_O.astype(np.int64))).max() <= MAX_SUM

    @property
    def num_inputs(self) -> int:
        """The number of input channels."""
        return int(self.weights_OIHW.shape[1]) * self.num_groups

    @property
    def output_shape(self) -> tuple[int, int]:
        """The number of output channels, and their size in pixels."""
        padded_px = self.size_px + 2 * self.padding_px - self.weights_OIHW.shape[2]
        return len(self.weights_OIHW), (padded_px // self.stride_px + 1) // self.pool_px

    def compute(self, activations: Tensor) -> Tensor:
        """The activations of the next layer, or the scores, [N, K, 1, 1]."""
        if self.size_px == 1:  # in the order in which the C code keeps them
            activations = activations.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
        # Sums of whole numbers below 2^53 are exact in float64 in any order. PyTorch has no kernels
        # of float64 that transform the images, as some of float32 do.
        sums = F.conv2d(
            activations,
            torch.tensor(self.weights_OIHW, dtype=torch.float64),
            stride=self.stride_px,
            padding=self.padding_px,
            groups=self.num_groups,
        )
        if self.pool_px > 1:
            sums = F.max_pool2d(sums, self.pool_px)
        sums = sums + torch.tensor(self.biases_O, dtype=torch.float64)[:, None, None]
        return sums if self.rescaling is None else self.rescaling.apply(sums)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The mean over all positions of each channel, then, if asked for, their maxima.

    The rescaling is that of a channel's sum to its mean.
    """

    rescaling: Rescaling
    num_inputs: int
    size_px: int
    has_maximum: bool

    @property
    def output_shape(self) -> tuple[int, int]:
        """The number of output channels, and their size in pixels."""
        return self.num_inputs * (1 + self.has_maximum), 1

    def compute(self, activations: Tensor) -> Tensor:
        """The activations of the next layer."""
        means = self.rescaling.apply(activations.sum((2, 3), keepdim=True))
        if not self.has_maximum:
            return means
        return torch.cat([means, activations.amax((2, 3), keepdim=True)], 1)


@dataclass(frozen=True, kw_only=True)
class IntegerNetwork:
    """Layers of integers; the last one gives the scores. A score times `unit` is a logit."""

    layers: tuple[Convolution | Summary, ...]
    last: Convolution
    unit: float

    @property
    def num_answers(self) -> int:
        """The number of scores."""
        return self.last.output_shape[0]

    @torch.inference_mode()
    def compute_scores(self, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        """The scores of images, uint8 [N, 28, 28]: int32 [N, K]."""
        scores = []
        for batch in torch.tensor(images_NHW).split(BATCH_SIZE):
            activations = batch[:, None].double()
            for layer in (*self.layers, self.last):
                activations = layer.compute(activations)
            scores.append(activations[:, :, 0, 0].numpy().astype(np.int32))
        return np.concatenate(scores)
