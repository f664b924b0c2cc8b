"""Metrics of predictions, as functions of NumPy arrays.

Axes in array names: N images, K classes.
"""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.data.label_errors import CONTESTED, RELABELLED, UNDECIDABLE
from tenfold.digits import NUM_CLASSES
from tenfold.runs.results import Accuracy, ClassErrors, CorrectedAccuracy, EpochLoss, Mistake

CONFIDENCE_LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE_LEVEL) / 2)


def compute_confusion_matrix(
    labels_N: npt.NDArray[np.integer[Any]], predicted_N: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.int64]:
    """The confusion matrix [10, 10]: true labels in rows, predicted labels in columns."""
    pairs = labels_N.astype(np.int64) * NUM_CLASSES + predicted_N
    return np.bincount(pairs, minlength=NUM_CLASSES**2).reshape(NUM_CLASSES, NUM_CLASSES)


def wilson_interval(num_hits: float, num_trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (E. B. Wilson, 1927).

    Unlike the normal approximation it is valid near 0 and 1 and for few trials.
    """
    share = num_hits / num_trials
    centre = share + Z**2 / (2 * num_trials)
    half = Z * math.sqrt(share * (1 - share) / num_trials + Z**2 / (4 * num_trials**2))
    scale = 1 + Z**2 / num_trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def newcombe_interval(
    hits_a: int, trials_a: int, hits_b: int, trials_b: int
) -> tuple[float, float]:
    """The 95 % hybrid score interval of the difference of two proportions, a minus b.

    R. G. Newcombe, Statistics in Medicine 17 (1998), method 10: made of two Wilson intervals.
    """
    share_a, share_b = hits_a / trials_a, hits_b / trials_b
    low_a, high_a = wilson_interval(hits_a, trials_a)
    low_b, high_b = wilson_interval(hits_b, trials_b)
    difference = share_a - share_b
    below = math.hypot(share_a - low_a, high_b - share_b)
    above = math.hypot(high_a - share_a, share_b - low_b)
    return difference - below, difference + above


def is_above(interval: tuple[float, float], value: float) -> bool | None:
    """Whether a whole interval lies above a value or below it; None if it includes the value."""
    low, high = interval
    return True if low > value else False if high < value else None


def measure_accuracy(is_correct_N: npt.NDArray[np.bool_]) -> Accuracy:
    """Accuracy with its counts and 95 % interval."""
    num_correct, num_images = int(is_correct_N.sum()), len(is_correct_N)
    return Accuracy(
        num_images=num_images,
        num_correct=num_correct,
        accuracy=num_correct / num_images,
        accuracy_interval=wilson_interval(num_correct, num_images),
    )


def measure_corrected(
    labels_N: npt.NDArray[np.uint8], predicted_N: npt.NDArray[np.int64]
) -> CorrectedAccuracy:
    """Accuracy on MNIST's corrected test labels: ten changed, five undecidable left out."""
    corrected_N = labels_N.astype(np.int64)
    corrected_N[list(RELABELLED)] = list(RELABELLED.values())
    keep_N = np.ones(len(labels_N), dtype=bool)
    keep_N[list(UNDECIDABLE)] = False
    wrong = np.flatnonzero(predicted_N != labels_N)
    return CorrectedAccuracy(
        **vars(measure_accuracy((predicted_N == corrected_N)[keep_N])),
        contested_among_misclassified=tuple(int(i) for i in wrong if int(i) in CONTESTED),
        given_the_corrected_label=tuple(
            int(i) for i in wrong if RELABELLED.get(int(i)) == int(predicted_N[i])
        ),
    )


def measure_class_errors(confusions_KK: npt.NDArray[np.int64]) -> tuple[ClassErrors, ...]:
    """Errors of each class that has images, from a confusion matrix."""
    classes = []
    for label, row in enumerate(confusions_KK):
        num_images = int(row.sum())
        if num_images == 0:
            continue
        num_hits, num_predicted = int(row[label]), int(confusions_KK[:, label].sum())
        num_errors = num_images - num_hits
        taken_for = {str(k): int(row[k]) for k in np.argsort(-row, kind="stable") if k != label}
        classes.append(
            ClassErrors(
                label=label,
                num_images=num_images,
                num_errors=num_errors,
                error_rate=num_errors / num_images,
                error_rate_interval=wilson_interval(num_errors, num_images),
                taken_for={k: count for k, count in taken_for.items() if count},
                precision=num_hits / num_predicted if num_predicted else None,
                recall=num_hits / num_images,
                f1=2 * num_hits / (num_images + num_predicted),
            )
        )
    return tuple(classes)


def list_misclassified(
    labels_N: npt.NDArray[np.uint8],
    predicted_N: npt.NDArray[np.int64],
    confidences_N: npt.NDArray[np.floating[Any]],
) -> tuple[Mistake, ...]:
    """The misclassified images, most confident first."""
    wrong = np.flatnonzero(predicted_N != labels_N)
    wrong = wrong[np.argsort(-confidences_N[wrong], kind="stable")]
    return tuple(
        Mistake(
            index=int(i),
            label=int(labels_N[i]),
            predicted=int(predicted_N[i]),
            confidence=float(confidences_N[i]),
        )
        for i in wrong
    )


def measure_epoch_losses(losses: list[list[float]]) -> tuple[EpochLoss, ...]:
    """Mean and standard deviation of the batch losses of each epoch."""
    return tuple(
        EpochLoss(
            epoch=epoch,
            num_batches=len(batch_losses),
            mean_loss=float(np.mean(batch_losses)),
            standard_deviation=float(np.std(batch_losses, ddof=1)) if batch_losses[1:] else 0.0,
        )
        for epoch, batch_losses in enumerate(losses, start=1)
    )
