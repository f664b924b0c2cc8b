"""The parameters of a model as one flat buffer, and their gradient as another.

One buffer makes the optimizer one call and a checkpoint one tensor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FlatParameters:
    """`values` and `gradients`, both float32 [number of parameters].

    Parameters lie in the model's order, the numbers of each in its own memory layout.
    """

    values: Tensor
    gradients: Tensor


def flatten_parameters(model: nn.Module) -> FlatParameters:
    """Move a model's parameters into one buffer and give them gradients in another.

    Afterwards each parameter and its `.grad` are views of the two buffers.
    """
    parameters = list(model.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    values = torch.empty(sum(sizes), device=parameters[0].device)
    flat = FlatParameters(values, torch.zeros_like(values))
    for parameter, value, gradient in zip(
        parameters, values.split(sizes), flat.gradients.split(sizes), strict=True
    ):
        # In the order in which its numbers lie: kernels with the channels last stay so.
        layout = (parameter.shape, parameter.stride())
        parameter.data = value.as_strided(*layout, value.storage_offset()).copy_(parameter.data)
        parameter.grad = gradient.as_strided(*layout, gradient.storage_offset())
    return flat
