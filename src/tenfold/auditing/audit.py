"""Measures everything that an audit reports, with a function that classifies images.

Array names carry their axes: N images, K classes, H rows, W columns.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.auditing.corruptions import CORRUPTIONS, corrupt
from tenfold.auditing.metrics import (
    measure_auroc,
    measure_calibration,
    measure_conformal_sets,
    measure_selective,
)
from tenfold.auditing.results import Audit, CorruptionError, NotDigits
from tenfold.data.mnist import LabelledImages
from tenfold.digits import NUM_CLASSES
from tenfold.evaluation.metrics import measure_accuracy, measure_corrected, wilson_interval
from tenfold.reading.probabilities import softmax

Images = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.floating[Any]]
Classify = Callable[[Images], Logits]  # logits [N, K] of images, uint8 [N, 28, 28]

COVERAGES = (0.9, 0.99, 0.999)
TURNED_AWAY = 0.01  # of the digits, for the threshold of false readings


def measure_audit(
    classify: Classify,
    evaluated: LabelledImages,
    not_digits: Mapping[str, Images],
    *,
    model: str,
    part: str,
    is_mnist: bool,
    is_whole: bool,
    seed: int,
    report: Callable[[str], None],
) -> Audit:
    """Audit a classifier on labelled images.

    `is_whole` says that no image was left out, so that indices of known label errors hold. `report`
    is called with the name of what is measured next.
    """
    report("clean images")
    logits_NK = classify(evaluated.images_NHW).astype(np.float64)
    labels_N = evaluated.labels_N.astype(np.int64)
    probabilities_NK = softmax(logits_NK[:, :NUM_CLASSES])
    predicted_N = probabilities_NK.argmax(axis=1)
    is_right_N = predicted_N == labels_N
    accuracy = measure_accuracy(is_right_N)
    corruptions = _measure_corruptions(
        classify, evaluated, 1 - accuracy.accuracy, seed=seed, report=report
    )
    mean = float(np.mean([each.error_rate for each in corruptions]))
    clean = 1 - accuracy.accuracy
    fitted_N = np.zeros(len(labels_N), bool)
    fitted_N[np.random.default_rng(seed).permutation(len(labels_N))[: len(labels_N) // 2]] = True
    has_corrected = is_mnist and part == "test" and is_whole
    return Audit(
        model=model,
        part=part,
        is_mnist=is_mnist,
        seed=seed,
        has_reject_class=logits_NK.shape[1] > NUM_CLASSES,
        accuracy=accuracy,
        corrected=measure_corrected(evaluated.labels_N, predicted_N) if has_corrected else None,
        corruptions=corruptions,
        mean_corruption_error=mean,
        relative_corruption_error=mean / clean if clean else None,
        calibration=measure_calibration(probabilities_NK, labels_N, seed),
        selective=measure_selective(probabilities_NK.max(axis=1), is_right_N),
        not_digits=_measure_not_digits(classify, logits_NK, not_digits, fitted_N, report),
        conformal=measure_conformal_sets(probabilities_NK, labels_N, fitted_N, COVERAGES),
    )


def _measure_corruptions(
    classify: Classify,
    evaluated: LabelledImages,
    clean: float,
    *,
    seed: int,
    report: Callable[[str], None],
) -> tuple[CorruptionError, ...]:
    errors, num = [], len(evaluated)
    for name in CORRUPTIONS:
        report(name)
        logits_NK = classify(corrupt(name, evaluated.images_NHW, seed))[:, :NUM_CLASSES]
        num_wrong = int((logits_NK.argmax(axis=1) != evaluated.labels_N).sum())
        errors.append(
            CorruptionError(
                name=name,
                error_rate=num_wrong / num,
                error_rate_interval=wilson_interval(num_wrong, num),
                relative=num_wrong / num / clean if clean else None,
            )
        )
    return tuple(errors)


def _measure_not_digits(
    classify: Classify,
    digit_logits_NK: npt.NDArray[np.float64],
    not_digits: Mapping[str, Images],
    fitted_N: npt.NDArray[np.bool_],
    report: Callable[[str], None],
) -> tuple[NotDigits, ...]:
    """How well other images are told from digits, by two scores.

    A digit is read from a threshold of the best digit's probability on, among all classes, so the
    reject class lowers it.
    """
    digits_NK = softmax(digit_logits_NK)
    own_N = digits_NK[:, :NUM_CLASSES].max(axis=1)
    threshold = float(np.quantile(own_N[fitted_N], TURNED_AWAY, method="lower"))
    confidences_N = softmax(digit_logits_NK[:, :NUM_CLASSES]).max(axis=1)
    has_reject = digits_NK.shape[1] > NUM_CLASSES
    results = []
    for name, images_NHW in not_digits.items():
        report(name)
        logits_NK = classify(images_NHW).astype(np.float64)
        others_NK = softmax(logits_NK)
        auroc = measure_auroc(confidences_N, softmax(logits_NK[:, :NUM_CLASSES]).max(axis=1))
        auroc_reject = None
        if has_reject:
            auroc_reject = measure_auroc(-digits_NK[:, NUM_CLASSES], -others_NK[:, NUM_CLASSES])
        results.append(
            NotDigits(
                name=name,
                num_images=len(images_NHW),
                auroc=auroc,
                auroc_reject=auroc_reject,
                false_reading=float((others_NK[:, :NUM_CLASSES].max(axis=1) >= threshold).mean()),
                digits_turned_away=float((own_N[~fitted_N] < threshold).mean()),
            )
        )
    return tuple(results)
