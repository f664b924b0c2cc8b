"""Many scenes: the same, in order, however many processes draw them."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import RecipeError
from tenfold.synthetic import generate as building
from tenfold.synthetic import text_lines as writing
from tenfold.synthetic.characters import NOT_DIGIT, Images, Labels
from tenfold.synthetic.generate import SceneSource, StripSource, build_many
from tenfold.synthetic.photos import build_scene

COUNT = 45


@pytest.fixture(scope="module")
def source(training: LabelledImages) -> tuple[Images, Labels]:
    return training.images_NHW[:300], training.labels_N[:300]


def build_scenes(
    images_NHW: Images,
    labels_N: Labels,
    count: int,
    seed: int,
    *,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Images, Labels]:
    source = SceneSource(images_NHW, labels_N, seed)
    return build_many(source, count, processes=processes, on_progress=on_progress)


@pytest.fixture(scope="module")
def expected(source: tuple[Images, Labels]) -> list[tuple[Images, int]]:
    return [build_scene(*source, 3, index) for index in range(COUNT)]


def check(
    built: tuple[Images, Labels], expected: list[tuple[Images, int]], count: int = COUNT
) -> None:
    images_NHW, labels_N = built
    assert images_NHW.shape == (count, 28, 28)
    assert images_NHW.dtype == np.uint8
    assert labels_N.dtype == np.uint8
    np.testing.assert_array_equal(labels_N, [label for _, label in expected[:count]])
    np.testing.assert_array_equal(images_NHW, np.stack([image for image, _ in expected[:count]]))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_scenes_are_the_same_however_many_processes_draw(
    processes: int,
    source: tuple[Images, Labels],
    expected: list[tuple[Images, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Thousands take a minute: in smaller chunks, a few are enough for several processes.
    monkeypatch.setattr(building, "CHUNK", 7)
    monkeypatch.setattr(building, "FEWEST_FOR_PROCESSES", COUNT)
    told: list[int] = []
    built = build_scenes(*source, COUNT, 3, processes=processes, on_progress=told.append)
    check(built, expected)
    assert told == [7, 14, 21, 28, 35, 42, 45]
    assert multiprocessing.active_children() == []


def test_the_first_scenes_of_many_are_those_of_few(
    source: tuple[Images, Labels], expected: list[tuple[Images, int]]
) -> None:
    for count in (1, 10):
        check(build_scenes(*source, count, 3), expected, count)


def test_other_seeds_give_other_scenes(
    source: tuple[Images, Labels], expected: list[tuple[Images, int]]
) -> None:
    images_NHW, _ = build_scenes(*source, 5, 4)
    for image_HW, (other_HW, _) in zip(images_NHW, expected, strict=False):
        assert not np.array_equal(image_HW, other_HW)


def test_labels_are_those_of_digits_and_of_none(expected: list[tuple[Images, int]]) -> None:
    labels = {label for _, label in expected}
    assert NOT_DIGIT in labels
    assert len(labels) > 6


def test_strips_are_the_same_however_many_processes_draw(
    source: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    strip = StripSource(*source, 3, bank_size=60)
    monkeypatch.setattr(building, "CHUNK", 2)
    alone = build_many(strip, 5, processes=1)
    monkeypatch.setattr(building, "FEWEST_FOR_PROCESSES", 5)
    together = build_many(strip, 5, processes=2)
    assert alone[0].shape == (5, 32, writing.WIDTH_PX)
    assert alone[1].shape == (5, writing.MOST_DIGITS)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_progress_is_told_once_at_the_end_of_a_chunk(source: tuple[Images, Labels]) -> None:
    told: list[int] = []
    build_scenes(*source, 12, 3, on_progress=told.append)
    assert told == [12]


@pytest.mark.parametrize("holdout", [False, True])
def test_a_model_without_an_answer_for_none_is_not_trained_on_scenes(
    holdout: bool, small_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="--scenes: expected"):
        tenfold.train(
            "classic", scenes=60, holdout=holdout, data=small_data, out=tmp_path, report=False
        )


def test_an_error_ends_all_processes(
    source: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "CHUNK", 5)
    monkeypatch.setattr(building, "FEWEST_FOR_PROCESSES", COUNT)

    def interrupt(num_drawn: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_scenes(*source, COUNT, 3, processes=2, on_progress=interrupt)
    assert multiprocessing.active_children() == []
