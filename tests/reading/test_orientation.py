"""Sloping lines and pages that are upside down."""

import cv2
import numpy as np
import pytest

import tenfold
from reading.pages import Map, enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.components import find_components
from tenfold.reading.glyphs import PageComponents
from tenfold.reading.ink import find_ink
from tenfold.reading.orientation import find_slope, map_box, shows_way_up, turn
from tenfold.reading.result import ReadDigit

SAMPLES = [0, 1, 2, 3, 9, 17]  # 7, 2, 1, 0, 9, 7


@pytest.fixture(scope="module")
def row(test_images: LabelledImages) -> Map:
    glyphs = [enlarge(test_images.images_NHW[sample], 2) for sample in SAMPLES]
    return lay_out([glyphs], gap=15, margin=60)[0]


def find_slope_of(ink_HW: Map) -> float:
    ink = find_ink(paint(ink_HW))
    return find_slope(PageComponents(ink, find_components(ink)))


@pytest.mark.parametrize("degrees", [-30, -20, -10, 8, 15, 25])
def test_the_slope_of_a_row_is_found(row: Map, degrees: float) -> None:
    sloping, _ = turn((row * 255).astype(np.uint8), -degrees)
    assert find_slope_of(sloping.astype(np.float32) / np.float32(255)) == pytest.approx(
        degrees, abs=4
    )


def test_level_rows_and_single_digits_have_no_slope(row: Map, test_images: LabelledImages) -> None:
    assert find_slope_of(row) == 0
    for sample in range(10):
        one, _ = lay_out([[enlarge(test_images.images_NHW[sample], 4)]], gap=0, margin=30)
        assert find_slope_of(one) == 0


@pytest.mark.parametrize("degrees", [20, 90, 180, 270])
def test_boxes_find_their_way_back(degrees: float) -> None:
    pixels = np.zeros((120, 300), np.uint8)
    cv2.rectangle(pixels, (40, 50), (59, 89), 255, -1)
    turned, back = turn(pixels, degrees)
    x, y, width, height = cv2.boundingRect((turned > 127).astype(np.uint8))
    left, top, right, bottom = map_box((x, y, x + width, y + height), back)
    reach = 2 if degrees % 90 == 0 else 25  # the box around a turned box is larger
    assert np.allclose((left, top, right, bottom), (40, 50, 60, 90), atol=reach)
    assert (left + right) / 2 == pytest.approx(50, abs=2)
    assert (top + bottom) / 2 == pytest.approx(70, abs=2)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_page_is_read(test_images: LabelledImages, degrees: int) -> None:
    glyphs = [enlarge(test_images.images_NHW[sample], 2) for sample in (0, 4, 3, 9, 17)]
    row = lay_out([glyphs], gap=15, margin=60)[0]
    reading = tenfold.Reader().read(np.rot90(paint(row), degrees // 90).copy())
    assert (reading.status, reading.text) == ("read", "74097")
    assert reading.message == f"read after turning the image by {360 - degrees} degrees"


def test_a_line_of_digits_that_are_digits_upside_down_does_not_show_its_way_up() -> None:
    def build(text: str) -> list[ReadDigit]:
        image = np.zeros((28, 28), np.uint8)
        return [ReadDigit(int(one), 1.0, (0, 0, 9, 9), (1.0,) * 10, image, 0, True) for one in text]

    assert not shows_way_up(build("25000"))
    assert not shows_way_up(build("9094189"))
    assert not shows_way_up(build("3"))
    assert shows_way_up(build("49"))
