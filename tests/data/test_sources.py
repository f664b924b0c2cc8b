from pathlib import Path

import numpy as np
import pytest

from data.formats import list_rows, write_csv, write_kaggle
from run_errors import catch_error
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.data.sources import load_arrays
from tenfold.errors import DataError


@pytest.fixture
def few(test_images: LabelledImages) -> LabelledImages:
    return test_images.select(np.arange(4))


def test_kaggles_folder_has_training_images_and_a_test_part_without_labels(
    few: LabelledImages, test_images: LabelledImages, tmp_path: Path
) -> None:
    folder = write_kaggle(tmp_path, few, test_images.select(np.arange(4, 10)))
    assert load_part(folder, "train").labels_N.tolist() == [7, 2, 1, 0]
    images_NHW, labels_N = load_arrays(folder, None)
    np.testing.assert_array_equal(images_NHW, test_images.images_NHW[4:10])
    assert labels_N is None
    message = catch_error(lambda: load_part(folder, "test"), DataError)
    assert "the test images have no labels" in message
    assert f"`tenfold predict RUN --data {folder}`" in message


@pytest.mark.parametrize("name", ["mnist_train.csv", "emnist-digits-train.csv", "Train.CSV"])
def test_a_csv_file_is_found_by_the_name_of_its_part(
    name: str, few: LabelledImages, tmp_path: Path
) -> None:
    write_csv(tmp_path / name, list_rows(few))
    assert len(load_part(tmp_path, "train")) == 4
    with pytest.raises(DataError, match=r"other formats are test\.csv"):
        load_part(tmp_path, "test")


def test_a_single_file_has_training_images(few: LabelledImages, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "mine.csv", list_rows(few))
    assert len(load_part(path, "train")) == len(load_arrays(path, None)[0]) == 4
    assert catch_error(lambda: load_part(path, "test"), DataError).startswith(
        f"{path}: a single .csv file has no test images"
    )


def test_several_files_of_one_part_are_refused(few: LabelledImages, tmp_path: Path) -> None:
    for name in ("train.csv", "mnist_train.csv"):
        write_csv(tmp_path / name, list_rows(few))
    np.savez(tmp_path / "mnist.npz", x_train=few.images_NHW, y_train=few.labels_N)
    assert catch_error(lambda: load_part(tmp_path, "train"), DataError).startswith(
        f"{tmp_path}: several files may have the train images: mnist.npz, mnist_train.csv, "
        "train.csv; "
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.csv", "no such file"),
        ("data.txt", "is not a folder, nor a file that ends with .csv, .npz, .npy, .parquet"),
    ],
)
def test_another_file_is_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "data.txt").touch()
    path = tmp_path / name
    assert catch_error(lambda: load_arrays(path, None), DataError).startswith(f"{path}: {message}")
