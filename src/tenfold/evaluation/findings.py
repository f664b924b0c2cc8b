"""What a run showed, as sentences computed from its numbers.

In: the evaluation of a run. Out: findings, each a question, an answer in one word, and a
sentence with the numbers behind it. Findings about MNIST are made only when the images are
MNIST's.
"""

import math

import numpy as np
import numpy.typing as npt

from tenfold.data.label_errors import CONTESTED
from tenfold.digits import NUM_CLASSES
from tenfold.evaluation.metrics import Z, difference_interval
from tenfold.runs.results import ClassErrors, CorrectedAccuracy, Evaluation, Finding

CLAIMED_ACCURACY = 0.97
MOST_WITHOUT_LEARNING = 0.5  # accuracy
LITTLE = 0.05  # a change of the loss by less than this share is little

WARNINGS = ("blank_images", "single_class", "no_learning")  # findings that are also printed

PART_NAMES = {"test": "test", "validation": "held-out validation"}


def find(evaluation: Evaluation) -> tuple[Finding, ...]:
    """All findings that the numbers of an evaluation allow."""
    noun = "digit" if evaluation.is_mnist else "class"
    findings = [*_single_class(evaluation), *_no_learning(evaluation), _accuracy(evaluation)]
    if evaluation.is_mnist:
        findings.append(_claimed_accuracy(evaluation))
    findings.append(_hardest_class(evaluation, noun))
    if len(evaluation.epochs) > 1:
        findings.append(_last_epoch(evaluation))
    if evaluation.corrected:
        findings.append(_contested(evaluation.corrected, len(evaluation.misclassified)))
    return tuple(findings)


def find_blank(images_NHW: npt.NDArray[np.uint8]) -> tuple[Finding, ...]:
    """A finding if all evaluated images, [N, H, W], are blank."""
    if np.ptp(images_NHW, axis=(1, 2)).any():
        return ()
    finding = Finding(
        name="blank_images",
        question="Is there something on the images?",
        answer="no",
        sentence=(
            f"All {len(images_NHW):,} evaluated images are blank: each has one grey level only. "
            "Nothing can be learned from such images; check how they were made."
        ),
    )
    return (finding,)


def percent(share: float, decimals: int = 2) -> str:
    """A share from 0 to 1 as a percentage, such as 97.82 %."""
    return f"{100 * share:.{decimals}f} %"


def percent_interval(interval: tuple[float, float], decimals: int = 2) -> str:
    """An interval of shares, such as 97.5 to 98.1 %."""
    return f"{100 * interval[0]:.{decimals}f} to {percent(interval[1], decimals)}"


def _single_class(evaluation: Evaluation) -> list[Finding]:
    if len(evaluation.classes) != 1:
        return []
    label = evaluation.classes[0].label
    return [
        Finding(
            name="single_class",
            question="Is there more than one class?",
            answer="no",
            sentence=(
                f"All {evaluation.num_images:,} {PART_NAMES[evaluation.part]} images have "
                f"the label {label}, so the accuracy says nothing about telling classes apart."
            ),
        )
    ]


def _no_learning(evaluation: Evaluation) -> list[Finding]:
    last = evaluation.epochs[-1]
    chance = math.log(NUM_CLASSES)
    # A network for lines has another loss, but not with so low an accuracy.
    if last.mean_loss <= chance or evaluation.accuracy > MOST_WITHOUT_LEARNING:
        return []
    return [
        Finding(
            name="no_learning",
            question="Has it learned anything?",
            answer="no",
            sentence=(
                f"The mean training loss of the last epoch is {last.mean_loss:,.4g}, above the "
                f"{chance:.2f} of guessing, and the accuracy is {percent(evaluation.accuracy)}: "
                "the training has diverged or has hardly begun. A smaller learning rate may help, "
                "or more epochs."
            ),
        )
    ]


def _accuracy(evaluation: Evaluation) -> Finding:
    num_errors = evaluation.num_images - evaluation.num_correct
    return Finding(
        name="accuracy",
        question="How accurate is it?",
        answer=percent(evaluation.accuracy),
        sentence=(
            f"{evaluation.num_correct:,} of {evaluation.num_images:,} "
            f"{PART_NAMES[evaluation.part]} images are classified as labelled, "
            f"{percent(evaluation.accuracy)} (95 % interval "
            f"{percent_interval(evaluation.accuracy_interval)}); {num_errors:,} are not."
        ),
    )


def _claimed_accuracy(evaluation: Evaluation) -> Finding:
    low, high = evaluation.accuracy_interval
    over = evaluation.accuracy > CLAIMED_ACCURACY
    if low > CLAIMED_ACCURACY:
        certainty = "The whole interval lies above 97 %, so this is more than the luck of the draw."
    elif high < CLAIMED_ACCURACY:
        certainty = "The whole interval lies below 97 %."
    else:
        certainty = "The interval holds 97 %, so other images of the kind might decide otherwise."
    return Finding(
        name="over_97_percent",
        question="Is it over 97 %?",
        answer="yes" if over else "no",
        sentence=(
            f"The accuracy is {'over' if over else 'not over'} 97 %, by "
            f"{100 * abs(evaluation.accuracy - CLAIMED_ACCURACY):.2f} percentage points. "
            f"{certainty} How it varies from seed to seed one run cannot tell."
        ),
    )


def _hardest_class(evaluation: Evaluation, noun: str) -> Finding:
    classes = sorted(evaluation.classes, key=lambda one: -one.error_rate)
    hardest, others = classes[0], classes[1:]
    question = f"Which {noun} is misclassified most?"
    if hardest.num_errors == 0:
        return Finding(
            name="hardest_class",
            question=question,
            answer="none",
            sentence=f"No {noun} was misclassified at all.",
        )
    differences = {
        str(other.label): difference_interval(
            hardest.num_errors, hardest.num_images, other.num_errors, other.num_images
        )
        for other in others
    }
    # Alike: the interval of the difference of the two error rates holds 0.
    alike = [other for other in others if differences[str(other.label)][0] <= 0]
    taken_for = [f"{k} ({count}×)" for k, count in list(hardest.taken_for.items())[:3]]
    sentence = (
        f"The {noun} {hardest.label} has the highest error rate: {hardest.num_errors} of "
        f"{hardest.num_images:,}, {percent(hardest.error_rate)} (95 % interval "
        f"{percent_interval(hardest.error_rate_interval)}), most often taken for "
        f"{join_words(taken_for)}."
    )
    if alike:
        names = [f"{other.label} ({percent(other.error_rate)})" for other in alike]
        sentence += (
            f" On these {evaluation.num_images:,} images it cannot be told apart from "
            f"{join_words(names)}: the 95 % interval of the difference holds zero."
        )
    elif others:
        sentence += " The 95 % interval of its difference to every other lies above zero."
    if evaluation.is_mnist:
        sentence += _compare_with_seven(hardest, classes)
    return Finding(
        name="hardest_class",
        question=question,
        answer=f"{hardest.label}, not clearly" if alike else str(hardest.label),
        sentence=sentence,
        numbers={"difference_intervals": differences},
    )


def _compare_with_seven(hardest: ClassErrors, classes: list[ClassErrors]) -> str:
    """Compare with the exercise that the classic recipe is from: it found 7 the hardest."""
    if hardest.label == 7:
        return " The original exercise named 7 too."
    [seven] = [one for one in classes if one.label == 7]
    place = 1 + sum(one.error_rate > seven.error_rate for one in classes)
    return (
        f" The original exercise named 7, which here is number {place} of {len(classes)} with "
        f"{percent(seven.error_rate)}."
    )


def _last_epoch(evaluation: Evaluation) -> Finding:
    before, last = evaluation.epochs[-2:]
    fall = before.mean_loss - last.mean_loss
    # Of the difference of two means, from the scatter of their batches.
    half = Z * math.sqrt(sum(one.standard_deviation**2 / one.num_batches for one in (before, last)))
    little = LITTLE * before.mean_loss
    if min(before.num_batches, last.num_batches) < 2:
        answer, verdict = "cannot be told", "With one batch an epoch its scatter is not known."
    elif fall - half > little:
        answer = "the loss still fell"
        verdict = (
            f"The training loss had not settled after {last.epoch} epochs. Whether more would "
            "classify new images better, the training loss cannot say: a hold-out run with more "
            "epochs can."
        )
    elif fall + half < -little:
        answer = "the loss rose again"
        verdict = "The training loss rose in the last epoch; a smaller learning rate may help."
    elif abs(fall) + half <= little:
        answer = "the loss hardly changed"
        verdict = (
            f"That is less than {percent(LITTLE, 0)}: by the training loss, another epoch like the "
            "last would change little. It has settled, or the learning rate is too small."
        )
    else:
        answer = "cannot be told"
        verdict = "The batches scatter too much to say whether the loss still fell."
    share = fall / before.mean_loss if before.mean_loss else 0.0
    return Finding(
        name="last_epoch",
        question=f"Were {last.epoch} epochs enough?",
        answer=answer,
        sentence=(
            f"From epoch {before.epoch} to {last.epoch} the mean training loss went from "
            f"{before.mean_loss:.4f} to {last.mean_loss:.4f} "
            f"({describe_change(-100 * share, 0)} %, {describe_change(-fall, 4)} ± {half:.4f}), "
            f"while single batches scatter by {last.standard_deviation:.4f}. {verdict}"
        ),
        numbers={"change": -fall, "change_share": -share, "half_interval": half},
    )


def _contested(corrected: CorrectedAccuracy, num_misclassified: int) -> Finding:
    listed = corrected.contested_among_misclassified
    mended = corrected.given_the_corrected_label
    if listed:
        first = (
            f"{len(listed)} of the {num_misclassified} misclassified images are "
            f"among the {len(CONTESTED)} test images whose labels people contest "
            f"({', '.join(map(str, listed))}); {len(mended)} of them got the label that a majority "
            "of five people chose. "
        )
    else:
        first = (
            f"None of the {num_misclassified} misclassified images is among the "
            f"{len(CONTESTED)} test images whose labels people contest. "
        )
    return Finding(
        name="contested_labels",
        question="How many mistakes are the labels'?",
        answer=str(len(mended)),
        sentence=(
            f"{first}On the corrected labels (ten changed, five undecidable ones left out) the "
            f"accuracy is {percent(corrected.accuracy)} (95 % interval "
            f"{percent_interval(corrected.accuracy_interval)}, "
            f"n = {corrected.num_images:,})."
        ),
    )


def describe_change(change: float, decimals: int) -> str:
    """A change with its sign; one that rounds to zero has none."""
    text = f"{change:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text


def join_words(words: list[str]) -> str:
    """Words as English lists them: a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
