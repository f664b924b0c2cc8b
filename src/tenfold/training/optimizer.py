"""Adam and SGD on flat buffers: one fused call a step.

They call the private kernels behind PyTorch's optimizers with `fused=True`, and tests compare the
two. This saves the second that importing torch.optim takes, and its overhead at each step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from tenfold.errors import MissingExtraError
from tenfold.recipes.configs import OptimizerConfig
from tenfold.training.flat_parameters import FlatParameters

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Optimizer(ABC):
    """Updates parameters from their gradients; `tensors` is its live state, by name."""

    def __init__(self, parameters: FlatParameters, config: OptimizerConfig) -> None:
        self.parameters, self.config = parameters, config
        self.tensors: dict[str, Tensor] = {}

    @abstractmethod
    def step(self, scale: float = 1.0) -> None:
        """Make one step, with `scale` times the learning rate."""

    def resume(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the state of an optimizer of the same config after a step."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015) with the constants of the paper and PyTorch.

    Weight decay is decoupled, as in AdamW (Loshchilov and Hutter, 2019).
    """

    def __init__(self, parameters: FlatParameters, config: OptimizerConfig) -> None:
        super().__init__(parameters, config)
        values = parameters.values
        self.num_steps = torch.zeros((), device=values.device)
        self.mean, self.mean_square = torch.zeros_like(values), torch.zeros_like(values)
        moments = {"mean": self.mean, "mean_square": self.mean_square}
        self.tensors = {"num_steps": self.num_steps, **moments}

    def step(self, scale: float = 1.0) -> None:
        """Make one step, with `scale` times the learning rate."""
        self.num_steps += 1
        torch._fused_adamw_(
            [self.parameters.values],
            [self.parameters.gradients],
            [self.mean],
            [self.mean_square],
            [],
            [self.num_steps],
            lr=scale * self.config.learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self.config.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )


class Sgd(Optimizer):
    """Stochastic gradient descent with Nesterov momentum, as in PyTorch."""

    def __init__(self, parameters: FlatParameters, config: OptimizerConfig) -> None:
        super().__init__(parameters, config)
        self.velocity = torch.zeros_like(parameters.values)
        self.tensors = {"velocity": self.velocity}

    def step(self, scale: float = 1.0) -> None:
        """Make one step, with `scale` times the learning rate."""
        momentum = self.config.momentum
        torch._fused_sgd_(
            [self.parameters.values],
            [self.parameters.gradients],
            [self.velocity] if momentum > 0 else [],
            weight_decay=self.config.weight_decay,
            momentum=momentum,
            lr=scale * self.config.learning_rate,
            dampening=0.0,
            nesterov=momentum > 0,
            maximize=False,
            is_first_step=False,  # the velocity begins at zero
        )


def build_optimizer(parameters: FlatParameters, config: OptimizerConfig) -> Optimizer:
    """The optimizer of a config. Raises MissingExtraError if PyTorch lacks its kernel."""
    kind, kernel = (Adam, "_fused_adamw_") if config.optimizer == "adam" else (Sgd, "_fused_sgd_")
    if not hasattr(torch, kernel):
        raise MissingExtraError(
            f"PyTorch {torch.__version__} has no torch.{kernel}, which training needs: "
            "pip install torch==2.13.0, with which Tenfold was tested"
        )
    return kind(parameters, config)
