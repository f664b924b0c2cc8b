"""The parameters of a model as one flat buffer, and their gradient as another.

One buffer makes the optimizer one call, an all-reduce one message and a checkpoint one tensor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

NUM_EXTRA = 2  # the loss, and whether to stop


@dataclass(frozen=True)
class FlatParameters:
    """`values` and `gradients`, both float32 [number of parameters].

    Parameters lie in the model's order, the numbers of each in its own memory layout. `message` is
    the gradients with NUM_EXTRA numbers behind them: what processes that train together add up.
    """

    values: Tensor
    message: Tensor

    @property
    def gradients(self) -> Tensor:
        """The gradients, a view of the message."""
        return self.message[: len(self.values)]

    @property
    def extra(self) -> Tensor:
        """The numbers behind the gradients, a view of the message."""
        return self.message[len(self.values) :]


def flatten_parameters(model: nn.Module) -> FlatParameters:
    """Move a model's parameters into one buffer and give them gradients in another.

    Afterwards each parameter and its `.grad` are views of the two buffers.
    """
    parameters = list(model.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    values = torch.empty(sum(sizes), device=parameters[0].device)
    flat = FlatParameters(values, values.new_zeros(len(values) + NUM_EXTRA))
    for parameter, value, gradient in zip(
        parameters, values.split(sizes), flat.gradients.split(sizes), strict=True
    ):
        # In the order in which its numbers lie: kernels with the channels last stay so.
        layout = (parameter.shape, parameter.stride())
        parameter.data = value.as_strided(*layout, value.storage_offset()).copy_(parameter.data)
        parameter.grad = gradient.as_strided(*layout, gradient.storage_offset())
    return flat
