"""Compare a study with others of the same images: the content of comparison.json.

Axes in array names: R runs, N images.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from tenfold.errors import StudyError
from tenfold.evaluation.metrics import CONFIDENCE_LEVEL
from tenfold.evaluation.text import PART_NAMES, format_percent
from tenfold.runs.results import Interval
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study
from tenfold.studies.summary import Summary
from tenfold.system.json_types import to_json

NUM_RESAMPLES = 9999
MIN_P_VALUE = 2 / (NUM_RESAMPLES + 1)  # of a two-sided test with so many resamples


@dataclass(frozen=True, kw_only=True)
class ComparedStudy:
    """One of the compared studies; in JSON the summary's fields are beside its name."""

    path: str
    name: str
    summary: Summary

    def to_json(self) -> dict[str, Any]:
        """The study as JSON values."""
        return {"path": self.path, "name": self.name, **to_json(self.summary)}


@dataclass(frozen=True, kw_only=True)
class Significance:
    """The 95 % interval and p-value of a difference by one test."""

    interval: Interval
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference of two studies' mean accuracies, with a test over images and one over seeds.

    A test is None without variance, or with a single run where it needs more.
    """

    difference: float
    num_seeds: tuple[int, int]
    by_image: Significance | None
    by_seed: Significance | None


@dataclass(frozen=True, kw_only=True)
class ChangedImage:
    """An image, the share of each study's runs that misclassify it, and their usual answers."""

    index: int
    label: int
    missed_by_first: float
    missed_by_other: float
    answer_of_other: int
    answer_of_first: int


@dataclass(frozen=True, kw_only=True)
class ChangedImages:
    """The mistakes of two studies.

    `mended` are images that most runs of the first study misclassify and most of the other classify
    correctly; `not_mended` those that most of the first and at least half of the other misclassify;
    `new` those that most of the first classify correctly and most of the other misclassify.
    """

    mended: tuple[ChangedImage, ...]
    not_mended: tuple[ChangedImage, ...]
    new: tuple[ChangedImage, ...]


@dataclass(frozen=True, kw_only=True)
class ComparedPair:
    """The first study and another one, by name."""

    first: str
    other: str
    difference: Difference
    images: ChangedImages

    def to_json(self) -> dict[str, Any]:
        """The pair as JSON values."""
        names = {"first": self.first, "other": self.other}
        return {**names, **to_json(self.difference), **to_json(self.images)}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Summaries of all studies, and the first compared with each of the others."""

    part: str
    num_images: int
    studies: tuple[ComparedStudy, ...]
    differences: tuple[ComparedPair, ...]

    def __repr__(self) -> str:
        means = [
            f"{study.name} {format_percent(study.summary.accuracy.mean, 3)}"
            for study in self.studies
        ]
        images = f"{self.num_images:,} {PART_NAMES[self.part]} images"
        return f"<Comparison on {images}: {', '.join(means)}>"


def check_comparable(studies: list[Study]) -> None:
    """Raise StudyError unless all studies have runs and evaluated the same images."""
    first = studies[0]
    for study in studies:
        if not study.runs:
            raise StudyError(f"{study.path}: the study has no runs yet")
        evaluated = "train" if study.config.holdout else "test"
        known = first.config.checksums.get(evaluated)
        if study.config.part != first.config.part or study.config.checksums[evaluated] != known:
            raise StudyError(
                f"{study.path}: evaluated on other images ({study.config.part}) than {first.path} "
                f"({first.config.part}); only studies of the same images can be compared"
            )


def compare(studies: list[Study], labels_N: npt.NDArray[np.uint8], *, is_mnist: bool) -> Comparison:
    """Summarize all studies and compare the first with each of the others."""
    names = [study.name for study in studies]
    if len(set(names)) < len(names):
        names = [str(study.path) for study in studies]
    compared, pairs = [], []
    for study, name in zip(studies, names, strict=True):
        summary = summarize(study, labels_N, is_mnist=is_mnist)
        compared.append(ComparedStudy(path=str(study.path), name=name, summary=summary))
    first = studies[0]
    for other, name in zip(studies[1:], names[1:], strict=True):
        difference = measure_difference(first, other, labels_N)
        images = list_changed_images(first, other, labels_N)
        pairs.append(ComparedPair(first=names[0], other=name, difference=difference, images=images))
    return Comparison(
        part=first.config.part,
        num_images=len(labels_N),
        studies=tuple(compared),
        differences=tuple(pairs),
    )


def measure_difference(first: Study, other: Study, labels_N: npt.NDArray[np.uint8]) -> Difference:
    """The difference of the mean accuracies, other minus first, with two tests.

    Over images: both recipes saw the same images, so each image gives a difference of two shares of
    runs. A paired permutation test flips their signs; the interval is Student's, slightly too
    narrow where few images differ. Over seeds: the seeds of two recipes are not paired, so this is
    Welch's t-test of the accuracies; it needs at least two runs of each.
    """
    correct_first_N = (first.get_predicted_labels(labels_N) == labels_N).mean(0)
    correct_other_N = (other.get_predicted_labels(labels_N) == labels_N).mean(0)
    by_image = by_seed = None
    differences_N = correct_other_N - correct_first_N
    if np.ptp(differences_N) > 0:
        paired = stats.ttest_rel(correct_other_N, correct_first_N)
        by_image = _build_significance(paired, sign_flip_p_value(differences_N))
    a, b = first.accuracies, other.accuracies
    if len(a) > 1 and len(b) > 1 and np.ptp(a) + np.ptp(b) > 0:
        with warnings.catch_warnings():  # scipy warns if the runs of one recipe are identical
            warnings.simplefilter("ignore", RuntimeWarning)
            welch = stats.ttest_ind(b, a, equal_var=False)
        by_seed = _build_significance(welch, float(welch.pvalue))
    return Difference(
        difference=float(b.mean() - a.mean()),
        num_seeds=(len(a), len(b)),
        by_image=by_image,
        by_seed=by_seed,
    )


def _build_significance(t_test: Any, p_value: float) -> Significance:  # noqa: ANN401 - of SciPy
    low, high = t_test.confidence_interval(CONFIDENCE_LEVEL)
    return Significance(interval=(float(low), float(high)), p_value=p_value)


def sign_flip_p_value(differences_N: npt.NDArray[np.float64]) -> float:
    """The two-sided p-value of a mean difference by a paired permutation test.

    Exact for up to 13 images that differ, else from 9,999 random sign flips with a fixed seed.
    """
    nonzero = differences_N[differences_N != 0]
    if len(nonzero) < 2:
        return 1.0
    tested = stats.permutation_test(
        (nonzero,),
        np.sum,
        permutation_type="samples",
        n_resamples=NUM_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(tested.pvalue)


def list_changed_images(
    first: Study, other: Study, labels_N: npt.NDArray[np.uint8]
) -> ChangedImages:
    """List the mistakes of the first study that the other fixes or repeats, and its new ones.

    Sorted by how much the shares of runs that misclassify an image differ.
    """
    first_RN, other_RN = first.get_predicted_labels(labels_N), other.get_predicted_labels(labels_N)
    missed_by_first_N = (first_RN != labels_N).mean(0)
    missed_by_other_N = (other_RN != labels_N).mean(0)

    def list_images(is_listed_N: npt.NDArray[np.bool_]) -> tuple[ChangedImage, ...]:
        rows = np.flatnonzero(is_listed_N)
        changes = np.abs(missed_by_first_N - missed_by_other_N)[rows]
        return tuple(
            ChangedImage(
                index=int(row),
                label=int(labels_N[row]),
                missed_by_first=float(missed_by_first_N[row]),
                missed_by_other=float(missed_by_other_N[row]),
                # The most frequent label, the smallest if several tie.
                answer_of_other=int(np.bincount(other_RN[:, row]).argmax()),
                answer_of_first=int(np.bincount(first_RN[:, row]).argmax()),
            )
            for row in rows[np.argsort(-changes, kind="stable")]
        )

    return ChangedImages(
        mended=list_images((missed_by_first_N > 0.5) & (missed_by_other_N < 0.5)),
        not_mended=list_images((missed_by_first_N > 0.5) & (missed_by_other_N >= 0.5)),
        new=list_images((missed_by_first_N < 0.5) & (missed_by_other_N > 0.5)),
    )
