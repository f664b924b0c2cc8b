"""Lines that cannot be relied on, although networks are sure of what they read there."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

import tenfold
from reading.pages import cut, enlarge, lay_out, paint
from reading.signed_lines import write_signed
from tenfold.data.mnist import LabelledImages
from tenfold.reading.components import find_components
from tenfold.reading.doubts import CENTS_DOUBT, doubt_slashes, find_doubts
from tenfold.reading.glyphs import Glyph
from tenfold.reading.ink import find_ink
from tenfold.reading.lattice import Candidate
from tenfold.reading.result import Cell, ReadDigit, Reading, ReadSign, Status, part_cells
from tenfold.reading.text_line import SignCandidate, Signs, TextLine

FOREIGN = "there is something that is neither a digit nor a sign"
STROKE = "the 1 (digit {}) might be a slash or a bracket"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12A", FOREIGN),
        ("3x4", FOREIGN),
        ("3=4", FOREIGN),
        ("/5", STROKE.format(1)),
        ("(72", STROKE.format(1)),
        ("72)", STROKE.format(3)),
    ],
)
def test_what_is_no_digit_makes_a_line_doubtful_and_is_said(
    reader: tenfold.Reader, test_images: LabelledImages, text: str, message: str
) -> None:
    reading = reader.read(write_signed(test_images, text)[0])
    assert (reading.status, reading.message) == (Status.UNCERTAIN, message)
    assert not any(digit.is_sure for digit in reading.digits)


def test_a_one_that_may_be_a_slash_is_doubtful() -> None:
    glyph = Glyph((0, 0, 8, 20), np.ones((20, 8), np.float32))

    def build(text: str) -> TextLine:
        digits, signs = [], []
        for character in text:
            if character.isdigit():
                probs_K = np.eye(11, dtype=np.float32)[int(character)]
                digits.append(Candidate(glyph, np.zeros((28, 28), np.uint8), probs_K))
            else:
                signs.append(SignCandidate(character, glyph.box, len(digits), 0.9))
        return TextLine(digits, Signs(tuple(signs)))

    for text, other in (
        ("318", "3/8"),
        ("12/0112026", "12/01/2026"),
        ("3/118", "3/1/8"),
        ("25100/-", "25/00/-"),
        ("31.8", "3/8"),
    ):
        assert doubt_slashes([text, other], build(text)) == (f"{text} might be {other}",)
    for other in ("318", "3.18", "31/8", "3/18", "318/", "/318", "38", "4/8"):
        assert doubt_slashes([other], build("318")) == ()


def test_raised_cents_are_doubtful(reader: tenfold.Reader, test_images: LabelledImages) -> None:
    digits = [cut(enlarge(test_images.images_NHW[i], 3)) for i in (18, 4, 0)]  # 3, 4 and 7
    small = [cut(enlarge(test_images.images_NHW[i], 1.6)) for i in (8, 3)]  # 5 and 0
    ink_HW = np.zeros((140, 400), np.float32)
    left = 40
    for one_HW in (*digits, *small):
        top = 40 if one_HW.shape[0] < 40 else 100 - one_HW.shape[0]
        ink_HW[top : top + one_HW.shape[0], left : left + one_HW.shape[1]] = one_HW
        left += one_HW.shape[1] + 12
    reading = reader.read(paint(ink_HW))
    assert reading.status == Status.UNCERTAIN
    assert reading.message is not None
    assert CENTS_DOUBT in reading.message
    lowered_HW = ink_HW.copy()
    first = left - sum(one_HW.shape[1] + 12 for one_HW in small) - 6
    lowered_HW[:, first:] = np.roll(ink_HW[:, first:], 60 - small[0].shape[0], axis=0)
    assert CENTS_DOUBT not in (reader.read(paint(lowered_HW)).message or "")


def test_a_line_that_the_edge_cuts_off_is_left_out(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    rows = [[enlarge(test_images.images_NHW[i], 2) for i in row] for row in ((3, 10, 0), (4, 9, 0))]
    ink_HW, boxes = lay_out(rows, gap=15, margin=30)
    assert reader.read(paint(ink_HW)).status == Status.READ
    cut = boxes[0][1] + round(0.55 * (boxes[0][3] - boxes[0][1]))
    reading = reader.read(paint(ink_HW[cut:]))
    assert reading.status == Status.UNCERTAIN
    assert reading.message == "what the edge of the image cuts off was left out"
    assert reading.text == "497"
    assert all(digit.is_sure for digit in reading.digits)
    assert [digit.line for digit in reading.digits] == [0, 0, 0]


def test_digits_that_a_line_joins_are_no_circle_around_another() -> None:
    ink_HW = np.zeros((110, 400), np.float32)
    cv2.line(ink_HW, (10, 90), (390, 90), 1.0, 4)
    for x in (60, 340):
        cv2.line(ink_HW, (x, 15), (x - 20, 90), 1.0, 8)
    cv2.ellipse(ink_HW, (200, 52), (22, 28), 0, 0, 360, 1.0, 8)
    assert len(find_components(find_ink(paint(ink_HW)))) == 2


def test_numbers_of_neighbouring_cells_are_parted() -> None:
    image = np.zeros((28, 28), np.uint8)
    xs = (10, 30, 70, 90, 120)
    digits = tuple(
        ReadDigit(int(one), 1.0, (x, 10, x + 15, 30), (1.0,) * 10, image)
        for one, x in zip("12345", xs, strict=True)
    )
    sign = ReadSign("-", 1.0, (62, 18, 68, 22), 0, 2)
    cells = (
        Cell((0, 0, 60, 40), 0, 0),
        Cell((60, 0, 118, 40), 0, 1),
        Cell((118, 0, 150, 40), 0, 2),
    )
    reading = Reading(Status.READ, digits, signs=(sign,), cells=cells)
    assert part_cells(reading).text == "12 -34 5"
    # One digit in each cell may be one number.
    boxes = tuple(Cell((x - 2, 0, x + 18, 40), 0, i) for i, x in enumerate(xs))
    assert part_cells(replace(reading, cells=boxes)).text == "12-345"


def test_the_only_digit_of_a_line_that_the_digit_network_rejects_is_doubtful() -> None:
    glyph = Glyph((0, 0, 8, 20), np.ones((20, 8), np.float32))

    def doubt(rejected: float, num: int) -> tuple[str, ...]:
        probs_K = np.zeros(11, np.float32)
        probs_K[3], probs_K[10] = 1 - rejected, rejected
        digits = [Candidate(glyph, np.zeros((28, 28), np.uint8), probs_K)] * num
        return find_doubts(digits, [])

    assert doubt(0.49, 1) == ("the 3 might not be a digit",)
    assert doubt(0.49, 2) == doubt(0.1, 1) == ()
