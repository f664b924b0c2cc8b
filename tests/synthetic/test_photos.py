"""Scenes: pictures of forms on paper, and what reading makes of them."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_classifier import load_classifier
from tenfold.reading.digit_image import DigitImage
from tenfold.synthetic.characters import NOT_DIGIT, SHEET_PX, draw_form
from tenfold.synthetic.photos import SMALL_SIZES_PX, Picture, build_scene, draw_picture

SCENES = 400
PICTURES = 250


@pytest.fixture(scope="module")
def scenes(training: LabelledImages) -> list[tuple[DigitImage, int]]:
    return [
        build_scene(training.images_NHW, training.labels_N, seed=0, index=index)
        for index in range(SCENES)
    ]


@pytest.fixture(scope="module")
def pictures(training: LabelledImages) -> list[Picture]:
    random = np.random.default_rng(0)
    drawn: list[Picture] = []
    while len(drawn) < PICTURES:
        form_HW, _ = draw_form(training.images_NHW, training.labels_N, random)
        picture = draw_picture(form_HW, training.images_NHW, random)
        if picture is not None:
            drawn.append(picture)
    return drawn


def test_scenes_are_digit_images_with_labels(scenes: list[tuple[DigitImage, int]]) -> None:
    for image_HW, label in scenes:
        assert image_HW.shape == (28, 28)
        assert image_HW.dtype == np.uint8
        assert type(label) is int
        assert 0 <= label <= NOT_DIGIT


def test_every_label_occurs(scenes: list[tuple[DigitImage, int]]) -> None:
    counts = Counter(label for _, label in scenes)
    assert set(counts) == set(range(NOT_DIGIT + 1))
    assert min(counts.values()) > 0.02 * SCENES
    assert 0.1 < counts[NOT_DIGIT] / SCENES < 0.5


def test_scenes_are_bright_on_black_and_centred(scenes: list[tuple[DigitImage, int]]) -> None:
    grid = np.arange(28)
    offsets = []
    for image_HW, _ in scenes:
        mass = float(image_HW.sum())
        assert 0.01 < mass / (255 * 784) < 0.5
        assert image_HW.max() > 40
        rows, columns = (np.flatnonzero((image_HW > 0).any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) < 20
        row = image_HW.sum(axis=1, dtype=np.float64) @ grid / mass
        column = image_HW.sum(axis=0, dtype=np.float64) @ grid / mass
        offsets.append(max(abs(row - 14), abs(column - 14)))
    # A centre of mass far from the box's middle would push the box out of the image.
    assert np.quantile(offsets, 0.95) <= 0.51
    assert max(offsets) < 4


def test_the_bundled_reader_sees_what_the_labels_say(
    scenes: list[tuple[DigitImage, int]],
) -> None:
    given_N = load_classifier().classify(np.stack([image for image, _ in scenes])).argmax(axis=1)
    assert (given_N == [label for _, label in scenes]).mean() > 0.8


def test_a_scene_depends_on_seed_and_index_alone(
    scenes: list[tuple[DigitImage, int]], training: LabelledImages
) -> None:
    np.random.seed(5)  # what others draw does not matter
    for index in (7, 399, 0, 31):  # nor the order
        image_HW, label = build_scene(training.images_NHW, training.labels_N, 0, index)
        np.testing.assert_array_equal(image_HW, scenes[index][0])
        assert label == scenes[index][1]


def test_no_two_scenes_are_alike(
    scenes: list[tuple[DigitImage, int]], training: LabelledImages
) -> None:
    others = [
        build_scene(training.images_NHW, training.labels_N, seed, index)
        for seed in (1, 2**32 - 1, 1_000_000)
        for index in range(10)
    ]
    images = {image_HW.tobytes() for image_HW, _ in (*scenes, *others)}
    assert len(images) == len(scenes) + len(others)


def test_seed_and_index_are_not_added(training: LabelledImages) -> None:
    build = [
        build_scene(training.images_NHW, training.labels_N, *pair)[0]
        for pair in ((0, 3), (1, 2), (3, 0))
    ]
    assert len({image_HW.tobytes() for image_HW in build}) == 3


def test_drawing_changes_no_image(training: LabelledImages) -> None:
    images_NHW, labels_N = training.images_NHW[:20].copy(), training.labels_N[:20].copy()
    images_NHW.flags.writeable = labels_N.flags.writeable = False
    for index in range(60):
        build_scene(images_NHW, labels_N, 0, index)


def test_images_without_ink_are_drawn_again() -> None:
    """Of blank images nothing is found; the scenes come from pens and fonts then."""
    blank_NHW = np.zeros((3, 28, 28), np.uint8)
    for index in range(12):
        image_HW, _ = build_scene(blank_NHW, np.zeros(3, np.uint8), 0, index)
        assert image_HW.any()


def test_pictures_are_rgb_with_a_box_within(pictures: list[Picture]) -> None:
    for picture in pictures:
        height, width, colours = picture.pixels_HWC.shape
        assert colours == 3
        assert picture.pixels_HWC.dtype == np.uint8
        assert min(height, width) >= 8
        assert max(height, width) < 90 * 3
        left, top, right, bottom = picture.box
        assert left < right
        assert top < bottom
        # A tight cut may have taken a bit of the form: its box reaches beyond the image.
        assert min(left, top) >= -3
        assert right <= width + 3
        assert bottom <= height + 3


def test_pictures_are_of_every_kind(pictures: list[Picture]) -> None:
    sides = [max(picture.pixels_HWC.shape[:2]) for picture in pictures]
    assert min(sides) <= 32
    assert max(sides) > 100
    share_dark = np.mean([picture.is_dark for picture in pictures])
    assert 0.6 < share_dark < 0.97
    greys = [np.ptp(picture.pixels_HWC.astype(int), axis=2).max() == 0 for picture in pictures]
    assert 0.1 < np.mean(greys) < 0.9
    small = [one for one in pictures if one.pixels_HWC.shape[:2] in {(n, n) for n in (16, 28)}]
    assert small
    assert set(SMALL_SIZES_PX) <= {one.pixels_HWC.shape[0] for one in pictures}


def test_ink_is_darker_than_paper_or_brighter_as_a_picture_says(pictures: list[Picture]) -> None:
    """Where the form is, the ink is among the darkest, or brightest, of what is there."""
    agreeing = []
    for picture in pictures:
        left, top, right, bottom = (max(0, value) for value in picture.box)
        grey_HW = picture.pixels_HWC.mean(axis=2)
        inside = grey_HW[top:bottom, left:right]
        middle = float(np.median(grey_HW))
        darker = middle - float(np.quantile(inside, 0.05))
        brighter = float(np.quantile(inside, 0.95)) - middle
        agreeing.append((darker > brighter) == picture.is_dark)
    assert np.mean(agreeing) > 0.7


def test_a_blank_form_makes_no_picture(training: LabelledImages) -> None:
    blank_HW: npt.NDArray[np.float32] = np.zeros((SHEET_PX, SHEET_PX), np.float32)
    for seed in range(5):
        random = np.random.default_rng(seed)
        assert draw_picture(blank_HW, training.images_NHW, random) is None
