"""Which marks are one character, in which order they come, and where they may be cut."""

import cv2
import numpy as np
import pytest

from reading.pages import Box, Map, cut, enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.components import find_marks
from tenfold.reading.glyphs import Glyph, Scene, is_blot, measure_gaps, measure_thickness, merge
from tenfold.reading.ink import find_ink
from tenfold.reading.splitting import split


def see(ink_HW: Map) -> Scene:
    ink = find_ink(paint(ink_HW))
    return Scene(ink, find_marks(ink))


def find_one(ink_HW: Map) -> Glyph:
    glyph = see(ink_HW).find_single()
    assert glyph is not None
    return glyph


def is_near(found: Box, expected: Box, tolerance: int = 4) -> bool:
    return bool(np.abs(np.array(found) - expected).max() <= tolerance)


@pytest.fixture(scope="module")
def digit(test_images: LabelledImages) -> tuple[Map, Box]:
    """A seven of 93 x 119 pixels on 300 x 280."""
    ink_HW, [box] = lay_out([[enlarge(test_images.images_NHW[0], 6)]], gap=0, margin=90)
    return ink_HW, box


def test_the_glyph_is_the_digit_and_its_ink(digit: tuple[Map, Box]) -> None:
    ink_HW, box = digit
    glyph = find_one(ink_HW)
    assert is_near(glyph.box, box)
    assert glyph.strength_HW.shape == (glyph.height, glyph.width)
    left, top, right, bottom = glyph.box
    assert np.abs(glyph.strength_HW - ink_HW[top:bottom, left:right]).mean() < 0.05


def test_specks_are_left_out(digit: tuple[Map, Box]) -> None:
    ink_HW, box = digit
    specked_HW = ink_HW.copy()
    for row, column in ((20, 30), (80, 250), (250, 30), (270, 250), (box[3] - 8, box[0] + 8)):
        specked_HW[row : row + 4, column : column + 4] = 1
    scene, glyph = see(specked_HW), find_one(specked_HW)
    assert len(scene.marks) == 6
    assert is_near(glyph.box, box)
    left, top = glyph.box[:2]
    assert not glyph.strength_HW[box[3] - 8 - top, box[0] + 8 - left]  # within the box, no part
    assert [is_near(piece.box, box) for line in scene.find_lines() for piece in line] == [True]


def test_a_touch_of_the_pen_is_as_large_as_its_strokes_are_thick() -> None:
    for thickness in (6, 10, 14):
        ink_HW = np.zeros((200, 200), np.float32)
        ink_HW[40:160, 60 : 60 + thickness] = ink_HW[40 : 40 + thickness, 60:120] = 1
        glyph = find_one(ink_HW)
        assert measure_thickness(glyph.strength_HW) == pytest.approx(thickness, abs=1.5)
        for share, num_touches in ((0.6, 0), (1.3, 1), (2, 1)):
            side = round(share * thickness)
            dotted_HW = ink_HW.copy()
            dotted_HW[150 : 150 + side, 140 : 140 + side] = 1
            touches = see(dotted_HW).find_touches().tolist()
            assert len(touches) == num_touches
            assert all(is_near(box, (140, 150, 140 + side, 150 + side)) for box in touches)


@pytest.mark.parametrize("edge", [0, 1, 2, 3])
def test_strips_along_the_edge_are_left_out(digit: tuple[Map, Box], edge: int) -> None:
    """A neighbour's stroke or a frame, of which a bit came along."""
    around, (left, top, right, bottom) = 22, digit[1]
    ink_HW = digit[0][top - around : bottom + around, left - around : right + around]
    box = (around, around, right - left + around, bottom - top + around)
    turned_HW = np.rot90(ink_HW, edge).copy()
    turned_HW[12:-12, -14:] = 1
    stripped_HW = np.rot90(turned_HW, -edge)
    scene = see(stripped_HW)
    assert len(scene.marks) == 2
    assert is_near(find_one(stripped_HW).box, box)
    assert [is_near(piece.box, box) for line in scene.find_lines() for piece in line] == [True]


def test_the_main_mark_is_in_the_middle(test_images: LabelledImages) -> None:
    """Neighbours that the picture's edges cut are not read for the digit between them."""
    for first in range(0, 60, 3):
        glyphs = [enlarge(test_images.images_NHW[first + i], 6) for i in range(3)]
        row_HW, boxes = lay_out([glyphs], gap=60, margin=60)
        left, right = (boxes[0][0] + boxes[0][2]) // 2, (boxes[2][0] + boxes[2][2]) // 2
        middle = boxes[1]
        expected = (middle[0] - left, middle[1], middle[2] - left, middle[3])
        cropped_HW = row_HW[:, left:right]
        if len(see(lay_out([glyphs[1:2]], gap=0, margin=60)[0]).marks) == 1:
            assert is_near(find_one(cropped_HW).box, expected)


def test_of_two_digits_that_in_the_middle_is_meant(test_images: LabelledImages) -> None:
    for image_HW in test_images.images_NHW[:20]:
        sheet_HW = np.zeros((500, 500), np.float32)
        sheet_HW[20:174, 20:174] = enlarge(image_HW, 5.5)
        sheet_HW[180:320, 180:320] = enlarge(image_HW, 5)
        assert min(find_one(sheet_HW).box) > 170


def test_a_five_and_its_bar_are_one_glyph(test_images: LabelledImages) -> None:
    images_NHW, labels_N = test_images.images_NHW, test_images.labels_N
    num_found = 0
    for image_HW in images_NHW[labels_N == 5][:300]:
        count, _, table_M5, _ = cv2.connectedComponentsWithStats((image_HW > 100).astype(np.uint8))
        if count != 3 or table_M5[1:, 4].min() < 10:
            continue
        ink_HW, [box] = lay_out([[enlarge(image_HW, 6)]], gap=0, margin=60)
        scene = see(ink_HW)
        num_found += len(scene.marks) == 2
        assert is_near(find_one(ink_HW).box, box)
        pieces = [piece for line in scene.find_lines() for piece in line]
        assert is_near(merge(pieces).box, box)
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
    lines = see(wavy_HW).find_lines()
    assert len(lines) == 5
    # Digits of two pieces come as two.
    places = []
    for number, line in enumerate(lines):
        for piece in line:
            x, y = (piece.box[0] + piece.box[2]) / 2, (piece.box[1] + piece.box[3]) / 2
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
    [line] = see(oblique_HW).find_lines()
    assert [piece.box[0] for piece in line] == sorted(piece.box[0] for piece in line)
    assert len(line) >= 8


def test_without_marks_there_are_no_glyphs() -> None:
    scene = see(np.zeros((200, 200), np.float32))
    assert scene.find_single() is None
    assert scene.find_lines() == []
    assert len(scene.find_touches()) == 0


@pytest.mark.parametrize("gap", [2, -3, -8])
def test_the_pieces_of_touching_digits_cover_their_ink(
    test_images: LabelledImages, gap: int
) -> None:
    num_cut = 0
    for first in range(0, 60, 2):
        glyphs = [enlarge(test_images.images_NHW[first + i], 5) for i in range(2)]
        ink_HW, boxes = lay_out([glyphs], gap=gap, margin=40)
        whole = Scene(find_ink(paint(ink_HW)), find_marks(find_ink(paint(ink_HW))))
        glyph = whole.cut(range(len(whole.marks)))
        pieces = split(glyph, 100.0)
        assert len(pieces) == 1 or all(piece.is_cut for piece in pieces)
        assert sorted(piece.box[0] for piece in pieces) == [piece.box[0] for piece in pieces]
        together = merge(pieces)
        left, top = together.box[0] - glyph.box[0], together.box[1] - glyph.box[1]
        covered_HW = np.zeros_like(glyph.strength_HW)
        covered_HW[top : top + together.height, left : left + together.width] = together.strength_HW
        assert (covered_HW <= glyph.strength_HW).all()
        assert covered_HW.sum() > 0.97 * glyph.strength_HW.sum()
        shared = sum(float(piece.strength_HW.sum()) for piece in pieces)
        assert shared == pytest.approx(covered_HW.sum(), rel=0.01)  # no ink is in two pieces
        border = (boxes[0][2] + boxes[1][0]) / 2
        num_cut += any(abs(piece.box[2] - border) < 12 for piece in pieces[:-1])
    assert num_cut >= 20


def test_a_narrow_glyph_is_not_split(test_images: LabelledImages) -> None:
    for image_HW in test_images.images_NHW[test_images.labels_N == 1][:20]:
        ink_HW, _ = lay_out([[enlarge(image_HW, 5)]], gap=0, margin=40)
        glyph = find_one(ink_HW)
        if glyph.width < 70:
            assert split(glyph, 100.0) == [glyph]


def test_a_block_of_ink_is_not_split() -> None:
    glyph = Glyph((10, 20, 310, 120), np.ones((100, 300), np.float32))
    assert split(glyph, 100.0) == [glyph]


def test_a_long_scribble_has_a_limited_number_of_pieces() -> None:
    ink_HW = np.zeros((60, 3000), np.float32)
    ink_HW[28:32] = 1
    pieces = split(Glyph((0, 0, 3000, 60), ink_HW), 60.0)
    assert 2 <= len(pieces) <= 20


def test_merged_glyphs_are_as_large_as_both() -> None:
    one = Glyph((10, 20, 14, 26), np.full((6, 4), 0.5, np.float32))
    other = Glyph((13, 15, 20, 22), np.full((7, 7), 0.8, np.float32))
    both = merge([one, other])
    assert both.box == (10, 15, 20, 26)
    assert (both.width, both.height) == (10, 11)
    assert both.strength_HW.shape == (11, 10)
    assert both.strength_HW[8, 1] == np.float32(0.5)
    assert both.strength_HW[6, 3] == np.float32(0.8)  # in both
    assert both.strength_HW[0, 0] == 0
    assert merge([one]).box == one.box


def test_gaps_are_measured_along_the_axis_where_they_are_larger() -> None:
    box = np.array([10, 10, 20, 20])
    others = np.array([[25, 10, 30, 20], [10, 0, 20, 8], [30, 22, 35, 30], [12, 12, 15, 15]])
    assert measure_gaps(others, box).tolist()[:3] == [5, 2, 10]
    assert measure_gaps(others, box)[3] < 0


def test_the_helper_cuts_to_the_ink() -> None:
    sheet_HW = np.zeros((9, 9), np.float32)
    sheet_HW[2:5, 3:8] = 1
    assert cut(sheet_HW).shape == (3, 5)


def draw_blot(width: int, height: int) -> Glyph:
    ink_HW = np.zeros((height + 4, width + 4), np.float32)
    centre, axes = ((width + 3) // 2, (height + 3) // 2), (width // 2, height // 2)
    cv2.ellipse(ink_HW, centre, axes, 0, 0, 360, 1.0, -1)
    return Glyph((0, 0, width + 4, height + 4), ink_HW)


@pytest.mark.parametrize("size", [(10, 10), (20, 12), (30, 55), (300, 200)])
def test_a_filled_spot_is_a_blot(size: tuple[int, int]) -> None:
    assert is_blot(draw_blot(*size))


def test_long_square_and_hollow_spots_are_none() -> None:
    assert not is_blot(draw_blot(10, 40))  # may be a one
    assert not is_blot(Glyph((0, 0, 16, 16), np.ones((16, 16), np.float32)))
    ring = draw_blot(40, 40)
    cv2.circle(ring.strength_HW, (21, 21), 12, 0.0, -1)
    assert not is_blot(ring)
    assert not is_blot(Glyph((0, 0, 9, 9), np.zeros((9, 9), np.float32)))


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_digits_are_no_blots(test_images: LabelledImages, factor: float) -> None:
    num_blots = 0
    for image_HW in test_images.images_NHW[:500]:
        ink_HW = cut(enlarge(image_HW, factor))
        num_blots += is_blot(Glyph((0, 0, ink_HW.shape[1], len(ink_HW)), ink_HW))
    assert num_blots <= 1
