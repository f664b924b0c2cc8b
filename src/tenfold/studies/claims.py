"""Whether the exercise's claims hold over many seeds: holds, fails or undecided, with numbers.

In: the summary of a study. Out: findings. From one training run on MNIST the exercise claimed: the
accuracy is over 97 %; 7 is misclassified most; the last two of five epochs are almost identical, so
that more would add little; the misclassified digits are hard for people too.
"""

from tenfold.data.label_errors import RELABELLED
from tenfold.evaluation.findings import (
    CLAIMED_ACCURACY,
    LITTLE,
    PART_NAMES,
    describe_change,
    join_words,
    percent,
    percent_interval,
)
from tenfold.evaluation.metrics import wilson_interval
from tenfold.runs.results import Finding
from tenfold.studies.summary import ContestedErrors, Summary

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
CLAIMED_DIGIT = 7
NO_MISTAKES = "No image was misclassified by any seed."
LITTLE_ACCURACY = 0.001  # a gain of less than a tenth of a percentage point is little


def find_claims(summary: Summary, *, is_mnist: bool) -> tuple[Finding, ...]:
    """All findings that the numbers of a study allow."""
    findings = [_accuracy(summary)]
    if is_mnist:
        findings += [_over_97_percent(summary), _hardest_digit(summary)]
        if len(summary.epochs) > 1:
            findings.append(_last_epochs(summary))
        if summary.contested:
            findings.append(_hard_for_people(summary.contested))
    return tuple(findings)


def _accuracy(summary: Summary) -> Finding:
    accuracy, count = summary.accuracy, len(summary.seeds)
    part = PART_NAMES[summary.part]
    if accuracy.standard_deviation is None or accuracy.interval is None:
        return Finding(
            name="accuracy",
            question="How accurate is it?",
            answer=percent(accuracy.mean),
            sentence=f"One seed; how it varies, more of them would tell. On {part} images.",
        )
    sentence = (
        f"Over {count} seeds the accuracy on the {summary.num_images:,} {part} images has "
        f"a mean of {percent(accuracy.mean, 3)} and a standard deviation of "
        f"{100 * accuracy.standard_deviation:.3f} percentage points, from "
        f"{percent(accuracy.lowest)} to {percent(accuracy.highest)}. The 95 % interval of "
        f"the mean is {percent_interval(accuracy.interval, 3)} for other seeds, and "
        f"{percent_interval(accuracy.images_interval)} for other images of the kind."
    )
    if summary.corrected:
        sentence += f" On the corrected labels the mean is {percent(summary.corrected.mean, 3)}."
    return Finding(
        name="accuracy",
        question="How accurate is it?",
        answer=(f"{percent(accuracy.mean)}, deviation {100 * accuracy.standard_deviation:.2f}"),
        sentence=sentence,
    )


def _over_97_percent(summary: Summary) -> Finding:
    accuracy, accuracies = summary.accuracy, summary.accuracies
    num_over = sum(one > CLAIMED_ACCURACY for one in accuracies)
    intervals = [one for one in (accuracy.interval, accuracy.images_interval) if one]
    if accuracy.interval is None:
        answer = UNDECIDED
    elif all(low > CLAIMED_ACCURACY for low, _ in intervals):
        answer = HOLDS
    elif all(high < CLAIMED_ACCURACY for _, high in intervals):
        answer = FAILS
    else:
        answer = UNDECIDED
    where = {
        HOLDS: "Both intervals of the mean lie above 97 %.",
        FAILS: "Both intervals of the mean lie below 97 %.",
        UNDECIDED: "The intervals of the mean do not both lie on one side of 97 %.",
    }[answer]
    if accuracy.interval is None:
        where = "How it varies from seed to seed, one seed cannot tell."
    return Finding(
        name="over_97_percent",
        question="Claim: the accuracy is over 97 %.",
        answer=answer,
        sentence=(
            f"{num_over} of {len(accuracies)} seeds are over 97 %; the mean is "
            f"{percent(accuracy.mean)}, the lowest {percent(accuracy.lowest)}. {where}"
        ),
        numbers={"num_over": num_over},
    )


def _hardest_digit(summary: Summary) -> Finding:
    question = f"Claim: {CLAIMED_DIGIT} is the digit most often misclassified."
    if not any(one.num_hardest for one in summary.digits):
        return Finding(
            name="hardest_digit", question=question, answer=UNDECIDED, sentence=NO_MISTAKES
        )
    num_seeds = len(summary.seeds)
    by_rate = sorted(summary.digits, key=lambda one: -one.error_rate.mean)
    by_count = sorted(summary.digits, key=lambda one: -one.num_hardest)
    [claimed] = [one for one in summary.digits if one.label == CLAIMED_DIGIT]
    low, high = wilson_interval(claimed.num_hardest, num_seeds)
    answer = HOLDS if low > 0.5 else FAILS if high < 0.5 else UNDECIDED
    others = [
        f"{one.label} in {one.num_hardest}"
        for one in by_count
        if one.num_hardest and one.label != CLAIMED_DIGIT
    ]
    rates = [f"{one.label} ({percent(one.error_rate.mean)})" for one in by_rate[:3]]
    place = 1 + by_rate.index(claimed)
    taken_for = [
        f"{label} ({count:.1f} times a run)" for label, count in list(claimed.taken_for.items())[:3]
    ]
    return Finding(
        name="hardest_digit",
        question=question,
        answer=answer,
        sentence=(
            f"{CLAIMED_DIGIT} has the highest error rate in {claimed.num_hardest} of "
            f"{num_seeds} seeds (95 % interval {percent_interval((low, high), 0)}; the claim holds "
            f"above and fails below one half)"
            f"{'; ' + join_words(others) if others else ''}. The highest mean error rates have "
            f"{join_words(rates)}; {CLAIMED_DIGIT} is number {place} of {len(by_rate)} with "
            f"{percent(claimed.error_rate.mean)} "
            f"({percent_interval(claimed.error_rate.images_interval)} for other images of "
            f"the kind), most often taken for {join_words(taken_for) or 'nothing else'}."
        ),
        numbers={"share_interval": (low, high)},
    )


def _last_epochs(summary: Summary) -> Finding:
    before, last = summary.epochs[-2:]
    longer = summary.longer
    change = summary.last_loss_change
    is_alike = None
    sentence = (
        f"From epoch {before.epoch} to {last.epoch} the mean training loss went from "
        f"{before.loss.mean:.4f} to {last.loss.mean:.4f}"
    )
    if change and change.interval:
        low, high = change.interval
        sentence += (
            f" ({describe_change(100 * change.mean, 0)} %, 95 % interval "
            f"{describe_change(100 * low, 1)} to {describe_change(100 * high, 1)} %)"
        )
        if low >= -LITTLE and high <= LITTLE:
            is_alike = True
        elif high < -LITTLE or low > LITTLE:
            is_alike = False
    if last.accuracy and before.accuracy:
        epoch_gain = last.accuracy.mean - before.accuracy.mean
        sentence += (
            f" and the mean accuracy from {percent(before.accuracy.mean)} to "
            f"{percent(last.accuracy.mean)} ({describe_change(100 * epoch_gain, 2)} points)"
        )
    sentence += {
        True: f": they are almost identical, within {percent(LITTLE, 0)}.",
        False: ": they are not almost identical.",
        None: f"; whether that is within {percent(LITTLE, 0)} stays open.",
    }[is_alike]
    adds_little: bool | None = None
    if longer:
        gain = longer.gain
        interval = gain.interval
        sentence += (
            f" With {longer.num_epochs} epochs the accuracy is "
            f"{percent(longer.accuracy.mean)}, "
            f"{describe_change(100 * gain.mean, 2)} points"
        )
        if interval is not None:
            sentence += (
                f" (95 % interval {describe_change(100 * interval[0], 2)} to "
                f"{describe_change(100 * interval[1], 2)}, seed by seed)"
            )
            if interval[1] < LITTLE_ACCURACY:
                adds_little = True
            elif interval[0] > LITTLE_ACCURACY:
                adds_little = False
        sentence += {
            True: ": less than a tenth of a point, little.",
            False: ": more than a tenth of a point, which is not little.",
            None: "; whether that is more or less than a tenth of a point stays open.",
        }[adds_little]
    else:
        sentence += " What more epochs would give, this study did not try."
    fails = is_alike is False or adds_little is False
    answer = FAILS if fails else HOLDS if is_alike and adds_little else UNDECIDED
    return Finding(
        name="last_epochs",
        question="Claim: the last two epochs are almost identical, so more would add little.",
        answer=answer,
        sentence=sentence,
    )


def _hard_for_people(contested: ContestedErrors) -> Finding:
    assert contested is not None
    question = "Claim: the misclassified digits are hard for people too."
    if not contested.num_mistakes.mean:
        return Finding(
            name="hard_for_people",
            question=question,
            answer=UNDECIDED,
            sentence=NO_MISTAKES,
        )
    share = contested.share_of_mistakes
    interval = share.interval or share.pooled_interval
    assert interval is not None  # as there are mistakes
    low, high = interval
    sentence = (
        f"Of {contested.num_mistakes.mean:.0f} mistakes a run, "
        f"{contested.num_on_contested.mean:.1f} ({percent(share.mean, 1)}, 95 % "
        f"interval {percent_interval((low, high), 1)}) are on the {contested.num_contested} "
        "test images whose labels people contest, "
        f"{contested.num_on_mislabelled.mean:.1f} of them on the {len(RELABELLED)} that most "
        "people label otherwise"
    )
    if contested.rate_on_others:
        ratio = contested.rate_on_contested / contested.rate_on_others
        sentence += f"; the contested are misclassified {ratio:.0f} times as often as the others"
    return Finding(
        name="hard_for_people",
        question=question,
        answer=HOLDS if low > 0.5 else UNDECIDED,
        sentence=(
            f"{sentence}. {contested.num_missed_by_all} images are missed by every seed, "
            f"{contested.num_missed_by_most} by most, "
            f"{contested.num_contested_missed_by_most} of these contested. The others were not "
            "put to people, for only images that an algorithm had flagged were: the gallery must "
            "speak for them."
        ),
    )
