"""What a finished run measured: the contents of evaluation.json and calibration.json. No torch."""

from dataclasses import dataclass, field
from typing import Literal

from tenfold.system.json_types import OPTIONAL

Interval = tuple[float, float]  # its lower and upper end


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How many of some images are classified as labelled, as a share too with its 95 % interval."""

    num_images: int
    num_correct: int
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True, kw_only=True)
class CorrectedAccuracy(Accuracy):
    """The accuracy on MNIST's test labels as corrected by vote.

    Beside it the indices of misclassified images whose labels are contested, and of those among
    them that were given the corrected label.
    """

    contested_among_misclassified: tuple[int, ...]
    given_the_corrected_label: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ClassErrors:
    """The errors of one class; `taken_for` counts the labels given in their place."""

    label: int
    num_images: int
    num_errors: int
    error_rate: float
    error_rate_interval: Interval
    taken_for: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A misclassified image: its index, the label it has, and the label it was given."""

    index: int
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class EpochLoss:
    """The training loss of an epoch (from 1): its mean, and the deviation of its batches."""

    epoch: int
    num_batches: int
    mean_loss: float
    standard_deviation: float


@dataclass(frozen=True, kw_only=True)
class Training:
    """How training went.

    `other_cores` is how many cores other programs used meanwhile, None if unknown.
    `epoch_accuracies` are shares, where they were measured; `resumed_with` says what differed when
    the run was resumed.
    """

    seconds: float
    other_cores: float | None
    num_images: int
    images_per_second: float
    num_parameters: int
    weights_sha256: str
    epoch_accuracies: tuple[float, ...] = field(default=(), metadata=OPTIONAL)
    resumed_with: tuple[str, ...] = field(default=(), metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One question, its answer in a word or two, and the sentence that supports it.

    `numbers` are those in the sentence that are nowhere else in the results.
    """

    name: str
    question: str
    answer: str
    sentence: str
    numbers: dict[str, int | float | Interval | dict[str, Interval]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Every number that a run's figures, findings and report show.

    `confusions` has a row for each label and a column for each label given. `corrected` is None
    for images other than MNIST's test images. `misclassified` lists the most confident first.
    """

    part: Literal["test", "validation"]
    is_mnist: bool
    num_images: int
    num_correct: int
    accuracy: float
    accuracy_interval: Interval
    corrected: CorrectedAccuracy | None
    confusions: tuple[tuple[int, ...], ...]
    classes: tuple[ClassErrors, ...]
    misclassified: tuple[Mistake, ...]
    epochs: tuple[EpochLoss, ...]
    training: Training
    findings: tuple[Finding, ...]
    headline: str


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The temperature and thresholds of a model, and what they cost.

    `read` is the probability from which an answer counts, `not_digit` that from which an image
    shows no digit. Of a network of single digits: the share of clean digits that is rejected
    (`turned_away`), and the calibration error with and without the temperature. Of one that reads
    lines: how many lines were drawn, and the shares that are right and that are read.
    """

    temperature: float
    read: float
    not_digit: float
    turned_away: float | None = field(default=None, metadata=OPTIONAL)
    lines: int | None = field(default=None, metadata=OPTIONAL)
    lines_right: float | None = field(default=None, metadata=OPTIONAL)
    lines_read: float | None = field(default=None, metadata=OPTIONAL)
    calibration_error: float | None = field(default=None, metadata=OPTIONAL)
    calibration_error_before: float | None = field(default=None, metadata=OPTIONAL)
