"""Metrics of probabilities: calibration, selective classification, detection, conformal sets.

Axes in array names: N images, K classes, M other images, B bins.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.auditing.results import ConformalSets, MeasuredCalibration, ReliabilityBin, Selective

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]
Right = npt.NDArray[np.bool_]

NUM_BINS = 15  # as is usual since Guo et al. 2017
NUM_RESAMPLES = 500
SMALLEST = 1e-300  # a probability of 0 would have an infinite loss
NUM_CURVE_POINTS = 100
LOW_RISK = 0.001


def measure_calibration(
    probabilities_NK: Floats, labels_N: Labels, seed: int
) -> MeasuredCalibration:
    """How well the probabilities of the digits match what happens."""
    confidences_N = probabilities_NK.max(axis=1)
    is_right_N = probabilities_NK.argmax(axis=1) == labels_N
    own_N = probabilities_NK[np.arange(len(labels_N)), labels_N]
    brier = (probabilities_NK**2).sum(axis=1) - 2 * own_N + 1
    return MeasuredCalibration(
        error=measure_calibration_error(confidences_N, is_right_N),
        error_interval=_resample_calibration_error(confidences_N, is_right_N, seed),
        error_equal_width=measure_calibration_error(confidences_N, is_right_N, equal_width=True),
        log_loss=float(-np.log(np.maximum(own_N, SMALLEST)).mean()),
        brier=float(brier.mean()),
        bins=_list_bins(confidences_N, is_right_N),
    )


def measure_calibration_error(
    confidences_N: Floats, is_right_N: Right, *, equal_width: bool = False
) -> float:
    """The expected calibration error: the mean gap of confidence and accuracy over 15 bins.

    The bins hold equally many images (Nguyen and O'Connor 2015), because nearly all confidences of
    a digit classifier are near 1; or they are equally wide (Naeini et al. 2015).
    """
    excess_N = confidences_N - is_right_N
    if equal_width:
        bins_N = np.minimum((confidences_N * NUM_BINS).astype(int), NUM_BINS - 1)
        gaps_B = np.bincount(bins_N, weights=excess_N, minlength=NUM_BINS)
    else:
        order = np.argsort(confidences_N, kind="stable")
        gaps_B = np.array([part.sum() for part in np.array_split(excess_N[order], NUM_BINS)])
    return float(np.abs(gaps_B).sum() / len(confidences_N))


def _resample_calibration_error(
    confidences_N: Floats, is_right_N: Right, seed: int
) -> tuple[float, float]:
    """The 95 % percentile interval of the error over bootstrap samples of the images."""
    rng = np.random.default_rng(seed)
    num = len(confidences_N)
    errors = []
    for _ in range(NUM_RESAMPLES):
        sample = rng.integers(0, num, num)
        errors.append(measure_calibration_error(confidences_N[sample], is_right_N[sample]))
    low, high = np.quantile(errors, [0.025, 0.975])
    return float(low), float(high)


def _list_bins(confidences_N: Floats, is_right_N: Right) -> tuple[ReliabilityBin, ...]:
    """The bins of equal mass, least confident first."""
    order = np.argsort(confidences_N, kind="stable")
    parts = np.array_split(order, min(NUM_BINS, len(order)))
    return tuple(
        ReliabilityBin(
            num_images=len(part),
            confidence=float(confidences_N[part].mean()),
            accuracy=float(is_right_N[part].mean()),
        )
        for part in parts
    )


def measure_selective(confidences_N: Floats, is_right_N: Right) -> Selective:
    """Risk against coverage: the errors among the most confident images.

    R. El-Yaniv and Y. Wiener 2010; the area under the curve (AURC) as in Geifman et al. 2019. Where
    confidences are equal, every order is possible; their risk is the mean over these orders.
    """
    order = np.argsort(-confidences_N, kind="stable")
    sorted_N, wrong_N = confidences_N[order], (~is_right_N[order]).astype(np.float64)
    _, starts, counts = np.unique(-sorted_N, return_index=True, return_counts=True)
    wrong_N = np.repeat(np.add.reduceat(wrong_N, starts) / counts, counts)
    num = len(wrong_N)
    risks_N = np.cumsum(wrong_N) / np.arange(1, num + 1)
    ends = starts + counts - 1  # a threshold keeps all images of equal confidence, or none
    good = ends[risks_N[ends] <= LOW_RISK + 1e-12]
    shown = np.unique(np.linspace(1, num, min(num, NUM_CURVE_POINTS)).astype(int))
    return Selective(
        area=float(risks_N.mean()),
        coverage_at_low_risk=(int(good[-1]) + 1) / num if len(good) else 0.0,
        coverages=tuple(float(each) / num for each in shown),
        risks=tuple(float(risks_N[each - 1]) for each in shown),
    )


def measure_auroc(digits_N: Floats, others_M: Floats) -> float:
    """The probability that a digit's score is above that of another image; equal ones are half.

    The area under the ROC curve, by ranks (Mann and Whitney 1947).
    """
    both = np.concatenate([digits_N, others_M])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    num, num_others = len(digits_N), len(others_M)
    return float((ranks[:num].sum() - num * (num + 1) / 2) / (num * num_others))


def find_rank(num_fitted: int, coverage: float) -> int:
    """Which of the sorted scores is the threshold; beyond the last one if there are too few."""
    # Rounded first: (n + 1) x 0.999 is not exact.
    return math.ceil(round((num_fitted + 1) * coverage, 6))


def measure_conformal_sets(
    probabilities_NK: Floats, labels_N: Labels, fitted_N: Right, coverages: tuple[float, ...]
) -> tuple[ConformalSets, ...]:
    """Split conformal prediction sets: every digit whose probability is high enough.

    The threshold comes from the images of `fitted_N`, coverage and size from the others. The score
    is 1 minus the probability (Sadinle, Lei and Wasserman 2019; Angelopoulos and Bates 2021).
    """
    scores_NK = 1 - probabilities_NK
    own_N = np.sort(scores_NK[np.arange(len(labels_N)), labels_N][fitted_N])
    held_out = ~fitted_N
    results = []
    for coverage in coverages:
        rank = find_rank(len(own_N), coverage)
        threshold = float(own_N[rank - 1]) if rank <= len(own_N) else 1.0
        sets_NK = scores_NK[held_out] <= threshold
        sizes_N = sets_NK.sum(axis=1)
        labels = labels_N[held_out]
        results.append(
            ConformalSets(
                wanted=coverage,
                least_probability=1 - threshold,
                coverage=float(sets_NK[np.arange(len(labels)), labels].mean()),
                mean_size=float(sizes_N.mean()),
                share_of_one=float((sizes_N == 1).mean()),
                share_empty=float((sizes_N == 0).mean()),
            )
        )
    return tuple(results)
