"""Gradients whose last bits depend on the number of threads.

Some processors have libraries that split a sum among threads. Here every gradient is multiplied by
a factor that depends on the thread count, so that a run with the wrong number of threads ends with
other weights on any machine.
"""

from collections.abc import Callable
from typing import Any

ULPS = 2.0**-20  # a few units in the last place of single precision

Build = Callable[..., Callable[..., Any]]


def depend_on_threads(build_gradients: Build) -> Build:
    """Wrap `tenfold.training.gradients.build_gradients`."""

    def build(model: Any, recipe: Any) -> Callable[..., Any]:
        import torch

        gradients = build_gradients(model, recipe)

        def compute(images: Any, labels: Any) -> Any:
            loss = gradients(images, labels)
            for parameter in model.parameters():
                parameter.grad.mul_(1 + torch.get_num_threads() * ULPS)
            return loss

        return compute

    return build
