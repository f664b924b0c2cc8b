"""Connected components of ink, without ruled lines but with all that is written."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from reading.pages import Map, enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.components import (
    MAX_COMPONENTS,
    Components,
    find_components,
    remove_ruled_lines,
)
from tenfold.reading.ink import Ink, Mask, find_ink


@pytest.fixture(scope="module")
def row(test_images: LabelledImages) -> Map:
    """7, 2, 1, 0, 4, each one component."""
    glyphs = [enlarge(image_HW, 5) for image_HW in test_images.images_NHW[:5]]
    return lay_out([glyphs], gap=40, margin=60)[0]


def build_ink(strength_HW: Map) -> Ink:
    return Ink(strength_HW.astype(np.float32), 0.5, True, 200.0, 1.0)


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


@pytest.mark.parametrize("slope", [0, 6])
@pytest.mark.parametrize("columns", [(), (20, 180, 320)])
def test_ruled_lines_are_removed(columns: Sequence[int], slope: int) -> None:
    paper_HW = np.zeros((220, 400), np.float32)
    lines_HW = draw_lines(paper_HW, (20, 90, 160), columns, slope)
    ink = find_ink(paint(lines_HW))
    components = find_components(ink)
    assert components.areas_M.sum() < 0.02 * (lines_HW > 0.5).sum()
    assert share_kept(find_components(ink, keep_ruled_lines=True), lines_HW) > 0.9


@pytest.mark.parametrize("slope", [0, 6])
def test_digits_between_ruled_lines_do_not_change(row: Map, slope: int) -> None:
    height = len(row)
    ruled_HW = draw_lines(row, (25, height - 35), slope=slope)
    expected = find_components(find_ink(paint(row)))
    found = find_components(find_ink(paint(ruled_HW)))
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.boxes_M4, expected.boxes_M4, atol=2)
    np.testing.assert_allclose(found.areas_M, expected.areas_M, rtol=0.05)


def test_digits_that_cross_a_ruled_line_stay_whole(test_images: LabelledImages) -> None:
    kept: dict[bool, list[bool]] = {True: [], False: []}
    for image_HW, label in zip(test_images.images_NHW[:100], test_images.labels_N, strict=False):
        ink_HW, [box] = lay_out([[enlarge(image_HW, 3)]], gap=0, margin=150)
        whole = len(find_components(build_ink(ink_HW)))
        for share in (0.3, 0.5, 0.7):
            row = round(box[1] + share * (box[3] - box[1]))
            components = find_components(build_ink(draw_lines(ink_HW, [row])))
            kept[bool(label == 1)].append(len(components) == whole)
    # A stroke that runs along the line cannot be told from it.
    assert np.mean(kept[True]) > 0.85
    assert np.mean(kept[False]) > 0.55


@pytest.mark.parametrize("factor", [2, 5, 9])
def test_a_row_of_digits_is_not_a_ruled_line(test_images: LabelledImages, factor: int) -> None:
    images_NHW = test_images.images_NHW
    for first in range(0, 60, 12):
        glyphs = [enlarge(image_HW, factor) for image_HW in images_NHW[first : first + 12]]
        row_HW, _ = lay_out([glyphs], gap=1, margin=0)
        mask_HW = (np.pad(row_HW, ((60, 60), (0, 0))) > 0.5).astype(np.uint8)
        np.testing.assert_array_equal(remove_ruled_lines(mask_HW), mask_HW)


def draw_bars(kind: str) -> Mask:
    mask_HW = np.zeros((28, 28) if kind == "small" else (200, 300), np.uint8)
    if kind == "small":
        mask_HW[14] = 1
    elif kind == "short":
        mask_HW[100:103, :200] = 1
        mask_HW[150:153, 60:] = 1
    elif kind == "dotted":
        mask_HW[50:53, ::2] = 1
        mask_HW[20:23] = np.arange(300) % 54 < 32
    else:
        mask_HW[80:120] = 1
    return mask_HW


@pytest.mark.parametrize("kind", ["short", "dotted", "broad", "small"])
def test_other_bars_are_not_ruled_lines(kind: str) -> None:
    mask_HW = draw_bars(kind)
    np.testing.assert_array_equal(remove_ruled_lines(mask_HW), mask_HW)


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
