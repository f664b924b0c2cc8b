"""Components become glyphs: which belong together, and which are blobs or punctuation."""

import cv2
import numpy as np
import pytest

from reading.pages import Box, Map, cut, enlarge, find_page, is_near, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.reading.glyphs import Glyph, is_filled_blob, measure_gaps, measure_stroke_width, merge


def find_main_glyph(ink_HW: Map) -> Glyph:
    glyph = find_page(ink_HW).find_main_glyph()
    assert glyph is not None
    return glyph


def test_the_main_glyph_is_the_digit_and_its_ink(digit: tuple[Map, Box]) -> None:
    ink_HW, box = digit
    glyph = find_main_glyph(ink_HW)
    assert is_near(glyph.box, box)
    assert glyph.strength_HW.shape == (glyph.height, glyph.width)
    left, top, right, bottom = glyph.box
    assert np.abs(glyph.strength_HW - ink_HW[top:bottom, left:right]).mean() < 0.05


def test_noise_is_not_part_of_the_main_glyph(digit: tuple[Map, Box], noisy_digit: Map) -> None:
    _, box = digit
    assert len(find_page(noisy_digit).components) == 6
    glyph = find_main_glyph(noisy_digit)
    assert is_near(glyph.box, box)
    left, top = glyph.box[:2]
    assert not glyph.strength_HW[box[3] - 8 - top, box[0] + 8 - left]  # a speck within the box


def test_neighbours_that_the_edges_cut_off_are_not_the_main_glyph(
    test_images: LabelledImages,
) -> None:
    for first in range(0, 60, 3):
        glyphs = [enlarge(test_images.images_NHW[first + i], 6) for i in range(3)]
        row_HW, boxes = lay_out([glyphs], gap=60, margin=60)
        left, right = (boxes[0][0] + boxes[0][2]) // 2, (boxes[2][0] + boxes[2][2]) // 2
        middle = boxes[1]
        expected = (middle[0] - left, middle[1], middle[2] - left, middle[3])
        if len(find_page(lay_out([glyphs[1:2]], gap=0, margin=60)[0]).components) == 1:
            assert is_near(find_main_glyph(row_HW[:, left:right]).box, expected)


def test_the_main_glyph_is_near_the_middle(test_images: LabelledImages) -> None:
    for image_HW in test_images.images_NHW[:20]:
        sheet_HW = np.zeros((500, 500), np.float32)
        sheet_HW[20:174, 20:174] = enlarge(image_HW, 5.5)
        sheet_HW[180:320, 180:320] = enlarge(image_HW, 5)
        assert min(find_main_glyph(sheet_HW).box) > 170


def test_a_page_without_components_has_no_glyph() -> None:
    page = find_page(np.zeros((200, 200), np.float32))
    assert page.find_main_glyph() is None
    assert len(page.punctuation) == 0


@pytest.mark.parametrize("thickness", [6, 10, 14])
def test_punctuation_is_at_least_as_large_as_a_touch_of_the_pen(thickness: int) -> None:
    ink_HW = np.zeros((200, 200), np.float32)
    ink_HW[40:160, 60 : 60 + thickness] = ink_HW[40 : 40 + thickness, 60:120] = 1
    width = measure_stroke_width(find_main_glyph(ink_HW).strength_HW)
    assert width == pytest.approx(thickness, abs=1.5)
    for share, num_dots in ((0.6, 0), (1.3, 1), (2, 1)):
        side = round(share * thickness)
        dotted_HW = ink_HW.copy()
        dotted_HW[150 : 150 + side, 140 : 140 + side] = 1
        dots = find_page(dotted_HW).punctuation.tolist()
        assert len(dots) == num_dots
        assert all(is_near(box, (140, 150, 140 + side, 150 + side)) for box in dots)


def test_merged_glyphs_are_as_large_as_both() -> None:
    one = Glyph((10, 20, 14, 26), np.full((6, 4), 0.5, np.float32))
    other = Glyph((13, 15, 20, 22), np.full((7, 7), 0.8, np.float32), is_fragment=True)
    both = merge([one, other])
    assert both.box == (10, 15, 20, 26)
    assert both.strength_HW.shape == (both.height, both.width) == (11, 10)
    assert both.strength_HW[8, 1] == np.float32(0.5)
    assert both.strength_HW[6, 3] == np.float32(0.8)  # in both
    assert both.strength_HW[0, 0] == 0
    assert both.is_fragment
    assert merge([one]).box == one.box


def test_gaps_are_measured_along_the_axis_where_they_are_larger() -> None:
    box = np.array([10, 10, 20, 20])
    others = np.array([[25, 10, 30, 20], [10, 0, 20, 8], [30, 22, 35, 30], [12, 12, 15, 15]])
    assert measure_gaps(others, box).tolist()[:3] == [5, 2, 10]
    assert measure_gaps(others, box)[3] < 0


def draw_blob(width: int, height: int) -> Glyph:
    ink_HW = np.zeros((height + 4, width + 4), np.float32)
    centre, axes = ((width + 3) // 2, (height + 3) // 2), (width // 2, height // 2)
    cv2.ellipse(ink_HW, centre, axes, 0, 0, 360, 1.0, -1)
    return Glyph((0, 0, width + 4, height + 4), ink_HW)


@pytest.mark.parametrize("size", [(10, 10), (20, 12), (30, 55), (300, 200)])
def test_a_filled_spot_is_a_blob(size: tuple[int, int]) -> None:
    assert is_filled_blob(draw_blob(*size))


def test_long_square_and_hollow_spots_are_not_blobs() -> None:
    assert not is_filled_blob(draw_blob(10, 40))  # may be a one
    assert not is_filled_blob(Glyph((0, 0, 16, 16), np.ones((16, 16), np.float32)))
    ring = draw_blob(40, 40)
    cv2.circle(ring.strength_HW, (21, 21), 12, 0.0, -1)
    assert not is_filled_blob(ring)
    assert not is_filled_blob(Glyph((0, 0, 9, 9), np.zeros((9, 9), np.float32)))


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_digits_are_not_blobs(test_images: LabelledImages, factor: float) -> None:
    num_blobs = 0
    for image_HW in test_images.images_NHW[:500]:
        ink_HW = cut(enlarge(image_HW, factor))
        num_blobs += is_filled_blob(Glyph((0, 0, ink_HW.shape[1], len(ink_HW)), ink_HW))
    assert num_blobs <= 1


def test_the_crop_around_a_line_has_a_margin_or_is_the_whole_image(
    test_images: LabelledImages,
) -> None:
    glyphs = [enlarge(image_HW, 3) for image_HW in test_images.images_NHW[:5]]
    row_of_five, _ = lay_out([glyphs], gap=20, margin=25)
    rows, columns = row_of_five.shape
    page = find_page(np.pad(row_of_five, ((0, 3 * rows), (0, 0))))
    line = [page.extract([part]) for part in range(len(page.components))]
    box = merge(line).box
    left, top, right, bottom = page.crop_around(line).box
    assert 0 < box[0] - left == box[1] - top == right - box[2] == bottom - box[3]
    page = find_page(row_of_five)
    line = [page.extract([part]) for part in range(len(page.components))]
    assert page.crop_around(line).box == (0, 0, columns, rows)
