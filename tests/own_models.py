"""Models as a researcher writes them, that tests train by their names."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """Convolution, batch normalisation and dropout; a layer without gradient, and weights twice."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, width, 5, stride=3)
        self.normalisation = nn.BatchNorm2d(width)
        self.fixed = nn.Linear(width * 64, 20).requires_grad_(False)
        self.square = nn.Linear(20, 20)
        self.same = self.square
        self.last = nn.Linear(20, 10)

    def forward(self, images: Tensor) -> Tensor:
        activations = F.relu(self.normalisation(self.convolution(images))).flatten(1)
        activations = F.dropout(self.fixed(activations), 0.2, self.training)
        logits: Tensor = self.last(self.same(self.square(activations).relu()))
        return logits


def build_lazy(hidden: int = 12) -> nn.Module:
    """Layers that find the number of their inputs by themselves."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(hidden), nn.ReLU(), nn.Linear(hidden, 10))


def build_flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), *layers)


def build_probabilities() -> nn.Module:
    return build_flat(nn.Softmax(1))


def build_two_answers() -> nn.Module:
    return build_flat(nn.Linear(10, 2))


def build_doubles() -> nn.Module:
    return build_flat().double()


def build_nothing() -> Any:
    return 3


def build_fixed() -> nn.Module:
    return build_flat().requires_grad_(False)


def build_batch_normalised() -> nn.Module:
    """Fails in training on a batch of one image."""
    return build_flat(nn.BatchNorm1d(10))


def build_halves() -> nn.Module:
    return build_flat(Halving())


class Halving(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return logits.half()


def build_remembering() -> nn.Module:
    return build_flat(Remembering())


class Remembering(nn.Identity):
    """Has a state that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        return {"seen": 3}


def build_small_batches() -> nn.Module:
    return nn.Sequential(SmallBatches(), build_flat())


class SmallBatches(nn.Identity):
    def forward(self, images: Tensor) -> Tensor:
        assert len(images) <= 64, "too many images"
        return images


class Branching(nn.Module):
    """Cannot be exported: what it computes depends on the values."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = build_flat()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits if torch.any(logits > 0) else 2 * logits


class Outer:
    def build(self) -> None: ...
