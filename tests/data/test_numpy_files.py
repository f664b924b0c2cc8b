import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from run_errors import catch_error
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages, load_part
from tenfold.data.numpy_files import load_npy, load_npz
from tenfold.errors import DataError


@pytest.fixture
def few(test_images: LabelledImages) -> LabelledImages:
    return test_images.select(np.arange(4))


def test_mnist_as_keras_has_it_is_mnist(
    training: LabelledImages, test_images: LabelledImages, tmp_path: Path
) -> None:
    np.savez(
        tmp_path / "mnist.npz",
        x_train=training.images_NHW,
        y_train=training.labels_N,
        x_test=test_images.images_NHW,
        y_test=test_images.labels_N,
    )
    for path in (tmp_path, tmp_path / "mnist.npz"):
        assert load_part(path, "test").checksums == MNIST_CHECKSUMS["test"]
    assert load_part(path, "train").checksums == MNIST_CHECKSUMS["train"]


@pytest.mark.parametrize("shape", [(4, 28, 28), (4, 784), (4, 28, 28, 1), (4, 1, 28, 28)])
@pytest.mark.parametrize("scale", [1, 1.0, 1 / 255], ids=["bytes", "floats", "0 to 1"])
def test_arrays_of_every_usual_form_are_read(
    shape: tuple[int, ...], scale: float, few: LabelledImages, tmp_path: Path
) -> None:
    images = (few.images_NHW * scale).reshape(shape)
    path = tmp_path / "medmnist.npz"
    np.savez_compressed(path, Test_Images=images, test_labels=few.labels_N[:, None].astype(int))
    images_NHW, labels_N = load_npz(path, None)
    np.testing.assert_array_equal(images_NHW, few.images_NHW)
    assert images_NHW.dtype == np.uint8
    assert labels_N is not None
    assert labels_N.tolist() == [7, 2, 1, 0]


def test_one_set_of_images_is_for_training(few: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=few.images_NHW, labels=few.labels_N)
    assert len(load_npz(path, "train")[0]) == len(load_npz(path, None)[0]) == 4
    assert catch_error(lambda: load_npz(path, "test"), DataError).startswith(
        f"{path}: has training images only"
    )


def test_pairs_of_npy_files_are_read(few: LabelledImages, tmp_path: Path) -> None:
    np.save(tmp_path / "train_images.npy", few.images_NHW)
    np.save(tmp_path / "train_labels.npy", few.labels_N)
    np.save(tmp_path / "X_test.npy", few.images_NHW)
    assert load_part(tmp_path, "train").labels_N.tolist() == [7, 2, 1, 0]
    assert "the test images have no labels" in catch_error(
        lambda: load_part(tmp_path, "test"), DataError
    )
    np.save(tmp_path / "train_labels.npy", few.labels_N[:3])
    message = catch_error(lambda: load_part(tmp_path, "train"), DataError)
    assert message == f"{tmp_path / 'train_labels.npy'}: has 3 labels for 4 images"


IMAGES = np.full((2, 28, 28), 255)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[:, :20], [1, 2], "the shape is [2, 20, 28], but must be [N, 28, 28] or [N, 784]"),
        (IMAGES[:0], [], "there are no images"),
        (IMAGES * 2, [1, 2], "image 0, row 0, column 0, counted from 0, is 510, but pixels are 0"),
        (np.where(np.eye(28), np.nan, IMAGES), [1, 2], "row 0, column 0, counted from 0, is nan"),
        (IMAGES // 255, [1, 2], "it is unclear which value is white, as the largest is 1"),
        (IMAGES.astype(str), [1, 2], "the type is <U21, but must be a number"),
        (IMAGES.astype(object), [1, 2], "pickled Python objects"),
        (IMAGES, np.array([1, None]), "pickled Python objects"),
        (IMAGES, [1, 10], "label 1, counted from 0, is 10, but labels are 0 to 9"),
        (IMAGES, [1.5, 1], "label 0, counted from 0, is 1.5"),
        (IMAGES, np.eye(10)[:2], "the shape is [2, 10], but must be [N]"),
        (IMAGES, ["1", "two"], "label 1, counted from 0, is 'two'"),
        (IMAGES, [True, False], "the type is bool, but must be a whole number"),
        (IMAGES, [1], "has 1 labels for 2 images"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(
    images: Any, labels: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x_train=images, y_train=labels)
    found = catch_error(lambda: load_npz(path, "train"), DataError)
    assert found.startswith(f"{path}")
    assert message in found


def test_a_damaged_file_is_refused(few: LabelledImages, tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.savez_compressed(whole, images=few.images_NHW)
    good = whole.getvalue()
    path = tmp_path / "a.npz"
    changed = bytearray(good)
    changed[300] ^= 0xFF
    for content in (b"", b"no archive", good[:500], bytes(changed)):
        path.write_bytes(content)
        assert catch_error(lambda: load_npz(path, None), DataError).startswith(
            f"{path}: is damaged"
        )
    np.save(tmp_path / "a.npy", few.images_NHW)
    whole_npy = (tmp_path / "a.npy").read_bytes()
    for content in (b"", whole_npy[:50], whole_npy[:-1]):
        (tmp_path / "a.npy").write_bytes(content)
        assert "is damaged" in catch_error(lambda: load_npy(tmp_path / "a.npy"), DataError)


def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = (10**9, 28, 28)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue())
    assert "more than the limit of" in catch_error(lambda: load_npz(path, None), DataError)
