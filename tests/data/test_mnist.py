import dataclasses
import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import tenfold
from tenfold.data import mnist
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import (
    IMAGE_FORMATS,
    MISLABELLED,
    MNIST_CHECKSUMS,
    LabelledImages,
    leave_out_mislabelled,
    load_part,
    split_holdout,
)
from tenfold.data.training_data import find_training_data
from tenfold.errors import DataError

TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def digit_images(num_images: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (num_images, 28, 28), dtype=np.uint8)


def write_idx_pair(
    folder: Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]
) -> None:
    (folder / TEST_FILES[0]).write_bytes(dump_idx(images))
    (folder / TEST_FILES[1]).write_bytes(dump_idx(labels))


def hash_pair(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> tuple[str, str]:
    return (
        hashlib.sha256(dump_idx(images)).hexdigest(),
        hashlib.sha256(dump_idx(labels)).hexdigest(),
    )


def write_image_folders(folder: Path, part: str = "test") -> Path:
    """A folder for each digit d with one image, of the grey 20 * d."""
    for digit in range(10):
        (folder / part / str(digit)).mkdir(parents=True)
        grey = np.full((28, 28), 20 * digit, dtype=np.uint8)
        Image.fromarray(grey).save(folder / part / str(digit) / "a.png")
    return folder / part


def test_load_mnist_gives_both_parts_as_arrays_of_ones_own(test_images: LabelledImages) -> None:
    (train_images, train_labels), (images, labels) = tenfold.load_mnist()
    assert (train_images.shape, train_labels.shape) == ((60_000, 28, 28), (60_000,))
    assert np.bincount(train_labels).tolist()[:3] == [5923, 6742, 5958]  # as LeCun counts them
    assert np.array_equal(images, test_images.images_NHW)
    assert np.array_equal(labels, test_images.labels_N)
    images[0] = labels[0] = 0  # they may be changed, and nothing else changes with them
    assert tenfold.load_mnist()[1][1][0] == 7


def refusal(folder: Path, part: mnist.Part = "test") -> str:
    with pytest.raises(DataError) as raised:
        load_part(folder, part)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_the_embedded_training_images_are_mnist(training: LabelledImages) -> None:
    assert training.images_NHW.shape == (60_000, 28, 28)
    assert training.images_NHW.dtype == training.labels_N.dtype == np.uint8
    assert len(training) == 60_000
    assert training.checksums == MNIST_CHECKSUMS["train"]
    # As LeCun, Cortes and Burges's page and every paper since count them.
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(training.labels_N).tolist() == counts
    assert training.labels_N[:5].tolist() == [5, 0, 4, 1, 9]
    # The mean that every tutorial normalises with.
    assert training.images_NHW.mean() / 255 == pytest.approx(0.1307, abs=5e-5)


def test_the_embedded_test_images_are_mnist(test_images: LabelledImages) -> None:
    assert test_images.images_NHW.shape == (10_000, 28, 28)
    assert test_images.checksums == MNIST_CHECKSUMS["test"]
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(test_images.labels_N).tolist() == counts


def test_checksums_are_those_of_the_unpacked_files() -> None:
    for name, expected in zip(TEST_FILES, MNIST_CHECKSUMS["test"], strict=True):
        unpacked = gzip.decompress((find_training_data("mnist") / f"{name}.gz").read_bytes())
        assert hashlib.sha256(unpacked).hexdigest() == expected


def test_other_embedded_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx_pair(tmp_path, digit_images(3), np.arange(3, dtype=np.uint8))
    monkeypatch.setattr(mnist, "find_training_data", lambda kind: tmp_path)
    with pytest.raises(DataError) as raised:
        load_part(None, "test")
    assert str(raised.value).startswith(f"{tmp_path}: the test files are damaged")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("rename", [str, lambda name: name.replace("-idx", ".idx")])
def test_a_folder_is_read_under_every_usual_name(
    pack: Callable[[bytes], bytes], rename: Callable[[str], str], tmp_path: Path
) -> None:
    images, labels = digit_images(7), np.arange(7, dtype=np.uint8)
    suffix = "" if pack is bytes else ".gz"
    for name, array in zip(TEST_FILES, (images, labels), strict=True):
        (tmp_path / rename(f"{name}{suffix}")).write_bytes(pack(dump_idx(array)))
    loaded = load_part(tmp_path, "test")
    np.testing.assert_array_equal(loaded.images_NHW, images)
    np.testing.assert_array_equal(loaded.labels_N, labels)
    assert loaded.checksums == hash_pair(images, labels)


def test_a_copy_of_mnist_in_a_folder_is_known_as_mnist(tmp_path: Path) -> None:
    for name in TEST_FILES:
        shutil.copy(find_training_data("mnist") / f"{name}.gz", tmp_path)
    assert load_part(tmp_path, "test").checksums == MNIST_CHECKSUMS["test"]


def test_only_the_files_of_the_part_are_opened(tmp_path: Path) -> None:
    write_idx_pair(tmp_path, digit_images(2), np.arange(2, dtype=np.uint8))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"damaged")
    assert len(load_part(tmp_path, "test")) == 2


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere'}: no such folder")


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file").startswith(f"{tmp_path / 'file'}: is not a folder")


@pytest.mark.parametrize("missing", TEST_FILES)
def test_a_missing_file_is_named(missing: str, tmp_path: Path) -> None:
    write_idx_pair(tmp_path, digit_images(2), np.arange(2, dtype=np.uint8))
    (tmp_path / missing).unlink()
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}: ")
    assert f"{missing} (or {missing}.gz)" in message
    assert "test/0 ... test/9" in message


def test_a_missing_training_file_is_named(tmp_path: Path) -> None:
    message = refusal(tmp_path, "train")
    assert "train-images-idx3-ubyte (or train-images-idx3-ubyte.gz)" in message
    assert "train/0 ... train/9" in message


def test_counts_that_differ_are_refused(tmp_path: Path) -> None:
    write_idx_pair(tmp_path, digit_images(3), np.arange(2, dtype=np.uint8))
    assert refusal(tmp_path) == (
        f"{tmp_path / TEST_FILES[1]}: has 2 labels, but {TEST_FILES[0]} has 3 images"
    )


def test_a_label_above_9_is_refused(tmp_path: Path) -> None:
    write_idx_pair(tmp_path, digit_images(3), np.array([9, 10, 255], dtype=np.uint8))
    assert refusal(tmp_path).startswith(f"{tmp_path / TEST_FILES[1]}: label 1 is 10")


def test_labels_under_the_name_of_images_are_refused(tmp_path: Path) -> None:
    write_idx_pair(tmp_path, np.arange(3, dtype=np.uint8), np.arange(3, dtype=np.uint8))
    assert refusal(tmp_path).startswith(
        f"{tmp_path / TEST_FILES[0]}: the number of dimensions is 1"
    )


def test_the_holdout_is_the_last_sixth(training: LabelledImages) -> None:
    first, last = split_holdout(training)
    assert (len(first), len(last)) == (50_000, 10_000)
    np.testing.assert_array_equal(first.images_NHW, training.images_NHW[:50_000])
    np.testing.assert_array_equal(first.labels_N, training.labels_N[:50_000])
    np.testing.assert_array_equal(last.images_NHW, training.images_NHW[50_000:])
    np.testing.assert_array_equal(last.labels_N, training.labels_N[50_000:])
    assert first.checksums == last.checksums == training.checksums


def few_images(num_images: int) -> LabelledImages:
    return LabelledImages(
        images_NHW=digit_images(num_images),
        labels_N=np.zeros(num_images, dtype=np.uint8),
        checksums=("", ""),
    )


def test_six_images_can_be_split() -> None:
    first, last = split_holdout(few_images(6))
    assert (len(first), len(last)) == (5, 1)


def test_too_few_images_to_hold_out_are_refused() -> None:
    with pytest.raises(DataError, match=r"at least 6 training images, but there are 5$"):
        split_holdout(few_images(5))


def test_images_with_wrong_labels_are_listed_once_and_in_order() -> None:
    assert list(MISLABELLED) == sorted(set(MISLABELLED))
    assert 0 <= min(MISLABELLED) < max(MISLABELLED) < 60_000


def test_a_clear_3_labelled_5_is_left_out(training: LabelledImages) -> None:
    assert training.labels_N[40144] == 5
    kept = leave_out_mislabelled(training)
    assert len(kept) == 60_000 - len(MISLABELLED)
    assert kept.checksums == training.checksums
    # The others stay, in their order, with their labels.
    expected = [i for i in range(60_000) if i not in MISLABELLED]
    np.testing.assert_array_equal(kept.labels_N, training.labels_N[expected])
    np.testing.assert_array_equal(kept.images_NHW, training.images_NHW[expected])
    assert not (kept.images_NHW == training.images_NHW[40144]).all((1, 2)).any()


def test_wrong_labels_are_left_out_of_what_a_holdout_trains_on(training: LabelledImages) -> None:
    first, _ = split_holdout(training)
    kept = leave_out_mislabelled(first)
    assert len(kept) == 50_000 - sum(i < 50_000 for i in MISLABELLED)
    np.testing.assert_array_equal(
        kept.labels_N, np.delete(first.labels_N, [i for i in MISLABELLED if i < 50_000])
    )


def test_other_data_are_not_searched_for_wrong_labels(training: LabelledImages) -> None:
    other = dataclasses.replace(training, checksums=("a", "b"))
    assert leave_out_mislabelled(other) is other


def test_image_folders_are_read_by_digit_and_name(tmp_path: Path) -> None:
    folder = write_image_folders(tmp_path)
    Image.new("L", (28, 28), 7).save(folder / "0" / "b.png")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / "0" / name).write_bytes(b"what a file manager left")
    (folder / "0" / "__MACOSX").mkdir()
    loaded = load_part(tmp_path, "test")
    assert loaded.labels_N.tolist() == [0, *range(10)]
    assert loaded.images_NHW[:, 5, 9].tolist() == [0, 7, *range(20, 200, 20)]
    assert loaded.images_NHW.shape == (11, 28, 28)
    assert loaded.images_NHW.dtype == loaded.labels_N.dtype == np.uint8
    assert loaded.checksums == hash_pair(loaded.images_NHW, loaded.labels_N)


def test_image_folders_of_the_other_part_do_not_count(tmp_path: Path) -> None:
    write_image_folders(tmp_path, "train")
    assert len(load_part(tmp_path, "train")) == 10
    assert "test/0 ... test/9" in refusal(tmp_path, "test")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_every_mode_of_grey_is_read_the_same(mode: str, tmp_path: Path) -> None:
    folder = write_image_folders(tmp_path)
    pixels = (digit_images(1)[0] > 127).astype(np.uint8) * 255
    Image.fromarray(pixels).convert(mode).save(folder / "0" / "a.png")
    np.testing.assert_array_equal(load_part(tmp_path, "test").images_NHW[0], pixels)


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_every_format_is_read(image_format: str, tmp_path: Path) -> None:
    folder = write_image_folders(tmp_path)
    Image.new("L", (28, 28), 255).save(folder / "0" / "a.png", format=image_format)
    assert load_part(tmp_path, "test").images_NHW[0].min() >= 254


def refused_image(folder: Path, write: Callable[[Path], object]) -> str:
    """The message for test/3/bad.png as `write` writes it, less its path."""
    bad = write_image_folders(folder) / "3" / "bad.png"
    write(bad)
    message = refusal(folder)
    assert message.startswith(f"{bad}: ")
    return message.removeprefix(f"{bad}: ")


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    message = refused_image(tmp_path, Image.new("L", (32, 28)).save)
    assert "32x28" in message
    assert "28x28" in message


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
def test_an_image_of_another_mode_is_refused(mode: str, tmp_path: Path) -> None:
    message = refused_image(tmp_path, Image.new(mode, (28, 28)).save)
    assert f"colour mode is {mode}, " in message


def test_a_transparent_palette_is_refused(tmp_path: Path) -> None:
    image = Image.new("P", (28, 28))
    message = refused_image(tmp_path, lambda path: image.save(path, transparency=0))
    assert "colour mode is P with transparency, " in message


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    message = refused_image(tmp_path, lambda path: path.write_text("not an image"))
    assert message.startswith("not an image (PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM)")


def test_an_image_of_a_format_off_the_list_is_refused(tmp_path: Path) -> None:
    image = Image.new("L", (28, 28))
    message = refused_image(tmp_path, lambda path: image.save(path, format="TGA"))
    assert message.startswith("not an image (PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM)")


def test_a_cut_off_image_is_refused(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        Image.fromarray(digit_images(1)[0]).save(path)
        path.write_bytes(path.read_bytes()[:300])

    message = refused_image(tmp_path, write)
    assert "image file is truncated" in message


def test_a_folder_among_the_images_is_refused(tmp_path: Path) -> None:
    message = refused_image(tmp_path, Path.mkdir)
    assert "Is a directory" in message


def test_an_enormous_image_is_refused_unopened(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_bytes(b"P5 30000 30000 255\n")

    assert "Image size (900000000 pixels) exceeds limit" in refused_image(tmp_path, write)


def test_a_missing_digit_folder_is_refused(tmp_path: Path) -> None:
    missing = write_image_folders(tmp_path) / "7"
    shutil.rmtree(missing)
    assert refusal(tmp_path).startswith(f"{missing}: no such folder")


def test_image_folders_without_images_are_refused(tmp_path: Path) -> None:
    for digit in range(10):
        (tmp_path / "test" / str(digit)).mkdir(parents=True)
    assert refusal(tmp_path) == f"{tmp_path / 'test'}: there are no images in its folders 0 ... 9"
