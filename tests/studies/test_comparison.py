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
from tenfold.recipes.catalogue import (
    RECIPES,
)
from tenfold.reports.study_report import describe_difference, tabulate
from tenfold.studies.comparison import (
    ChangedImages,
    ComparedPair,
    Difference,
    Significance,
    check_comparable,
    compare,
    find_answer,
    find_p_value,
    list_mended,
    measure_difference,
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


def flip_signs(differences_N: npt.NDArray[np.float64], num_flips: int = 20_000) -> float:
    """How often a mean as far from zero comes about if each sign were a coin's."""
    some = differences_N[differences_N != 0]
    signs = np.random.default_rng(4).choice(np.array([-1.0, 1.0]), (num_flips, len(some)))
    return float((np.abs(signs @ some) >= abs(some.sum()) - 1e-9).mean())


def test_other_images_are_tested_in_pairs(first: Study, other: Study) -> None:
    measured = measure_difference(first, other, LABELS_N)
    shares_N = [(study.get_given_labels(LABELS_N) == LABELS_N).mean(0) for study in (first, other)]
    differences_N = shares_N[1] - shares_N[0]
    assert measured.difference == pytest.approx(differences_N.mean())
    by_image = present(measured.by_image)
    p_value = by_image.p_value
    assert 0.01 < p_value < 0.2  # where a wrong one would show
    assert p_value == pytest.approx(flip_signs(differences_N), abs=0.01)
    drawn = np.random.default_rng(5).choice(differences_N, (3000, NUM_IMAGES)).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert by_image.interval == pytest.approx((low, high), abs=0.06 * (high - low))


def test_other_seeds_are_tested_as_strangers(first: Study, other: Study) -> None:
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


def test_the_other_is_measured_from_the_first(first: Study, other: Study) -> None:
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


def test_mended_images_are_those_that_most_runs_no_longer_miss(first: Study, other: Study) -> None:
    expected: dict[str, dict[int, list[float]]] = {
        "mended": {},
        "not_mended": {},
        "new": {},
    }
    for index in range(NUM_IMAGES):
        missed = [
            [any(i == index for i, _, _ in run.mistakes) for run in study.runs]
            for study in (first, other)
        ]
        before, after = (sum(one) / len(one) for one in missed)
        if before > 0.5:
            expected["mended" if after < 0.5 else "not_mended"][index] = [before, after]
        elif before < 0.5 < after:
            expected["new"][index] = [before, after]
    listed = list_mended(first, other, LABELS_N)
    assert vars(listed).keys() == expected.keys()
    for kind, images in vars(listed).items():
        assert expected[kind], kind
        assert sorted(one.index for one in images) == sorted(expected[kind])
        changes = [abs(one.missed_by_first - one.missed_by_other) for one in images]
        assert changes == sorted(changes, reverse=True)
        for one in images:
            assert one.label == LABELS_N[one.index]
            shares = [one.missed_by_first, one.missed_by_other]
            assert shares == pytest.approx(expected[kind][one.index])
            for study, key in ((first, "answer_of_first"), (other, "answer_of_other")):
                counts = Counter(study.get_given_labels(LABELS_N)[:, one.index].tolist())
                assert counts[getattr(one, key)] == max(counts.values())
    # Seen from the other side, what was mended is new.
    back = list_mended(other, first, LABELS_N)
    assert [one.index for one in back.new] == [one.index for one in listed.mended]


def test_of_answers_that_are_equally_usual_the_smallest_is_named() -> None:
    labels_N = np.full(3, 4, dtype=np.uint8)
    study = build_study(labels_N, np.array([[9, 4, 4], [2, 4, 4], [2, 9, 4], [9, 4, 9]]))
    assert [find_answer(study, index, 4) for index in range(3)] == [2, 4, 4]


def test_equal_studies_have_no_difference(first: Study) -> None:
    with warnings.catch_warnings(action="error"):
        [difference] = compare([first, first], LABELS_N, is_mnist=False).differences
    assert difference.difference.difference == 0
    assert difference.difference.by_image is None
    assert present(difference.difference.by_seed).p_value == 1
    assert difference.images.mended == difference.images.new == ()
    found = describe_difference(difference)
    assert found.answer == "not clearly"
    assert "is 0.000 points above" in found.sentence


def test_one_seed_on_either_side_leaves_other_seeds_untested(first: Study) -> None:
    single = build_study(LABELS_N, guess(1, 3))
    for pair in ((first, single), (single, first)):
        measured = measure_difference(*pair, LABELS_N)
        assert measured.by_seed is None
        assert measured.by_image is not None
        assert min(measured.num_seeds) == 1
    [difference] = compare([first, single], LABELS_N, is_mnist=False).differences
    assert describe_difference(difference).answer == "one seed cannot tell"
    found = describe_difference(compare([single, single], LABELS_N, is_mnist=False).differences[0])
    assert found.answer == "one seed cannot tell"
    assert "Welch" not in found.sentence
    assert "Paired" not in found.sentence


def test_a_comparison_says_what_the_others_change(first: Study, other: Study) -> None:
    comparison = compare([first, other, first], LABELS_N, is_mnist=False)
    assert [one.name for one in comparison.studies] == [
        "studies/synthetic",
        "other",
        "studies/synthetic",
    ]
    assert comparison.part == "test"
    assert comparison.num_images == NUM_IMAGES
    difference, same = comparison.differences
    assert (difference.first, difference.other) == ("studies/synthetic", "other")
    assert same.difference.difference == 0
    found = describe_difference(difference)
    assert found.question == "Is other better than studies/synthetic?"
    images, by_image = difference.images, present(difference.difference.by_image)
    low, high = (100 * end for end in by_image.interval)
    num_missed = len(images.mended) + len(images.not_mended)
    assert found.sentence.startswith(
        f"other is {100 * difference.difference.difference:.3f} points above studies/synthetic. "
        f"Paired by image: 95 % interval {low:+.3f} to {high:+.3f}, p = "
        f"{by_image.p_value:.2g}. Over seeds (Welch): 95 % interval "
    )
    assert (
        f" Of the {num_missed} images that most runs of studies/synthetic miss, most runs of other "
        f"get {len(images.mended)} right and half or more of them miss "
        f"{len(images.not_mended)}; "
        f"{len(images.new)} are newly missed by most."
    ) in found.sentence


def test_different_recipes_are_called_by_their_names(first: Study, other: Study) -> None:
    names = [one.name for one in compare([first, other], LABELS_N, is_mnist=False).studies]
    assert names == ["classic", "classic (epochs=7)"]


@pytest.mark.parametrize(
    ("p_values", "difference", "answer"),
    [
        ((0.01, 0.04), 0.002, "better"),
        ((0.01, 0.04), -0.002, "worse"),
        ((0.01, 0.06), 0.002, "not clearly"),
        ((0.06, 0.01), -0.002, "not clearly"),
    ],
)
def test_better_is_what_both_tests_say(
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
    assert found.sentence.startswith(f"strong is 0.200 points {side} classic. Paired by image: ")


def test_a_tiny_chance_is_not_written_as_zero(first: Study) -> None:
    hopeless = build_study(LABELS_N, miss(LABELS_N, [range(1000), range(1001)]))
    [difference] = compare([first, hopeless], LABELS_N, is_mnist=False).differences
    found = describe_difference(difference)
    assert found.answer == "worse"
    assert re.search(
        r"Paired by image: 95 % interval -\d\d\.\d{3} to -\d\d\.\d{3}, p ≤ 0\.0002\. "
        r"Over seeds \(Welch\): .*, p ≤ 0\.0002\.",
        found.sentence,
    )


def test_the_table_has_a_column_for_each_study(first: Study, other: Study) -> None:
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
    assert table["training, s"] == [
        "12.5 (6 alone, 2 threads)",
        "12.0 (5 alone, 2 threads)",
        "10.0 (not alone)",
    ]
    assert table["parameters"] == ["456,385"] * 3
    assert table["multiply-adds"] == ["455,750"] * 3
    assert "mean, corrected labels" not in table


@pytest.mark.parametrize(
    ("other_of", "found"),
    [
        ({"checksums": OTHER_DATA}, "other test images"),
        ({"holdout": True}, "other validation images"),
        ({"checksums": {**CHECKSUMS, "test": ("3" * 64, "4" * 64)}}, "other test images"),
    ],
)
def test_studies_of_other_images_are_refused(
    other_of: dict[str, Any], found: str, first: Study
) -> None:
    other = build_study(LABELS_N, guess(1, 3), path=Path("other"), **other_of)
    message = (
        "other: expected a study of the same images as studies/synthetic (test images), found one "
        f"of {found}"
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        check_comparable([first, other])


def test_training_on_other_images_can_be_compared(first: Study) -> None:
    checksums = {**CHECKSUMS, "train": ("3" * 64, "4" * 64)}
    other = build_study(LABELS_N, guess(2, 3), checksums=checksums)
    assert len(compare([first, other], LABELS_N, is_mnist=False).studies) == 2


def test_a_study_without_runs_cannot_be_compared(first: Study) -> None:
    empty = build_study(LABELS_N, guess(0, 3), path=Path("empty"))
    for studies in ([first, empty], [empty, first]):
        message = "^empty: expected a study with runs, found none yet$"
        with pytest.raises(StudyError, match=message):
            check_comparable(studies)


@pytest.mark.parametrize(
    ("num_mended", "num_new", "expected"),
    # McNemar's exact test, which one run on each side comes to.
    [(5, 0, 2 / 2**5), (1, 0, 1.0), (9, 2, 134 / 2**11), (15, 6, 0.0784)],
)
def test_few_images_that_differ_give_mcnemars_chance(
    num_mended: int, num_new: int, expected: float
) -> None:
    differences = np.array([1.0] * num_mended + [-1.0] * num_new + [0.0] * 1000)
    tested = stats.binomtest(num_mended, num_mended + num_new).pvalue
    assert tested == pytest.approx(expected, abs=1e-4)
    assert find_p_value(differences) == pytest.approx(expected, abs=0.01)


def test_seeds_that_all_agree_are_not_tested() -> None:
    first, other = (build_study(LABELS_N, miss(LABELS_N, [range(n)] * 3)) for n in (92, 93))
    measured = measure_difference(first, other, LABELS_N)
    assert measured.by_seed is None


@pytest.mark.parametrize(
    ("num_wrong", "answer"), [((92, 50), "better"), ((50, 92), "worse"), ((92, 90), "not clearly")]
)
def test_seeds_that_all_agree_leave_the_answer_to_the_images(
    num_wrong: tuple[int, int], answer: str
) -> None:
    first, other = (build_study(LABELS_N, miss(LABELS_N, [range(n)] * 3)) for n in num_wrong)
    [difference] = compare([first, other], LABELS_N, is_mnist=False).differences
    found = describe_difference(difference)
    assert found.answer == answer
    assert "Welch" not in found.sentence


def test_an_image_that_half_of_the_others_runs_miss_is_not_mended() -> None:
    # Most runs of the first miss 1, 2 and 3, half of them 4.
    # Half of the other's runs miss 2 and 5, most of them 3 and 4.
    first = build_study(LABELS_N, miss(LABELS_N, [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3], [1]]))
    other = build_study(LABELS_N, miss(LABELS_N, [[2, 3, 4, 5], [2, 3, 4, 5], [3, 4], []]))
    [difference] = compare([first, other], LABELS_N, is_mnist=False).differences
    indices = {
        kind: [one.index for one in images] for kind, images in vars(difference.images).items()
    }
    assert indices == {"mended": [1], "not_mended": [2, 3], "new": []}
    [half] = [one for one in difference.images.not_mended if one.index == 2]
    assert (half.missed_by_first, half.missed_by_other) == (0.75, 0.5)
    assert describe_difference(difference).sentence.endswith(
        " Of the 3 images that most runs of studies/synthetic miss, most runs of studies/synthetic "
        "get 1 right and half or more of them miss 2; 0 are newly missed by most."
    )


def test_equal_studies_without_scatter_are_not_worse() -> None:
    study = build_study(LABELS_N, miss(LABELS_N, [[1, 2]] * 3))
    [difference] = compare([study, study], LABELS_N, is_mnist=False).differences
    assert describe_difference(difference).answer == "not clearly"


def test_runs_that_are_all_alike_are_compared_in_silence() -> None:
    alike = build_study(LABELS_N, miss(LABELS_N, [[1, 2]] * 3))
    others = build_study(LABELS_N, miss(LABELS_N, [[1], [1, 2, 3], [5]]))
    [difference] = compare([others, alike], LABELS_N, is_mnist=False).differences
    assert present(difference.difference.by_seed).p_value <= 1
