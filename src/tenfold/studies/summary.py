"""What a study measured: the content of summary.json. No torch.

A share is a number from 0 to 1; all intervals are at 95 %.
"""

from dataclasses import dataclass, field
from typing import Literal

from tenfold.recipes.recipe import Recipe
from tenfold.runs.results import Finding, Interval
from tenfold.system.json_types import OPTIONAL


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The mean of some values, their deviation (n - 1) and extremes, and the mean's interval.

    With one value the deviation and the interval are None.
    """

    mean: float
    standard_deviation: float | None
    lowest: float
    highest: float
    interval: Interval | None
    num_values: int


@dataclass(frozen=True, kw_only=True)
class ImagesEstimate(Estimate):
    """The mean of shares over runs; `images_interval` is that for other images of the kind."""

    images_interval: Interval


@dataclass(frozen=True, kw_only=True)
class PooledEstimate(Estimate):
    """The mean of shares over runs; `pooled_interval` takes all runs together."""

    pooled_interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class SecondsAlone(Estimate):
    """The seconds of training of runs that had the machine to themselves."""

    threads: int


@dataclass(frozen=True, kw_only=True)
class DigitErrors:
    """The errors of one digit: a rate for each run, and their mean.

    `num_hardest` counts the runs in which no digit has a higher rate. `taken_for` is how many of
    its images a run takes for another digit, on average.
    """

    label: int
    num_images: int
    error_rates: tuple[float, ...]
    error_rate: ImagesEstimate
    num_hardest: int
    taken_for: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class EpochEstimate:
    """Training loss and, where it was measured, accuracy after an epoch (from 1), over runs."""

    epoch: int
    loss: Estimate
    accuracy: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Longer:
    """What twice the epochs change, over the seeds that both studies have."""

    num_epochs: int
    accuracy: Estimate
    gain: Estimate
    epochs: tuple[EpochEstimate, ...]


@dataclass(frozen=True, kw_only=True)
class HardImage:
    """An image that some run misclassifies; `answers` counts the labels that runs give it."""

    index: int
    label: int
    num_wrong: int
    answers: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ContestedErrors:
    """The mistakes on MNIST's test images, and those among them on contested labels."""

    num_contested: int
    num_mistakes: Estimate
    num_on_contested: Estimate
    num_on_mislabelled: Estimate
    share_of_mistakes: PooledEstimate
    rate_on_contested: float
    rate_on_others: float
    num_missed_by_all: int
    num_missed_by_most: int
    num_contested_missed_by_most: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Every number of a study.

    `corrected` and `contested` are there for MNIST's test images only, `longer` for a study that
    has one of twice the epochs with common seeds. `findings` are those of the study's report.
    """

    recipe: Recipe
    part: Literal["test", "validation"]
    num_images: int
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    accuracy: ImagesEstimate
    corrected: Estimate | None
    digits: tuple[DigitErrors, ...]
    epochs: tuple[EpochEstimate, ...]
    last_loss_change: Estimate | None
    seconds: Estimate
    seconds_alone: SecondsAlone | None
    num_parameters: int
    num_multiply_adds: int
    hardest_images: tuple[HardImage, ...]
    contested: ContestedErrors | None = field(default=None, metadata=OPTIONAL)
    longer: Longer | None = field(default=None, metadata=OPTIONAL)
    findings: tuple[Finding, ...] = field(default=(), metadata=OPTIONAL)
