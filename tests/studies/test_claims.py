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
from tenfold.recipes.catalogue import RECIPES
from tenfold.runs.results import Finding
from tenfold.studies.claims import find_claims
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study

CLASSIC = RECIPES["classic"]
Labels = npt.NDArray[np.uint8]
CLAIMS = ["accuracy", "over_97_percent", "hardest_digit", "last_epochs", "hard_for_people"]


@pytest.fixture(scope="module")
def labels(test_images: LabelledImages) -> Labels:
    return test_images.labels_N


def list_claims(study: Study, labels: Labels, *, is_mnist: bool = True) -> dict[str, Finding]:
    summary = summarize(study, labels, is_mnist=is_mnist)
    return {finding.name: finding for finding in find_claims(summary, is_mnist=is_mnist)}


def check(finding: Finding, answer: str, facts: Sequence[str]) -> None:
    assert finding.answer == answer
    for fact in facts:
        assert fact in finding.sentence


def choose(labels: Labels, num_by_digit: dict[int, int], seed: int = 0) -> list[int]:
    """This many images of each digit, without disputed ones."""
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for digit, count in num_by_digit.items():
        of_digit = np.setdiff1d(np.flatnonzero(labels == digit), sorted(CONTESTED))
        chosen += map(int, random.choice(of_digit, count, replace=False))
    return chosen


def build(
    labels: Labels,
    num_mistakes: Sequence[int] = (200, 210, 190),
    **of_runs: Any,
) -> Study:
    """A study whose runs make this many mistakes, each a subset of those of runs with more."""
    order = [*map(int, np.random.default_rng(0).permutation(10_000))]
    return build_study(labels, miss(labels, [order[:count] for count in num_mistakes]), **of_runs)


def test_the_claims_depend_on_data_part_and_epochs(labels: Labels) -> None:
    assert [*list_claims(build(labels), labels)] == CLAIMS
    other_data = list_claims(build(labels, checksums=OTHER_DATA), labels, is_mnist=False)
    assert [*other_data] == ["accuracy"]
    assert "corrected" not in other_data["accuracy"].sentence
    holdout = build(labels, holdout=True, checksums={"train": CHECKSUMS["train"]})
    found = list_claims(holdout, labels)
    assert [*found] == CLAIMS[:-1]
    assert "10,000 held-out validation images" in found["accuracy"].sentence
    assert "corrected" not in found["accuracy"].sentence
    one_epoch = list_claims(build(labels, epoch_losses=[(0.5,)] * 3), labels)
    assert {*one_epoch} == {*CLAIMS} - {"last_epochs"}


# --- accuracy


def test_the_accuracy_has_intervals_for_seeds_and_images(labels: Labels) -> None:
    found = list_claims(build(labels, (200, 210, 190)), labels)["accuracy"]
    assert found.answer == "98.00 %, standard deviation 0.10"
    for fact in (
        "Over 3 seeds",
        "10,000 test images has a mean of 98.000 %",
        "deviation of 0.100 percentage points",
        "from 97.90 % to 98.10 %",
        # Student's t with two degrees of freedom: 4.3027 * 0.1 / sqrt(3) points.
        "97.752 to 98.248 % for other seeds",
        "97.71 to 98.26 % for other images",
        "On the corrected labels the mean is 97.9",
    ):
        assert fact in found.sentence


def test_the_accuracy_of_one_seed_has_no_deviation(labels: Labels) -> None:
    found = list_claims(build(labels, [200]), labels)["accuracy"]
    assert found.answer == "98.00 %"
    assert found.sentence.startswith("One seed")


@pytest.mark.parametrize(
    ("num_mistakes", "answer", "num_over", "mean", "reason"),
    [
        ((200, 210, 190), "holds", "3 of 3", "98.00 %", "lie above"),
        ((400, 410, 390), "fails", "0 of 3", "96.00 %", "lie below"),
        ((290, 310, 320), "undecided", "1 of 3", "96.93 %", "not"),
        # Other seeds would agree, but other images might not; and the other way round.
        ((310, 311, 310), "undecided", "0 of 3", "96.90 %", "not"),
        ((285, 286, 285), "undecided", "3 of 3", "97.15 %", "not"),
        ((100, 200, 300), "undecided", "2 of 3", "98.00 %", "not"),
        ([100], "undecided", "1 of 1", "99.00 %", "One seed"),
    ],
)
def test_over_97_percent_holds_if_both_intervals_lie_above(
    num_mistakes: Sequence[int],
    answer: str,
    num_over: str,
    mean: str,
    reason: str,
    labels: Labels,
) -> None:
    found = list_claims(build(labels, num_mistakes), labels)["over_97_percent"]
    assert found.answer == answer
    assert found.sentence.startswith(f"In {num_over} runs ")
    assert f"the mean is {mean}" in found.sentence
    assert reason in found.sentence


# --- the hardest digit


@pytest.mark.parametrize(
    ("num_by_digit", "answer", "facts"),
    [
        (
            [{7: 30, 2: 20, 9: 10}] * 5,
            "holds",
            [
                "7 has the highest error rate in 5 of 5 seeds (95 % CI 57 to 100 %). ",
                "those of 7 (2.92 %), 2 (1.94 %) and 9 (0.99 %)",
                "7 is number 1 of 10 with 2.92 % (",
                "mistaken for 8 (30.0 times per run).",
            ],
        ),
        (
            [*[{7: 10, 2: 20, 9: 30}] * 4, {7: 10, 2: 40}],
            "fails",
            [
                "in 0 of 5 seeds (95 % CI 0 to 43 %); 9 in 4 and 2 in 1. ",
                "those of 9 (2.38 %), 2 (2.33 %) and 7 (0.97 %)",
                "7 is number 3 of 10 with 0.97 % (",
            ],
        ),
        (
            [{7: 30}, {7: 30}, {9: 30}],
            "undecided",
            ["in 2 of 3 seeds (95 % CI 21 to 94 %); 9 in 1. "],
        ),
        ([{9: 30}] * 4, "fails", ["mistaken for no other digit."]),
    ],
)
def test_7_is_compared_with_the_other_digits(
    num_by_digit: list[dict[int, int]], answer: str, facts: list[str], labels: Labels
) -> None:
    wrong = [choose(labels, counts, seed) for seed, counts in enumerate(num_by_digit)]
    found = list_claims(build_study(labels, miss(labels, wrong)), labels)["hardest_digit"]
    check(found, answer, facts)


@pytest.mark.parametrize(
    ("num_hardest", "interval", "answer"),
    [
        (1, "2 to 40", "fails"),
        (2, "6 to 51", "undecided"),
        (8, "49 to 94", "undecided"),
        (9, "60 to 98", "holds"),
    ],
)
def test_7_is_judged_by_the_interval_of_its_share(
    num_hardest: int, interval: str, answer: str, labels: Labels
) -> None:
    wrong = [choose(labels, {7: 30} if run < num_hardest else {9: 30}) for run in range(10)]
    found = list_claims(build_study(labels, miss(labels, wrong)), labels)["hardest_digit"]
    assert f"in {num_hardest} of 10 seeds (95 % CI {interval} %)" in found.sentence
    assert found.answer == answer


# --- the last epochs


@pytest.mark.parametrize(
    ("losses", "num_mistakes_longer", "answer", "facts"),
    [
        (
            (0.050, 0.049),
            (196, 206, 186),
            "holds",
            [
                "From epoch 2 to 3 the mean training loss went from 0.0500 to 0.0490 (-2 %, 95 % "
                "CI -2.0 to -2.0 %) and the mean accuracy from 97.95 % to 98.00 % (+0.05 points)",
                "almost identical, within 5 %.",
                "With 10 epochs the accuracy is 98.04 %, +0.04 points (95 % CI +0.04 to +0.04, "
                "paired by seed): less than 0.1 points",
            ],
        ),
        (
            (0.050, 0.040),
            (196, 206, 186),
            "fails",
            ["(-20 %, 95 % CI -20.0 to -20.0 %)", "differ by more than 5 %."],
        ),
        (
            (0.050, 0.049),
            (170, 181, 159),
            "fails",
            ["98.30 %, +0.30 points (95 % CI +0.28 to +0.32", "more than 0.1 points, which is not"],
        ),
        (
            (0.050, 0.049),
            (196, 170, 222),
            "undecided",
            ["98.04 %, +0.04 points (95 % CI -0.85 to +0.93", "more than 0.1 points is undecided."],
        ),
        (
            (0.050, 0.049),
            (192, 200, 178),
            "undecided",
            ["98.10 %, +0.10 points (95 % CI +0.05 to +0.15", "more than 0.1 points is undecided."],
        ),
        (
            (0.050, 0.049),
            [190],
            "undecided",
            ["98.10 %, +0.10 points. Whether that is more than 0.1 points is undecided."],
        ),
        ((0.050, 0.049), None, "undecided", ["More epochs were not tried."]),
        ((0.050, 0.060), None, "fails", ["(+20 %, 95 % CI +20.0 to +20.0 %)"]),
        ((0.0, 0.0), None, "undecided", ["from 0.0000 to 0.0000"]),
    ],
)
def test_the_last_epochs_are_judged_by_losses_and_longer_training(
    losses: tuple[float, float],
    num_mistakes_longer: Sequence[int] | None,
    answer: str,
    facts: list[str],
    labels: Labels,
) -> None:
    longer = None
    if num_mistakes_longer is not None:
        longer = build(labels, num_mistakes_longer, recipe=CLASSIC.replace(epochs=10))
    study = build(
        labels,
        epoch_losses=[(0.3, *losses)] * 3,
        epoch_accuracies=[(0.9, 0.9795, 0.98)] * 3,
        longer=longer,
    )
    found = list_claims(study, labels)["last_epochs"]
    check(found, answer, facts)


def test_the_last_epochs_are_judged_without_accuracies(labels: Labels) -> None:
    losses = [(0.1, 0.1 * (1 - fall)) for fall in (0.03, 0.08, 0.04)]
    found = list_claims(build(labels, epoch_losses=losses), labels)["last_epochs"]
    low, high = stats.t.interval(0.95, 2, loc=-5, scale=stats.sem([-3, -8, -4]))
    assert found.answer == "undecided"
    assert f"95 % CI {low:+.1f} to {high:+.1f} %). Whether" in found.sentence


# --- hard for people


@pytest.mark.parametrize(
    ("num_others", "answer"),
    [((4, 6, 5), "holds"), ((190, 200, 180), "undecided"), ((9, 11, 12), "undecided")],
)
def test_mistakes_are_hard_for_people_if_most_labels_are_disputed(
    num_others: Sequence[int], answer: str, labels: Labels
) -> None:
    contested = sorted(CONTESTED)[:10]
    wrong = [contested + choose(labels, {4: n}, seed=1 + i) for i, n in enumerate(num_others)]
    found = list_claims(build_study(labels, miss(labels, wrong)), labels)["hard_for_people"]
    assert found.answer == answer
    shares = [100 * 10 / (10 + n) for n in num_others]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(shares), scale=stats.sem(shares))
    num_mislabelled = len(RELABELLED.keys() & set(contested))
    in_runs = Counter(index for indices in wrong for index in indices)
    num_all, num_most = (sum(n >= least for n in in_runs.values()) for least in (3, 2))
    for fact in (
        f"Of {10 + np.mean(num_others):.0f} mistakes per run, 10.0 ({np.mean(shares):.1f} %, 95 % "
        f"CI {low:.1f} to {high:.1f} %) are on the 15 test images",
        f"{num_mislabelled}.0 of them on the 10 ",
        f"misclassified {(10 / 15) / (np.mean(num_others) / 9985):.0f} times as often",
        f"{num_all} images are misclassified by every seed, {num_most} by most; 10 of the latter",
    ):
        assert fact in found.sentence


def test_the_mistakes_of_one_seed_are_pooled(labels: Labels) -> None:
    wrong = sorted(CONTESTED)[:4] + choose(labels, {4: 4})
    found = list_claims(build_study(labels, miss(labels, [wrong])), labels)["hard_for_people"]
    # Wilson's interval of 4 in 8.
    assert found.answer == "undecided"
    assert "4.0 (50.0 %, 95 % CI 21.5 to 78.5 %)" in found.sentence


def test_claims_about_mistakes_are_undecided_without_any(labels: Labels) -> None:
    found = list_claims(build_study(labels, miss(labels, [[]] * 5)), labels)
    assert found["hardest_digit"].answer == found["hard_for_people"].answer == "undecided"
