"""MNIST's digits are normalised already, so normalisation gives them back."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reading.pages import Map, enlarge
from tenfold.data.mnist import LabelledImages
from tenfold.digits import IMAGE_SIZE_PX
from tenfold.reading.digit_classifier import load_classifier
from tenfold.reading.digit_image import BOX_PX, DigitImage, normalise_digit

NUM_DIGITS = 100


def classify(images: list[DigitImage]) -> npt.NDArray[np.int64]:
    probabilities_NK = load_classifier().classify(np.stack(images))
    labels_N: npt.NDArray[np.int64] = probabilities_NK[:, :10].argmax(axis=1)
    return labels_N


def differ(found_HW: DigitImage, expected_HW: DigitImage) -> float:
    """The mean difference of two digit images' bytes, one moved by at most a pixel."""
    return min(
        float(np.abs(np.roll(found_HW, (y, x), (0, 1)).astype(int) - expected_HW).mean())
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )


def find_centre(image_HW: DigitImage) -> tuple[float, float]:
    weights = image_HW / image_HW.sum()
    pixels = np.arange(IMAGE_SIZE_PX)
    return float(weights.sum(axis=1) @ pixels), float(weights.sum(axis=0) @ pixels)


def measure_sides(image_HW: DigitImage) -> tuple[int, int]:
    """Height and width of the ink."""
    rows, columns = np.nonzero(image_HW)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def change_strokes(ink_HW: Map, radius: int) -> Map:
    """Strokes thickened, or for a radius below 0 thinned, on both sides."""
    size = 2 * abs(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    room_HW = np.pad(ink_HW, size)
    changed_HW: Map = cv2.dilate(room_HW, disc) if radius > 0 else cv2.erode(room_HW, disc)
    return changed_HW


def draw_two(thickness: int) -> Map:
    points = np.array([[120, 160], [150, 100], [220, 110], [230, 180], [120, 320], [260, 310]])
    sheet_HW = np.zeros((400, 400), np.uint8)
    cv2.polylines(sheet_HW, [points.astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
    return sheet_HW.astype(np.float32) / np.float32(255)


def test_digits_of_mnist_hardly_change(test_images: LabelledImages) -> None:
    images_NHW = test_images.images_NHW[:1000]
    normalised = [normalise_digit(enlarge(image_HW, 1)) for image_HW in images_NHW]
    differences_N = np.array([differ(*two) for two in zip(normalised, images_NHW, strict=True)])
    # Three of five stay byte for byte; nearly all others lose a fringe fainter than a fifth.
    assert (differences_N == 0).mean() > 0.5
    assert (differences_N < 1).mean() > 0.85
    # The rest has strokes of unusual width.
    assert differences_N.max() < 20
    assert (classify(normalised) == classify(list(images_NHW))).mean() > 0.995


def test_normalisation_is_idempotent(test_images: LabelledImages) -> None:
    once = [
        normalise_digit(enlarge(image_HW, 5)) for image_HW in test_images.images_NHW[:NUM_DIGITS]
    ]
    again = [normalise_digit(enlarge(image_HW, 1)) for image_HW in once]
    differences_N = np.array([differ(*two) for two in zip(again, once, strict=True)])
    assert (differences_N < 1).mean() > 0.9


@pytest.mark.parametrize("factor", [2, 3, 5, 10, 20])
def test_the_size_does_not_matter(test_images: LabelledImages, factor: int) -> None:
    images_NHW = test_images.images_NHW[:NUM_DIGITS]
    normalised = [normalise_digit(enlarge(image_HW, factor)) for image_HW in images_NHW]
    differences_N = [differ(*two) for two in zip(normalised, images_NHW, strict=True)]
    assert np.mean(differences_N) < 10
    assert (classify(normalised) == classify(list(images_NHW))).mean() > 0.97


def test_the_position_does_not_matter(test_images: LabelledImages) -> None:
    for image_HW in test_images.images_NHW[:20]:
        strength_HW = enlarge(image_HW, 1)
        expected_HW = normalise_digit(strength_HW)
        for top, left in ((0, 0), (0, 90), (57, 13), (172, 122)):
            sheet_HW = np.zeros((200, 150), np.float32)
            sheet_HW[top : top + 28, left : left + 28] = strength_HW
            np.testing.assert_array_equal(normalise_digit(sheet_HW), expected_HW)


@pytest.mark.parametrize("radius", [-6, -4, 4, 8])
def test_the_stroke_width_does_not_matter(test_images: LabelledImages, radius: int) -> None:
    """Strokes of about 22 pixels, from 10 to 38."""
    images_NHW = test_images.images_NHW[:NUM_DIGITS]
    normalised = [
        normalise_digit(change_strokes(enlarge(image_HW, 8), radius)) for image_HW in images_NHW
    ]
    assert (classify(normalised) == classify(list(images_NHW))).mean() > 0.95


@pytest.mark.parametrize(("thickness", "least", "most"), [(1, 0.6, 1.1), (4, 0.6, 1.1), (60, 1, 2)])
def test_strokes_become_about_as_thick_as_those_of_mnist(
    thickness: int, least: float, most: float
) -> None:
    usual = float(normalise_digit(draw_two(26)).sum())
    image_HW = normalise_digit(draw_two(thickness))
    assert image_HW.max() > 240
    assert least < image_HW.sum() / usual < most


def test_the_longer_side_is_twenty_pixels_and_the_centre_of_mass_in_the_middle(
    test_images: LabelledImages,
) -> None:
    sides = []
    for number, image_HW in enumerate(test_images.images_NHW[:NUM_DIGITS]):
        normalised_HW = normalise_digit(enlarge(image_HW, 1 + number % 9))
        assert normalised_HW.shape == (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
        assert normalised_HW.dtype == np.uint8
        sides.append(max(measure_sides(normalised_HW)))
        assert find_centre(normalised_HW) == pytest.approx((14, 14), abs=0.6)
    assert set(sides) <= {BOX_PX - 1, BOX_PX}
    assert sides.count(BOX_PX) > 0.9 * NUM_DIGITS


def test_centring_does_not_cut_ink_off() -> None:
    strength_HW = np.zeros((100, 100), np.float32)
    strength_HW[48:52] = 1
    strength_HW[:, [left + i for left in (0, 16, 32) for i in range(10)]] = 1
    normalised_HW = normalise_digit(strength_HW)
    assert measure_sides(normalised_HW) == (BOX_PX, BOX_PX)
    assert normalised_HW[:, -1].any()


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (1, 1), (28, 28), (300, 5)])
def test_without_ink_the_image_is_black(shape: tuple[int, int]) -> None:
    normalised_HW = normalise_digit(np.zeros(shape, np.float32))
    assert normalised_HW.shape == (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    assert normalised_HW.dtype == np.uint8
    assert not normalised_HW.any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 300), (300, 1), (64, 64)])
def test_a_box_full_of_ink_is_normalised(shape: tuple[int, int]) -> None:
    normalised_HW = normalise_digit(np.ones(shape, np.float32))
    assert normalised_HW.max() > 200
    assert find_centre(normalised_HW) == pytest.approx((14, 14), abs=1)
