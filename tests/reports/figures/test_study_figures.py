import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from data.test_class_names import TEN
from images import open_picture
from made_studies import build_study, miss
from tenfold.data.label_errors import CONTESTED
from tenfold.data.mnist import LabelledImages
from tenfold.recipes.catalogue import RECIPES
from tenfold.reports.figures.study import (
    draw_changed_images,
    draw_digits,
    draw_epochs,
    draw_hardest,
    draw_seeds,
)
from tenfold.reports.figures.style import DARK, LIGHT, Theme, save_png
from tenfold.studies.comparison import ComparedPair, list_changed_images, measure_difference
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study
from tenfold.studies.summary import Summary

NUM_IMAGES = 500
Draw = Callable[[Summary, Theme], bytes]
Galleries = list[tuple[list[tuple[int, str, str]], str]]
EPOCHS = {"epoch_losses": [(0.4, 0.2, 0.1)] * 3, "epoch_accuracies": [(0.8, 0.9, 0.95)] * 3}


@pytest.fixture(scope="module")
def images_NHW(test_images: LabelledImages) -> npt.NDArray[np.uint8]:  # noqa: N802
    return test_images.images_NHW[:NUM_IMAGES]


@pytest.fixture(scope="module")
def labels_N(test_images: LabelledImages) -> npt.NDArray[np.uint8]:  # noqa: N802
    return test_images.labels_N[:NUM_IMAGES]


@pytest.fixture(scope="module")
def draws(images_NHW: npt.NDArray[np.uint8]) -> dict[str, Draw]:
    hardest = functools.partial(draw_hardest, images_NHW)
    named = functools.partial(draw_digits, noun="class", class_names=TEN)
    return {
        "seeds": draw_seeds,
        "epochs": draw_epochs,
        "digits": draw_digits,
        "named": named,
        "hardest": hardest,
    }


@pytest.fixture(scope="module")
def build(labels_N: npt.NDArray[np.uint8]) -> Callable[..., Summary]:
    """The summary of a study whose runs misclassify these images."""

    def build(wrong_of_runs: Sequence[Sequence[int]], **others: Any) -> Summary:
        study = build_study(labels_N, miss(labels_N, wrong_of_runs), **others)
        return summarize(study, labels_N, is_mnist=False)

    return build


def build_longer(labels_N: npt.NDArray[np.uint8]) -> Study:
    return build_study(
        labels_N,
        miss(labels_N, [range(3)] * 3),
        recipe=RECIPES["classic"].replace(epochs=6),
        epoch_losses=[tuple(0.4 / 2**epoch for epoch in range(6))] * 3,
        epoch_accuracies=[(0.8, 0.9, 0.95, 0.96, 0.97, 0.98)] * 3,
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, in their final state."""
    noted: list[Figure] = []

    def note(figure: Figure) -> bytes:
        noted.append(figure)
        return save_png(figure)

    monkeypatch.setattr("tenfold.reports.figures.study.save_png", note)
    return noted


@pytest.fixture
def galleries(monkeypatch: pytest.MonkeyPatch) -> Galleries:
    """The images with their texts, and the subtitle, of the galleries, which are not drawn."""
    noted: Galleries = []

    def note(_: Any, shown: list[tuple[int, str, str]], **words: Any) -> bytes:
        noted.append((shown, words["subtitle"]))
        return b""

    monkeypatch.setattr("tenfold.reports.figures.study.draw_gallery", note)
    return noted


@pytest.mark.parametrize("name", ["seeds", "epochs", "digits", "named", "hardest"])
def test_figures_are_drawn_in_both_themes(
    name: str,
    draws: dict[str, Draw],
    build: Callable[..., Summary],
    labels_N: npt.NDArray[np.uint8],
) -> None:
    longer = build_longer(labels_N)
    summary = build([range(20), range(5, 25), range(9)], longer=longer, **EPOCHS)
    light, dark = draws[name](summary, LIGHT), draws[name](summary, DARK)
    for png, theme in ((light, LIGHT), (dark, DARK)):
        picture = open_picture(png, theme)
        assert picture.shape[1] == 8.2 * 160
        assert picture.shape[0] > 400
    assert draws[name](summary, LIGHT) == light
    other = build([range(21), range(4, 25), range(9)], longer=longer, **EPOCHS)
    first, second, *rest = other.epochs
    second = dataclasses.replace(second, loss=dataclasses.replace(second.loss, mean=0.3))
    other = dataclasses.replace(other, epochs=(first, second, *rest))
    assert draws[name](other, LIGHT) != light


@pytest.mark.parametrize("wrong_of_runs", [[range(20)], [[]], [[], []], [range(500), range(500)]])
@pytest.mark.parametrize("name", ["seeds", "digits", "hardest"])
def test_figures_can_be_drawn_for_extreme_studies(
    name: str, wrong_of_runs: list[range], draws: dict[str, Draw], build: Callable[..., Summary]
) -> None:
    assert open_picture(draws[name](build(wrong_of_runs), LIGHT)).shape[1] == 8.2 * 160


def test_any_number_of_epochs_can_be_drawn(build: Callable[..., Summary]) -> None:
    for num_epochs in (1, 60):
        summary = build([range(9)], epoch_losses=[[1 / (1 + e) for e in range(num_epochs)]])
        assert open_picture(draw_epochs(summary)).size


def test_epochs_show_means_and_deviations_of_both_studies(
    build: Callable[..., Summary], labels_N: npt.NDArray[np.uint8], drawn: list[Figure]
) -> None:
    accuracies = [(0.8, 0.9, 0.94), (0.7, 0.9, 0.96)]
    losses = [(0.4, 0.2, 0.1), (0.6, 0.2, 0.3)]
    of_runs = {"epoch_losses": losses, "epoch_accuracies": accuracies}
    longer = build_longer(labels_N)
    open_picture(draw_epochs(build([range(3)] * 2, longer=longer, **of_runs)))
    loss, misclassified = drawn[0].axes
    for axes, expected, of_longer in (
        (loss, [0.5, 0.2, 0.2], [0.4 / 2**epoch for epoch in range(6)]),
        (misclassified, [25, 10, 5], [20, 10, 5, 4, 3, 2]),
    ):
        assert axes.get_yscale() == "log"
        by_label = {str(line.get_label()): line for line in axes.lines}
        assert np.asarray(by_label["3 epochs"].get_ydata()) == pytest.approx(expected)
        assert np.asarray(by_label["6 epochs"].get_ydata()) == pytest.approx(of_longer)
    band = misclassified.collections[1].get_paths()[0].vertices
    half = np.std([4, 6], ddof=1)
    at_last = np.asarray(band)[np.asarray(band)[:, 0] == 3][:, 1]
    assert (at_last.min(), at_last.max()) == pytest.approx((5 - half, 5 + half))


def test_a_band_stays_above_zero(build: Callable[..., Summary], drawn: list[Figure]) -> None:
    accuracies = [(0.9, 1.0), (0.9, 1.0), (0.9, 0.97)]
    summary = build([[]] * 3, epoch_losses=[(0.5, 0.1)] * 3, epoch_accuracies=accuracies)
    open_picture(draw_epochs(summary))
    [band] = drawn[0].axes[1].collections
    assert np.asarray(band.get_paths()[0].vertices)[:, 1].min() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("num_runs", "names"),
    [(3, ["runs", "mean, other seeds", "mean, other images"]), (1, ["runs", "mean, other images"])],
)
def test_the_intervals_of_the_mean_are_labelled(
    num_runs: int, names: list[str], build: Callable[..., Summary], drawn: list[Figure]
) -> None:
    summary = build([range(20 + run) for run in range(num_runs)])
    open_picture(draw_seeds(summary))
    [axes] = drawn[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    intervals = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "-"]
    expected = [summary.accuracy.interval, summary.accuracy.images_interval]
    for line, ends in zip(intervals, [*filter(None, expected)], strict=True):
        assert line == pytest.approx([100 * end for end in ends])


def test_the_hardest_images_are_forty_or_all_that_most_seeds_misclassify(
    images_NHW: npt.NDArray[np.uint8], build: Callable[..., Summary], galleries: Galleries
) -> None:
    for wrong_of_runs, num_shown in (
        ([range(8)], 8),
        ([range(80)], 80),
        ([range(200)], 160),  # the maximum
        ([range(80), range(30), range(9)], 40),
        ([range(80), range(50), range(50)], 50),
        ([range(80), range(50)], 50),
        ([range(80), range(40, 120)], 40),  # one of two is no majority
    ):
        draw_hardest(images_NHW, build(wrong_of_runs))
        shown, subtitle = galleries.pop()
        assert len(shown) == num_shown
        num_missed = len(set().union(*wrong_of_runs))
        assert subtitle.startswith(f"{num_shown} of {num_missed} that some seed misclassifies")


def test_disputed_labels_are_marked_among_the_hardest_images(
    test_images: LabelledImages, galleries: Galleries
) -> None:
    labels_N = test_images.labels_N
    contested, other = sorted(CONTESTED)[0], 5
    given_RN = miss(labels_N, [[contested, other], [contested], [contested]])
    given_RN[:, contested] = labels_N[contested] + np.array([1, 2, 3])
    summary = summarize(build_study(labels_N, given_RN), labels_N, is_mnist=True)
    draw_hardest(test_images.images_NHW, summary)
    label, of_other = int(labels_N[contested]), int(labels_N[other])
    [(shown, subtitle)] = galleries
    assert shown == [
        (contested, f"{label}: 3/3*", f"{label + 1} ×1  {label + 2} ×1 …"),
        (other, f"{of_other}: 1/3", f"{of_other} ×2  {(of_other + 1) % 10} ×1"),
    ]
    assert subtitle.endswith("; * disputed label")


def compare_pair(
    first: Study,
    other: Study,
    labels_N: npt.NDArray[np.uint8],
    names: tuple[str, str] = ("classic", "strong"),
) -> ComparedPair:
    return ComparedPair(
        first=names[0],
        other=names[1],
        difference=measure_difference(first, other, labels_N),
        images=list_changed_images(first, other, labels_N),
    )


@pytest.mark.parametrize("which", ["mended", "not_mended", "new"])
def test_changed_images_are_drawn_in_both_themes(
    which: str, images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8]
) -> None:
    first, other, perfect = (
        build_study(labels_N, miss(labels_N, [wrong, wrong]))
        for wrong in (range(12), range(6, 15), range(0))
    )
    some = compare_pair(first, other, labels_N)
    none = compare_pair(perfect, perfect, labels_N)
    light, dark = (draw_changed_images(images_NHW, some, which, theme) for theme in (LIGHT, DARK))
    assert open_picture(light).shape == open_picture(dark, DARK).shape
    assert light != dark
    empty = draw_changed_images(images_NHW, none, which)
    assert open_picture(empty).shape[1] == 8.2 * 160
    turned = {which: getattr(some.images, which)[::-1]}
    other_order = dataclasses.replace(some, images=dataclasses.replace(some.images, **turned))
    assert draw_changed_images(images_NHW, other_order, which) != light


def test_changed_images_have_answers_and_shares_of_both_studies(
    images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8], galleries: Galleries
) -> None:
    # 3 of 4 miss image 8 first and then none, 1 of 4 image 9 and then all, all of them image 10.
    first = build_study(labels_N, miss(labels_N, [[8, 9, 10], [8, 10], [8, 10], [10]]))
    other = build_study(labels_N, miss(labels_N, [[9, 10]] * 4))
    pair = compare_pair(first, other, labels_N)
    for which, index, answers, shares in (
        ("mended", 8, (1, 0), "75 → 0 %"),
        ("new", 9, (0, 1), "25 → 100 %"),
        ("not_mended", 10, (1, 1), "100 → 100 %"),
    ):
        draw_changed_images(images_NHW, pair, which)
        label = int(labels_N[index])
        before, after = ((label + answer) % 10 for answer in answers)
        shown, subtitle = galleries.pop()
        assert shown == [(index, f"{label}: {before} → {after}", shares)]
        assert subtitle.startswith("1 of 1: ")


def test_epochs_can_be_drawn_without_accuracies_and_without_mistakes() -> None:
    labels_N = np.arange(100, dtype=np.uint8) % 10
    longer = build_study(labels_N, miss(labels_N, [range(3)]))
    unmeasured = build_study(labels_N, miss(labels_N, [range(4)]), longer=longer)
    perfect = build_study(labels_N, miss(labels_N, [[]] * 3), epoch_accuracies=[(1.0, 1.0)] * 3)
    for study in (unmeasured, perfect):
        assert open_picture(draw_epochs(summarize(study, labels_N, is_mnist=False))).size


def test_long_names_of_studies_fit(test_images: LabelledImages) -> None:
    first, other = (
        build_study(test_images.labels_N, miss(test_images.labels_N, [wrong]))
        for wrong in (range(12), range(6))
    )
    pair = compare_pair(first, other, test_images.labels_N, names=("a" * 40, "b" * 40))
    open_picture(draw_changed_images(test_images.images_NHW, pair, "mended"))
