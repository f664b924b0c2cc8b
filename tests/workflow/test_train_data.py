"""Training on a part of MNIST and on other data."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tenfold
from tenfold.data import training_data
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.errors import DataError


def test_a_holdout_run_does_not_open_the_test_files(
    small_data: Path, tmp_path: Path, few_readings: None
) -> None:
    only_train = tmp_path / "data"
    only_train.mkdir()
    for path in small_data.glob("train-*"):
        shutil.copy(path, only_train)
    run = tenfold.train(
        "classic", holdout=True, data=only_train, out=tmp_path / "run", epochs=2, batch_size=64
    )
    assert run.config.holdout
    assert set(run.config.checksums) == {"train"}
    assert (run.evaluation.part, run.evaluation.num_images) == ("validation", 200)
    assert run.training.num_images == 1000
    assert [len(epoch) for epoch in run.read_losses()] == [16, 16]
    assert "--holdout" in run.report.read_text()


def write_images(images: LabelledImages, rows: Iterable[int], folder: Path) -> None:
    """Write images as files, sorted into a folder for each digit."""
    for row in rows:
        path = folder / str(images.labels_N[row]) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images_NHW[row]).save(path)


def test_holding_out_from_sorted_images_keeps_every_digit_on_both_sides(
    test_images: LabelledImages, tmp_path: Path, few_readings: None
) -> None:
    for digit in range(10):
        rows = np.flatnonzero(test_images.labels_N == digit)[:30]
        write_images(test_images, rows, tmp_path / "train")
    run = tenfold.train(
        "classic", data=tmp_path, out=tmp_path / "run", epochs=1, holdout=True, report=False
    )
    assert run.evaluation.num_images == 50
    assert len(run.evaluation.classes) == 10


def test_missing_fonts_are_reported_before_training(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "PACKAGE", "not_installed")
    monkeypatch.setattr(training_data, "CHECKOUT", tmp_path)
    with pytest.raises(DataError, match=r"^the fonts .* `pip install \./training-data`"):
        tenfold.train("reader", data=small_data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_folders_of_images_train_too(test_images: LabelledImages, tmp_path: Path) -> None:
    write_images(test_images, range(300), tmp_path / "train")
    write_images(test_images, range(300, 400), tmp_path / "test")
    run = tenfold.train(
        "classic", data=tmp_path, out=tmp_path / "run", epochs=5, batch_size=20, report=False
    )
    assert run.evaluation.num_images == 100
    assert run.accuracy > 0.6


@pytest.mark.parametrize(("holdout", "num_images"), [(False, 60_000 - 17), (True, 49_995 - 16)])
def test_mislabelled_images_are_left_out_of_mnists_training_images(
    holdout: bool, num_images: int, tmp_path: Path, few_readings: None
) -> None:
    run = tenfold.train(
        "classic",
        holdout=holdout,
        out=tmp_path / "run",
        epochs=1,
        batch_size=1000,
        hidden_sizes=[10],
        leave_out_mislabelled=True,
        report=False,
    )
    assert run.evaluation.training.num_images == num_images
    assert run.evaluation.num_images == (10_005 if holdout else 10_000)
    assert run.config.checksums["train"] == MNIST_CHECKSUMS["train"]
    assert [len(epoch) for epoch in run.read_losses()] == [-(-num_images // 1000)]


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="Debian's dataset-fashion-mnist is not installed",
)
def test_fashion_mnist_trains(tmp_path: Path) -> None:
    folder = "/usr/share/datasets/fashion-mnist"
    run = tenfold.train("classic", data=folder, out=tmp_path, epochs=1, threads=1, report=False)
    assert 0.75 < run.accuracy < 0.92
    assert not run.evaluation.is_mnist
