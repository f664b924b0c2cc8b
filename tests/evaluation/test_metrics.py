import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from tenfold.data.label_errors import CONTESTED, RELABELLED, UNDECIDABLE
from tenfold.data.mnist import LabelledImages
from tenfold.evaluation.metrics import (
    compute_confusion_matrix,
    list_misclassified,
    measure_accuracy,
    measure_class_errors,
    measure_corrected,
    measure_epoch_losses,
    newcombe_interval,
    wilson_interval,
)
from tenfold.runs.results import Accuracy, ClassErrors, Mistake
from tenfold.system.json_types import to_json

label_pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=200)


@given(pairs=label_pairs)
def test_the_confusion_matrix_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in pairs], dtype=np.uint8)
    predicted = np.array([other for _, other in pairs], dtype=np.int64)
    found = compute_confusion_matrix(labels, predicted)
    assert found.shape == (10, 10)
    assert found.sum() == len(pairs)
    if pairs:
        expected = confusion_matrix(labels, predicted, labels=range(10))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("num_hits", "num_trials"),
    [(0, 1), (1, 1), (0, 10), (10, 10), (9700, 10_000), (9812, 10_000), (1, 1028), (81, 263)],
)
def test_wilson_interval_is_that_of_scipy(num_hits: int, num_trials: int) -> None:
    expected = binomtest(num_hits, num_trials).proportion_ci(0.95, method="wilson")
    found = wilson_interval(num_hits, num_trials)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-12, abs=1e-15)


@given(counts=st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_contains_the_share_and_stays_in_bounds(counts: tuple[int, int]) -> None:
    num_hits, num_trials = counts
    low, high = wilson_interval(num_hits, num_trials)
    assert 0 <= low < high <= 1
    assert low - 1e-12 <= num_hits / num_trials <= high + 1e-12
    # Hits and misses are symmetric.
    mirrored = wilson_interval(num_trials - num_hits, num_trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


# R. G. Newcombe, Statistics in Medicine 17 (1998), table II, method 10: contrasts (a) to (h).
@pytest.mark.parametrize(
    ("hits_a", "trials_a", "hits_b", "trials_b", "expected"),
    [
        (56, 70, 48, 80, (0.0524, 0.3339)),
        (9, 10, 3, 10, (0.1705, 0.8090)),
        (6, 7, 2, 7, (0.0582, 0.8062)),
        (5, 56, 0, 29, (-0.0381, 0.1926)),
        (0, 10, 0, 20, (-0.1611, 0.2775)),
        (0, 10, 0, 10, (-0.2775, 0.2775)),
        (10, 10, 0, 20, (0.6791, 1.0)),
        (10, 10, 0, 10, (0.6075, 1.0)),
    ],
)
def test_newcombe_interval_is_the_published_one(
    hits_a: int, trials_a: int, hits_b: int, trials_b: int, expected: tuple[float, float]
) -> None:
    found = newcombe_interval(hits_a, trials_a, hits_b, trials_b)
    assert found == pytest.approx(expected, abs=5.1e-5)


@given(
    a=st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    b=st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
)
def test_newcombe_interval_contains_the_difference(a: tuple[int, int], b: tuple[int, int]) -> None:
    low, high = newcombe_interval(*a, *b)
    difference = a[0] / a[1] - b[0] / b[1]
    assert -1 - 1e-9 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1 + 1e-9
    assert newcombe_interval(*b, *a) == pytest.approx((-high, -low), abs=1e-12)


def test_accuracy_is_counted() -> None:
    measured = measure_accuracy(np.array([True] * 97 + [False] * 3))
    assert measured == Accuracy(
        num_images=100,
        num_correct=97,
        accuracy=0.97,
        accuracy_interval=wilson_interval(97, 100),
    )
    assert json.loads(json.dumps(to_json(measured)))["num_correct"] == 97


# --- disputed labels


def test_ten_labels_are_corrected_and_five_are_undecidable() -> None:
    assert len(RELABELLED) == 10
    assert len(UNDECIDABLE) == 5
    assert len(CONTESTED) == 15
    assert not UNDECIDABLE & RELABELLED.keys()
    assert all(0 <= index < 10_000 for index in CONTESTED)
    assert RELABELLED[947] == 9
    assert RELABELLED[9729] == 6


def test_corrected_labels_differ_from_the_given_ones(test_images: LabelledImages) -> None:
    for index, label in RELABELLED.items():
        assert 0 <= label <= 9
        assert test_images.labels_N[index] != label


@pytest.mark.parametrize(
    ("changed", "num_correct", "contested", "label_errors"),
    [
        ({}, 9985, (), ()),
        (RELABELLED, 9995, tuple(sorted(RELABELLED)), tuple(sorted(RELABELLED))),
        # Undecidable images are listed but not counted; image 0 is not contested.
        (dict.fromkeys([*UNDECIDABLE, 0]), 9984, tuple(sorted(UNDECIDABLE)), ()),
        # Neither the given nor the corrected label.
        ({947: 1}, 9985, (947,), ()),
    ],
)
def test_the_corrected_accuracy_counts_by_corrected_labels(
    changed: dict[int, int | None],
    num_correct: int,
    contested: tuple[int, ...],
    label_errors: tuple[int, ...],
    test_images: LabelledImages,
) -> None:
    labels = test_images.labels_N
    before = labels.copy()
    predicted = labels.astype(np.int64)
    for index, label in changed.items():
        predicted[index] = (predicted[index] + 1) % 10 if label is None else label
    measured = measure_corrected(labels, predicted)
    assert (measured.num_images, measured.num_correct) == (9995, num_correct)
    assert measured.accuracy == num_correct / 9995
    assert measured.accuracy_interval == wilson_interval(num_correct, 9995)
    assert measured.contested_among_misclassified == contested
    assert measured.given_the_corrected_label == label_errors
    np.testing.assert_array_equal(labels, before)


# --- classes, mistakes, epochs


def test_class_errors_come_from_the_rows_of_the_confusion_matrix() -> None:
    confusions = np.zeros((10, 10), dtype=np.int64)
    confusions[3] = [0, 0, 1, 90, 0, 5, 0, 0, 4, 0]
    confusions[8, 8] = 50
    three, eight = measure_class_errors(confusions)  # classes without images are left out
    assert three == ClassErrors(
        label=3,
        num_images=100,
        num_errors=10,
        error_rate=0.1,
        error_rate_interval=wilson_interval(10, 100),
        taken_for={"5": 5, "8": 4, "2": 1},
        precision=1.0,
        recall=0.9,
        f1=180 / 190,
    )
    assert list(three.taken_for) == ["5", "8", "2"]  # most often first
    assert (eight.num_errors, eight.error_rate, eight.taken_for) == (0, 0.0, {})
    assert json.loads(json.dumps(to_json(three)))["taken_for"] == three.taken_for


def test_mistakes_are_sorted_by_confidence() -> None:
    labels = np.array([1, 2, 3, 4, 5], dtype=np.uint8)
    predicted = np.array([1, 7, 3, 9, 6])
    confidences = np.array([1.0, 0.5, 0.9, 0.75, 0.5], dtype=np.float32)
    listed = list_misclassified(labels, predicted, confidences)
    assert listed == (
        Mistake(index=3, label=4, predicted=9, confidence=0.75),
        Mistake(index=1, label=2, predicted=7, confidence=0.5),  # a tie: by index
        Mistake(index=4, label=5, predicted=6, confidence=0.5),
    )
    assert json.loads(json.dumps(to_json(listed))) == to_json(listed)
    assert list_misclassified(labels, labels.astype(np.int64), confidences) == ()


@given(
    losses=st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=50), min_size=1, max_size=4)
)
def test_epoch_losses_are_means_with_standard_deviations(losses: list[list[float]]) -> None:
    measured = measure_epoch_losses(losses)
    assert [epoch.epoch for epoch in measured] == list(range(1, len(losses) + 1))
    for epoch, batch_losses in zip(measured, losses, strict=True):
        num_batches = len(batch_losses)
        mean = math.fsum(batch_losses) / num_batches
        squares = math.fsum((loss - mean) ** 2 for loss in batch_losses)
        deviation = math.sqrt(squares / (num_batches - 1)) if num_batches > 1 else 0.0
        assert epoch.num_batches == num_batches
        assert epoch.mean_loss == pytest.approx(mean)
        assert epoch.standard_deviation == pytest.approx(deviation, abs=1e-9)


def test_confusion_matrix_class_errors_and_mistakes_agree(test_images: LabelledImages) -> None:
    labels = test_images.labels_N
    predicted = np.random.default_rng(0).integers(0, 10, len(labels))
    confusions = compute_confusion_matrix(labels, predicted)
    classes = measure_class_errors(confusions)
    num_mistakes = len(list_misclassified(labels, predicted, np.zeros(len(labels))))
    assert sum(errors.num_errors for errors in classes) == num_mistakes
    assert num_mistakes == 10_000 - measure_accuracy(predicted == labels).num_correct
    for errors in classes:
        assert sum(errors.taken_for.values()) == errors.num_errors
        counts = list(errors.taken_for.values())
        assert all(first >= second for first, second in itertools.pairwise(counts))
