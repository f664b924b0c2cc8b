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
from run_errors import catch_error
from tenfold.data import mnist, training_data
from tenfold.data.folders import IMAGE_FORMATS
from tenfold.data.handwriting import load_writers
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import (
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


def refusal(folder: Path | None) -> str:
    return catch_error(lambda: load_part(folder, "test"), DataError)


def test_damaged_embedded_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx_pair(tmp_path, digit_images(3), np.arange(3, dtype=np.uint8))
    monkeypatch.setattr(mnist, "find_training_data", lambda kind: tmp_path)
    assert refusal(None).startswith(f"{tmp_path}: the test files are damaged")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("rename", [str, lambda name: name.replace("-idx", ".idx")])
def test_idx_files_are_found_under_every_usual_name(
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


def test_a_copy_of_mnist_has_its_checksums(tmp_path: Path) -> None:
    for name in TEST_FILES:
        shutil.copy(find_training_data("mnist") / f"{name}.gz", tmp_path)
    assert load_part(tmp_path, "test").checksums == MNIST_CHECKSUMS["test"]


def test_files_of_the_other_part_are_not_opened(tmp_path: Path) -> None:
    write_idx_pair(tmp_path, digit_images(2), np.arange(2, dtype=np.uint8))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"damaged")
    assert len(load_part(tmp_path, "test")) == 2


@pytest.mark.parametrize("missing", TEST_FILES)
def test_a_missing_file_is_named(missing: str, tmp_path: Path) -> None:
    write_idx_pair(tmp_path, digit_images(2), np.arange(2, dtype=np.uint8))
    (tmp_path / missing).unlink()
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}: ")
    assert f"{missing} (or {missing}.gz)" in message
    assert "test/0 ... test/9" in message


def test_whole_writers_are_held_out_of_mnist(training: LabelledImages) -> None:
    writers_N = load_writers()
    held_out = set(sorted(set(writers_N.tolist()))[::6])
    is_held_out_N = np.array([writer in held_out for writer in writers_N.tolist()])
    for part, is_chosen_N in zip(
        split_holdout(training), (~is_held_out_N, is_held_out_N), strict=True
    ):
        np.testing.assert_array_equal(part.images_NHW, training.images_NHW[is_chosen_N])
        np.testing.assert_array_equal(part.labels_N, training.labels_N[is_chosen_N])
        assert part.checksums == training.checksums


def test_the_holdout_of_other_data_is_a_random_sixth(training: LabelledImages) -> None:
    other = dataclasses.replace(training, checksums=("a", "b"))
    order = np.random.default_rng(0).permutation(60_000)
    for part, rows in zip(split_holdout(other), (order[:50_000], order[50_000:]), strict=True):
        np.testing.assert_array_equal(part.labels_N, training.labels_N[rows])
        np.testing.assert_array_equal(part.images_NHW[:10], training.images_NHW[rows[:10]])


def test_without_the_list_of_writers_mnist_has_no_holdout(
    training: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the images come from, so that it is the same images on every machine."""
    monkeypatch.setattr(training_data, "PACKAGE", "not_installed")
    monkeypatch.setattr(training_data, "CHECKOUT", tmp_path)
    load_writers.cache_clear()
    with pytest.raises(DataError, match=r"^the list of MNIST's writers, by which its hold-out .*"):
        split_holdout(training)
    other = dataclasses.replace(training, checksums=("a", "b")).select(np.arange(60))
    assert [len(part) for part in split_holdout(other)] == [50, 10]


def test_mislabelled_indices_are_sorted_and_unique() -> None:
    assert list(MISLABELLED) == sorted(set(MISLABELLED))
    assert 0 <= min(MISLABELLED) < max(MISLABELLED) < 60_000


def test_mislabelled_images_are_left_out(training: LabelledImages) -> None:
    assert training.labels_N[40144] == 5
    kept = leave_out_mislabelled(training)
    assert len(kept) == 60_000 - len(MISLABELLED)
    assert kept.checksums == training.checksums
    expected = [i for i in range(60_000) if i not in MISLABELLED]
    np.testing.assert_array_equal(kept.labels_N, training.labels_N[expected])
    np.testing.assert_array_equal(kept.images_NHW, training.images_NHW[expected])


def test_mislabelled_images_are_left_out_of_the_training_part_alone(
    training: LabelledImages,
) -> None:
    whole, held_out = split_holdout(training)
    kept, unchanged = split_holdout(training, leaves_out_mislabelled=True)
    wrong = training.images_NHW[list(MISLABELLED)]
    is_wrong_N = np.any([(whole.images_NHW == image_HW).all((1, 2)) for image_HW in wrong], axis=0)
    assert is_wrong_N.sum() == len(MISLABELLED) - 1  # 59915 is held out
    np.testing.assert_array_equal(kept.images_NHW, whole.images_NHW[~is_wrong_N])
    np.testing.assert_array_equal(kept.labels_N, whole.labels_N[~is_wrong_N])
    np.testing.assert_array_equal(unchanged.images_NHW, held_out.images_NHW)


def test_no_images_are_left_out_of_other_data(training: LabelledImages) -> None:
    other = dataclasses.replace(training, checksums=("a", "b"))
    assert leave_out_mislabelled(other) is other


def test_image_folders_are_read_in_order_of_digit_and_name(tmp_path: Path) -> None:
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


def test_image_folders_of_the_other_part_are_ignored(tmp_path: Path) -> None:
    write_image_folders(tmp_path, "train")
    assert len(load_part(tmp_path, "train")) == 10
    assert "test/0 ... test/9" in refusal(tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_every_colour_mode_is_read_as_grey(mode: str, tmp_path: Path) -> None:
    folder = write_image_folders(tmp_path)
    pixels = (digit_images(1)[0] > 127).astype(np.uint8) * 255
    Image.fromarray(pixels).convert(mode).save(folder / "0" / "a.png")
    np.testing.assert_array_equal(load_part(tmp_path, "test").images_NHW[0], pixels)


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_every_format_is_read(image_format: str, tmp_path: Path) -> None:
    folder = write_image_folders(tmp_path)
    Image.new("L", (28, 28), 255).save(folder / "0" / "a.png", format=image_format)
    assert load_part(tmp_path, "test").images_NHW[0].min() >= 254


def test_a_missing_digit_folder_is_refused(tmp_path: Path) -> None:
    missing = write_image_folders(tmp_path) / "7"
    shutil.rmtree(missing)
    assert refusal(tmp_path).startswith(f"{missing}: no such folder")


def test_image_folders_without_images_are_refused(tmp_path: Path) -> None:
    folder = write_image_folders(tmp_path)
    for path in folder.glob("*/a.png"):
        path.unlink()
    assert refusal(tmp_path) == f"{folder}: there are no images in its folders 0 ... 9"


def write_bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def write_truncated(path: Path) -> None:
    Image.fromarray(digit_images(1)[0]).save(path)
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (Image.new("L", (32, 28)).save, "the image is 32x28 pixels, but must be 28x28"),
        (Image.new("RGBA", (28, 28)).save, "colour mode is RGBA, "),
        (Image.new("LA", (28, 28)).save, "colour mode is LA, "),
        (Image.new("I;16", (28, 28)).save, "colour mode is I;16, "),
        (
            lambda path: Image.new("P", (28, 28)).save(path, transparency=0),
            "colour mode is P with transparency, ",
        ),
        (write_bytes(b"not an image"), "not an image (PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM)"),
        (lambda path: Image.new("L", (28, 28)).save(path, format="TGA"), "not an image (PNG, "),
        (write_truncated, "image file is truncated"),
        (Path.mkdir, "Is a directory"),
        # Refused before decoding.
        (write_bytes(b"P5 30000 30000 255\n"), "Image size (900000000 pixels) exceeds limit"),
    ],
)
def test_an_unusable_image_is_refused(
    write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    bad = write_image_folders(tmp_path) / "3" / "bad.png"
    write(bad)
    found = refusal(tmp_path)
    assert found.startswith(f"{bad}: ")
    assert message in found


@pytest.mark.parametrize(
    ("images", "labels", "file", "message"),
    [
        (digit_images(3), [0, 1], 1, f"has 2 labels, but {TEST_FILES[0]} has 3 images"),
        (digit_images(3), [9, 10, 255], 1, "label 1 is 10"),
        (np.arange(3, dtype=np.uint8), [0, 1, 2], 0, "the number of dimensions is 1"),
    ],
    ids=["counts", "label above 9", "labels as images"],
)
def test_an_inconsistent_pair_of_idx_files_is_refused(
    images: npt.NDArray[np.uint8], labels: list[int], file: int, message: str, tmp_path: Path
) -> None:
    write_idx_pair(tmp_path, images, np.array(labels, dtype=np.uint8))
    assert refusal(tmp_path).startswith(f"{tmp_path / TEST_FILES[file]}: {message}")


@pytest.mark.parametrize(
    ("name", "message"), [("no", "no such folder"), ("file", "is not a folder")]
)
def test_a_path_that_is_not_a_folder_is_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / name).startswith(f"{tmp_path / name}: {message}")


def test_the_embedded_images_are_mnist(
    training: LabelledImages, test_images: LabelledImages
) -> None:
    # As Y. LeCun's page and papers since count them.
    expected = {
        "train": (training, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        "test": (test_images, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    }
    for part, (loaded, counts) in expected.items():
        assert loaded.images_NHW.shape == (sum(counts), 28, 28)
        assert loaded.images_NHW.dtype == loaded.labels_N.dtype == np.uint8
        assert len(loaded) == sum(counts)
        assert loaded.checksums == MNIST_CHECKSUMS[part]  # type: ignore[index]
        assert np.bincount(loaded.labels_N).tolist() == counts
    assert training.labels_N[:5].tolist() == [5, 0, 4, 1, 9]
    # The mean that tutorials normalise with.
    assert training.images_NHW.mean() / 255 == pytest.approx(0.1307, abs=5e-5)


def test_load_mnist_returns_new_arrays_of_both_parts(
    training: LabelledImages, test_images: LabelledImages
) -> None:
    (train_images, train_labels), (images, labels) = tenfold.load_mnist()
    np.testing.assert_array_equal(train_images, training.images_NHW)
    np.testing.assert_array_equal(train_labels, training.labels_N)
    np.testing.assert_array_equal(images, test_images.images_NHW)
    np.testing.assert_array_equal(labels, test_images.labels_N)
    images[0] = labels[0] = 0
    assert tenfold.load_mnist()[1][1][0] == 7


def test_a_holdout_needs_six_images(training: LabelledImages) -> None:
    other = dataclasses.replace(training, checksums=("", ""))
    assert [len(part) for part in split_holdout(other.select(np.arange(6)))] == [5, 1]
    with pytest.raises(DataError, match=r"at least 6 training images, but there are 5$"):
        split_holdout(other.select(np.arange(5)))
