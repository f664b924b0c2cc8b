"""Arrays as images and labels: the same bytes whatever their type, and one line for what is not."""

from typing import Any

import numpy as np
import pytest

from tenfold.data.arrays import load_array_part, read_images, read_labels
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.errors import ArrayError


def test_every_type_gives_the_same_bytes(test_images: LabelledImages) -> None:
    images_NHW = test_images.images_NHW[:20]
    for given in (
        images_NHW,
        images_NHW.reshape(20, 784),
        images_NHW.astype(np.int64),
        images_NHW.astype(np.float64),
        (images_NHW / 255).astype(np.float32),
        (images_NHW / 255).astype(np.float16),
        images_NHW.tolist(),
        np.asfortranarray(images_NHW.reshape(20, 784)),
        images_NHW.astype(float) - 0.3 * (images_NHW > 0),
    ):
        converted = read_images(given)
        assert converted.dtype == np.uint8
        np.testing.assert_array_equal(converted, images_NHW)
    np.testing.assert_array_equal(read_images(images_NHW.astype(object)), images_NHW)
    is_white_NHW = images_NHW > 99
    np.testing.assert_array_equal(read_images(is_white_NHW), 255 * is_white_NHW)
    np.testing.assert_array_equal(read_images(is_white_NHW * 1.0), 255 * is_white_NHW)


def test_images_without_a_bright_pixel_are_black_or_refused() -> None:
    assert not read_images(np.zeros((3, 784))).any()
    assert not read_images(np.zeros((3, 784), np.uint8)).any()
    assert read_images(np.full((1, 784), 20.0)).max() == 20


def with_value(value: float, dtype: type = float) -> Any:
    images: Any = np.zeros((2, 784), dtype)
    images[1, 30] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 64)), "images: the shape is [2, 64], but must be [N, 28, 28] or [N, 784]"),
        (np.zeros((2, 3, 28, 28)), "the shape is [2, 3, 28, 28]"),
        (np.zeros(784), "the shape is [784]"),
        (np.zeros((0, 784)), "there are no images"),
        (np.zeros((1, 784), complex), "the type is complex128"),
        (np.full((1, 784), "0"), "the type is <U1"),
        ([[0], [1, 2]], "cannot be made an array"),
        ("x.png", "not of the type str; tenfold.Reader reads image files"),
        (np.full((1, 784), None), "the type is object, but must be a number"),
        (with_value(-1), "is -1.0, but pixels are 0 to 255, or 0 to 1; standardised pixels do not"),
        (with_value(255.5), "image 1, row 1, column 2, counted from 0, is 255.5,"),
        (with_value(np.nan), "image 1, row 1, column 2, counted from 0, is nan,"),
        (with_value(np.inf), "image 1, row 1, column 2, counted from 0, is inf,"),
        (with_value(300, np.int32), "image 1, row 1, column 2, counted from 0, is 300,"),
        (with_value(1.01), "unclear which value is white, as the largest is 1.01"),
        (with_value(16), "the largest is 16.0"),
        (with_value(1, np.uint8), "the largest is 1;"),
    ],
)
def test_what_is_no_image_is_refused(images: Any, message: str) -> None:
    with pytest.raises(ArrayError) as raised:
        read_images(images)
    assert message in str(raised.value)
    assert isinstance(raised.value, ValueError)  # as libraries for arrays raise it


def test_labels_are_numbers_or_text() -> None:
    for given in ([3, 0, 9], [3.0, 0.0, 9.0], ["3", "0", "9"], np.array(["3", "0", 9], object)):
        labels_N = read_labels(given)
        assert labels_N.dtype == np.uint8
        assert labels_N.tolist() == [3, 0, 9]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 10], "label 1, counted from 0, is 10"),
        ([-1], "is -1"),
        ([0.5], "is 0.5"),
        (["3", "three"], "is 'three'"),
        ([True], "the type is bool"),
        (np.eye(10), "the shape is [10, 10], but must be [N]"),
    ],
)
def test_what_is_no_digit_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(ArrayError) as raised:
        read_labels(labels)
    assert message in str(raised.value)


def test_a_part_has_the_checksums_of_its_files(test_images: LabelledImages) -> None:
    whole = (test_images.images_NHW, test_images.labels_N)
    part = load_array_part((([0], [0]), whole), "test")
    assert part.checksums == MNIST_CHECKSUMS["test"]


@pytest.mark.parametrize(
    ("data", "part", "message"),
    [
        (3, "train", "data must be a path, or ((images, labels), (test images, test labels))"),
        ((1, 2, 3), "train", "test labels)), not a tuple of 3 items"),
        (([0], [0]), "test", "no test images; pass ((images, labels),"),
        ((([0], [0]), 3), "test", "the second is of the type int"),
        ((np.zeros((2, 784)), [1, 2, 3]), "train", "has 3 labels for 2 images"),
        ((([0], [0]), (np.zeros((2, 3)), [0])), "test", "test images: the shape is [2, 3]"),
    ],
)
def test_data_of_another_form_are_refused(data: Any, part: Any, message: str) -> None:
    with pytest.raises(ArrayError) as raised:
        load_array_part(data, part)
    assert message in str(raised.value)
