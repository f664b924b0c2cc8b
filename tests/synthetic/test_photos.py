"""Synthetic photos of characters, and the digit images that reading extracts from them."""

from collections import Counter

import numpy as np
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_classifier import load_classifier
from tenfold.reading.digit_image import DigitImage
from tenfold.synthetic.characters import CANVAS_PX, NOT_DIGIT, draw_character
from tenfold.synthetic.photos import SMALL_SIZES_PX, Photo, build_digit_image, draw_photo

NUM_IMAGES = 400
NUM_PHOTOS = 250


@pytest.fixture(scope="module")
def drawn(training: LabelledImages) -> list[tuple[DigitImage, int]]:
    return [
        build_digit_image(training.images_NHW, training.labels_N, seed=0, index=index)
        for index in range(NUM_IMAGES)
    ]


@pytest.fixture(scope="module")
def photos(training: LabelledImages) -> list[Photo]:
    rng = np.random.default_rng(0)
    photos: list[Photo] = []
    while len(photos) < NUM_PHOTOS:
        character_HW, _ = draw_character(training.images_NHW, training.labels_N, rng)
        photo = draw_photo(character_HW, training.images_NHW, rng)
        if photo is not None:
            photos.append(photo)
    return photos


def test_every_label_occurs(drawn: list[tuple[DigitImage, int]]) -> None:
    counts = Counter(label for _, label in drawn)
    assert set(counts) == set(range(NOT_DIGIT + 1))
    assert min(counts.values()) > 0.02 * NUM_IMAGES
    assert 0.1 < counts[NOT_DIGIT] / NUM_IMAGES < 0.5


def test_images_are_normalised_like_mnist(drawn: list[tuple[DigitImage, int]]) -> None:
    grid = np.arange(28)
    offsets = []
    for image_HW, _ in drawn:
        assert image_HW.shape == (28, 28)
        assert image_HW.dtype == np.uint8
        mass = float(image_HW.sum())
        assert 0.01 < mass / (255 * 784) < 0.5
        assert image_HW.max() > 40
        rows, columns = (np.flatnonzero((image_HW > 0).any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) < 20
        row = image_HW.sum(axis=1, dtype=np.float64) @ grid / mass
        column = image_HW.sum(axis=0, dtype=np.float64) @ grid / mass
        offsets.append(max(abs(row - 14), abs(column - 14)))
    # A centre of mass far from the middle of the box would push the box out of the image.
    assert np.quantile(offsets, 0.95) <= 0.51
    assert max(offsets) < 4


def test_the_bundled_classifier_agrees_with_the_labels(
    drawn: list[tuple[DigitImage, int]],
) -> None:
    given_N = load_classifier().classify(np.stack([image for image, _ in drawn])).argmax(axis=1)
    assert (given_N == [label for _, label in drawn]).mean() > 0.8


def test_an_image_depends_on_seed_and_index_alone(
    drawn: list[tuple[DigitImage, int]], training: LabelledImages
) -> None:
    np.random.seed(5)  # the global generator is not used
    for index in (7, 399, 0, 31):
        image_HW, label = build_digit_image(training.images_NHW, training.labels_N, 0, index)
        np.testing.assert_array_equal(image_HW, drawn[index][0])
        assert label == drawn[index][1]


def test_images_of_all_seeds_and_indices_differ(
    drawn: list[tuple[DigitImage, int]], training: LabelledImages
) -> None:
    others = [
        build_digit_image(training.images_NHW, training.labels_N, seed, index)
        for seed in (1, 2, 2**32 - 1, 1_000_000)
        for index in range(8)
    ]
    images = {image_HW.tobytes() for image_HW, _ in (*drawn, *others)}
    assert len(images) == len(drawn) + len(others)


def test_drawing_does_not_change_its_sources(training: LabelledImages) -> None:
    images_NHW, labels_N = training.images_NHW[:20].copy(), training.labels_N[:20].copy()
    images_NHW.flags.writeable = labels_N.flags.writeable = False
    for index in range(60):
        build_digit_image(images_NHW, labels_N, 0, index)


def test_blank_images_are_replaced_by_pen_strokes_and_fonts() -> None:
    blank_NHW = np.zeros((3, 28, 28), np.uint8)
    for index in range(12):
        image_HW, _ = build_digit_image(blank_NHW, np.zeros(3, np.uint8), 0, index)
        assert image_HW.any()


def test_photos_are_rgb_and_contain_their_box(photos: list[Photo]) -> None:
    for photo in photos:
        height, width, colours = photo.pixels_HWC.shape
        assert colours == 3
        assert photo.pixels_HWC.dtype == np.uint8
        assert min(height, width) >= 8
        assert max(height, width) < 90 * 3
        left, top, right, bottom = photo.box
        assert left < right
        assert top < bottom
        # A tight crop may cut off a little of the character.
        assert min(left, top) >= -3
        assert right <= width + 3
        assert bottom <= height + 3


def test_photos_vary_in_size_polarity_and_colour(photos: list[Photo]) -> None:
    sides = [max(photo.pixels_HWC.shape[:2]) for photo in photos]
    assert min(sides) <= 32
    assert max(sides) > 100
    assert 0.6 < np.mean([photo.is_dark for photo in photos]) < 0.97
    greys = [np.ptp(photo.pixels_HWC.astype(int), axis=2).max() == 0 for photo in photos]
    assert 0.1 < np.mean(greys) < 0.9
    assert {(16, 16), (28, 28)} & {photo.pixels_HWC.shape[:2] for photo in photos}
    assert set(SMALL_SIZES_PX) <= {photo.pixels_HWC.shape[0] for photo in photos}


def test_ink_has_the_polarity_of_its_photo(photos: list[Photo]) -> None:
    agrees = []
    for photo in photos:
        left, top, right, bottom = (max(0, value) for value in photo.box)
        grey_HW = photo.pixels_HWC.mean(axis=2)
        inside = grey_HW[top:bottom, left:right]
        middle = float(np.median(grey_HW))
        darker = middle - float(np.quantile(inside, 0.05))
        brighter = float(np.quantile(inside, 0.95)) - middle
        agrees.append((darker > brighter) == photo.is_dark)
    assert np.mean(agrees) > 0.7


def test_a_blank_character_gives_no_photo(training: LabelledImages) -> None:
    blank_HW = np.zeros((CANVAS_PX, CANVAS_PX), np.float32)
    for seed in range(5):
        assert draw_photo(blank_HW, training.images_NHW, np.random.default_rng(seed)) is None
