"""Two or more studies side by side: a table, paired tests, and which mistakes are mended.

In: studies of the same images, the first of which the others are compared with. Out: the content of
comparison.json.

Array names carry their axes: R runs, N images.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from tenfold.errors import StudyError
from tenfold.evaluation.metrics import CONFIDENCE_LEVEL
from tenfold.runs.results import Interval
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study
from tenfold.studies.summary import Summary
from tenfold.system.json_types import to_json

NUM_FLIPS = 9999
SMALLEST_P_VALUE = 2 / (NUM_FLIPS + 1)  # that so many flips can show, of a two-sided test
HALF = 0.5  # an image that more than this share of a recipe's runs miss is its mistake


@dataclass(frozen=True, kw_only=True)
class ComparedStudy:
    """One of the compared studies; in JSON the summary's fields follow the name."""

    path: str
    name: str
    summary: Summary

    def to_json(self) -> dict[str, Any]:
        """The study as JSON values."""
        return {"path": self.path, "name": self.name, **to_json(self.summary)}


@dataclass(frozen=True, kw_only=True)
class Significance:
    """How sure a difference is: its interval and p-value by one test."""

    interval: Interval
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference of two studies' mean accuracies, with a test by image and one by seed.

    A test is None where nothing scatters, or too few runs do.
    """

    difference: float
    num_seeds: tuple[int, int]
    by_image: Significance | None
    by_seed: Significance | None


@dataclass(frozen=True, kw_only=True)
class ChangedImage:
    """An image with the share of runs of two studies that miss it, and their usual answers."""

    index: int
    label: int
    missed_by_first: float
    missed_by_other: float
    answer_of_other: int
    answer_of_first: int


@dataclass(frozen=True, kw_only=True)
class ChangedImages:
    """The mistakes of two studies.

    `mended` are images that most runs of the first study miss and most of the other get right,
    `not_mended` those that most of the first and at least half of the other miss, `new` those that
    most of the first get right and most of the other miss.
    """

    mended: tuple[ChangedImage, ...]
    not_mended: tuple[ChangedImage, ...]
    new: tuple[ChangedImage, ...]


@dataclass(frozen=True, kw_only=True)
class ComparedPair:
    """The first study against another one, by their names."""

    first: str
    other: str
    difference: Difference
    images: ChangedImages

    def to_json(self) -> dict[str, Any]:
        """The pair as JSON values, in one object."""
        names = {"first": self.first, "other": self.other}
        return {**names, **to_json(self.difference), **to_json(self.images)}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Summaries of all studies, and the first against each of the others."""

    part: str
    num_images: int
    studies: tuple[ComparedStudy, ...]
    differences: tuple[ComparedPair, ...]


def check_comparable(studies: list[Study]) -> None:
    """Raise StudyError unless all studies evaluated the same images and have runs."""
    first = studies[0]
    for study in studies:
        if not study.runs:
            raise StudyError(f"{study.path}: expected a study with runs, found none yet")
        evaluated = "train" if study.config.holdout else "test"
        known = first.config.checksums.get(evaluated)
        if study.config.part != first.config.part or study.config.checksums[evaluated] != known:
            raise StudyError(
                f"{study.path}: expected a study of the same images as {first.path} "
                f"({first.config.part} images), found one of other {study.config.part} images"
            )


def compare(studies: list[Study], labels_N: npt.NDArray[np.uint8], *, is_mnist: bool) -> Comparison:
    """Summaries of all studies, and each of the others against the first."""
    check_comparable(studies)
    names = name_studies(studies)
    return Comparison(
        part=studies[0].config.part,
        num_images=len(labels_N),
        studies=tuple(
            ComparedStudy(
                path=str(study.path),
                name=name,
                summary=summarize(study, labels_N, is_mnist=is_mnist),
            )
            for study, name in zip(studies, names, strict=True)
        ),
        differences=tuple(
            ComparedPair(
                first=names[0],
                other=name,
                difference=measure_difference(studies[0], other, labels_N),
                images=list_mended(studies[0], other, labels_N),
            )
            for other, name in zip(studies[1:], names[1:], strict=True)
        ),
    )


def name_studies(studies: list[Study]) -> list[str]:
    """A name for each study: its recipe's; where these are alike, its folder's path."""
    recipes = [study.name for study in studies]
    if len(set(recipes)) == len(recipes):
        return recipes
    return [str(study.path) for study in studies]


def measure_difference(first: Study, other: Study, labels_N: npt.NDArray[np.uint8]) -> Difference:
    """The difference of the mean accuracies, other minus first, and how sure it is.

    Two questions, two tests. For other images of the kind: both recipes met the same images, so
    each image gives a difference of two shares of runs. If the recipes were alike, each difference
    might as well have the other sign: a permutation test flips them (exactly, or 9,999 times at
    random). The interval is Student's, a little too narrow where few images differ. For other
    seeds: seeds of two recipes are no pairs, so Welch's t-test takes the accuracies; with a single
    run on either side there is none.
    """
    right_first_N = (first.get_given_labels(labels_N) == labels_N).mean(0)
    right_other_N = (other.get_given_labels(labels_N) == labels_N).mean(0)
    by_image = by_seed = None
    differences_N = right_other_N - right_first_N
    if np.ptp(differences_N) > 0:
        paired = stats.ttest_rel(right_other_N, right_first_N)
        interval = paired.confidence_interval(CONFIDENCE_LEVEL)
        by_image = Significance(
            interval=(float(interval.low), float(interval.high)),
            p_value=find_p_value(differences_N),
        )
    a, b = first.accuracies, other.accuracies
    if len(a) > 1 and len(b) > 1 and np.ptp(a) + np.ptp(b) > 0:
        with warnings.catch_warnings():  # scipy's doubts where the runs of one recipe are all alike
            warnings.simplefilter("ignore", RuntimeWarning)
            welch = stats.ttest_ind(b, a, equal_var=False)
        interval = welch.confidence_interval(CONFIDENCE_LEVEL)
        by_seed = Significance(
            interval=(float(interval.low), float(interval.high)), p_value=float(welch.pvalue)
        )
    return Difference(
        difference=float(b.mean() - a.mean()),
        num_seeds=(len(a), len(b)),
        by_image=by_image,
        by_seed=by_seed,
    )


def find_p_value(differences_N: npt.NDArray[np.float64]) -> float:
    """The chance of a mean difference as large, up or down, if each sign were tossed.

    Exact for up to 13 images that differ, else from 9,999 random flips, always the same ones.
    """
    differing = differences_N[differences_N != 0]  # flipping a zero changes nothing
    if len(differing) < 2:
        return 1.0
    flipped = stats.permutation_test(
        (differing,),
        np.sum,
        permutation_type="samples",
        n_resamples=NUM_FLIPS,
        rng=np.random.default_rng(0),
    )
    return float(flipped.pvalue)


def list_mended(first: Study, other: Study, labels_N: npt.NDArray[np.uint8]) -> ChangedImages:
    """Which mistakes of the first study the other one mends, repeats or newly makes.

    Images are sorted by how much the shares of runs that miss them differ.
    """
    wrong_first_N = (first.get_given_labels(labels_N) != labels_N).mean(0)
    wrong_other_N = (other.get_given_labels(labels_N) != labels_N).mean(0)

    def list_images(chosen_N: npt.NDArray[np.bool_]) -> tuple[ChangedImage, ...]:
        rows = np.flatnonzero(chosen_N)
        rows = rows[np.argsort(-np.abs(wrong_first_N - wrong_other_N)[rows], kind="stable")]
        return tuple(
            ChangedImage(
                index=int(row),
                label=int(labels_N[row]),
                missed_by_first=float(wrong_first_N[row]),
                missed_by_other=float(wrong_other_N[row]),
                answer_of_other=find_answer(other, int(row), int(labels_N[row])),
                answer_of_first=find_answer(first, int(row), int(labels_N[row])),
            )
            for row in rows
        )

    return ChangedImages(
        mended=list_images((wrong_first_N > HALF) & (wrong_other_N < HALF)),
        not_mended=list_images((wrong_first_N > HALF) & (wrong_other_N >= HALF)),
        new=list_images((wrong_first_N < HALF) & (wrong_other_N > HALF)),
    )


def find_answer(study: Study, index: int, label: int) -> int:
    """The label that most runs of a study give to an image; of equals the smallest."""
    answers = [next((k for i, k, _ in run.mistakes if i == index), label) for run in study.runs]
    return max(sorted(set(answers)), key=answers.count)
