import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from made_studies import CHECKSUMS, OTHER_DATA, build_study, miss, present
from tenfold.errors import StudyError
from tenfold.recipes.catalogue import RECIPES
from tenfold.reports.study_report import describe_difference, tabulate
from tenfold.runs.results import Finding
from tenfold.studies.comparison import (
    ChangedImages,
    ComparedPair,
    Difference,
    Significance,
    check_comparable,
    compare,
    list_changed_images,
    measure_difference,
    sign_flip_p_value,
)
from tenfold.studies.study import Study

NUM_IMAGES = 2000
LABELS_N = np.random.default_rng(0).integers(0, 10, NUM_IMAGES).astype(np.uint8)
OTHER_RECIPE = RECIPES["classic"].replace(epochs=7)


def guess(num_runs: int, seed: int, factor: float = 1) -> npt.NDArray[np.int64]:
    """Answers of runs, with images that are hard for all runs of all seeds."""
    hardness_N = np.random.default_rng(1).beta(0.05, 0.95, NUM_IMAGES)
    random = np.random.default_rng(seed)
    is_wrong_RN = random.random((num_runs, NUM_IMAGES)) < factor * hardness_N
    shifts_RN = random.integers(1, 4, is_wrong_RN.shape)
    return np.where(is_wrong_RN, (LABELS_N + shifts_RN) % 10, LABELS_N).astype(np.int64)


@pytest.fixture(scope="module")
def first() -> Study:
    return build_study(LABELS_N, guess(6, 2))


@pytest.fixture(scope="module")
def other() -> Study:
    return build_study(LABELS_N, guess(5, 3, 0.9), path=Path("other"), recipe=OTHER_RECIPE)


def compare_two(first: Study, other: Study) -> tuple[ComparedPair, Finding]:
    """Two studies compared, and described."""
    [pair] = compare([first, other], LABELS_N, is_mnist=False).differences
    return pair, describe_difference(pair)


def flip_signs(differences_N: npt.NDArray[np.float64], num_flips: int = 20_000) -> float:
    """The p-value of a two-sided permutation test, by random signs."""
    some = differences_N[differences_N != 0]
    signs = np.random.default_rng(4).choice(np.array([-1.0, 1.0]), (num_flips, len(some)))
    return float((np.abs(signs @ some) >= abs(some.sum()) - 1e-9).mean())


def test_images_are_compared_by_a_paired_permutation_test(first: Study, other: Study) -> None:
    measured = measure_difference(first, other, LABELS_N)
    shares_N = [
        (study.get_predicted_labels(LABELS_N) == LABELS_N).mean(0) for study in (first, other)
    ]
    differences_N = shares_N[1] - shares_N[0]
    assert measured.difference == pytest.approx(differences_N.mean())
    by_image = present(measured.by_image)
    p_value = by_image.p_value
    assert 0.01 < p_value < 0.2  # sensitive to errors
    assert p_value == pytest.approx(flip_signs(differences_N), abs=0.01)
    drawn = np.random.default_rng(5).choice(differences_N, (3000, NUM_IMAGES)).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert by_image.interval == pytest.approx((low, high), abs=0.06 * (high - low))


def test_seeds_are_compared_by_the_welch_test(first: Study, other: Study) -> None:
    measured = measure_difference(first, other, LABELS_N)
    assert measured.num_seeds == (6, 5)
    accuracies = [
        [1 - len(run.mistakes) / NUM_IMAGES for run in study.runs] for study in (first, other)
    ]
    welch = stats.ttest_ind(accuracies[1], accuracies[0], equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert present(measured.by_seed).p_value == pytest.approx(welch.pvalue)
    assert present(measured.by_seed).interval == pytest.approx((interval.low, interval.high))
    assert len(accuracies[0]) != len(accuracies[1])


def test_differences_are_other_minus_first(first: Study, other: Study) -> None:
    forth, back = (measure_difference(*pair, LABELS_N) for pair in ((first, other), (other, first)))
    mean = other.accuracies.mean() - first.accuracies.mean()
    assert forth.difference == pytest.approx(mean)
    assert back.difference == pytest.approx(-mean)
    for test in ("by_image", "by_seed"):
        there, here = getattr(forth, test), getattr(back, test)
        low, high = there.interval
        assert low < forth.difference < high
        assert here.interval == pytest.approx((-high, -low))
        assert here.p_value == pytest.approx(there.p_value)


def test_images_are_mended_if_most_runs_no_longer_miss_them(first: Study, other: Study) -> None:
    expected: dict[str, dict[int, list[float]]] = {"mended": {}, "not_mended": {}, "new": {}}
    for index in range(NUM_IMAGES):
        missed = [
            [any(i == index for i, _, _ in run.mistakes) for run in study.runs]
            for study in (first, other)
        ]
        before, after = (sum(is_wrong) / len(is_wrong) for is_wrong in missed)
        if before > 0.5:
            expected["mended" if after < 0.5 else "not_mended"][index] = [before, after]
        elif before < 0.5 < after:
            expected["new"][index] = [before, after]
    listed = list_changed_images(first, other, LABELS_N)
    assert vars(listed).keys() == expected.keys()
    for kind, images in vars(listed).items():
        assert expected[kind], kind
        assert sorted(image.index for image in images) == sorted(expected[kind])
        changes = [abs(image.missed_by_first - image.missed_by_other) for image in images]
        assert changes == sorted(changes, reverse=True)
        for image in images:
            assert image.label == LABELS_N[image.index]
            shares = [image.missed_by_first, image.missed_by_other]
            assert shares == pytest.approx(expected[kind][image.index])
            for study, key in ((first, "answer_of_first"), (other, "answer_of_other")):
                counts = Counter(study.get_predicted_labels(LABELS_N)[:, image.index].tolist())
                assert counts[getattr(image, key)] == max(counts.values())
    # In the other direction, mended images are new mistakes.
    back = list_changed_images(other, first, LABELS_N)
    assert [image.index for image in back.new] == [image.index for image in listed.mended]


def test_tied_answers_are_resolved_to_the_smallest() -> None:
    labels_N = np.full(3, 4, dtype=np.uint8)
    first = build_study(labels_N, np.array([[9, 4, 4], [2, 4, 4], [2, 9, 9], [9, 9, 9]]))
    other = build_study(labels_N, np.array([[4, 4, 4]]))
    [image] = list_changed_images(first, other, labels_N).mended
    assert (image.index, image.answer_of_first, image.answer_of_other) == (0, 2, 4)


def test_equal_studies_have_no_difference(first: Study) -> None:
    without_variance = build_study(LABELS_N, miss(LABELS_N, [[1, 2]] * 3))
    for study in (first, without_variance):
        with warnings.catch_warnings(action="error"):
            pair, found = compare_two(study, study)
        assert pair.difference.difference == 0
        assert pair.difference.by_image is None
        assert pair.difference.by_seed is None or pair.difference.by_seed.p_value == 1
        assert pair.images.mended == pair.images.new == ()
        assert found.answer == "not significantly different"
        assert "is 0.000 points above" in found.sentence


def test_one_seed_on_either_side_leaves_no_test_over_seeds(first: Study) -> None:
    single = build_study(LABELS_N, guess(1, 3))
    for studies in ((first, single), (single, first), (single, single)):
        pair, found = compare_two(*studies)
        assert pair.difference.by_seed is None
        assert (pair.difference.by_image is None) == (first not in studies)
        assert min(pair.difference.num_seeds) == 1
        assert found.answer == "unclear with one seed"
        assert "Welch" not in found.sentence
        assert ("paired" in found.sentence) == (first in studies)


def test_a_comparison_describes_each_difference(first: Study, other: Study) -> None:
    comparison = compare([first, other, first], LABELS_N, is_mnist=False)
    names = ["studies/synthetic", "other", "studies/synthetic"]
    assert [compared.name for compared in comparison.studies] == names
    assert comparison.part == "test"
    assert comparison.num_images == NUM_IMAGES
    assert repr(comparison).startswith(f"<Comparison on {NUM_IMAGES:,} test images: studies/synth")
    pair, same = comparison.differences
    assert (pair.first, pair.other) == ("studies/synthetic", "other")
    assert same.difference.difference == 0
    found = describe_difference(pair)
    assert found.question == "How does other compare with studies/synthetic?"
    images, by_image = pair.images, present(pair.difference.by_image)
    low, high = (100 * end for end in by_image.interval)
    for fact in (
        f"other is {100 * pair.difference.difference:.3f} points above studies/synthetic. ",
        f"(paired permutation test): 95 % CI {low:+.3f} to {high:+.3f}, p = {by_image.p_value:.2g}",
        "(Welch's test): 95 % CI ",
        f"Of the {len(images.mended) + len(images.not_mended)} images that most runs of studies",
        f"most runs of other classify {len(images.mended)} correctly",
        f"at least half misclassify {len(images.not_mended)}. ",
        f"Most runs of other misclassify {len(images.new)} others.",
    ):
        assert fact in found.sentence


def test_studies_of_different_recipes_are_named_after_them(first: Study, other: Study) -> None:
    names = [
        compared.name for compared in compare([first, other], LABELS_N, is_mnist=False).studies
    ]
    assert names == ["classic", "classic (epochs=7)"]


@pytest.mark.parametrize(
    ("p_values", "difference", "answer"),
    [
        ((0.01, 0.04), 0.002, "better"),
        ((0.01, 0.04), -0.002, "worse"),
        ((0.01, 0.06), 0.002, "not significantly different"),
        ((0.06, 0.01), -0.002, "not significantly different"),
    ],
)
def test_better_needs_significance_in_both_tests(
    p_values: tuple[float, float], difference: float, answer: str
) -> None:
    by_image, by_seed = (
        Significance(interval=(difference - 0.001, difference + 0.001), p_value=p) for p in p_values
    )
    found = describe_difference(
        ComparedPair(
            first="classic",
            other="strong",
            difference=Difference(
                difference=difference, num_seeds=(3, 2), by_image=by_image, by_seed=by_seed
            ),
            images=ChangedImages(mended=(), not_mended=(), new=()),
        )
    )
    assert found.answer == answer
    side = "above" if difference > 0 else "below"
    assert found.sentence.startswith(f"strong is 0.200 points {side} classic. ")


def test_a_tiny_p_value_is_shown_as_a_bound(first: Study) -> None:
    hopeless = build_study(LABELS_N, miss(LABELS_N, [range(1000), range(1001)]))
    _, found = compare_two(first, hopeless)
    assert found.answer == "worse"
    interval = r": 95 % CI -\d\d\.\d{3} to -\d\d\.\d{3}, p ≤ 0\.0002\."
    assert re.search(interval + r" .*, p ≤ 0\.0002\.", found.sentence)


def test_the_table_has_a_column_per_study(first: Study, other: Study) -> None:
    single = build_study(LABELS_N, guess(1, 3), path=Path("single"), other_cores=[1.0])
    columns, rows = tabulate(compare([first, other, single], LABELS_N, is_mnist=False))
    assert columns == ["", "studies/synthetic", "other", "single"]
    table: dict[str, list[str]] = {name: cells for name, *cells in rows}
    assert table["seeds"] == ["6", "5", "1"]
    mean = 100 * (1 - sum(len(run.mistakes) for run in first.runs) / 6 / NUM_IMAGES)
    assert table["mean accuracy"][0] == f"{mean:.3f} %"
    assert table["standard deviation"][1] == f"{100 * np.std(other.accuracies, ddof=1):.3f}"
    assert table["standard deviation"][2] == ""
    assert table["lowest"][0] == f"{100 * min(first.accuracies):.2f} %"
    assert table["highest"][0] == f"{100 * max(first.accuracies):.2f} %"
    assert table["training (s)"] == [
        "12.5 (6 runs, 2 threads)",
        "12.0 (5 runs, 2 threads)",
        "10.0 (possibly under load)",
    ]
    assert table["parameters"] == ["456,385"] * 3
    assert table["multiply-adds"] == ["455,750"] * 3
    assert "mean on corrected labels" not in table


@pytest.mark.parametrize(
    "changes",
    [
        {"checksums": OTHER_DATA},
        {"holdout": True},
        {"checksums": {**CHECKSUMS, "test": ("3" * 64, "4" * 64)}},
    ],
)
def test_studies_of_other_images_cannot_be_compared(changes: dict[str, Any], first: Study) -> None:
    other = build_study(LABELS_N, guess(1, 3), path=Path("other"), **changes)
    message = (
        rf"^other: .*other images \({other.config.part}\) than studies/synthetic \(test\); "
        ".*same images"
    )
    with pytest.raises(StudyError, match=message):
        check_comparable([first, other])


def test_studies_trained_on_other_images_can_be_compared(first: Study) -> None:
    checksums = {**CHECKSUMS, "train": ("3" * 64, "4" * 64)}
    other = build_study(LABELS_N, guess(2, 3), checksums=checksums)
    assert len(compare([first, other], LABELS_N, is_mnist=False).studies) == 2


def test_a_study_without_runs_cannot_be_compared(first: Study) -> None:
    empty = build_study(LABELS_N, guess(0, 3), path=Path("empty"))
    for studies in ([first, empty], [empty, first]):
        with pytest.raises(StudyError, match=r"^empty: the study has no runs yet$"):
            check_comparable(studies)


@pytest.mark.parametrize(
    ("num_mended", "num_new", "expected"),
    # With one run on each side this is McNemar's exact test.
    [(5, 0, 2 / 2**5), (1, 0, 1.0), (9, 2, 134 / 2**11), (15, 6, 0.0784)],
)
def test_the_permutation_test_agrees_with_mcnemars_test(
    num_mended: int, num_new: int, expected: float
) -> None:
    differences = np.array([1.0] * num_mended + [-1.0] * num_new + [0.0] * 1000)
    tested = stats.binomtest(num_mended, num_mended + num_new).pvalue
    assert tested == pytest.approx(expected, abs=1e-4)
    assert sign_flip_p_value(differences) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("num_wrong", "answer"),
    [((92, 50), "better"), ((50, 92), "worse"), ((92, 90), "not significantly different")],
)
def test_identical_seeds_leave_only_the_test_over_images(
    num_wrong: tuple[int, int], answer: str
) -> None:
    first, other = (build_study(LABELS_N, miss(LABELS_N, [range(n)] * 3)) for n in num_wrong)
    pair, found = compare_two(first, other)
    assert pair.difference.by_seed is None
    assert found.answer == answer
    assert "Welch" not in found.sentence


def test_an_image_that_half_of_the_runs_still_miss_is_not_mended() -> None:
    # Most runs of the first miss 1, 2 and 3, half of them 4.
    # Half of the other's runs miss 2 and 5, most of them 3 and 4.
    first = build_study(LABELS_N, miss(LABELS_N, [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3], [1]]))
    other = build_study(LABELS_N, miss(LABELS_N, [[2, 3, 4, 5], [2, 3, 4, 5], [3, 4], []]))
    pair, _ = compare_two(first, other)
    indices = {
        kind: [image.index for image in images] for kind, images in vars(pair.images).items()
    }
    assert indices == {"mended": [1], "not_mended": [2, 3], "new": []}
    [half] = [image for image in pair.images.not_mended if image.index == 2]
    assert (half.missed_by_first, half.missed_by_other) == (0.75, 0.5)


def test_identical_runs_give_no_warnings() -> None:
    alike = build_study(LABELS_N, miss(LABELS_N, [[1, 2]] * 3))
    others = build_study(LABELS_N, miss(LABELS_N, [[1], [1, 2, 3], [5]]))
    pair, _ = compare_two(others, alike)
    assert present(pair.difference.by_seed).p_value <= 1
