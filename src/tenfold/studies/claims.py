"""Whether the original exercise's claims hold over many seeds: holds, fails or undecided.

From a single training run on MNIST the exercise claimed that the accuracy is over 97 %; that 7 is
misclassified most; that the last two of five epochs are almost identical, so that more would add
little; and that the misclassified digits are hard for people too.
"""

from tenfold.data.label_errors import RELABELLED
from tenfold.evaluation.findings import CLAIMED_ACCURACY, SMALL_LOSS_CHANGE
from tenfold.evaluation.metrics import is_above, wilson_interval
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
VERDICTS = {True: HOLDS, False: FAILS, None: UNDECIDED}
CLAIMED_DIGIT = 7
SMALL_ACCURACY_GAIN = 0.001
NO_MISTAKES = "No seed misclassified any image."


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
    accuracy = summary.accuracy
    num_over = sum(share > CLAIMED_ACCURACY for share in summary.accuracies)
    holds = None
    reason = "One seed does not show how the accuracy varies from seed to seed."
    if accuracy.interval is not None:
        for_seeds = is_above(accuracy.interval, CLAIMED_ACCURACY)
        for_images = is_above(accuracy.images_interval, CLAIMED_ACCURACY)
        holds = for_seeds if for_seeds == for_images else None
        reason = {
            True: "Both confidence intervals of the mean lie above 97 %.",
            False: "Both confidence intervals of the mean lie below 97 %.",
            None: "The confidence intervals of the mean do not both lie on one side of 97 %.",
        }[holds]
    return Finding(
        name="over_97_percent",
        question="Claim: the accuracy is over 97 %.",
        answer=VERDICTS[holds],
        sentence=(
            f"In {num_over} of {len(summary.accuracies)} runs the accuracy is over 97 %; the mean "
            f"is {format_percent(accuracy.mean)}, the lowest {format_percent(accuracy.lowest)}. "
            f"{reason}"
        ),
        numbers={"num_over": num_over},
    )


def _hardest_digit(summary: Summary) -> Finding:
    question = f"Claim: {CLAIMED_DIGIT} is the digit misclassified most."
    if not any(digit.num_hardest for digit in summary.digits):
        return Finding(
            name="hardest_digit", question=question, answer=UNDECIDED, sentence=NO_MISTAKES
        )
    num_seeds = len(summary.seeds)
    by_rate = sorted(summary.digits, key=lambda digit: -digit.error_rate.mean)
    by_count = sorted(summary.digits, key=lambda digit: -digit.num_hardest)
    [claimed] = [digit for digit in summary.digits if digit.label == CLAIMED_DIGIT]
    interval = wilson_interval(claimed.num_hardest, num_seeds)
    others = [
        f"{digit.label} in {digit.num_hardest}"
        for digit in by_count
        if digit.num_hardest and digit is not claimed
    ]
    rates = [f"{digit.label} ({format_percent(digit.error_rate.mean)})" for digit in by_rate[:3]]
    counts = list(claimed.taken_for.items())[:3]
    mistaken_for = [f"{label} ({count:.1f} times per run)" for label, count in counts]
    return Finding(
        name="hardest_digit",
        question=question,
        answer=VERDICTS[is_above(interval, 0.5)],
        sentence=(
            f"{CLAIMED_DIGIT} has the highest error rate in {claimed.num_hardest} of {num_seeds} "
            f"seeds (95 % CI {format_interval(interval, 0)})"
            f"{'; ' + join_words(others) if others else ''}. The claim holds if this interval lies "
            "above 50 % and fails if it lies below. The highest mean error rates are those of "
            f"{join_words(rates)}; {CLAIMED_DIGIT} is number {1 + by_rate.index(claimed)} of "
            f"{len(by_rate)} with {format_percent(claimed.error_rate.mean)} (95 % CI "
            f"{format_interval(claimed.error_rate.images_interval)} for other images), most often "
            f"mistaken for {join_words(mistaken_for) or 'no other digit'}."
        ),
        numbers={"share_interval": interval},
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
    gain, is_much = longer.gain, None
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
        is_much = is_above(gain.interval, SMALL_ACCURACY_GAIN)
    limit = f"{100 * SMALL_ACCURACY_GAIN:.1f} points"
    sentence += {
        True: f": more than {limit}, which is not little.",
        False: f": less than {limit}, which is little.",
        None: f". Whether that is more than {limit} is undecided.",
    }[is_much]
    return sentence, None if is_much is None else not is_much


def _hard_for_people(contested: ContestedErrors) -> Finding:
    name, question = "hard_for_people", "Claim: the misclassified digits are hard for people too."
    if not contested.num_mistakes.mean:
        return Finding(name=name, question=question, answer=UNDECIDED, sentence=NO_MISTAKES)
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
        name=name,
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
