"""Page segmentation: writing stays, ruled lines, frames and uneven light do not."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

import tenfold
from reading.pages import Map, enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.ink import Mask
from tenfold.reading.page_segmenter import PageMap, load_page_segmenter
from tenfold.reading.result import Status


@pytest.fixture(scope="module")
def row(test_images: LabelledImages) -> Map:
    """7, 2, 1, 0, 4, each one component."""
    glyphs = [enlarge(image_HW, 3) for image_HW in test_images.images_NHW[:5]]
    return lay_out([glyphs], gap=30, margin=50)[0]


def draw_lines(
    ink_HW: Map, rows: Sequence[int], columns: Sequence[int] = (), slope: int = 0
) -> Map:
    """Lines from edge to edge, two pixels thick, over what is written."""
    height, width = ink_HW.shape
    sheet_HW = (ink_HW * 255).astype(np.uint8)
    for row in rows:
        cv2.line(sheet_HW, (0, row), (width - 1, row + slope), 255, 2)
    for column in columns:
        cv2.line(sheet_HW, (column, 0), (column - slope, height - 1), 255, 2)
    return sheet_HW.astype(np.float32) / np.float32(255)


def find_text(ink_HW: Map, *, is_dark: bool = True) -> Mask:
    pixels_HWC = paint(ink_HW)
    page = load_page_segmenter().segment(pixels_HWC if is_dark else 255 - pixels_HWC)
    return page.find_text(*ink_HW.shape)


@pytest.mark.parametrize("is_dark", [True, False])
def test_writing_is_found(row: Map, is_dark: bool) -> None:
    text_HW = find_text(row, is_dark=is_dark)
    assert text_HW[row > 0.5].mean() > 0.97
    far_HW = cv2.dilate(row, np.ones((25, 25), np.uint8)) == 0
    assert text_HW[far_HW].mean() < 0.01


@pytest.mark.parametrize("slope", [0, 6])
@pytest.mark.parametrize("columns", [(), (20, 180, 320)])
def test_ruled_lines_are_no_writing(columns: Sequence[int], slope: int) -> None:
    paper_HW = np.zeros((220, 400), np.float32)
    lines_HW = draw_lines(paper_HW, (20, 90, 160), columns, slope)
    assert find_text(lines_HW)[lines_HW > 0.5].mean() < 0.05


@pytest.mark.parametrize("slope", [0, 6])
def test_writing_stays_between_ruled_lines_and_across_one(row: Map, slope: int) -> None:
    rows = (25, round(0.6 * len(row)), len(row) - 35)
    ruled_HW = draw_lines(row, rows, slope=slope)
    text_HW = find_text(ruled_HW)
    assert text_HW[row > 0.5].mean() > 0.9
    is_rule_HW = (ruled_HW > 0.5) & (cv2.dilate(row, np.ones((9, 9), np.uint8)) == 0)
    assert text_HW[is_rule_HW].mean() < 0.1


@pytest.mark.parametrize("darkest", [60, 100, 140])
def test_uneven_light_is_no_writing(darkest: int) -> None:
    light_W = np.linspace(darkest, 245, 300)
    pixels_HWC = np.broadcast_to(light_W[:, None], (200, 300, 3)).astype(np.uint8)
    page = load_page_segmenter().segment(pixels_HWC)
    assert page.find_text(200, 300).mean() < 0.001


@pytest.mark.parametrize("size", [(36, 36), (8, 900), (1, 5000), (3000, 2), (401, 299)])
def test_images_of_any_shape_are_taken(size: tuple[int, int]) -> None:
    page = load_page_segmenter().segment(np.full((*size, 3), 200, np.uint8))
    assert page.find_text(*size).shape == size


def build_map(text: Sequence[tuple[int, ...]], rules: Sequence[tuple[int, ...]]) -> PageMap:
    """A map with writing and rules in boxes of top, bottom, left, right."""
    layers = np.zeros((2, 60, 120), np.float32)
    for layer_HW, boxes in zip(layers, (text, rules), strict=True):
        for top, bottom, left, right in boxes:
            layer_HW[top:bottom, left:right] = 1
    return PageMap(*layers)


def test_a_part_of_a_stroke_is_writing_and_a_line_that_reaches_beyond_is_not() -> None:
    seven = build_map([(14, 50, 40, 46)], [(10, 14, 26, 46)])  # the bar of a seven
    assert seven.find_text(60, 120)[11:13, 28:45].all()
    underlined = build_map([(14, 50, 40, 46)], [(50, 54, 5, 100)])
    assert not underlined.find_text(60, 120)[51:53].any()


def test_an_upright_stroke_as_high_as_the_digits_beside_it_is_writing() -> None:
    zeros = [(15, 50, 30, 50), (15, 50, 60, 80), (15, 50, 90, 110)]
    one = build_map(zeros, [(8, 56, 10, 14)])
    assert one.find_text(60, 120)[10:54, 11:13].all()
    margin = build_map([(20, 40, 30, 40), (20, 40, 60, 70)], [(0, 60, 10, 14)])
    assert not margin.find_text(60, 120)[:, 10:14].any()
    comb = build_map(zeros, [(12, 54, left, left + 3) for left in (22, 53, 83, 113)])
    assert not comb.find_text(60, 120)[:, 22:25].any()


def test_writing_that_hardly_stands_out_is_uncertain(
    reader: tenfold.Reader, row: Map, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_map = build_map([(14, 50, 40, 46)], [(10, 14, 26, 46)])
    assert page_map.is_clear
    assert not PageMap(page_map.text_HW * np.float32(0.5), page_map.rules_HW).is_clear
    sheet_HWC = paint(row)
    assert reader.read(sheet_HWC).text == "72104"
    monkeypatch.setattr("tenfold.reading.page_segmenter.MIN_CLEAR", 1.0)
    assert reader.read(sheet_HWC).status == Status.UNCERTAIN


def test_small_digits_of_a_large_page_are_found(test_images: LabelledImages) -> None:
    digits = [image_HW.astype(np.float32) / np.float32(255) for image_HW in test_images.images_NHW]
    ink_HW = lay_out([digits[30 * row : 30 * row + 30] for row in range(30)], gap=14, margin=40)[0]
    page_HW = cv2.resize(ink_HW, None, fx=2, fy=2)
    text_HW = find_text(page_HW)
    assert text_HW[page_HW > 0.5].mean() > 0.9
