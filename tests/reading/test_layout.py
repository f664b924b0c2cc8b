"""Glyphs come in text lines and in reading order, without noise and pieces of ruled lines."""

import cv2
import numpy as np
import pytest

from reading.pages import Box, Map, enlarge, find_page, is_near, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.reading.glyphs import merge
from tenfold.reading.layout import find_text_lines


def find_boxes(ink_HW: Map) -> list[list[Box]]:
    return [[glyph.box for glyph in line] for line in find_text_lines(find_page(ink_HW))]


def test_noise_is_left_out(digit: tuple[Map, Box], noisy_digit: Map) -> None:
    [[box]] = find_boxes(noisy_digit)
    assert is_near(box, digit[1])


def test_a_five_and_its_bar_are_one_line(test_images: LabelledImages) -> None:
    images_NHW, labels_N = test_images.images_NHW, test_images.labels_N
    num_found = 0
    for image_HW in images_NHW[labels_N == 5][:300]:
        count, _, table_M5, _ = cv2.connectedComponentsWithStats((image_HW > 100).astype(np.uint8))
        if count != 3 or table_M5[1:, 4].min() < 10:
            continue
        ink_HW, [box] = lay_out([[enlarge(image_HW, 6)]], gap=0, margin=60)
        page = find_page(ink_HW)
        num_found += len(page.components) == 2
        glyph = page.find_main_glyph()
        assert glyph is not None
        assert is_near(glyph.box, box)
        assert is_near(merge([one for line in find_text_lines(page) for one in line]).box, box)
    assert num_found > 8


def test_digits_come_in_reading_order(test_images: LabelledImages) -> None:
    """Each line a little wavy, as people write."""
    images_NHW = test_images.images_NHW[:30]
    sheet_HW, boxes = lay_out(
        [[enlarge(image_HW, 3) for image_HW in images_NHW[i : i + 6]] for i in range(0, 30, 6)],
        gap=20,
        margin=40,
    )
    wavy_HW = np.zeros_like(sheet_HW)
    expected = []
    for number, (left, top, right, bottom) in enumerate(boxes):
        down = (-9, 0, 6, 9, 3, -4)[number % 6]
        wavy_HW[top + down : bottom + down, left:right] = sheet_HW[top:bottom, left:right]
        expected.append((left, top + down, right, bottom + down))
    lines = find_boxes(wavy_HW)
    assert len(lines) == 5
    # A digit of two components may be two glyphs.
    places = []
    for number, line in enumerate(lines):
        for left, top, right, bottom in line:
            x, y = (left + right) / 2, (top + bottom) / 2
            [place] = [
                place
                for place, box in enumerate(expected)
                if box[0] - 2 <= x <= box[2] + 2 and box[1] - 2 <= y <= box[3] + 2
            ]
            assert place // 6 == number
            places.append(place)
    assert places == sorted(places)
    assert set(places) == set(range(30))
    assert len(places) <= 33


def test_a_line_may_be_oblique(test_images: LabelledImages) -> None:
    images_NHW = test_images.images_NHW[:8]
    row_HW, boxes = lay_out([[enlarge(image_HW, 3) for image_HW in images_NHW]], gap=15, margin=90)
    oblique_HW = np.zeros_like(row_HW)
    for number, (left, top, right, bottom) in enumerate(boxes):
        down = 10 * number - 35
        oblique_HW[top + down : bottom + down, left:right] = row_HW[top:bottom, left:right]
    [line] = find_boxes(oblique_HW)
    assert line == sorted(line)
    assert len(line) >= 8


@pytest.mark.parametrize("size", [(1, 1), (200, 200)])
def test_a_page_without_components_has_no_lines(size: tuple[int, int]) -> None:
    assert find_boxes(np.zeros(size, np.float32)) == []


def draw_boxes(boxes: list[Box]) -> Map:
    ink_HW = np.zeros((200, 300), np.float32)
    for left, top, right, bottom in boxes:
        ink_HW[top:bottom, left:right] = 1
    return ink_HW


DIGITS: list[Box] = [(40, 40, 70, 100), (80, 40, 110, 100), (150, 40, 180, 100)]


@pytest.mark.parametrize(
    ("low", "num_lines"),
    [
        ((118, 112, 128, 138), 1),  # a comma
        ((118, 130, 128, 156), 2),  # too far below
        ((118, 112, 146, 138), 2),  # too wide, such as a digit of the next line
        ((118, 112, 128, 160), 2),  # too high
        ((10, 112, 20, 138), 2),  # before all digits
        ((250, 112, 260, 138), 2),  # far behind the last one
    ],
    ids=["comma", "below", "wide", "high", "before", "behind"],
)
def test_a_comma_that_hangs_below_its_line_is_part_of_it(low: Box, num_lines: int) -> None:
    lines = find_boxes(draw_boxes([*DIGITS, low]))
    assert len(lines) == num_lines
    if num_lines == 1:
        assert is_near(lines[0][2], low)


def test_a_comma_of_two_lines_hangs_from_the_upper_one() -> None:
    below = [(left, 150, right, 195) for left, _, right, _ in DIGITS]
    lines = find_boxes(draw_boxes([*DIGITS, (118, 106, 128, 126), *below]))
    assert [len(line) for line in lines] == [4, 3]
