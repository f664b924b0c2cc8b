"""From the runs of a study to its summary, as functions of NumPy arrays.

Two sources of variance are kept apart: other seeds on the same images, and other images of the
same kind.

Axes in array names: R runs, N images, K classes.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from tenfold.data.label_errors import CONTESTED, RELABELLED
from tenfold.evaluation.metrics import CONFIDENCE_LEVEL, measure_corrected, wilson_interval
from tenfold.studies.study import Study, StudyRun
from tenfold.studies.summary import (
    ContestedErrors,
    DigitErrors,
    EpochEstimate,
    Estimate,
    HardImage,
    ImagesEstimate,
    LongerTraining,
    PooledEstimate,
    Summary,
    UncontendedSeconds,
)

Shares = npt.NDArray[np.float64]
Predicted = npt.NDArray[np.int64]  # labels, [R, N]
Labels = npt.NDArray[np.uint8]


def estimate_mean(
    values: npt.NDArray[np.floating[Any]] | list[float], *, are_shares: bool = False
) -> Estimate:
    """The mean of values with its 95 % interval by Student's t, clipped to 0 and 1 for shares."""
    array = np.asarray(values, dtype=np.float64)
    mean, count = float(array.mean()), len(array)
    deviation = float(array.std(ddof=1)) if count > 1 else None
    interval = None
    if deviation is not None:
        t = float(stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, count - 1))
        half = t * deviation / math.sqrt(count)
        interval = (mean - half, mean + half)
        if are_shares:
            interval = (max(0.0, interval[0]), min(1.0, interval[1]))
    return Estimate(
        mean=mean,
        standard_deviation=deviation,
        lowest=float(array.min()),
        highest=float(array.max()),
        interval=interval,
        num_values=count,
    )


def images_interval(shares_N: Shares) -> tuple[float, float]:
    """The 95 % interval of a mean over images, for other images of the same kind.

    `shares_N` is a share of runs for each image. This is Wilson's interval of their mean, as if it
    came from a single run: slightly too wide where runs disagree. An interval from the variance of
    the shares would be too narrow where almost all are 0 or 1.
    """
    return wilson_interval(float(shares_N.sum()), len(shares_N))


def summarize(study: Study, labels_N: Labels, *, is_mnist: bool) -> Summary:
    """Compute every number of a study; `labels_N` are the labels of the evaluated images."""
    predicted_RN = study.get_predicted_labels(labels_N)
    is_wrong_RN = predicted_RN != labels_N
    corrected = contested = None
    if is_mnist and study.config.part == "test":
        corrected = estimate_mean(
            [measure_corrected(labels_N, predicted_N).accuracy for predicted_N in predicted_RN],
            are_shares=True,
        )
        contested = _measure_contested(is_wrong_RN)
    return Summary(
        recipe=study.config.recipe,
        part=study.config.part,
        num_images=len(labels_N),
        seeds=tuple(run.seed for run in study.runs),
        accuracies=tuple(study.accuracies.tolist()),
        accuracy=_estimate_share(study.accuracies, 1 - is_wrong_RN.mean(0)),
        corrected=corrected,
        digits=_measure_digits(predicted_RN, labels_N),
        epochs=_summarize_epochs(study.runs),
        last_loss_change=_measure_last_loss_change(study.runs),
        seconds=estimate_mean([run.seconds for run in study.runs]),
        seconds_alone=_measure_uncontended_seconds(study.runs),
        num_parameters=study.runs[0].num_parameters,
        num_multiply_adds=study.config.recipe.model.count_multiply_adds(),
        hardest_images=_list_hardest_images(predicted_RN, labels_N),
        contested=contested,
        longer=None if study.longer is None else _measure_longer(study, study.longer),
    )


def _estimate_share(shares_R: Shares, shares_N: Shares) -> ImagesEstimate:
    """The mean of a share, from its values per run and per image."""
    return ImagesEstimate(
        **vars(estimate_mean(shares_R, are_shares=True)),
        images_interval=images_interval(shares_N),
    )


def _measure_uncontended_seconds(runs: tuple[StudyRun, ...]) -> UncontendedSeconds | None:
    """The seconds of the uncontended runs with the most threads; None if there are none.

    The last of several parallel jobs may be uncontended too, but on some of the cores only.
    """
    alone = [run for run in runs if run.was_alone]
    if not alone:
        return None
    threads = max(run.threads for run in alone)
    seconds = [run.seconds for run in alone if run.threads == threads]
    return UncontendedSeconds(**vars(estimate_mean(seconds)), threads=threads)


def _measure_digits(predicted_RN: Predicted, labels_N: Labels) -> tuple[DigitErrors, ...]:
    """The errors of each digit; if several tie for the highest rate in a run, all count."""
    digits = np.unique(labels_N)
    is_wrong_RN = predicted_RN != labels_N
    rates_RK = np.stack([is_wrong_RN[:, labels_N == digit].mean(1) for digit in digits], 1)
    highest_R1 = rates_RK.max(1, keepdims=True)
    is_hardest_RK = (rates_RK == highest_R1) & (highest_R1 > 0)
    measured = []
    for k, digit in enumerate(digits):
        is_digit_N = labels_N == digit
        counts = _count_labels(predicted_RN[:, is_digit_N])
        counts.pop(str(digit), None)
        measured.append(
            DigitErrors(
                label=int(digit),
                num_images=int(is_digit_N.sum()),
                error_rates=tuple(rates_RK[:, k].tolist()),
                error_rate=_estimate_share(rates_RK[:, k], is_wrong_RN[:, is_digit_N].mean(0)),
                num_hardest=int(is_hardest_RK[:, k].sum()),
                taken_for={label: n / len(predicted_RN) for label, n in counts.items()},
            )
        )
    return tuple(measured)


def _summarize_epochs(runs: tuple[StudyRun, ...]) -> tuple[EpochEstimate, ...]:
    epochs = []
    for epoch in range(min(len(run.epoch_losses) for run in runs)):
        loss = estimate_mean([run.epoch_losses[epoch] for run in runs])
        measured = [run.epoch_accuracies[epoch] for run in runs if run.epoch_accuracies]
        accuracy = estimate_mean(measured, are_shares=True) if measured else None
        epochs.append(EpochEstimate(epoch=epoch + 1, loss=loss, accuracy=accuracy))
    return tuple(epochs)


def _measure_last_loss_change(runs: tuple[StudyRun, ...]) -> Estimate | None:
    """The relative change of the mean training loss in the last epoch, over runs.

    None with a single epoch, or if a loss before it is zero.
    """
    pairs = [run.epoch_losses[-2:] for run in runs]
    if any(len(pair) < 2 or pair[0] == 0 for pair in pairs):
        return None
    return estimate_mean([last / before - 1 for before, last in pairs])


def _measure_longer(study: Study, longer: Study) -> LongerTraining | None:
    """The effect of twice the epochs, paired by seed; None without a common seed."""
    before, after = (
        dict(zip((run.seed for run in trained.runs), trained.accuracies, strict=True))
        for trained in (study, longer)
    )
    common = sorted(before.keys() & after.keys())
    if not common:
        return None
    return LongerTraining(
        num_epochs=longer.config.recipe.epochs,
        accuracy=estimate_mean([after[seed] for seed in common], are_shares=True),
        gain=estimate_mean([after[seed] - before[seed] for seed in common]),
        epochs=_summarize_epochs(longer.runs),
    )


def _list_hardest_images(predicted_RN: Predicted, labels_N: Labels) -> tuple[HardImage, ...]:
    """The images that some run misclassified, most often misclassified first."""
    num_wrong_N = (predicted_RN != labels_N).sum(0)
    order = np.argsort(-num_wrong_N, kind="stable")[: int((num_wrong_N > 0).sum())]
    return tuple(
        HardImage(
            index=int(index),
            label=int(labels_N[index]),
            num_wrong=int(num_wrong_N[index]),
            answers=_count_labels(predicted_RN[:, index]),
        )
        for index in order
    )


def _count_labels(labels: npt.NDArray[np.int64]) -> dict[str, int]:
    """How often each label occurs, most frequent first."""
    values, counts = np.unique(labels, return_counts=True)
    by_count = sorted(zip(-counts, values, strict=True))
    return {str(value): -int(count) for count, value in by_count}


def _measure_contested(is_wrong_RN: npt.NDArray[np.bool_]) -> ContestedErrors:
    """How the mistakes on MNIST's test images relate to disputed labels."""
    contested = sorted(CONTESTED)
    on_contested_R = is_wrong_RN[:, contested].sum(1)
    num_wrong_R = is_wrong_RN.sum(1)
    num_others = is_wrong_RN.shape[1] - len(contested)
    most_miss = is_wrong_RN.mean(0) > 0.5
    # Pooled over runs, because a single run has no other interval.
    pooled_interval = None
    if num_wrong_R.sum():
        pooled_interval = wilson_interval(int(on_contested_R.sum()), int(num_wrong_R.sum()))
    shares_R = on_contested_R / np.maximum(1, num_wrong_R)
    return ContestedErrors(
        num_contested=len(contested),
        num_mistakes=estimate_mean(num_wrong_R),
        num_on_contested=estimate_mean(on_contested_R),
        num_on_mislabelled=estimate_mean(is_wrong_RN[:, sorted(RELABELLED)].sum(1)),
        share_of_mistakes=PooledEstimate(
            **vars(estimate_mean(shares_R, are_shares=True)), pooled_interval=pooled_interval
        ),
        rate_on_contested=float(on_contested_R.mean() / len(contested)),
        rate_on_others=float((num_wrong_R - on_contested_R).mean() / num_others),
        num_missed_by_all=int(is_wrong_RN.all(0).sum()),
        num_missed_by_most=int(most_miss.sum()),
        num_contested_missed_by_most=int(most_miss[contested].sum()),
    )
