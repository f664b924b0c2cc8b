"""Many synthetic images: the same ones, in order, however many processes draw them."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import RecipeError
from tenfold.synthetic import generate
from tenfold.synthetic.canvas import Images, Labels
from tenfold.synthetic.characters import NOT_DIGIT
from tenfold.synthetic.generate import DigitSource, generate_images
from tenfold.synthetic.photos import build_digit_image

COUNT = 45
SEED = 3


@pytest.fixture(scope="module")
def source(training: LabelledImages) -> DigitSource:
    return DigitSource(training.images_NHW[:300], training.labels_N[:300], SEED)


@pytest.fixture(scope="module")
def expected(source: DigitSource) -> tuple[Images, Labels]:
    """Images and labels drawn one by one."""
    drawn = [
        build_digit_image(source.images_NHW, source.labels_N, SEED, index) for index in range(COUNT)
    ]
    return np.stack([image for image, _ in drawn]), np.array([label for _, label in drawn])


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images are enough to be drawn by several processes."""
    monkeypatch.setattr(generate, "CHUNK_SIZE", 7)
    monkeypatch.setattr(generate, "MIN_FOR_PROCESSES", 1)


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.usefixtures("small_chunks")
def test_digit_images_do_not_depend_on_the_number_of_processes(
    processes: int, source: DigitSource, expected: tuple[Images, Labels]
) -> None:
    progress: list[int] = []
    images_NHW, labels_N = generate_images(
        source, COUNT, processes=processes, on_progress=progress.append
    )
    assert images_NHW.dtype == labels_N.dtype == np.uint8
    np.testing.assert_array_equal(images_NHW, expected[0])
    np.testing.assert_array_equal(labels_N, expected[1])
    assert progress == [7, 14, 21, 28, 35, 42, 45]
    assert multiprocessing.active_children() == []


def test_fewer_images_are_the_first_of_more(
    source: DigitSource, expected: tuple[Images, Labels]
) -> None:
    for count in (1, 10):
        progress: list[int] = []
        images_NHW, labels_N = generate_images(source, count, on_progress=progress.append)
        np.testing.assert_array_equal(images_NHW, expected[0][:count])
        np.testing.assert_array_equal(labels_N, expected[1][:count])
        assert progress == [count]


def test_another_seed_gives_other_images(
    source: DigitSource, expected: tuple[Images, Labels]
) -> None:
    other = DigitSource(source.images_NHW, source.labels_N, SEED + 1)
    images_NHW, _ = generate_images(other, 5)
    assert not (images_NHW == expected[0][:5]).all((1, 2)).any()


def test_labels_are_digits_and_not_digit(expected: tuple[Images, Labels]) -> None:
    assert NOT_DIGIT in expected[1]
    assert len(set(expected[1])) > 6


@pytest.mark.parametrize("holdout", [False, True])
def test_a_model_without_reject_class_cannot_train_on_synthetic_images(
    holdout: bool, small_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="--scenes"):
        tenfold.train(
            "classic", scenes=60, holdout=holdout, data=small_data, out=tmp_path, report=False
        )


@pytest.mark.usefixtures("small_chunks")
def test_an_error_ends_all_processes(source: DigitSource) -> None:
    def interrupt(num_drawn: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_images(source, COUNT, processes=2, on_progress=interrupt)
    assert multiprocessing.active_children() == []
