"""The results of a run: the contents of evaluation.json and calibration.json. No torch."""

from dataclasses import dataclass, field
from typing import Literal

from tenfold.system.json_types import OMIT_DEFAULT

Interval = tuple[float, float]  # lower and upper end


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How many images are classified as labelled, and the share with its 95 % interval."""

    num_images: int
    num_correct: int
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True, kw_only=True)
class CorrectedAccuracy(Accuracy):
    """The accuracy on MNIST's test labels as corrected by vote.

    `contested_among_misclassified` are the indices of misclassified images with disputed labels,
    `given_the_corrected_label` those of them that got the corrected label.
    """

    contested_among_misclassified: tuple[int, ...]
    given_the_corrected_label: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ClassErrors:
    """The errors of one class; `taken_for` counts the wrong predictions by label.

    `precision` is the share of the images predicted as this class that are of it, None if no image
    is; `recall` the share of the class's images that are predicted as it; `f1` their harmonic mean.
    Evaluations of Tenfold 0.1 lack them.
    """

    label: int
    num_images: int
    num_errors: int
    error_rate: float
    error_rate_interval: Interval
    taken_for: dict[str, int]
    precision: float | None = field(default=None, metadata=OMIT_DEFAULT)
    recall: float | None = field(default=None, metadata=OMIT_DEFAULT)
    f1: float | None = field(default=None, metadata=OMIT_DEFAULT)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A misclassified image: its index, its label and the predicted label."""

    index: int
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class EpochLoss:
    """The training loss of an epoch (from 1): mean and standard deviation over its batches."""

    epoch: int
    num_batches: int
    mean_loss: float
    standard_deviation: float


@dataclass(frozen=True, kw_only=True)
class Training:
    """How training went.

    `other_cores` is how many cores other programs used meanwhile, None if unknown.
    `epoch_accuracies` are shares, empty if not measured; `resumed_with` says what had changed when
    the run was resumed.
    """

    seconds: float
    other_cores: float | None
    num_images: int
    images_per_second: float
    num_parameters: int
    weights_sha256: str
    epoch_accuracies: tuple[float, ...] = field(default=(), metadata=OMIT_DEFAULT)
    resumed_with: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One question, its short answer, and the sentence that supports it.

    `numbers` are the numbers in the sentence that the other results lack.
    """

    name: str
    question: str
    answer: str
    sentence: str
    numbers: dict[str, int | float | Interval | dict[str, Interval]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Every number that a run's figures, findings and report show.

    `confusions` has a row for each label and a column for each predicted label. `corrected` is None
    for images other than MNIST's test images. `misclassified` lists the most confident first.
    `class_names` are those of the labels 0 to 9, empty for digits.
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
    class_names: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)

    def get_accuracy(self) -> Accuracy:
        """The accuracy with its interval, on the labels as given."""
        return Accuracy(
            num_images=self.num_images,
            num_correct=self.num_correct,
            accuracy=self.accuracy,
            accuracy_interval=self.accuracy_interval,
        )

    @property
    def noun(self) -> str:
        """What a class is called."""
        return "digit" if self.is_mnist and not self.class_names else "class"

    def name_label(self, label: int | str) -> str:
        """The name of a label, or the digit itself."""
        return self.class_names[int(label)] if self.class_names else str(label)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The temperature and thresholds of a model, and their effect.

    An answer counts from the probability `read` on; an image shows no digit from `not_digit` on.
    `turned_away` is the share of clean digits that is rejected; the calibration error is given with
    and without the temperature.
    """

    temperature: float
    read: float
    not_digit: float
    turned_away: float | None = field(default=None, metadata=OMIT_DEFAULT)
    calibration_error: float | None = field(default=None, metadata=OMIT_DEFAULT)
    calibration_error_before: float | None = field(default=None, metadata=OMIT_DEFAULT)
