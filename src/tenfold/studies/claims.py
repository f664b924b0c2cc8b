"""Whether the original exercise's claims hold over many seeds: holds, fails or undecided.

From a single training run on MNIST the exercise claimed that the accuracy is over 97 %; that 7 is
misclassified most; that the last two of five epochs are almost identical, so that more would add
little; and that the misclassified digits are hard for people too.
"""

from tenfold.data.label_errors import RELABELLED
from tenfold.evaluation.findings import CLAIMED_ACCURACY, SMALL_LOSS_CHANGE
from tenfold.evaluation.metrics import wilson_interval
from tenfold.evaluation.text import (
    PART_NAMES,
    format_change,
    format_interval,
    format_percent,
    join_words,
)
from tenfold.runs.results import Finding
from tenfold.studies.summary import ContestedErrors, LongerTraining, Summary

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
CLAIMED_DIGIT = 7
SMALL_ACCURACY_GAIN = 0.001


def find_claims(summary: Summary, *, is_mnist: bool) -> tuple[Finding, ...]:
    """The accuracy of a study and, for MNIST, a verdict on each claim."""
    findings = [_accuracy(summary)]
    if is_mnist:
        findings += [_over_97_percent(summary), _hardest_digit(summary)]
        if len(summary.epochs) > 1:
            findings.append(_last_epochs(summary))
        if summary.contested:
            findings.append(_hard_for_people(summary.contested))
    return tuple(findings)


def _accuracy(summary: Summary) -> Finding:
    accuracy, images = summary.accuracy, f"{summary.num_images:,} {PART_NAMES[summary.part]} images"
    answer = format_percent(accuracy.mean)
    if accuracy.standard_deviation is None or accuracy.interval is None:
        sentence = f"One seed, on {images}. More seeds would show how the accuracy varies."
    else:
        deviation = 100 * accuracy.standard_deviation
        answer += f", standard deviation {deviation:.2f}"
        sentence = (
            f"Over {len(summary.seeds)} seeds the accuracy on {images} has a mean of "
            f"{format_percent(accuracy.mean, 3)} and a standard deviation of {deviation:.3f} "
            f"percentage points; it ranges from {format_percent(accuracy.lowest)} to "
            f"{format_percent(accuracy.highest)}. The 95 % confidence interval of the mean is "
            f"{format_interval(accuracy.interval, 3)} for other seeds and "
            f"{format_interval(accuracy.images_interval)} for other images of the same kind."
        )
        if summary.corrected:
            mean = format_percent(summary.corrected.mean, 3)
            sentence += f" On the corrected labels the mean is {mean}."
    return Finding(
        name="accuracy", question="How accurate is it?", answer=answer, sentence=sentence
    )


def _over_97_percent(summary: Summary) -> Finding:
    accuracy, accuracies = summary.accuracy, summary.accuracies
    num_over = sum(one > CLAIMED_ACCURACY for one in accuracies)
    low, high = accuracy.images_interval
    answer = UNDECIDED
    if accuracy.interval is None:
        reason = "One seed does not show how the accuracy varies from seed to seed."
    elif min(low, accuracy.interval[0]) > CLAIMED_ACCURACY:
        answer, reason = HOLDS, "Both confidence intervals of the mean lie above 97 %."
    elif max(high, accuracy.interval[1]) < CLAIMED_ACCURACY:
        answer, reason = FAILS, "Both confidence intervals of the mean lie below 97 %."
    else:
        reason = "The confidence intervals of the mean do not both lie on one side of 97 %."
    return Finding(
        name="over_97_percent",
        question="Claim: the accuracy is over 97 %.",
        answer=answer,
        sentence=(
            f"In {num_over} of {len(accuracies)} runs the accuracy is over 97 %; the mean is "
            f"{format_percent(accuracy.mean)}, the lowest {format_percent(accuracy.lowest)}. "
            f"{reason}"
        ),
        numbers={"num_over": num_over},
    )


def _hardest_digit(summary: Summary) -> Finding:
    question = f"Claim: {CLAIMED_DIGIT} is the digit misclassified most."
    if not any(one.num_hardest for one in summary.digits):
        return _build_without_mistakes("hardest_digit", question)
    num_seeds = len(summary.seeds)
    by_rate = sorted(summary.digits, key=lambda one: -one.error_rate.mean)
    by_count = sorted(summary.digits, key=lambda one: -one.num_hardest)
    [claimed] = [one for one in summary.digits if one.label == CLAIMED_DIGIT]
    low, high = wilson_interval(claimed.num_hardest, num_seeds)
    others = [
        f"{one.label} in {one.num_hardest}"
        for one in by_count
        if one.num_hardest and one.label != CLAIMED_DIGIT
    ]
    rates = [f"{one.label} ({format_percent(one.error_rate.mean)})" for one in by_rate[:3]]
    mistaken_for = [
        f"{label} ({count:.1f} times per run)"
        for label, count in list(claimed.taken_for.items())[:3]
    ]
    return Finding(
        name="hardest_digit",
        question=question,
        answer=HOLDS if low > 0.5 else FAILS if high < 0.5 else UNDECIDED,
        sentence=(
            f"{CLAIMED_DIGIT} has the highest error rate in {claimed.num_hardest} of {num_seeds} "
            f"seeds (95 % CI {format_interval((low, high), 0)})"
            f"{'; ' + join_words(others) if others else ''}. The claim holds if this interval lies "
            "above 50 % and fails if it lies below. The highest mean error rates are those of "
            f"{join_words(rates)}; {CLAIMED_DIGIT} is number {1 + by_rate.index(claimed)} of "
            f"{len(by_rate)} with {format_percent(claimed.error_rate.mean)} (95 % CI "
            f"{format_interval(claimed.error_rate.images_interval)} for other images), most often "
            f"mistaken for {join_words(mistaken_for) or 'no other digit'}."
        ),
        numbers={"share_interval": (low, high)},
    )


def _last_epochs(summary: Summary) -> Finding:
    loss_sentence, is_alike = _compare_last_epochs(summary)
    longer_sentence, adds_little = _judge_longer_training(summary.longer)
    answer = UNDECIDED
    if is_alike is False or adds_little is False:
        answer = FAILS
    elif is_alike and adds_little:
        answer = HOLDS
    return Finding(
        name="last_epochs",
        question="Claim: the last two epochs are almost identical, so more would add little.",
        answer=answer,
        sentence=f"{loss_sentence} {longer_sentence}",
    )


def _compare_last_epochs(summary: Summary) -> tuple[str, bool | None]:
    """Whether the loss hardly changed in the last epoch; None if that is undecided."""
    before, last = summary.epochs[-2:]
    change = summary.last_loss_change
    is_alike = None
    sentence = (
        f"From epoch {before.epoch} to {last.epoch} the mean training loss went from "
        f"{before.loss.mean:.4f} to {last.loss.mean:.4f}"
    )
    if change and change.interval:
        low, high = change.interval
        sentence += (
            f" ({format_change(100 * change.mean, 0)} %, 95 % CI "
            f"{format_change(100 * low, 1)} to {format_change(100 * high, 1)} %)"
        )
        if low >= -SMALL_LOSS_CHANGE and high <= SMALL_LOSS_CHANGE:
            is_alike = True
        elif high < -SMALL_LOSS_CHANGE or low > SMALL_LOSS_CHANGE:
            is_alike = False
    if last.accuracy and before.accuracy:
        gain = last.accuracy.mean - before.accuracy.mean
        sentence += (
            f" and the mean accuracy from {format_percent(before.accuracy.mean)} to "
            f"{format_percent(last.accuracy.mean)} ({format_change(100 * gain, 2)} points)"
        )
    limit = format_percent(SMALL_LOSS_CHANGE, 0)
    sentence += {
        True: f": the losses are almost identical, within {limit}.",
        False: f": the losses differ by more than {limit}.",
        None: f". Whether the losses differ by more than {limit} is undecided.",
    }[is_alike]
    return sentence, is_alike


def _judge_longer_training(longer: LongerTraining | None) -> tuple[str, bool | None]:
    """Whether twice the epochs add little accuracy; None if that is undecided."""
    if longer is None:
        return "More epochs were not tried.", None
    gain = longer.gain
    adds_little = None
    sentence = (
        f"With {longer.num_epochs} epochs the accuracy is {format_percent(longer.accuracy.mean)}, "
        f"{format_change(100 * gain.mean, 2)} points"
    )
    if gain.interval is not None:
        low, high = gain.interval
        sentence += (
            f" (95 % CI {format_change(100 * low, 2)} to {format_change(100 * high, 2)}, "
            "paired by seed)"
        )
        if high < SMALL_ACCURACY_GAIN:
            adds_little = True
        elif low > SMALL_ACCURACY_GAIN:
            adds_little = False
    limit = f"{100 * SMALL_ACCURACY_GAIN:.1f} points"
    sentence += {
        True: f": less than {limit}, which is little.",
        False: f": more than {limit}, which is not little.",
        None: f". Whether that is more than {limit} is undecided.",
    }[adds_little]
    return sentence, adds_little


def _hard_for_people(contested: ContestedErrors) -> Finding:
    question = "Claim: the misclassified digits are hard for people too."
    if not contested.num_mistakes.mean:
        return _build_without_mistakes("hard_for_people", question)
    share = contested.share_of_mistakes
    interval = share.interval or share.pooled_interval
    assert interval is not None  # as there are mistakes
    sentence = (
        f"Of {contested.num_mistakes.mean:.0f} mistakes per run, "
        f"{contested.num_on_contested.mean:.1f} ({format_percent(share.mean, 1)}, 95 % "
        f"CI {format_interval(interval, 1)}) are on the {contested.num_contested} "
        "test images with disputed labels, "
        f"{contested.num_on_mislabelled.mean:.1f} of them on the {len(RELABELLED)} that most "
        "people label differently"
    )
    if contested.rate_on_others:
        ratio = contested.rate_on_contested / contested.rate_on_others
        sentence += f"; these images are misclassified {ratio:.0f} times as often as others"
    return Finding(
        name="hard_for_people",
        question=question,
        # Never FAILS: people judged only flagged images, so this share is a lower bound.
        answer=HOLDS if interval[0] > 0.5 else UNDECIDED,
        sentence=(
            f"{sentence}. {contested.num_missed_by_all} images are misclassified by every seed, "
            f"{contested.num_missed_by_most} by most; "
            f"{contested.num_contested_missed_by_most} of the latter have disputed labels. People "
            "judged only the images that an algorithm had flagged, so nothing is known about the "
            "others; judge for yourself in the gallery."
        ),
    )


def _build_without_mistakes(name: str, question: str) -> Finding:
    return Finding(
        name=name,
        question=question,
        answer=UNDECIDED,
        sentence="No seed misclassified any image.",
    )
