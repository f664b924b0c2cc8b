"""Ink is found on paper of every kind, and paper without ink is blank."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reading.pages import BLACK, INK, PAPER, WHITE, Colour, Map, enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.ink import Ink, find_ink

RED_ON_GREEN = ((200, 60, 60), (20, 150, 20))  # of the same grey


@pytest.fixture(scope="module")
def row(test_images: LabelledImages) -> Map:
    """Five digits of about 100 pixels on 230 x 650 of paper."""
    glyphs = [enlarge(image_HW, 5) for image_HW in test_images.images_NHW[:5]]
    return lay_out([glyphs], gap=30, margin=60)[0]


def measure_overlap(ink: Ink, row_HW: Map) -> float:
    """Intersection over union of the ink that is found and the ink that was drawn."""
    found_HW, is_ink_HW = ink.strength_HW > ink.level, row_HW > 0.5
    return float((found_HW & is_ink_HW).sum() / (found_HW | is_ink_HW).sum())


@pytest.mark.parametrize("noise", [0, 6])
@pytest.mark.parametrize("gradient", [0, 0.5])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        (INK, PAPER),
        (BLACK, WHITE),
        (WHITE, BLACK),
        ((230, 230, 200), (40, 80, 60)),
        ((200, 30, 30), PAPER),
        ((30, 40, 160), PAPER),
        ((240, 220, 40), (20, 60, 160)),
        RED_ON_GREEN,
        RED_ON_GREEN[::-1],
        ((165, 165, 165), PAPER),
    ],
)
def test_ink_is_found_on_paper(
    row: Map, ink: Colour, paper: Colour, gradient: float, noise: float
) -> None:
    found = find_ink(paint(row, ink=ink, paper=paper, gradient=gradient, noise=noise))
    assert not found.is_blank
    assert found.strength_HW.shape == row.shape
    assert found.strength_HW.dtype == np.float32
    assert 0 <= found.strength_HW.min() <= found.strength_HW.max() <= 1
    assert 0.05 < found.level < 0.95
    assert measure_overlap(found, row) > 0.7
    assert found.strength_HW[row > 0.95].mean() > 0.8
    assert found.strength_HW[row == 0].mean() < 0.1


@pytest.mark.parametrize(
    ("ink", "paper", "is_dark"),
    [(INK, PAPER, True), (BLACK, WHITE, True), (WHITE, BLACK, False), (PAPER, INK, False)],
)
@pytest.mark.parametrize("factor", [1, 4])
def test_the_polarity_is_found(
    test_images: LabelledImages, factor: int, ink: Colour, paper: Colour, is_dark: bool
) -> None:
    found = [
        find_ink(paint(enlarge(image_HW, factor), ink=ink, paper=paper)).is_dark
        for image_HW in test_images.images_NHW[:40]
    ]
    assert found.count(is_dark) >= 38


def test_the_polarity_may_be_given(row: Map) -> None:
    pixels_HWC = paint(row)
    known, found = find_ink(pixels_HWC, is_dark=True), find_ink(pixels_HWC)
    np.testing.assert_array_equal(known.strength_HW, found.strength_HW)
    other = find_ink(pixels_HWC, is_dark=False)
    assert not other.is_dark
    assert measure_overlap(other, row) < 0.2


def test_the_contrast_is_that_of_strong_strokes(row: Map) -> None:
    for level in (60, 120, 200):
        ink = find_ink(paint(row, ink=(level,) * 3, paper=WHITE))
        assert ink.contrast == pytest.approx(255 - level, rel=0.1)


def test_ink_in_the_shade_is_as_strong_as_in_the_light(row: Map) -> None:
    found = find_ink(paint(row, gradient=0.7))
    third = row.shape[1] // 3
    is_stroke_HW = row > 0.95
    light = found.strength_HW[:, :third][is_stroke_HW[:, :third]]
    shade = found.strength_HW[:, -third:][is_stroke_HW[:, -third:]]
    assert np.percentile(shade, 10) > 0.9 * np.percentile(light, 10)


def test_noise_is_measured_on_the_paper(row: Map) -> None:
    calm, noisy = find_ink(paint(row)), find_ink(paint(row, noise=12))
    assert calm.noise < 2
    assert 4 < noisy.noise < 16
    assert not noisy.is_blank


@pytest.mark.parametrize("size", [(30, 30), (100, 100), (300, 400), (1000, 700)])
@pytest.mark.parametrize("noise", [0, 2, 6, 12, 30])
def test_paper_without_ink_is_blank(size: tuple[int, int], noise: float) -> None:
    # Noise in a small crop, or clipped at white or black, cannot be told from ink.
    papers: tuple[Colour, ...] = (PAPER, (120, 120, 120))
    if noise <= 2:
        papers = (WHITE, PAPER, (90, 90, 90), BLACK)
    elif max(size) < 64:
        papers = ()
    for paper in papers:
        assert find_ink(paint(np.zeros(size, np.float32), paper=paper, noise=noise)).is_blank


@pytest.mark.parametrize("size", [(100, 100), (300, 400), (1000, 700)])
@pytest.mark.parametrize("noise", [0, 3])
@pytest.mark.parametrize("gradient", [0.1, 0.35])
def test_uneven_light_on_paper_is_blank(
    size: tuple[int, int], noise: float, gradient: float
) -> None:
    nothing_HW = np.zeros(size, np.float32)
    assert find_ink(paint(nothing_HW, gradient=gradient, noise=noise)).is_blank


@pytest.mark.xfail(strict=True, reason="where light falls to 40 %, the darkest corner becomes ink")
def test_very_uneven_light_on_paper_is_blank() -> None:
    nothing_HW = np.zeros((300, 400), np.float32)
    assert find_ink(paint(nothing_HW, gradient=0.6)).is_blank


@pytest.mark.parametrize("darker", [0.9, 0.75, 0.6])
@pytest.mark.parametrize("is_soft", [True, False])
def test_a_shadow_is_not_ink(row: Map, darker: float, is_soft: bool) -> None:
    light_HW = np.ones(row.shape, np.float32)
    light_HW[:, row.shape[1] // 2 :] = darker
    if is_soft:
        light_HW = cv2.GaussianBlur(light_HW, (0, 0), 15)
    pixels_HWC = (paint(row) * light_HW[:, :, None]).astype(np.uint8)
    found = find_ink(pixels_HWC)
    assert not found.is_blank
    assert measure_overlap(found, row) > 0.75


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 500), (500, 1), (7, 63), (64, 64)]
)
def test_images_of_any_size_are_searched(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    noise_HWC: npt.NDArray[np.uint8] = random.integers(0, 256, (*shape, 3), np.uint8)
    for pixels_HWC in (noise_HWC, np.full_like(noise_HWC, 128)):
        found = find_ink(pixels_HWC)
        assert found.strength_HW.shape == shape
        assert np.isfinite(found.strength_HW).all()
    assert found.is_blank


@pytest.mark.parametrize("side", [16, 20, 28, 40])
def test_small_crops_have_ink(test_images: LabelledImages, side: int) -> None:
    for image_HW in test_images.images_NHW[:40]:
        sheet_HW = enlarge(image_HW, side / 28)
        found = find_ink(paint(sheet_HW, noise=3))
        assert not found.is_blank
        assert measure_overlap(found, sheet_HW) > 0.5


def test_large_digits_and_small_images_in_uneven_light_are_not_blank(
    test_images: LabelledImages,
) -> None:
    for image_HW in test_images.images_NHW[:20]:
        large_HW, _ = lay_out([[enlarge(image_HW, 20)]], gap=0, margin=20)
        assert not find_ink(paint(large_HW, ink=(240, 220, 40), paper=(20, 60, 160))).is_blank
        small_HW, _ = lay_out([[enlarge(image_HW, 2)]], gap=0, margin=16)
        assert not find_ink(paint(small_HW, gradient=0.6)).is_blank


@pytest.mark.parametrize("is_dark", [True, False])
def test_a_spot_that_fills_a_crop_is_ink_on_the_paper_of_its_corners(is_dark: bool) -> None:
    spot_HW = np.zeros((28, 28), np.uint8)
    cv2.circle(spot_HW, (14, 14), 13, 255, -1)
    pixels_HWC = cv2.merge([255 - spot_HW if is_dark else spot_HW] * 3)
    found = find_ink(pixels_HWC)
    assert found.is_dark == is_dark
    assert found.strength_HW[14, 14] == 1
    assert found.strength_HW[0, 0] == 0
