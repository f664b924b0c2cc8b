"""From the runs of a study to its summary: plain functions on NumPy arrays.

Two kinds of chance are kept apart: other seeds on the same images, and other images of the kind.

Array names carry their axes: R runs, N images, K classes.
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
    Longer,
    PooledEstimate,
    SecondsAlone,
    Summary,
)

Shares = npt.NDArray[np.float64]


def measure_mean(
    values: npt.NDArray[np.floating[Any]] | list[float], *, are_shares: bool = False
) -> Estimate:
    """Mean, deviation (n - 1), extremes, and the 95 % interval of the mean by Student's t.

    With one value the deviation and the interval are None. The interval of shares is cut at 0 and
    1, which Student's t does not know.
    """
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


def measure_images_interval(shares_N: Shares) -> tuple[float, float]:
    """The 95 % interval of a mean over images, if other images of the kind were drawn.

    `shares_N` is, for each image, the share of runs in which something held. Wilson's interval of
    their mean, as if a single run had given it: where runs disagree it is a little too wide. The
    scatter of the shares themselves would be too narrow a measure where all but a few are 0 or 1.
    """
    return wilson_interval(float(shares_N.sum()), len(shares_N))


def summarize(study: Study, labels_N: npt.NDArray[np.uint8], *, is_mnist: bool) -> Summary:
    """Every number of a study; `labels_N` are the labels of the evaluated images."""
    given_RN = study.get_given_labels(labels_N)
    is_wrong_RN = given_RN != labels_N
    corrected = contested = None
    if is_mnist and study.config.part == "test":
        corrected = measure_mean(
            [measure_corrected(labels_N, given_N).accuracy for given_N in given_RN],
            are_shares=True,
        )
        contested = measure_contested(is_wrong_RN)
    return Summary(
        recipe=study.config.recipe,
        part=study.config.part,
        num_images=len(labels_N),
        seeds=tuple(run.seed for run in study.runs),
        accuracies=tuple(study.accuracies.tolist()),
        accuracy=_measure_shares(study.accuracies, 1 - is_wrong_RN.mean(0)),
        corrected=corrected,
        digits=measure_digits(given_RN, labels_N),
        epochs=measure_epochs(study.runs),
        last_loss_change=measure_last_loss_change(study.runs),
        seconds=measure_mean([run.seconds for run in study.runs]),
        seconds_alone=_measure_seconds_alone(study.runs),
        num_parameters=study.runs[0].num_parameters,
        num_multiply_adds=study.config.recipe.model.count_multiply_adds(),
        hardest_images=find_hardest_images(given_RN, labels_N),
        contested=contested,
        longer=None if study.longer is None else measure_longer(study, study.longer),
    )


def _measure_shares(shares_R: Shares, shares_N: Shares) -> ImagesEstimate:
    """The mean of a share, from its values by run and its values by image."""
    return ImagesEstimate(
        **vars(measure_mean(shares_R, are_shares=True)),
        images_interval=measure_images_interval(shares_N),
    )


def _measure_seconds_alone(runs: tuple[StudyRun, ...]) -> SecondsAlone | None:
    """The seconds of the runs that were alone, those with the most threads; None without any.

    The last of several jobs may be alone too, on some of the cores: it does not count.
    """
    alone = [run for run in runs if run.was_alone]
    if not alone:
        return None
    threads = max(run.threads for run in alone)
    seconds = [run.seconds for run in alone if run.threads == threads]
    return SecondsAlone(**vars(measure_mean(seconds)), threads=threads)


def measure_digits(
    given_RN: npt.NDArray[np.int64], labels_N: npt.NDArray[np.uint8]
) -> tuple[DigitErrors, ...]:
    """For each digit: error rates, their mean with both intervals, how often it was the hardest.

    In a run with several hardest digits, each of them counts.
    """
    digits = np.unique(labels_N)
    is_wrong_RN = given_RN != labels_N
    rates_RK = np.stack([is_wrong_RN[:, labels_N == digit].mean(1) for digit in digits], 1)
    highest_R1 = rates_RK.max(1, keepdims=True)
    is_hardest_RK = (rates_RK == highest_R1) & (highest_R1 > 0)
    measured = []
    for k, digit in enumerate(digits):
        is_digit_N = labels_N == digit
        answers, counts = np.unique(given_RN[:, is_digit_N], return_counts=True)
        taken_for = sorted(zip(-counts, answers, strict=True))
        measured.append(
            DigitErrors(
                label=int(digit),
                num_images=int(is_digit_N.sum()),
                error_rates=tuple(rates_RK[:, k].tolist()),
                error_rate=_measure_shares(rates_RK[:, k], is_wrong_RN[:, is_digit_N].mean(0)),
                num_hardest=int(is_hardest_RK[:, k].sum()),
                taken_for={
                    str(answer): -float(count) / len(given_RN)
                    for count, answer in taken_for
                    if answer != digit
                },
            )
        )
    return tuple(measured)


def measure_epochs(runs: tuple[StudyRun, ...]) -> tuple[EpochEstimate, ...]:
    """For each epoch: mean training loss and, where it was measured, accuracy over runs."""
    with_accuracies = [run for run in runs if run.epoch_accuracies]
    return tuple(
        EpochEstimate(
            epoch=epoch + 1,
            loss=measure_mean([run.epoch_losses[epoch] for run in runs]),
            accuracy=(
                measure_mean(
                    [run.epoch_accuracies[epoch] for run in with_accuracies], are_shares=True
                )
                if with_accuracies
                else None
            ),
        )
        for epoch in range(min(len(run.epoch_losses) for run in runs))
    )


def measure_last_loss_change(runs: tuple[StudyRun, ...]) -> Estimate | None:
    """The relative change of the mean training loss in the last epoch, run by run.

    None where there is one epoch, or a loss of zero to begin with.
    """
    pairs = [run.epoch_losses[-2:] for run in runs]
    if any(len(pair) < 2 or pair[0] == 0 for pair in pairs):
        return None
    return measure_mean([last / before - 1 for before, last in pairs])


def measure_longer(study: Study, longer: Study) -> Longer | None:
    """What twice the epochs change, seed by seed; None without a common seed."""
    before = dict(zip((run.seed for run in study.runs), study.accuracies, strict=True))
    after = dict(zip((run.seed for run in longer.runs), longer.accuracies, strict=True))
    common = sorted(before.keys() & after.keys())
    if not common:
        return None
    return Longer(
        num_epochs=longer.config.recipe.epochs,
        accuracy=measure_mean([after[seed] for seed in common], are_shares=True),
        gain=measure_mean([after[seed] - before[seed] for seed in common]),
        epochs=measure_epochs(longer.runs),
    )


def find_hardest_images(
    given_RN: npt.NDArray[np.int64], labels_N: npt.NDArray[np.uint8]
) -> tuple[HardImage, ...]:
    """The images that some run misclassified, those that most runs did first."""
    num_wrong_N = (given_RN != labels_N).sum(0)
    order = np.argsort(-num_wrong_N, kind="stable")[: int((num_wrong_N > 0).sum())]
    hardest = []
    for index in order:
        answers, counts = np.unique(given_RN[:, index], return_counts=True)
        by_count = sorted(zip(-counts, answers, strict=True))
        hardest.append(
            HardImage(
                index=int(index),
                label=int(labels_N[index]),
                num_wrong=int(num_wrong_N[index]),
                answers={str(answer): -int(count) for count, answer in by_count},
            )
        )
    return tuple(hardest)


def measure_contested(is_wrong_RN: npt.NDArray[np.bool_]) -> ContestedErrors:
    """Of the mistakes on MNIST's test images, the share on labels that people contest."""
    contested = sorted(CONTESTED)
    on_contested_R = is_wrong_RN[:, contested].sum(1)
    num_wrong_R = is_wrong_RN.sum(1)
    num_others = is_wrong_RN.shape[1] - len(contested)
    most_miss = is_wrong_RN.mean(0) > 0.5
    # All runs together, as one run alone gives no other interval.
    pooled_interval = None
    if num_wrong_R.sum():
        pooled_interval = wilson_interval(int(on_contested_R.sum()), int(num_wrong_R.sum()))
    shares_R = on_contested_R / np.maximum(1, num_wrong_R)
    return ContestedErrors(
        num_contested=len(contested),
        num_mistakes=measure_mean(num_wrong_R),
        num_on_contested=measure_mean(on_contested_R),
        num_on_mislabelled=measure_mean(is_wrong_RN[:, sorted(RELABELLED)].sum(1)),
        share_of_mistakes=PooledEstimate(
            **vars(measure_mean(shares_R, are_shares=True)), pooled_interval=pooled_interval
        ),
        rate_on_contested=float(on_contested_R.mean() / len(contested)),
        rate_on_others=float((num_wrong_R - on_contested_R).mean() / num_others),
        num_missed_by_all=int(is_wrong_RN.all(0).sum()),
        num_missed_by_most=int(most_miss.sum()),
        num_contested_missed_by_most=int(most_miss[contested].sum()),
    )
