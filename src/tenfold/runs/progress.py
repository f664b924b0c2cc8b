"""The progress that a run reports. No torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """How far training is: optimizer steps, the epoch (from 1) and its mean loss so far."""

    step: int
    num_steps: int
    epoch: int
    num_epochs: int
    mean_loss: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class DrawingProgress:
    """How many of a recipe's synthetic images are generated; training begins after them."""

    num_drawn: int
    num_scenes: int
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class StageProgress:
    """The stage after training that has just begun."""

    stage: Literal["evaluating", "calibrating"]


OnProgress = Callable[[TrainingProgress | DrawingProgress | StageProgress], None]
