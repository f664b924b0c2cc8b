import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage

from tenfold.auditing.corruptions import CORRUPTIONS, corrupt
from tenfold.data.mnist import LabelledImages

RANDOM = CORRUPTIONS.keys() - {"scale", "brightness", "stripe", "canny_edges"}


def test_the_names_are_those_of_mnist_c() -> None:
    assert " ".join(CORRUPTIONS) == (
        "shot_noise impulse_noise glass_blur motion_blur shear scale rotate brightness translate "
        "stripe fog spatter dotted_line zigzag canny_edges"
    )


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_deterministic_and_changes_every_image(
    name: str, test_images: LabelledImages
) -> None:
    images = test_images.images_NHW[:40]
    before = images.copy()
    corrupted = corrupt(name, images)
    assert (images == before).all()
    assert corrupted.shape == images.shape
    assert (corrupted == corrupt(name, images)).all()
    assert (corrupted != images).any(axis=(1, 2)).all()
    assert (corrupted != corrupt(name, images, seed=1)).any() == (name in RANDOM)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_image_stays_an_image_with_something_to_see(
    name: str, test_images: LabelledImages
) -> None:
    corrupted = corrupt(name, test_images.images_NHW[:40])
    assert corrupted.dtype == np.uint8
    darkest, brightest = corrupted.min(axis=(1, 2)), corrupted.max(axis=(1, 2))
    assert (brightest.astype(int) - darkest > 40).all()  # fog leaves a quarter of the contrast


def warp(image_HW: npt.NDArray[np.uint8], map_22: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """By SciPy: `map_22` takes row and column of a new pixel, about the centre, to its source."""
    offset = 13.5 - np.asarray(map_22) @ [13.5, 13.5]
    warped: npt.NDArray[np.float64] = scipy.ndimage.affine_transform(
        np.pad(image_HW.astype(float), 1), map_22, offset + 1 - np.asarray(map_22) @ [1, 1], order=1
    )
    return warped[1:-1, 1:-1]


SINE, COSINE = np.sin(0.4), np.cos(0.4)


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("scale", [[[1 / 0.7, 0], [0, 1 / 0.7]]]),
        ("rotate", [[[COSINE, side * SINE], [-side * SINE, COSINE]] for side in (-1, 1)]),
        ("shear", [[[COSINE, 0], [side * SINE, 1]] for side in (-1, 1)]),
    ],
)
def test_a_warped_image_is_that_of_scipy_in_one_of_the_directions(
    name: str, maps: list[npt.ArrayLike], test_images: LabelledImages
) -> None:
    images = test_images.images_NHW[:8]
    used = set()
    for image, corrupted in zip(images, corrupt(name, images), strict=True):
        gaps = [float(np.abs(warp(image, each) - corrupted)[1:-1, 1:-1].max()) for each in maps]
        assert min(gaps) <= 1
        used.add(int(np.argmin(gaps)))
    assert used == set(range(len(maps)))


def test_noise_has_the_strength_that_its_name_says(test_images: LabelledImages) -> None:
    images = test_images.images_NHW[:100]
    salted = corrupt("impulse_noise", images)
    black = images == 0
    assert (salted[black] == 255).mean() == pytest.approx(0.085, abs=0.005)
    white = images == 255
    assert (salted[white] == 0).mean() == pytest.approx(0.085, abs=0.02)
    counts = corrupt("shot_noise", images)[white]
    # Of a Poisson number with a mean of 3: 5 % are 0, 15 % are 1, 22 % are 2.
    for value, share in ((0, 0.0498), (85, 0.1494), (170, 0.2240)):
        assert (counts == value).mean() == pytest.approx(share, abs=0.02)


def test_stripes_brightness_and_moves_are_exact(test_images: LabelledImages) -> None:
    images = test_images.images_NHW[:8]
    striped = corrupt("stripe", images)
    assert (striped[:, :, 7:21] == images[:, :, 7:21]).all()
    assert (striped[:, :, :7] == 255 - images[:, :, :7]).all()
    assert (striped[:, :, 21:] == 255 - images[:, :, 21:]).all()
    bright = corrupt("brightness", images)
    assert np.abs(bright - np.minimum(images + 127.5, 255)).max() <= 0.5
    for image, moved in zip(images, corrupt("translate", images), strict=True):
        inside = np.pad(image, 3)
        assert any(
            (moved == inside[3 - down : 31 - down, 3 - right : 31 - right]).all()
            for down in (-3, 3)
            for right in (-3, 3)
        )


def test_edges_lie_on_both_sides_of_a_stroke_and_are_thin() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 4:24, 11:17] = 255
    image[0, 4:24, [10, 17]] = 100  # a step between two pixels would be on both
    edges = corrupt("canny_edges", image)[0]
    assert set(np.unique(edges)) == {0, 255}
    assert np.flatnonzero(edges[14]).tolist() == [10, 17]
