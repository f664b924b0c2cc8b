"""Connected components of ink."""

import cv2
import numpy as np
import pytest

from reading.pages import Map, enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.components import MAX_COMPONENTS, Components, find_components
from tenfold.reading.ink import Ink, find_ink


@pytest.fixture(scope="module")
def row(test_images: LabelledImages) -> Map:
    """7, 2, 1, 0, 4, each one component."""
    glyphs = [enlarge(image_HW, 5) for image_HW in test_images.images_NHW[:5]]
    return lay_out([glyphs], gap=40, margin=60)[0]


def build_ink(strength_HW: Map) -> Ink:
    strength_HW = strength_HW.astype(np.float32)
    return Ink(strength_HW, 0.5, True, 200.0, 1.0, strength_HW)


def share_kept(components: Components, ink_HW: Map) -> float:
    """The share of the ink that is in components."""
    is_ink_HW = ink_HW > 0.6
    return float((components.labels_HW[is_ink_HW] > 0).mean())


def test_components_are_connected_ink(row: Map) -> None:
    components = find_components(find_ink(paint(row)))
    assert len(components) == 5
    assert list(components.areas_M) == sorted(components.areas_M, reverse=True)
    for number, box, area in zip(
        components.numbers_M, components.boxes_M4, components.areas_M, strict=True
    ):
        rows, columns = np.nonzero(components.labels_HW == number)
        assert len(rows) == area
        assert list(box) == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert share_kept(components, row) > 0.98
    assert not components.labels_HW[row == 0].any()


def test_without_ink_there_are_no_components() -> None:
    for shape in ((1, 1), (30, 40), (300, 400)):
        components = find_components(build_ink(np.zeros(shape, np.float32)))
        assert len(components) == 0
        assert components.boxes_M4.shape == (0, 4)


def test_a_lower_level_gives_more_ink(row: Map) -> None:
    ink = find_ink(paint(row))
    areas = [find_components(ink, level=level).areas_M.sum() for level in (0.2, 0.5, 0.9)]
    assert areas[0] > areas[1] > areas[2] > 0


def test_a_hairline_gap_is_closed(test_images: LabelledImages) -> None:
    row_HW, [box] = lay_out([[enlarge(test_images.images_NHW[0], 20)]], gap=0, margin=300)
    middle = (box[1] + box[3]) // 2
    row_HW[middle : middle + 2] = 0
    assert len(find_components(build_ink(row_HW))) == 1
    row_HW[middle : middle + 60] = 0
    assert len(find_components(build_ink(row_HW))) > 1


def test_only_the_largest_components_of_noise_are_kept() -> None:
    strength_HW = np.zeros((340, 340), np.float32)
    strength_HW[2::4, 2::4] = 1
    assert strength_HW.sum() > 1.5 * MAX_COMPONENTS
    strength_HW[200:208, 200:208] = 1
    strength_HW[301:303, 302:306] = 1
    components = find_components(build_ink(strength_HW))
    assert len(components) == MAX_COMPONENTS
    assert components.areas_M[0] >= 64
    assert components.areas_M[1] >= 8
    assert set(components.areas_M[2:]) == {1}


@pytest.mark.parametrize(("radius", "is_left_out"), [(90, True), (30, False)])
def test_a_circle_around_a_digit_is_left_out(
    test_images: LabelledImages, radius: int, is_left_out: bool
) -> None:
    """A ring beside the digit, or with a speck inside, stays: it may be a zero."""
    ink_HW, _ = lay_out([[enlarge(test_images.images_NHW[0], 4)]], gap=0, margin=60)
    centre = (ink_HW.shape[1] // 2, ink_HW.shape[0] // 2)
    if not is_left_out:
        ink_HW = np.pad(ink_HW, ((0, 0), (0, 120)))
        centre = (ink_HW.shape[1] - 60, centre[1])
        ink_HW[centre[1] : centre[1] + 5, centre[0] : centre[0] + 5] = 1
    sheet_HW = (ink_HW * 255).astype(np.uint8)
    cv2.circle(sheet_HW, centre, radius, 255, 4)
    found = find_components(build_ink((sheet_HW / 255).astype(np.float32)))
    assert len(found) == (1 if is_left_out else 3)
