"""What a run's numbers show, in sentences: questions, short answers and the numbers behind them.

Findings about MNIST are made only for MNIST's own images.
"""

import math

import numpy as np
import numpy.typing as npt

from tenfold.data.label_errors import CONTESTED
from tenfold.digits import NUM_CLASSES
from tenfold.evaluation.metrics import Z, is_above, newcombe_interval
from tenfold.evaluation.text import (
    PART_NAMES,
    format_change,
    format_interval,
    format_percent,
    join_words,
)
from tenfold.runs.results import ClassErrors, CorrectedAccuracy, Evaluation, Finding

CLAIMED_ACCURACY = 0.97
MAX_ACCURACY_WITHOUT_LEARNING = 0.5
SMALL_LOSS_CHANGE = 0.05  # relative

WARNINGS = ("blank_images", "single_class", "no_learning")  # findings that are also printed


def build_findings(evaluation: Evaluation) -> tuple[Finding, ...]:
    """All findings that the numbers of an evaluation support."""
    findings = [_single_class(evaluation), _no_learning(evaluation), _accuracy(evaluation)]
    if evaluation.is_mnist:
        findings.append(_claimed_accuracy(evaluation))
    findings.append(_hardest_class(evaluation))
    if len(evaluation.epochs) > 1:
        findings.append(_last_epoch(evaluation))
    if evaluation.corrected:
        findings.append(_contested(evaluation.corrected, len(evaluation.misclassified)))
    return tuple(finding for finding in findings if finding)


def find_blank_images(images_NHW: npt.NDArray[np.uint8]) -> tuple[Finding, ...]:
    """A finding if all evaluated images, [N, H, W], are blank."""
    if np.ptp(images_NHW, axis=(1, 2)).any():
        return ()
    finding = Finding(
        name="blank_images",
        question="Do the images show anything?",
        answer="no",
        sentence=(
            f"All {len(images_NHW):,} evaluated images are blank: each has a single grey level. "
            "Nothing can be learned from them; check how they were made."
        ),
    )
    return (finding,)


def _single_class(evaluation: Evaluation) -> Finding | None:
    if len(evaluation.classes) != 1:
        return None
    return Finding(
        name="single_class",
        question="Is there more than one class?",
        answer="no",
        sentence=(
            f"All {evaluation.num_images:,} {PART_NAMES[evaluation.part]} images have the label "
            f"{evaluation.name_label(evaluation.classes[0].label)}, so the accuracy does not show "
            "whether the model can tell classes apart."
        ),
    )


def _no_learning(evaluation: Evaluation) -> Finding | None:
    last = evaluation.epochs[-1]
    chance = math.log(NUM_CLASSES)
    # The mean loss of a run of one epoch may be that of its first batches, and the run still learn.
    if last.mean_loss <= chance or evaluation.accuracy > MAX_ACCURACY_WITHOUT_LEARNING:
        return None
    return Finding(
        name="no_learning",
        question="Did the model learn anything?",
        answer="no",
        sentence=(
            f"The mean training loss of the last epoch is {last.mean_loss:,.4g}, above the "
            f"{chance:.2f} of random guessing, and the accuracy is "
            f"{format_percent(evaluation.accuracy)}: training diverged or has barely begun. "
            "A lower learning rate or more epochs may help."
        ),
    )


def _accuracy(evaluation: Evaluation) -> Finding:
    num_errors = evaluation.num_images - evaluation.num_correct
    return Finding(
        name="accuracy",
        question="How accurate is it?",
        answer=format_percent(evaluation.accuracy),
        sentence=(
            f"{evaluation.num_correct:,} of {evaluation.num_images:,} "
            f"{PART_NAMES[evaluation.part]} images are classified correctly, "
            f"{format_percent(evaluation.accuracy)} (95 % confidence interval "
            f"{format_interval(evaluation.accuracy_interval)}); {num_errors:,} are not."
        ),
    )


def _claimed_accuracy(evaluation: Evaluation) -> Finding:
    is_over = evaluation.accuracy > CLAIMED_ACCURACY
    certainty = {
        True: "The whole 95 % confidence interval lies above 97 %.",
        False: "The whole 95 % confidence interval lies below 97 %.",
        None: "The 95 % confidence interval includes 97 %, so other images might differ.",
    }[is_above(evaluation.accuracy_interval, CLAIMED_ACCURACY)]
    return Finding(
        name="over_97_percent",
        question="Is it over 97 %?",
        answer="yes" if is_over else "no",
        sentence=(
            f"The accuracy, {format_percent(evaluation.accuracy)}, is "
            f"{'over' if is_over else 'not over'} 97 %. {certainty} "
            "One run does not show how the accuracy varies from seed to seed."
        ),
    )


def _hardest_class(evaluation: Evaluation) -> Finding:
    noun = evaluation.noun
    question = f"Which {noun} is misclassified most?"
    classes = sorted(evaluation.classes, key=lambda errors: -errors.error_rate)
    hardest, others = classes[0], classes[1:]
    if hardest.num_errors == 0:
        return Finding(
            name="hardest_class",
            question=question,
            answer="none",
            sentence=f"No {noun} was misclassified.",
        )
    differences = {
        str(other.label): newcombe_interval(
            hardest.num_errors, hardest.num_images, other.num_errors, other.num_images
        )
        for other in others
    }
    similar = [other for other in others if differences[str(other.label)][0] <= 0]
    name = evaluation.name_label(hardest.label)
    mistaken_for = [
        f"{evaluation.name_label(k)} ({count}×)" for k, count in list(hardest.taken_for.items())[:3]
    ]
    sentence = (
        f"The {noun} {name} has the highest error rate: {hardest.num_errors} of "
        f"{hardest.num_images:,}, {format_percent(hardest.error_rate)} (95 % CI "
        f"{format_interval(hardest.error_rate_interval)}). It is most often mistaken for "
        f"{join_words(mistaken_for)}."
    )
    if similar:
        names = [
            f"{evaluation.name_label(other.label)} ({format_percent(other.error_rate)})"
            for other in similar
        ]
        sentence += f" The difference from {join_words(names)} is not significant at the 5 % level."
    elif others:
        sentence += f" The difference from every other {noun} is significant at the 5 % level."
    if evaluation.is_mnist:
        sentence += _compare_with_seven(hardest, classes)
    return Finding(
        name="hardest_class",
        question=question,
        answer=f"{name}, but not significantly" if similar else name,
        sentence=sentence,
        numbers={"difference_intervals": differences},
    )


def _compare_with_seven(hardest: ClassErrors, classes: list[ClassErrors]) -> str:
    """Compare with the exercise that the classic recipe reproduces: it named 7 as the hardest."""
    if hardest.label == 7:
        return " The original exercise named 7, too."
    [seven] = [errors for errors in classes if errors.label == 7]
    rank = 1 + sum(errors.error_rate > seven.error_rate for errors in classes)
    return (
        f" The original exercise named 7, which is number {rank} of {len(classes)} here, with "
        f"{format_percent(seven.error_rate)}."
    )


def _last_epoch(evaluation: Evaluation) -> Finding:
    before, last = evaluation.epochs[-2:]
    fall = before.mean_loss - last.mean_loss
    # Half the 95 % interval of the difference of two means, from the variance of their batches.
    variances = [loss.standard_deviation**2 / loss.num_batches for loss in (before, last)]
    half = Z * math.sqrt(sum(variances))
    small = SMALL_LOSS_CHANGE * before.mean_loss
    if min(before.num_batches, last.num_batches) < 2:
        answer = "unclear"
        verdict = "With one batch per epoch, the variation between batches is unknown."
    elif fall - half > small:
        answer = "the loss was still falling"
        verdict = (
            f"The training loss had not levelled off after {last.epoch} epochs. Only a hold-out "
            "run with more epochs can show whether they would improve the accuracy."
        )
    elif fall + half < -small:
        answer = "the loss was rising"
        verdict = "The training loss rose in the last epoch; a lower learning rate may help."
    elif abs(fall) + half <= small:
        answer = "the loss hardly changed"
        verdict = (
            f"That is less than {format_percent(SMALL_LOSS_CHANGE, 0)}: training has converged, or "
            "the learning rate is too low."
        )
    else:
        answer = "unclear"
        verdict = "Batches vary too much to tell whether the loss was still falling."
    share = fall / before.mean_loss if before.mean_loss else 0.0
    return Finding(
        name="last_epoch",
        question=f"Were {last.epoch} epochs enough?",
        answer=answer,
        sentence=(
            f"From epoch {before.epoch} to {last.epoch} the mean training loss went from "
            f"{before.mean_loss:.4f} to {last.mean_loss:.4f} "
            f"({format_change(-100 * share, 0)} %; {format_change(-fall, 4)} ± {half:.4f}, "
            f"95 % CI). {verdict}"
        ),
        numbers={"change": -fall, "change_share": -share, "half_interval": half},
    )


def _contested(corrected: CorrectedAccuracy, num_misclassified: int) -> Finding:
    contested = corrected.contested_among_misclassified
    num_label_errors = len(corrected.given_the_corrected_label)
    sentence = (
        f"{len(contested) or 'None'} of the {num_misclassified} misclassified images "
        f"{'is' if len(contested) < 2 else 'are'} among the {len(CONTESTED)} test images with "
        "disputed labels"
    )
    if contested:
        sentence += (
            f" ({', '.join(map(str, contested))}); {num_label_errors} of them got the label that "
            "most of five people chose"
        )
    return Finding(
        name="contested_labels",
        question="How many mistakes are label errors?",
        answer=str(num_label_errors),
        sentence=(
            f"{sentence}. On the corrected labels (ten changed, five undecidable images left out) "
            f"the accuracy is {format_percent(corrected.accuracy)} (95 % CI "
            f"{format_interval(corrected.accuracy_interval)}, n = {corrected.num_images:,})."
        ),
    )
