"""What a study measured: the content of summary.json. No torch.

Shares are from 0 to 1; all intervals are 95 % confidence intervals.
"""

from dataclasses import dataclass, field
from typing import Literal

from tenfold.recipes.recipe import Recipe
from tenfold.runs.results import Finding, Interval
from tenfold.system.json_types import OMIT_DEFAULT


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its interval, and the standard deviation (n - 1) and range of the values.

    The deviation and the interval are None for a single value.
    """

    mean: float
    standard_deviation: float | None
    lowest: float
    highest: float
    interval: Interval | None
    num_values: int


@dataclass(frozen=True, kw_only=True)
class ImagesEstimate(Estimate):
    """A mean of shares over runs.

    `interval` accounts for other seeds, `images_interval` for other images of the same kind.
    """

    images_interval: Interval


@dataclass(frozen=True, kw_only=True)
class PooledEstimate(Estimate):
    """A mean of shares over runs; `pooled_interval` pools the counts of all runs."""

    pooled_interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class UncontendedSeconds(Estimate):
    """Training seconds of the runs that had the machine to themselves."""

    threads: int


@dataclass(frozen=True, kw_only=True)
class DigitErrors:
    """The errors of one digit: an error rate per run, and their mean.

    `num_hardest` counts the runs in which no digit has a higher error rate. `taken_for` has the
    mean number of its images per run that are mistaken for each other digit.
    """

    label: int
    num_images: int
    error_rates: tuple[float, ...]
    error_rate: ImagesEstimate
    num_hardest: int
    taken_for: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class EpochEstimate:
    """Training loss and, if measured, accuracy after an epoch (from 1), over runs."""

    epoch: int
    loss: Estimate
    accuracy: Estimate | None


@dataclass(frozen=True, kw_only=True)
class LongerTraining:
    """The effect of twice the epochs, over the seeds that both studies have."""

    num_epochs: int
    accuracy: Estimate
    gain: Estimate
    epochs: tuple[EpochEstimate, ...]


@dataclass(frozen=True, kw_only=True)
class HardImage:
    """An image that some run misclassifies; `answers` counts the labels that runs predict."""

    index: int
    label: int
    num_wrong: int
    answers: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ContestedErrors:
    """Mistakes on MNIST's test images, and how many of them have disputed labels."""

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

    `corrected` and `contested` are for MNIST's test images only, `longer` for a study that was
    also trained for twice the epochs.
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
    seconds_alone: UncontendedSeconds | None
    num_parameters: int
    num_multiply_adds: int | None
    hardest_images: tuple[HardImage, ...]
    contested: ContestedErrors | None = field(default=None, metadata=OMIT_DEFAULT)
    longer: LongerTraining | None = field(default=None, metadata=OMIT_DEFAULT)
    findings: tuple[Finding, ...] = field(default=(), metadata=OMIT_DEFAULT)
