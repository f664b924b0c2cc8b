from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from made_studies import CHECKSUMS, OTHER_DATA, build_study, miss
from tenfold.data.label_errors import CONTESTED, RELABELLED
from tenfold.data.mnist import LabelledImages
from tenfold.recipes.catalogue import (
    RECIPES,
)
from tenfold.runs.results import Finding
from tenfold.studies.claims import find_claims
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study

CLASSIC = RECIPES["classic"]
CLAIMS = {"accuracy", "over_97_percent", "hardest_digit", "last_epochs", "hard_for_people"}


@pytest.fixture(scope="module")
def labels(test_images: LabelledImages) -> npt.NDArray[np.uint8]:
    return test_images.labels_N


def find(study: Study, labels: npt.NDArray[np.uint8], name: str) -> Finding:
    summary = summarize(study, labels, is_mnist=True)
    [found] = [one for one in find_claims(summary, is_mnist=True) if one.name == name]
    return found


def choose(
    labels: npt.NDArray[np.uint8], num_of_digits: dict[int, int], seed: int = 0
) -> list[int]:
    """So many images of each of these digits, none of them contested."""
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for digit, count in num_of_digits.items():
        of_digit = np.setdiff1d(np.flatnonzero(labels == digit), sorted(CONTESTED))
        chosen += map(int, random.choice(of_digit, count, replace=False))
    return chosen


def study_with(
    labels: npt.NDArray[np.uint8],
    num_mistakes: Sequence[int] = (200, 210, 190),
    **of_runs: Any,
) -> Study:
    """A study whose runs make so many mistakes, all of them where that with most makes its own."""
    order = [*map(int, np.random.default_rng(0).permutation(10_000))]
    return build_study(labels, miss(labels, [order[:count] for count in num_mistakes]), **of_runs)


def test_a_study_of_mnist_makes_every_claim(labels: npt.NDArray[np.uint8]) -> None:
    summary = summarize(study_with(labels), labels, is_mnist=True)
    assert [one.name for one in find_claims(summary, is_mnist=True)] == [
        "accuracy",
        "over_97_percent",
        "hardest_digit",
        "last_epochs",
        "hard_for_people",
    ]


def test_other_data_make_no_claims(labels: npt.NDArray[np.uint8]) -> None:
    summary = summarize(study_with(labels, checksums=OTHER_DATA), labels, is_mnist=False)
    [only] = find_claims(summary, is_mnist=False)
    assert only.name == "accuracy"
    assert "corrected" not in only.sentence


def test_held_out_images_have_no_contested_labels(labels: npt.NDArray[np.uint8]) -> None:
    study = study_with(labels, holdout=True, checksums={"train": CHECKSUMS["train"]})
    findings = find_claims(summarize(study, labels, is_mnist=True), is_mnist=True)
    assert {one.name for one in findings} == CLAIMS - {"hard_for_people"}
    assert "10,000 held-out validation images" in findings[0].sentence
    assert "corrected" not in findings[0].sentence


def test_a_single_epoch_is_no_claim(labels: npt.NDArray[np.uint8]) -> None:
    one_epoch = study_with(labels, epoch_losses=[(0.5,)] * 3)
    findings = find_claims(summarize(one_epoch, labels, is_mnist=True), is_mnist=True)
    assert {one.name for one in findings} == CLAIMS - {"last_epochs"}


def test_the_accuracy_is_told_with_both_intervals(labels: npt.NDArray[np.uint8]) -> None:
    found = find(study_with(labels, (200, 210, 190)), labels, "accuracy")
    assert found.answer == "98.00 %, deviation 0.10"
    # Student's t with two degrees of freedom: 4.3027 * 0.1 / sqrt(3) points.
    assert (
        "Over 3 seeds the accuracy on the 10,000 test images has a mean of 98.000 % and a standard "
        "deviation of 0.100 percentage points, from 97.90 % to 98.10 %. The 95 % interval of the "
        "mean is 97.752 to 98.248 % for other seeds, and 97.71 to "
        "98.26 % for other images of the kind. On the corrected labels the mean is 97.9"
    ) in found.sentence


def test_one_seed_tells_its_accuracy_and_no_more(labels: npt.NDArray[np.uint8]) -> None:
    found = find(study_with(labels, [200]), labels, "accuracy")
    assert found.answer == "98.00 %"
    assert found.sentence.startswith("One seed; how it varies, more of them would tell.")


@pytest.mark.parametrize(
    ("num_mistakes", "answer", "sentence"),
    [
        (
            (200, 210, 190),
            "holds",
            "3 of 3 seeds are over 97 %; the mean is 98.00 %, the lowest 97.90 %. Both intervals "
            "of the mean lie above 97 %.",
        ),
        (
            (400, 410, 390),
            "fails",
            "0 of 3 seeds are over 97 %; the mean is 96.00 %, the lowest 95.90 %. Both intervals "
            "of the mean lie below 97 %.",
        ),
        (
            (290, 310, 320),
            "undecided",
            "1 of 3 seeds are over 97 %; the mean is 96.93 %, the lowest 96.80 %. The intervals of "
            "the mean do not both lie on one side of 97 %.",
        ),
        # Other seeds agree, but other images may not; and the other way round.
        ((310, 311, 310), "undecided", "0 of 3 seeds are over 97 %; the mean is 96.90 %"),
        ((285, 286, 285), "undecided", "3 of 3 seeds are over 97 %; the mean is 97.15 %"),
        ((100, 200, 300), "undecided", "2 of 3 seeds are over 97 %; the mean is 98.00 %"),
        (
            [100],
            "undecided",
            "1 of 1 seeds are over 97 %; the mean is 99.00 %, the lowest 99.00 %. How it varies "
            "from seed to seed, one seed cannot tell.",
        ),
    ],
)
def test_over_97_percent_holds_if_both_intervals_do(
    num_mistakes: Sequence[int], answer: str, sentence: str, labels: npt.NDArray[np.uint8]
) -> None:
    found = find(study_with(labels, num_mistakes), labels, "over_97_percent")
    assert found.answer == answer
    assert found.sentence.startswith(sentence)


def test_7_is_the_hardest_digit_in_every_seed(labels: npt.NDArray[np.uint8]) -> None:
    wrong = [choose(labels, {7: 30, 2: 20, 9: 10}, seed) for seed in range(5)]
    found = find(build_study(labels, miss(labels, wrong)), labels, "hardest_digit")
    assert found.answer == "holds"
    assert found.sentence.startswith(
        "7 has the highest error rate in 5 of 5 seeds (95 % interval 57 to 100 %; the claim "
        "holds above and fails below "
        "one half). The highest mean error rates have 7 (2.92 %), 2 (1.94 %) and 9 "
        "(0.99 %); 7 is number 1 of 10 with 2.92 % ("
    )
    assert found.sentence.endswith("most often taken for 8 (30.0 times a run).")


def test_7_is_not_the_hardest_digit(labels: npt.NDArray[np.uint8]) -> None:
    wrong = [choose(labels, {7: 10, 2: 20, 9: 30}, seed) for seed in range(4)]
    wrong.append(choose(labels, {7: 10, 2: 40}))
    found = find(build_study(labels, miss(labels, wrong)), labels, "hardest_digit")
    assert found.answer == "fails"
    assert found.sentence.startswith(
        "7 has the highest error rate in 0 of 5 seeds (95 % interval 0 to 43 %; the claim "
        "holds above and fails below one "
        "half); 9 in 4 and 2 in 1. The highest mean error rates have 9 (2.38 %), 2 (2.33 %) "
        "and 7 (0.97 %); "
    )
    assert "; 7 is number 3 of 10 with 0.97 % (" in found.sentence


def test_few_seeds_leave_the_hardest_digit_open(labels: npt.NDArray[np.uint8]) -> None:
    wrong = [choose(labels, counts) for counts in ({7: 30}, {7: 30}, {9: 30})]
    found = find(build_study(labels, miss(labels, wrong)), labels, "hardest_digit")
    assert found.answer == "undecided"
    assert (
        "7 has the highest error rate in 2 of 3 seeds (95 % interval 21 to 94 %; the claim "
        "holds above and fails below one half); 9 in 1."
    ) in found.sentence


@pytest.mark.parametrize(
    ("num_hardest", "interval", "answer"),
    [
        (1, "2 to 40", "fails"),
        (2, "6 to 51", "undecided"),
        (3, "11 to 60", "undecided"),
        (5, "24 to 76", "undecided"),
        (7, "40 to 89", "undecided"),
        (8, "49 to 94", "undecided"),
        (9, "60 to 98", "holds"),
    ],
)
def test_7_is_judged_by_the_interval_on_either_side_of_one_half(
    num_hardest: int, interval: str, answer: str, labels: npt.NDArray[np.uint8]
) -> None:
    wrong = [choose(labels, {7: 30} if run < num_hardest else {9: 30}) for run in range(10)]
    found = find(build_study(labels, miss(labels, wrong)), labels, "hardest_digit")
    assert f"in {num_hardest} of 10 seeds (95 % interval {interval} %;" in found.sentence
    assert found.answer == answer


def test_a_7_that_is_never_missed_is_taken_for_nothing(labels: npt.NDArray[np.uint8]) -> None:
    study = build_study(labels, miss(labels, [choose(labels, {9: 30})] * 4))
    found = find(study, labels, "hardest_digit")
    assert found.answer == "fails"
    assert found.sentence.endswith("most often taken for nothing else.")


def find_last_epochs(
    labels: npt.NDArray[np.uint8],
    losses: tuple[float, float],
    num_mistakes_longer: Sequence[int] | None,
) -> Finding:
    """What the claim of the last two epochs says if these seeds make 200, 210 and 190 mistakes."""
    longer = None
    if num_mistakes_longer is not None:
        longer = study_with(labels, num_mistakes_longer, recipe=CLASSIC.replace(epochs=10))
    study = study_with(
        labels,
        epoch_losses=[(0.3, *losses)] * 3,
        epoch_accuracies=[(0.9, 0.9795, 0.98)] * 3,
        longer=longer,
    )
    return find(study, labels, "last_epochs")


@pytest.mark.parametrize(
    ("losses", "num_mistakes_longer", "answer", "sentence"),
    [
        (
            (0.050, 0.049),
            (196, 206, 186),
            "holds",
            "From epoch 2 to 3 the mean training loss went from 0.0500 to 0.0490 (-2 %, 95 % "
            "interval -2.0 to -2.0 %) and the mean accuracy from 97.95 % to 98.00 % (+0.05 "
            "points): they are almost identical, within 5 %. With 10 epochs the accuracy is "
            "98.04 %, +0.04 points (95 % interval +0.04 to +0.04, seed "
            "by seed): less than a tenth of a point, little.",
        ),
        (
            (0.050, 0.040),
            (196, 206, 186),
            "fails",
            "(-20 %, 95 % interval -20.0 to -20.0 %) and the mean accuracy from 97.95 % to "
            "98.00 % (+0.05 points): they are not "
            "almost identical. With 10 epochs the accuracy is 98.04 %, +0.04 points",
        ),
        (
            (0.050, 0.049),
            (170, 181, 159),
            "fails",
            "With 10 epochs the accuracy is 98.30 %, +0.30 points (95 % interval +0.28 to +0.32, "
            "seed by seed): more than a tenth of a point, which is not little.",
        ),
        (
            (0.050, 0.049),
            (196, 170, 222),
            "undecided",
            "With 10 epochs the accuracy is 98.04 %, +0.04 points (95 % interval -0.85 to +0.93, "
            "seed by seed); whether that is more or less than a tenth of a point stays open.",
        ),
        (
            (0.050, 0.049),
            (192, 200, 178),
            "undecided",
            "With 10 epochs the accuracy is 98.10 %, +0.10 points (95 % interval +0.05 to +0.15, "
            "seed by seed); whether that is more or less than a tenth of a point stays open.",
        ),
        (
            (0.050, 0.049),
            [190],
            "undecided",
            "With 10 epochs the accuracy is 98.10 %, +0.10 points; whether that is more or less "
            "than a tenth of a point stays open.",
        ),
        (
            (0.050, 0.049),
            None,
            "undecided",
            "they are almost identical, within 5 %. What more epochs would give, this study did "
            "not try.",
        ),
        (
            (0.050, 0.060),
            None,
            "fails",
            "(+20 %, 95 % interval +20.0 to +20.0 %)",
        ),
    ],
)
def test_the_last_epochs_are_alike_and_more_add_little(
    losses: tuple[float, float],
    num_mistakes_longer: Sequence[int] | None,
    answer: str,
    sentence: str,
    labels: npt.NDArray[np.uint8],
) -> None:
    found = find_last_epochs(labels, losses, num_mistakes_longer)
    assert found.answer == answer
    assert sentence in found.sentence


def test_without_accuracies_by_epoch_the_losses_speak_alone(
    labels: npt.NDArray[np.uint8],
) -> None:
    found = find(study_with(labels), labels, "last_epochs")
    assert found.sentence.startswith(
        "From epoch 1 to 2 the mean training loss went from 0.5000 to 0.2500 (-50 %, 95 % "
        "interval -50.0 to -50.0 %): they are not almost identical."
    )


@pytest.mark.parametrize(
    ("num_others", "answer"),
    [((4, 6, 5), "holds"), ((190, 200, 180), "undecided"), ((9, 11, 12), "undecided")],
)
def test_mistakes_are_hard_for_people_if_most_are_contested(
    num_others: Sequence[int], answer: str, labels: npt.NDArray[np.uint8]
) -> None:
    contested = sorted(CONTESTED)[:10]
    wrong = [contested + choose(labels, {4: n}, seed=1 + i) for i, n in enumerate(num_others)]
    found = find(build_study(labels, miss(labels, wrong)), labels, "hard_for_people")
    assert found.answer == answer
    shares = [100 * 10 / (10 + n) for n in num_others]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(shares), scale=stats.sem(shares))
    num_mislabelled = len(RELABELLED.keys() & set(contested))
    assert found.sentence.startswith(
        f"Of {10 + np.mean(num_others):.0f} mistakes a run, 10.0 ({np.mean(shares):.1f} %, 95 % "
        f"interval {low:.1f} to {high:.1f} %) are on the 15 test images whose labels people "
        f"contest, {num_mislabelled}.0 of them on the 10 that most people label otherwise; the "
        f"contested are misclassified {(10 / 15) / (np.mean(num_others) / 9985):.0f} times as "
        "often as the others. "
    )
    in_runs = Counter(index for one in wrong for index in one)
    num_all, num_most = (sum(n >= least for n in in_runs.values()) for least in (3, 2))
    assert (
        f" {num_all} images are missed by every seed, {num_most} by most, 10 of these contested."
    ) in found.sentence


def test_one_seed_pools_its_mistakes(labels: npt.NDArray[np.uint8]) -> None:
    wrong = sorted(CONTESTED)[:4] + choose(labels, {4: 4})
    found = find(build_study(labels, miss(labels, [wrong])), labels, "hard_for_people")
    # Wilson's interval of 4 in 8.
    assert found.answer == "undecided"
    assert "4.0 (50.0 %, 95 % interval 21.5 to 78.5 %)" in found.sentence


def test_without_a_mistake_nothing_is_said_of_mistakes(labels: npt.NDArray[np.uint8]) -> None:
    perfect = build_study(labels, miss(labels, [[]] * 5))
    assert find(perfect, labels, "hardest_digit").answer == "undecided"
    assert find(perfect, labels, "hard_for_people").answer == "undecided"


def test_a_change_of_the_loss_that_scatters_around_the_limit_stays_open(
    labels: npt.NDArray[np.uint8],
) -> None:
    losses = [(0.1, 0.1 * (1 - fall)) for fall in (0.03, 0.08, 0.04)]
    found = find(study_with(labels, epoch_losses=losses), labels, "last_epochs")
    low, high = stats.t.interval(0.95, 2, loc=-5, scale=stats.sem([-3, -8, -4]))
    assert found.answer == "undecided"
    assert f"95 % interval {low:+.1f} to {high:+.1f} %); whether" in found.sentence


def test_a_loss_of_zero_can_be_told(labels: npt.NDArray[np.uint8]) -> None:
    found = find(study_with(labels, epoch_losses=[(0.1, 0.0, 0.0)] * 3), labels, "last_epochs")
    assert "from 0.0000 to 0.0000" in found.sentence
