import itertools
import json
import math
import warnings
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from made_studies import CHECKSUMS, OTHER_DATA, build_study, miss, present
from tenfold.data.label_errors import CONTESTED, RELABELLED, UNDECIDABLE
from tenfold.data.mnist import LabelledImages
from tenfold.recipes.catalogue import RECIPES
from tenfold.studies.statistics import estimate_mean, images_interval, summarize
from tenfold.studies.summary import Estimate
from tenfold.system.json_types import to_json

LABELS_N = np.random.default_rng(0).integers(0, 10, 600).astype(np.uint8)


def guess(num_runs: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Predictions of which a tenth are wrong, often on the same images in several runs."""
    random = np.random.default_rng(seed)
    hardness_N = random.beta(0.1, 0.9, len(LABELS_N))
    is_wrong_RN = random.random((num_runs, len(LABELS_N))) < hardness_N
    return np.where(
        is_wrong_RN, (LABELS_N + random.integers(1, 10, is_wrong_RN.shape)) % 10, LABELS_N
    ).astype(np.int64)


@pytest.mark.parametrize("count", [2, 3, 10, 200])
def test_the_interval_of_a_mean_is_by_students_t(count: int) -> None:
    values = np.random.default_rng(count).normal(0.98, 0.002, count)
    measured = estimate_mean(values)
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert measured.interval == pytest.approx((low, high))
    assert measured.mean == pytest.approx(math.fsum(values) / count)
    variance = math.fsum((value - measured.mean) ** 2 for value in values) / (count - 1)
    assert measured.standard_deviation == pytest.approx(math.sqrt(variance))
    assert (measured.lowest, measured.highest) == (min(values), max(values))
    assert measured.num_values == count


def test_a_single_value_has_no_deviation_and_no_interval() -> None:
    assert estimate_mean([0.98]) == Estimate(
        mean=0.98,
        standard_deviation=None,
        lowest=0.98,
        highest=0.98,
        interval=None,
        num_values=1,
    )


def wilson(share: float, num_images: int) -> tuple[float, float]:
    """Wilson's interval as the roots of its quadratic equation."""
    z = 1.959964
    roots = np.roots([1 + z**2 / num_images, -(2 * share + z**2 / num_images), share**2])
    return min(roots), max(roots)


@pytest.mark.parametrize("num_images", [1, 7, 1000])
def test_the_images_interval_is_wilsons_of_the_mean(num_images: int) -> None:
    shares_N = np.random.default_rng(num_images).beta(0.2, 0.8, num_images)
    low, high = images_interval(shares_N)
    assert (low, high) == pytest.approx(wilson(shares_N.mean(), num_images))
    assert 0 < low < shares_N.mean() < high < 1


@pytest.mark.parametrize("rate", [0.001, 0.002, 0.005])
@pytest.mark.parametrize("split", [(0.4, 0.3, 0.3), (0.2, 0.2, 0.6)])
def test_the_images_interval_covers_rare_errors(rate: float, split: tuple[float, ...]) -> None:
    """Samples of 1,000 images from a population in which errors are rare."""
    shares = np.array([0.0, 0.2, 0.6, 1.0])
    missed = np.array(split) * rate / (split @ shares[1:])
    counts_D4 = np.random.default_rng(0).multinomial(1000, [1 - missed.sum(), *missed], 2000)
    intervals = [images_interval(np.repeat(shares, counts)) for counts in counts_D4]
    assert np.mean([low <= rate <= high for low, high in intervals]) > 0.93


def test_the_images_interval_is_hardly_wider_than_a_bootstrap_interval() -> None:
    random = np.random.default_rng(1)
    shares_N = random.choice([0.0, 0.2, 0.6, 1.0], 1000, p=[0.02, 0.03, 0.05, 0.9])
    drawn = np.quantile(random.choice(shares_N, (4000, len(shares_N))).mean(1), [0.025, 0.975])
    assert 0.97 < np.diff(images_interval(shares_N)) / np.diff(drawn) < 1.25
    # Where runs agree, both are alike.
    shares_N = shares_N.round()
    drawn = np.quantile(random.choice(shares_N, (4000, len(shares_N))).mean(1), [0.025, 0.975])
    assert 0.97 < np.diff(images_interval(shares_N)) / np.diff(drawn) < 1.06


def test_the_images_interval_is_monotonic() -> None:
    ends = [images_interval(np.repeat([1.0, 0.2, 0.0], [n, 9, 91 - n])) for n in range(92)]
    ends.insert(0, images_interval(np.zeros(100)))
    ends.append(images_interval(np.ones(100)))
    assert ends[0] == pytest.approx((0, 0.037), abs=1e-4)
    assert ends[-1] == pytest.approx((0.963, 1), abs=1e-4)
    for lower, more in itertools.pairwise(ends):
        assert lower[0] < more[0]
        assert lower[1] < more[1]


def test_accuracies_are_shares_of_correct_images() -> None:
    given_RN = guess(5)
    summary = summarize(build_study(LABELS_N, given_RN), LABELS_N, is_mnist=False)
    by_hand = [
        sum(int(k) == int(label) for k, label in zip(given_N, LABELS_N, strict=True)) / 600
        for given_N in given_RN
    ]
    assert summary.accuracies == pytest.approx(by_hand)
    assert summary.accuracy.mean == pytest.approx(sum(by_hand) / 5)
    assert summary.num_images == 600
    assert summary.accuracy.images_interval == pytest.approx(wilson(sum(by_hand) / 5, 600))


def test_digit_errors_are_counted() -> None:
    given_RN = guess(4)
    summary = summarize(build_study(LABELS_N, given_RN), LABELS_N, is_mnist=False)
    rates = {}
    for digit in range(10):
        of_digit = [i for i, label in enumerate(LABELS_N) if label == digit]
        rates[digit] = [sum(run[i] != digit for i in of_digit) / len(of_digit) for run in given_RN]
        taken_for = Counter(int(run[i]) for run in given_RN for i in of_digit if run[i] != digit)
        measured = summary.digits[digit]
        assert measured.label == digit
        assert measured.num_images == len(of_digit)
        assert measured.error_rates == pytest.approx(rates[digit])
        assert measured.error_rate.mean == pytest.approx(np.mean(rates[digit]))
        assert measured.error_rate.images_interval == pytest.approx(
            images_interval((given_RN[:, of_digit] != digit).mean(0))
        )
        assert measured.taken_for == {str(k): n / 4 for k, n in taken_for.items()}
        counts = list(measured.taken_for.values())
        assert counts == sorted(counts, reverse=True)
    for digit in range(10):
        hardest_in = [max(rates, key=lambda k: rates[k][run]) for run in range(4)]
        assert summary.digits[digit].num_hardest == hardest_in.count(digit)


def test_tied_digits_are_all_the_hardest() -> None:
    labels_N = np.repeat(np.arange(10), 10).astype(np.uint8)
    # In the first run 3 and 7 have two mistakes each, in the second 7 has the most.
    study = build_study(labels_N, miss(labels_N, [[30, 31, 70, 71, 50], [72, 30, 31, 73, 74]]))
    summary = summarize(study, labels_N, is_mnist=False)
    assert [digit.num_hardest for digit in summary.digits] == [0, 0, 0, 1, 0, 0, 0, 2, 0, 0]


@pytest.mark.parametrize("labels", [[2, 2, 5, 5], [2, 5, 5]])
def test_only_labels_with_images_are_listed(labels: list[int]) -> None:
    labels_N = np.array(labels, dtype=np.uint8)
    summary = summarize(build_study(labels_N, miss(labels_N, [[0]])), labels_N, is_mnist=False)
    assert [digit.label for digit in summary.digits] == [2, 5]
    assert summary.digits[0].num_images == labels.count(2)
    assert summary.digits[0].taken_for == {"3": 1.0}


def test_the_hardest_images_come_first_with_all_answers() -> None:
    given_RN = guess(6)
    summary = summarize(build_study(LABELS_N, given_RN), LABELS_N, is_mnist=False)
    by_hand = []
    for index, label in enumerate(LABELS_N):
        answers = Counter(int(run[index]) for run in given_RN)
        if answers[int(label)] < 6:
            by_hand.append((6 - answers[int(label)], index, int(label), answers))
    by_hand.sort(key=lambda row: (-row[0], row[1]))
    assert [
        (image.num_wrong, image.index, image.label, {int(k): n for k, n in image.answers.items()})
        for image in summary.hardest_images
    ] == by_hand
    counts = list(summary.hardest_images[0].answers.values())
    assert counts == sorted(counts, reverse=True)


def test_epoch_accuracies_are_means_over_the_runs_that_measured_them() -> None:
    study = build_study(
        LABELS_N,
        guess(3),
        epoch_losses=[(0.4, 0.2), (0.5, 0.3), (0.6, 0.1)],
        epoch_accuracies=[(0.9, 0.95), (), (0.8, 0.96)],
    )
    first, second = summarize(study, LABELS_N, is_mnist=False).epochs
    assert (first.epoch, second.epoch) == (1, 2)
    assert first.loss.mean == pytest.approx(0.5)
    assert second.loss.mean == pytest.approx(0.2)
    assert present(first.accuracy).mean == pytest.approx(0.85)
    assert present(second.accuracy).num_values == 2
    unmeasured = summarize(build_study(LABELS_N, guess(3)), LABELS_N, is_mnist=False).epochs
    assert [epoch.accuracy for epoch in unmeasured] == [None, None]


def test_seconds_alone_are_those_of_uncontended_runs_with_most_threads() -> None:
    study = build_study(
        LABELS_N,
        guess(5),
        seconds=[10.0, 20.0, 12.0, 90.0, 19.0],
        other_cores=[0.01, 1.0, 0.05, None, 0.0],
        threads=[2, 2, 2, 2, 1],  # fewer threads do not count either
    )
    summary = summarize(study, LABELS_N, is_mnist=False)
    assert present(summary.seconds_alone).mean == pytest.approx(11)
    assert present(summary.seconds_alone).num_values == 2
    assert summary.seconds.mean == pytest.approx(30.2)
    beside = build_study(LABELS_N, guess(2), other_cores=[1.0, None])
    assert summarize(beside, LABELS_N, is_mnist=False).seconds_alone is None


def test_twice_the_epochs_are_compared_seed_by_seed() -> None:
    given_RN = guess(3)
    recipe = RECIPES["classic"].replace(epochs=10)
    longer = build_study(
        LABELS_N,
        given_RN[[0, 2, 1]],
        seeds=[1, 2, 9],
        recipe=recipe,
        epoch_losses=[tuple(1 / (1 + epoch) for epoch in range(10))] * 3,
    )
    # Both studies have seeds 1 and 2 only.
    study = build_study(LABELS_N, given_RN, seeds=[0, 1, 2], longer=longer)
    measured = present(summarize(study, LABELS_N, is_mnist=False).longer)
    a = study.accuracies
    gains = [a[0] - a[1], a[2] - a[2]]
    assert measured.num_epochs == 10
    assert measured.gain.mean == pytest.approx(sum(gains) / 2)
    assert measured.gain.num_values == 2
    assert measured.epochs[9].loss.mean == pytest.approx(0.1)
    disjoint = build_study(LABELS_N, given_RN, seeds=[3, 4, 5], longer=longer)
    assert summarize(disjoint, LABELS_N, is_mnist=False).longer is None


def test_mistakes_on_disputed_labels_are_counted(test_images: LabelledImages) -> None:
    labels_N = test_images.labels_N
    contested, others = sorted(CONTESTED), [5, 6, 7, 8, 9, 10]
    wrong_of_runs = [[*contested[:9], *others[:3]], [*contested[:5], *others]]
    given_RN = miss(labels_N, wrong_of_runs)
    summary = summarize(build_study(labels_N, given_RN), labels_N, is_mnist=True)
    counted = present(summary.contested)
    assert counted.num_contested == 15
    assert counted.num_mistakes.mean == (12 + 11) / 2
    assert counted.num_on_contested.mean == (9 + 5) / 2
    in_both = [len(RELABELLED.keys() & set(wrong)) for wrong in wrong_of_runs]
    assert in_both[0] > in_both[1] > 0
    assert counted.num_on_mislabelled.mean == sum(in_both) / 2
    shares = [9 / 12, 5 / 11]
    assert counted.share_of_mistakes.mean == pytest.approx(np.mean(shares))
    assert counted.share_of_mistakes.interval == pytest.approx(
        np.clip(stats.t.interval(0.95, 1, loc=np.mean(shares), scale=stats.sem(shares)), 0, 1)
    )
    low, high = present(counted.share_of_mistakes.pooled_interval)
    assert (low, high) == pytest.approx(wilson(14 / 23, 23))
    assert counted.rate_on_contested == pytest.approx((9 + 5) / 2 / 15)
    assert counted.rate_on_others == pytest.approx((3 + 6) / 2 / 9985)
    missed_by_both = set(wrong_of_runs[0]) & set(wrong_of_runs[1])
    assert counted.num_missed_by_all == len(missed_by_both) == 8
    assert counted.num_missed_by_most == 8
    assert counted.num_contested_missed_by_most == 5


def test_corrected_labels_change_the_mean(test_images: LabelledImages) -> None:
    labels_N = test_images.labels_N
    given_RN = np.tile(labels_N.astype(np.int64), (2, 1))
    for index, corrected in list(RELABELLED.items())[:4]:
        given_RN[0, index] = corrected
    given_RN[1, sorted(UNDECIDABLE)] = (labels_N[sorted(UNDECIDABLE)] + 1) % 10
    summary = summarize(build_study(labels_N, given_RN), labels_N, is_mnist=True)
    # The first run misses six of the ten corrected labels, the second all ten.
    assert present(summary.corrected).mean == pytest.approx(1 - (6 + 10) / 2 / 9995)
    assert summary.accuracy.mean == pytest.approx(1 - (4 + 5) / 2 / 10_000)


@pytest.mark.parametrize(("is_mnist", "holdout"), [(False, False), (True, True)])
def test_only_the_test_images_of_mnist_have_disputed_labels(is_mnist: bool, holdout: bool) -> None:
    checksums = {"train": CHECKSUMS["train"]} if holdout else OTHER_DATA
    study = build_study(LABELS_N, guess(2), holdout=holdout, checksums=checksums)
    summary = summarize(study, LABELS_N, is_mnist=is_mnist)
    assert summary.part == ("validation" if holdout else "test")
    assert summary.corrected is None
    assert summary.contested is None
    assert "contested" not in to_json(summary)


@pytest.mark.parametrize("num_runs", [1, 3])
def test_a_study_without_mistakes_can_be_summarized(
    num_runs: int, test_images: LabelledImages
) -> None:
    labels_N = test_images.labels_N
    with warnings.catch_warnings(action="error"):
        study = build_study(labels_N, miss(labels_N, [[]] * num_runs))
        summary = summarize(study, labels_N, is_mnist=True)
    assert summary.accuracy.mean == 1
    assert summary.hardest_images == ()
    assert present(summary.contested).share_of_mistakes.pooled_interval is None
    assert (summary.accuracy.interval is None) == (num_runs == 1)
    assert "NaN" not in json.dumps(to_json(summary))


def test_intervals_of_shares_are_clipped() -> None:
    study = build_study(LABELS_N, miss(LABELS_N, [range(1), range(50)]))
    summary = summarize(study, LABELS_N, is_mnist=False)
    assert present(summary.accuracy.interval)[1] <= 1
