import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from synthetic import build_study, miss
from tenfold.data.mnist import LabelledImages
from tenfold.figures.study import (
    draw_digits,
    draw_epochs,
    draw_hardest,
    draw_mended,
    draw_seeds,
)
from tenfold.figures.style import DARK, LIGHT, Theme
from tenfold.recipes import RECIPES
from tenfold.studies.comparison import list_mended
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study

NUM_IMAGES = 500
Draw = Callable[[dict[str, Any], Theme], bytes]
EPOCHS = {"epoch_losses": [(0.4, 0.2, 0.1)] * 3, "epoch_accuracies": [(0.8, 0.9, 0.95)] * 3}


@pytest.fixture(scope="module")
def images_NHW(test_images: LabelledImages) -> npt.NDArray[np.uint8]:  # noqa: N802
    return test_images.images_NHW[:NUM_IMAGES]


@pytest.fixture(scope="module")
def draws(images_NHW: npt.NDArray[np.uint8]) -> dict[str, Draw]:
    return {
        "seeds": draw_seeds,
        "epochs": draw_epochs,
        "digits": draw_digits,
        "hardest": lambda summary, theme: draw_hardest(images_NHW, summary, theme),
    }


@pytest.fixture(scope="module")
def build(test_images: LabelledImages) -> Callable[..., dict[str, Any]]:
    """From the images that each run misses to the numbers of a study."""
    labels_N = test_images.labels_N[:NUM_IMAGES]

    def build(wrong_of_runs: Sequence[Sequence[int]], **others: Any) -> dict[str, Any]:
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


def open_picture(png: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize("name", ["seeds", "epochs", "digits", "hardest"])
def test_figures_are_pictures_on_light_and_on_dark_paper(
    name: str,
    draws: dict[str, Draw],
    build: Callable[..., dict[str, Any]],
    test_images: LabelledImages,
) -> None:
    longer = build_longer(test_images.labels_N[:NUM_IMAGES])
    summary = build([range(20), range(5, 25), range(9)], longer=longer, **EPOCHS)
    light, dark = draws[name](summary, LIGHT), draws[name](summary, DARK)
    for png, theme in ((light, LIGHT), (dark, DARK)):
        picture = open_picture(png)
        assert picture.shape[1] == 8.2 * 160
        assert picture.shape[0] > 400
        paper = tuple(int(theme.paper[i : i + 2], 16) for i in (1, 3, 5))
        assert tuple(picture[0, 0]) == paper
        assert (picture != paper).any()
    assert draws[name](summary, LIGHT) == light
    other = build([range(21), range(4, 25), range(9)], longer=longer, **EPOCHS)
    other["epochs"][1]["loss"]["mean"] = 0.3
    assert draws[name](other, LIGHT) != light


@pytest.mark.parametrize("wrong_of_runs", [[range(20)], [[]], [[], []], [range(500), range(500)]])
@pytest.mark.parametrize("name", ["seeds", "digits", "hardest"])
def test_one_seed_no_mistake_and_nothing_right_are_drawn_too(
    name: str,
    wrong_of_runs: list[Sequence[int]],
    draws: dict[str, Draw],
    build: Callable[..., dict[str, Any]],
) -> None:
    assert open_picture(draws[name](build(wrong_of_runs), LIGHT)).shape[1] == 8.2 * 160


def test_one_epoch_and_many_are_drawn(build: Callable[..., dict[str, Any]]) -> None:
    for num_epochs in (1, 60):
        summary = build([range(9)], epoch_losses=[[1 / (1 + e) for e in range(num_epochs)]])
        assert open_picture(draw_epochs(summary)).size


def test_the_longer_study_is_drawn_beside_the_other(
    build: Callable[..., dict[str, Any]], test_images: LabelledImages
) -> None:
    longer = build_longer(test_images.labels_N[:NUM_IMAGES])
    wrong_of_runs = [range(3)] * 3
    both, alone = build(wrong_of_runs, longer=longer, **EPOCHS), build(wrong_of_runs, **EPOCHS)
    assert draw_epochs(both) != draw_epochs(alone)


def test_the_hardest_images_fill_at_most_five_rows(
    images_NHW: npt.NDArray[np.uint8], build: Callable[..., dict[str, Any]]
) -> None:
    heights = [
        open_picture(draw_hardest(images_NHW, build([range(count)]))).shape[0]
        for count in (8, 9, 40, 80)
    ]
    assert heights[0] < heights[1] < heights[2] == heights[3]


@pytest.mark.parametrize("which", ["mended", "not_mended", "new"])
def test_mended_images_are_drawn(
    which: str, images_NHW: npt.NDArray[np.uint8], test_images: LabelledImages
) -> None:
    labels_N = test_images.labels_N[:NUM_IMAGES]
    first, other, perfect = (
        build_study(labels_N, miss(labels_N, [wrong, wrong]))
        for wrong in (range(12), range(6, 15), range(0))
    )
    names = {"first": "classic", "other": "strong"}
    some = list_mended(first, other, labels_N) | names
    none = list_mended(perfect, perfect, labels_N) | names
    light, dark = draw_mended(images_NHW, some, which), draw_mended(images_NHW, some, which, DARK)
    assert open_picture(light).shape == open_picture(dark).shape
    assert light != dark
    empty = draw_mended(images_NHW, none, which)
    assert open_picture(empty).shape[1] == 8.2 * 160
    shuffled = some | {which: some[which][::-1]}
    assert draw_mended(images_NHW, shuffled, which) != light


def test_the_longer_study_is_drawn_without_accuracies(
    build: Callable[..., dict[str, Any]], test_images: LabelledImages
) -> None:
    labels_N = test_images.labels_N[:NUM_IMAGES]
    longer = build_study(labels_N, miss(labels_N, [range(3)]))
    assert open_picture(draw_epochs(build([range(4)], longer=longer))).size
