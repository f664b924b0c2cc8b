"""Adam on the flat buffers: one fused call a step."""

import torch
from torch import Tensor

from tenfold.training.parameters import FlatParameters

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba, 2015) with its paper's constants, which are PyTorch's defaults too.

    It calls the kernel that `torch.optim.Adam(fused=True)` calls, and a test holds the two equal.
    Calling it directly spares the second that importing PyTorch's optimizers takes and what they
    do around the kernel at each step.
    """

    def __init__(self, parameters: FlatParameters, learning_rate: float) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.num_steps = torch.zeros(())
        self.mean: Tensor = torch.zeros_like(parameters.values)
        self.mean_square: Tensor = torch.zeros_like(parameters.values)

    def step(self) -> None:
        """Move the parameters by one step against their gradients."""
        self.num_steps += 1
        torch._fused_adam_(
            [self.parameters.values],
            [self.parameters.gradients],
            [self.mean],
            [self.mean_square],
            [],
            [self.num_steps],
            lr=self.learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
