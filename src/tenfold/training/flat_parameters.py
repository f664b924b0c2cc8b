"""The parameters of a model as one flat buffer, and their gradient as another.

One buffer makes the optimizer one call and a checkpoint one tensor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FlatParameters:
    """`values` and `gradients`, float32 [number of parameters], in the model's order.

    Each parameter keeps its own memory layout.
    """

    values: Tensor
    gradients: Tensor


def flatten_parameters(model: nn.Module) -> FlatParameters:
    """Make a model's parameters views of one buffer, and their `.grad` views of another.

    Parameters that do not require a gradient are left as they are.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sizes = [parameter.numel() for parameter in parameters]
    values = torch.empty(sum(sizes), device=parameters[0].device)
    flat = FlatParameters(values, torch.zeros_like(values))
    for parameter, value, gradient in zip(
        parameters, values.split(sizes), flat.gradients.split(sizes), strict=True
    ):
        # Strides are kept, so that convolution kernels stay channels-last.
        layout = (parameter.shape, parameter.stride())
        parameter.data = value.as_strided(*layout, value.storage_offset()).copy_(parameter.data)
        parameter.grad = gradient.as_strided(*layout, gradient.storage_offset())
    return flat
