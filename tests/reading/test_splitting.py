"""Glyphs are split near given columns, or over-segmented, through as little ink as possible."""

import numpy as np
import pytest

from reading.pages import cut, enlarge, find_page, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.splitting import over_segment, split_along, split_at


@pytest.mark.parametrize("gap", [2, -3, -8])
def test_fragments_of_touching_digits_cover_their_ink(
    test_images: LabelledImages, gap: int
) -> None:
    num_cut = 0
    for first in range(0, 60, 2):
        digits = [enlarge(test_images.images_NHW[first + i], 5) for i in range(2)]
        ink_HW, boxes = lay_out([digits], gap=gap, margin=40)
        page = find_page(ink_HW)
        glyph = page.extract(range(len(page.components)))
        fragments = over_segment(glyph, 100.0)
        assert len(fragments) == 1 or all(one.is_fragment for one in fragments)
        assert sorted(one.box[0] for one in fragments) == [one.box[0] for one in fragments]
        together = merge(fragments)
        left, top = together.box[0] - glyph.box[0], together.box[1] - glyph.box[1]
        covered_HW = np.zeros_like(glyph.strength_HW)
        covered_HW[top : top + together.height, left : left + together.width] = together.strength_HW
        assert (covered_HW <= glyph.strength_HW).all()
        assert covered_HW.sum() > 0.97 * glyph.strength_HW.sum()
        total = sum(float(one.strength_HW.sum()) for one in fragments)
        assert total == pytest.approx(covered_HW.sum(), rel=0.01)  # no ink is in two fragments
        border = (boxes[0][2] + boxes[1][0]) / 2
        num_cut += any(abs(one.box[2] - border) < 12 for one in fragments[:-1])
    assert num_cut >= 20


def test_a_narrow_glyph_stays_whole(test_images: LabelledImages) -> None:
    for image_HW in test_images.images_NHW[test_images.labels_N == 1][:20]:
        page = find_page(lay_out([[enlarge(image_HW, 5)]], gap=0, margin=40)[0])
        glyph = page.find_main_glyph()
        assert glyph is not None
        if glyph.width < 70:
            assert over_segment(glyph, 100.0) == [glyph]


def test_a_block_of_ink_stays_whole() -> None:
    glyph = Glyph((10, 20, 310, 120), np.ones((100, 300), np.float32))
    assert over_segment(glyph, 100.0) == [glyph]


def test_a_long_scribble_has_a_limited_number_of_fragments() -> None:
    ink_HW = np.zeros((60, 3000), np.float32)
    ink_HW[28:32] = 1
    assert 2 <= len(over_segment(Glyph((0, 0, 3000, 60), ink_HW), 60.0)) <= 20


def test_two_digits_are_split_where_they_touch(test_images: LabelledImages) -> None:
    images, labels = test_images.images_NHW, test_images.labels_N
    zeros = [image for image, label in zip(images, labels, strict=True) if label == 0][:20]
    for left, right in zip(zeros[::2], zeros[1::2], strict=True):
        line_HW, boxes = lay_out([[enlarge(left, 3), enlarge(right, 3)]], gap=-3, margin=0)
        height, width = line_HW.shape
        glyph = Glyph((100, 50, 100 + width, 50 + height), line_HW)
        fragments = split_at(glyph, [(boxes[0][2] + boxes[1][0]) / 2], 10)
        assert len(fragments) == 2
        assert all(one.is_fragment for one in fragments)
        for one, (x0, y0, x1, y1) in zip(fragments, boxes, strict=True):
            found = np.array(one.box) - (100, 50, 100, 50)
            assert np.abs(found - (x0, y0, x1, y1)).max() <= 10
        ink = sum(float(one.strength_HW.sum()) for one in fragments)
        assert ink <= line_HW.sum() + 1e-3
        assert ink > 0.98 * line_HW.sum()


def test_without_columns_nothing_is_split(test_images: LabelledImages) -> None:
    ink_HW = cut(enlarge(test_images.images_NHW[0], 3))
    glyph = Glyph((0, 0, ink_HW.shape[1], ink_HW.shape[0]), ink_HW)
    assert split_at(glyph, [], 5) == [glyph]


def test_empty_fragments_are_left_out() -> None:
    ink_HW = np.zeros((40, 90), np.float32)
    ink_HW[:, 10:20] = ink_HW[:, 70:80] = 1
    fragments = split_at(Glyph((0, 0, 90, 40), ink_HW), [30, 60], 4)
    assert [one.box for one in fragments] == [(10, 0, 20, 40), (70, 0, 80, 40)]


def test_seams_at_and_beyond_the_edges_cut_nothing_off() -> None:
    glyph = Glyph((5, 7, 95, 47), np.ones((40, 90), np.float32))
    seams = [np.full(40, column) for column in (-2, 0, 45, 90, 93)]
    fragments = split_along(glyph, seams)
    assert [one.box for one in fragments] == [(5, 7, 50, 47), (50, 7, 95, 47)]


def test_a_fragment_does_not_keep_its_line_in_memory() -> None:
    ink_HW = np.zeros((40, 4000), np.float32)
    ink_HW[:, ::2] = 1
    fragments = split_at(Glyph((0, 0, 4000, 40), ink_HW), list(range(100, 4000, 100)), 4)
    assert len(fragments) == 40
    for one in fragments:
        owner = one.strength_HW
        while owner.base is not None:
            owner = owner.base
        assert owner.nbytes < ink_HW.nbytes / 20
