"""The results of an audit: the content of audit.json. No torch."""

from dataclasses import dataclass

from tenfold.evaluation.text import PART_NAMES, format_percent
from tenfold.runs.results import Accuracy, CorrectedAccuracy, Interval


@dataclass(frozen=True, kw_only=True)
class CorruptionError:
    """The share of errors on corrupted images, and how many times that on clean ones.

    `relative` is None if no clean image is misclassified.
    """

    name: str
    error_rate: float
    error_rate_interval: Interval
    relative: float | None


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Images of similar confidence: their number, mean confidence and accuracy."""

    num_images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class MeasuredCalibration:
    """How well probabilities match what happens, for the ten digits.

    `error` is the expected calibration error over 15 bins of equally many images, with its 95 %
    bootstrap interval; `error_equal_width` that over 15 bins of equal width. `log_loss` is the mean
    negative logarithm of the label's probability, `brier` the mean squared distance of the
    probabilities from the label, from 0 to 2. `bins` are those of equally many images.
    """

    error: float
    error_interval: Interval
    error_equal_width: float
    log_loss: float
    brier: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, kw_only=True)
class Selective:
    """Errors if only the most confident images are read.

    `area` is the area under the curve of risk against coverage. `coverage_at_low_risk` is the
    largest share that can be read with at most 0.1 % errors.
    """

    area: float
    coverage_at_low_risk: float
    coverages: tuple[float, ...]
    risks: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class NotDigits:
    """How well images of something else are told from digits.

    `auroc` is by the confidence in the best of ten digits, `auroc_reject` by 1 minus the reject
    class's probability, None without that class. `false_reading` is the share that is still read if
    the threshold turns away 1 % of the digits of one half; `digits_turned_away` is what it turns
    away of the other half.
    """

    name: str
    num_images: int
    auroc: float
    auroc_reject: float | None
    false_reading: float
    digits_turned_away: float


@dataclass(frozen=True, kw_only=True)
class ConformalSets:
    """Prediction sets that are to contain the label with a `wanted` probability.

    A set has every digit of at least `least_probability`. The rest is measured on the other half of
    the images: the share of sets with the label, their mean size, and the shares of sets of one
    digit and of none.
    """

    wanted: float
    least_probability: float
    coverage: float
    mean_size: float
    share_of_one: float
    share_empty: float


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Every number of an audit.

    `part` is "test", or "validation" for a hold-out run. `corrected` is None except for MNIST's
    test images. `relative_corruption_error` is the mean error on corrupted images divided by that
    on clean ones, None without errors. `not_digits` has one entry for each source of other images.
    """

    model: str
    part: str
    is_mnist: bool
    seed: int
    has_reject_class: bool
    accuracy: Accuracy
    corrected: CorrectedAccuracy | None
    corruptions: tuple[CorruptionError, ...]
    mean_corruption_error: float
    relative_corruption_error: float | None
    calibration: MeasuredCalibration
    selective: Selective
    not_digits: tuple[NotDigits, ...]
    conformal: tuple[ConformalSets, ...]

    def __repr__(self) -> str:
        return (
            f"<Audit of {self.model}: {format_percent(self.accuracy.accuracy)} of "
            f"{self.accuracy.num_images:,} {PART_NAMES[self.part]} images, "
            f"{format_percent(self.mean_corruption_error)} errors on corrupted images, "
            f"calibration error {self.calibration.error:.4f}>"
        )


@dataclass(frozen=True, kw_only=True)
class SuspectLabel:
    """An image whose label runs contradict.

    `answer` is their most frequent other answer, given by `share` of the runs with a mean
    `confidence`. `is_listed` says whether the label is on the list of known errors.
    """

    index: int
    label: int
    answer: int
    share: float
    confidence: float
    is_listed: bool


@dataclass(frozen=True, kw_only=True)
class FoundAtTop:
    """How the first `top` suspect labels compare with the list of known errors."""

    top: int
    num_found: int
    precision: float
    recall: float


@dataclass(frozen=True, kw_only=True)
class LabelAudit:
    """The labels that most runs of a study contradict, most suspect first.

    `num_listed` is the number of known errors among the evaluated images, 0 for other data.
    """

    study: str
    part: str
    num_runs: int
    num_images: int
    num_listed: int
    suspects: tuple[SuspectLabel, ...]
    found: tuple[FoundAtTop, ...]
