"""Arithmetic whose last bits depend on the number of threads, as some processors have it.

There a library shares a sum among threads. Here every gradient is multiplied by a number that is
another one for each number of threads, so that on any machine a run whose threads are not what they
should be ends with other weights.
"""

from collections.abc import Callable
from typing import Any

ULPS = 2.0**-20  # a few units in the last place of single precision

Build = Callable[..., Callable[..., Any]]


def depend_on_threads(build_gradients: Build) -> Build:
    """`build_gradients` of `tenfold.training.gradients`, so that it builds such gradients."""

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
