"""Where glyphs are cut: near the columns that are asked for, through as little ink as may be."""

import numpy as np

from reading.pages import cut, enlarge, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.reading.glyphs import Glyph
from tenfold.reading.splitting import cut_along, split_at


def test_two_digits_are_cut_where_they_touch(test_images: LabelledImages) -> None:
    images, labels = test_images.images_NHW, test_images.labels_N
    zeros = [image for image, label in zip(images, labels, strict=True) if label == 0][:20]
    for left, right in zip(zeros[::2], zeros[1::2], strict=True):
        line_HW, boxes = lay_out([[enlarge(left, 3), enlarge(right, 3)]], gap=-3, margin=0)
        height, width = line_HW.shape
        glyph = Glyph((100, 50, 100 + width, 50 + height), line_HW)
        pieces = split_at(glyph, [(boxes[0][2] + boxes[1][0]) / 2], 10)
        assert len(pieces) == 2
        assert all(piece.is_cut for piece in pieces)
        for piece, (x0, y0, x1, y1) in zip(pieces, boxes, strict=True):
            found = np.array(piece.box) - (100, 50, 100, 50)
            assert np.abs(found - (x0, y0, x1, y1)).max() <= 10
        # Nothing is lost, and nothing is in both.
        ink = sum(float(piece.strength_HW.sum()) for piece in pieces)
        assert ink <= line_HW.sum() + 1e-3
        assert ink > 0.98 * line_HW.sum()


def test_nothing_is_cut_where_nobody_asks(test_images: LabelledImages) -> None:
    ink_HW = cut(enlarge(test_images.images_NHW[0], 3))
    glyph = Glyph((0, 0, ink_HW.shape[1], ink_HW.shape[0]), ink_HW)
    assert split_at(glyph, [], 5) == [glyph]


def test_an_empty_piece_is_none() -> None:
    ink_HW = np.zeros((40, 90), np.float32)
    ink_HW[:, 10:20] = ink_HW[:, 70:80] = 1
    pieces = split_at(Glyph((0, 0, 90, 40), ink_HW), [30, 60], 4)
    assert [piece.box for piece in pieces] == [(10, 0, 20, 40), (70, 0, 80, 40)]


def test_seams_at_and_beyond_the_edges_cut_nothing_off() -> None:
    glyph = Glyph((5, 7, 95, 47), np.ones((40, 90), np.float32))
    seams = [np.full(40, column) for column in (-2, 0, 45, 90, 93)]
    pieces = cut_along(glyph, seams)
    assert [piece.box for piece in pieces] == [(5, 7, 50, 47), (50, 7, 95, 47)]


def test_a_piece_does_not_keep_all_of_its_line() -> None:
    ink_HW = np.zeros((40, 4000), np.float32)
    ink_HW[:, ::2] = 1
    pieces = split_at(Glyph((0, 0, 4000, 40), ink_HW), list(range(100, 4000, 100)), 4)
    assert len(pieces) == 40
    for piece in pieces:
        owner = piece.strength_HW
        while owner.base is not None:
            owner = owner.base
        assert owner.nbytes < ink_HW.nbytes / 20
