"""The parameters of a model as one flat buffer, and their gradient as another.

One buffer makes the optimizer one call, an all-reduce one message and a checkpoint one tensor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FlatParameters:
    """`values` and `gradients`, both float32 [number of parameters], in the model's order."""

    values: Tensor
    gradients: Tensor


def flatten_parameters(model: nn.Module) -> FlatParameters:
    """Move a model's parameters into one buffer and give them gradients in another.

    Afterwards each parameter and its `.grad` are views of the two buffers.
    """
    parameters = list(model.parameters())
    values = torch.cat([parameter.detach().flatten() for parameter in parameters])
    gradients = torch.zeros_like(values)
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, value, gradient in zip(
        parameters, values.split(sizes), gradients.split(sizes), strict=True
    ):
        parameter.data = value.view(parameter.shape)
        parameter.grad = gradient.view(parameter.shape)
    return FlatParameters(values, gradients)
