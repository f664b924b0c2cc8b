"""Blank paper, letters, words and scribbles are not read as digits."""

import cv2
import numpy as np
import pytest

import tenfold
from reading.pages import FONTS, enlarge, lay_out, paint, write_word
from tenfold.data.mnist import LabelledImages
from tenfold.reading import reader as reader_module
from tenfold.reading.result import Reading, Status


@pytest.mark.parametrize("single", [True, False])
def test_a_blank_page_is_blank(reader: tenfold.Reader, single: bool) -> None:
    for size in ((28, 28), (200, 300), (900, 700)):
        for noise in (0, 2):
            nothing_HW = np.zeros(size, np.float32)
            reading = reader.read(paint(nothing_HW, noise=noise), single=single)
            assert reading == Reading(Status.BLANK, (), "nothing stands out from the paper")


def test_a_blank_page_with_the_edge_of_a_shadow_is_not_read(reader: tenfold.Reader) -> None:
    statuses = []
    for darker in (0.9, 0.8, 0.7, 0.6):
        pixels_HWC = paint(np.zeros((400, 600), np.float32))
        pixels_HWC[:, 300:] = (pixels_HWC[:, 300:] * darker).astype(np.uint8)
        statuses.append(reader.read(pixels_HWC).status)
    assert Status.READ not in statuses


def test_letters_are_not_read(reader: tenfold.Reader) -> None:
    """Letters that look like a digit in no handwriting."""
    readings = [
        reader.read(write_word(word, font), single=single)
        for word in "ABEHKMPR"
        for font in FONTS
        for single in (True, False)
    ]
    statuses = [one.status for one in readings]
    assert statuses.count(Status.READ) <= 3
    assert statuses.count(Status.NOT_DIGITS) > 0.3 * len(statuses)
    for one in readings:
        if one.status == Status.NOT_DIGITS:
            assert one.text == ""
            assert one.message == "the writing does not look like digits"
            assert len(one.digits) == 1  # the best guess


def test_a_thirteen_that_touches_is_not_read_as_it_may_be_a_b(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    one = test_images.images_NHW[test_images.labels_N == 1][4]
    three = test_images.images_NHW[test_images.labels_N == 3][2]
    glyphs = [enlarge(one, 4), enlarge(three, 4)]
    touching, apart = (
        reader.read(paint(lay_out([glyphs], gap=gap, margin=30)[0])) for gap in (-10, 20)
    )
    assert touching.status != Status.READ
    assert (apart.text, apart.status) == ("13", Status.READ)


def test_words_are_not_read(reader: tenfold.Reader) -> None:
    for word in ("Hamburg", "WHAT", "table"):
        for font in FONTS:
            assert reader.read(write_word(word, font)).status != Status.READ


def test_scribbles_are_not_read(reader: tenfold.Reader) -> None:
    statuses = []
    for seed in range(8):
        points = np.random.default_rng(seed).integers(40, 260, (14, 2)).astype(np.int32)
        sheet_HW = np.zeros((300, 300), np.uint8)
        cv2.polylines(sheet_HW, [points], False, 255, 6, cv2.LINE_AA)
        pixels_HWC = paint(sheet_HW.astype(np.float32) / np.float32(255))
        statuses += [reader.read(pixels_HWC, single=single).status for single in (True, False)]
    assert statuses.count(Status.READ) <= 2
    assert statuses.count(Status.NOT_DIGITS) > 5


def test_an_image_with_too_many_glyphs_is_not_digits(
    reader: tenfold.Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "MAX_GLYPHS", 50)
    sheet_HW = np.zeros((400, 400), np.float32)
    for row in range(30, 370, 40):
        for column in range(30, 370, 40):
            sheet_HW[row : row + 20, column : column + 6] = 1
    reading = reader.read(paint(sheet_HW))
    assert reading.status == Status.NOT_DIGITS
    assert reading.message == "more than 50 marks; cut the image into parts"
    assert reading.digits == ()
