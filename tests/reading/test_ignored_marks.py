"""Marks beside digits that are no signs, or are not wanted, are ignored; the message says so."""

import cv2
import numpy as np
import pytest

import tenfold
from reading.pages import INK, Map, cut, enlarge, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.decoding import Pixels
from tenfold.reading.doubts import FOREIGN_DOUBT
from tenfold.reading.result import Status


def draw_mark(width: int, height: int, above: int) -> Map:
    """A filled box, `above` the bottom of a line of 70 pixels."""
    mark_HW = np.zeros((70, width), np.float32)
    mark_HW[70 - above - height : 70 - above] = 1
    return mark_HW


DOT, DASH, SPECK = draw_mark(10, 10, 0), draw_mark(24, 7, 30), draw_mark(3, 3, 5)
BLOCK = draw_mark(24, 24, 24)
IGNORED = "marks that are not digits were ignored"


def write_row(images: LabelledImages, marks: list[Map | None]) -> Pixels:
    """7, 2, 0 and 4, with a mark before each of them and after the last."""
    line_HW = [np.zeros((70, 40), np.float32)]
    for number, mark_HW in enumerate(marks):
        line_HW += [] if mark_HW is None else [mark_HW, np.zeros((70, 14), np.float32)]
        if number < 4:
            glyph_HW = cut(enlarge(images.images_NHW[[0, 1, 3, 4][number]], 3))
            above = ((70 - len(glyph_HW), 0), (0, 14))
            line_HW.append(np.pad(glyph_HW, above))
    row_HW = np.concatenate([*line_HW, np.zeros((70, 26), np.float32)], axis=1)
    return paint(np.pad(row_HW, ((40, 40), (0, 0))))


@pytest.mark.parametrize(
    ("marks", "text", "message"),
    [
        ([None] * 5, "7204", None),
        ([None, None, DOT, None, None], "72.04", IGNORED),
        ([None, None, DASH, None, None], "72-04", IGNORED),
        ([DASH, None, None, None, None], "-7204", IGNORED),
        ([None, None, BLOCK, None, None], "72 04", FOREIGN_DOUBT),
        ([SPECK, None, SPECK, None, SPECK], "7204", None),
    ],
    ids=["plain", "dot", "dash", "sign", "block", "specks"],
)
def test_a_mark_is_a_sign_or_ignored_and_the_message_says_so(
    reader: tenfold.Reader,
    test_images: LabelledImages,
    marks: list[Map | None],
    text: str,
    message: str | None,
) -> None:
    pixels_HWC = write_row(test_images, marks)
    reading = reader.read(pixels_HWC)
    status = Status.UNCERTAIN if message == FOREIGN_DOUBT else Status.READ
    assert (reading.status, reading.text) == (status, text)
    is_read = any(sign in text for sign in ".-")
    assert reading.message == (None if is_read else message)
    without = reader.read(pixels_HWC, signs=False)
    assert (without.status, without.text.replace(" ", "")) == (status, "7204")
    assert (without.message, without.signs) == (message, ())


@pytest.mark.parametrize(("side", "message"), [(0, None), (2, None), (5, IGNORED)])
def test_dots_of_a_fine_pen_are_not_noise(
    reader: tenfold.Reader, side: int, message: str | None
) -> None:
    pixels_HWC = np.full((140, 200, 3), 240, np.uint8)
    one, seven = [(50, 36), (48, 100)], [(100, 38), (142, 36), (115, 100)]
    for points in (one, seven):
        cv2.polylines(pixels_HWC, [np.array(points)], False, INK, 3, cv2.LINE_AA)
    pixels_HWC[100 - side : 100, 76 : 76 + side] = INK
    reading = reader.read(pixels_HWC, signs=False)
    assert (reading.status, reading.text) == (Status.READ, "17")
    assert reading.message == message


@pytest.mark.parametrize("is_sign", [True, False])
def test_without_signs_a_sign_beside_a_single_digit_is_ignored(
    reader: tenfold.Reader, test_images: LabelledImages, is_sign: bool
) -> None:
    glyph_HW = cut(enlarge(test_images.images_NHW[1], 3))
    mark_HW = (DASH if is_sign else DOT)[-len(glyph_HW) :]
    gap_HW: Map = np.zeros((len(glyph_HW), 8), np.float32)
    parts = [mark_HW, gap_HW, glyph_HW] if is_sign else [glyph_HW, gap_HW, mark_HW]
    row_HW = np.pad(np.concatenate(parts, axis=1), 40)
    reading = reader.read(paint(row_HW), signs=False)
    assert (reading.status, reading.text, reading.message) == (Status.READ, "2", IGNORED)
    left, _, right, _ = reading.digits[0].box
    assert right - left == pytest.approx(glyph_HW.shape[1], abs=4)
