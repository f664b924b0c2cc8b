"""Combs and rows of boxes: their ticks are found where they are evenly spaced on a line."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

import tenfold
from reading.pages import enlarge, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.combs import find_combs
from tenfold.reading.result import Status

SIZE = (70, 300)
EVEN = tuple(range(20, 261, 30))


def find(text_HW: np.ndarray, rules_HW: np.ndarray) -> np.ndarray:
    """The combs, with digits between ticks."""
    text_HW = text_HW.copy()
    for x in (62, 182, 212, 242):
        text_HW[24:46, x : x + 7] = True
    return find_combs(text_HW, rules_HW & ~text_HW)


def draw(
    ticks: Sequence[int], *, line: bool = True, top: int = 38, slope: float = 0, beyond: int = 0
) -> np.ndarray:
    """Ticks on a line, two pixels thick, that goes so far beyond the outer ones."""
    rules_HW = np.zeros(SIZE, np.uint8)
    for x in ticks:
        y = round(slope * x)
        cv2.line(rules_HW, (x, top + y), (x, 50 + y), 1, 2)
    if line:
        ends = [max(0, min(ticks, default=20) - beyond), max(ticks, default=260) + beyond]
        first, last = ((x, 50 + round(slope * x)) for x in ends)
        cv2.line(rules_HW, first, last, 1, 2)
    return rules_HW > 0


@pytest.mark.parametrize(
    ("ticks", "top", "slope"),
    [
        (EVEN, 38, 0),
        (EVEN, 8, 0),  # boxes
        (EVEN, 38, 0.04),
        ((*EVEN[:3], *EVEN[4:]), 38, 0),  # a digit hides one
        ((*EVEN, 95), 38, 0),  # a one that was taken for a line
        (EVEN[:4], 38, 0),
    ],
)
def test_evenly_spaced_ticks_are_a_comb(ticks: Sequence[int], top: int, slope: float) -> None:
    rules_HW = draw(ticks, top=top, slope=slope)
    comb_HW = find(np.zeros(SIZE, bool), rules_HW) > 0
    is_tick_HW = draw([x for x in ticks if x in EVEN], top=top, slope=slope, line=False)
    assert comb_HW[is_tick_HW].mean() > 0.95
    assert comb_HW[46:, 30:80][rules_HW[46:, 30:80]].all()  # the line
    assert not comb_HW[top : top + 8, 93:98].any()


def draw_squares(rows: Sequence[int], bottom: int) -> np.ndarray:
    """Squared paper, whose upright lines end at the bottom."""
    rules_HW = np.zeros(SIZE, np.uint8)
    for x in EVEN:
        cv2.line(rules_HW, (x, 0), (x, bottom), 1, 2)
    for y in rows:
        cv2.line(rules_HW, (0, y), (299, y), 1, 2)
    return rules_HW > 0


@pytest.mark.parametrize(
    "rules_HW",
    [
        pytest.param(draw_squares((2, 31, 61), 61), id="squares"),
        pytest.param(draw_squares((20, 50), 69), id="squares that are cut off"),
        pytest.param(draw(EVEN[:3]), id="three ticks"),
        pytest.param(draw((20, 47, 90, 104, 139, 190, 221, 260)), id="uneven"),
        pytest.param(draw((20, 50, 140, 170, 260)), id="few of many"),
        pytest.param(draw(EVEN, line=False, top=10), id="ones in a row"),
        pytest.param(draw(EVEN, top=10, beyond=15), id="ones on a line"),
        pytest.param(draw(()), id="a line"),
        pytest.param(np.zeros(SIZE, bool), id="nothing"),
        pytest.param(np.ones(SIZE, bool), id="everything"),
    ],
)
def test_other_lines_are_no_comb(rules_HW: np.ndarray) -> None:
    assert not find(np.zeros(SIZE, bool), rules_HW).any()


def test_boxes_that_do_not_touch_are_a_comb() -> None:
    rules_HW, text_HW = np.zeros(SIZE, np.uint8), np.zeros(SIZE, bool)
    for x in range(20, 260, 30):
        cv2.rectangle(rules_HW, (x, 10), (x + 24, 50), 1, 2)
    text_HW[14:30, 73:76] = text_HW[20:40, 139:142] = True  # of the walls
    is_rule_HW = (rules_HW > 0) & ~text_HW
    assert find(text_HW, is_rule_HW)[is_rule_HW | text_HW].all()


def test_lines_that_most_writing_crosses_are_no_comb() -> None:
    text_HW = np.zeros(SIZE, bool)
    for x in EVEN[::2]:
        text_HW[40:44, x - 8 : x + 9] = True
    assert not find(text_HW, draw(EVEN) & ~text_HW).any()
    text_HW[:, 100:] = False  # of nine lines, two are crossed
    assert find(text_HW, draw(EVEN) & ~text_HW).any()


def test_walls_at_the_edges_of_the_image_are_parts_of_a_row_of_boxes() -> None:
    rules_HW, text_HW = np.zeros((60, 211), np.uint8), np.zeros((60, 211), bool)
    for x in range(0, 211, 30):
        cv2.line(rules_HW, (x, 5), (x, 54), 1, 2)
    for y in (5, 54):
        cv2.line(rules_HW, (0, y), (210, y), 1, 2)
    text_HW[10:34, [0, 1, 209, 210]] = True  # of the outer walls
    for x in range(12, 200, 30):
        text_HW[20:42, x : x + 7] = True
    text_HW[20:24, 1:12] = True  # of a digit that touches the first
    comb_HW = find_combs(text_HW, (rules_HW > 0) & ~text_HW)
    assert comb_HW[10:18][:, [0, 1, 209, 210]].all()
    assert not comb_HW[20:24, 6:12].any()


def test_ones_that_writing_joins_are_no_comb() -> None:
    ones_HW, text_HW = draw(EVEN, line=False, top=10), np.zeros(SIZE, bool)
    text_HW[26:29, 20:261] = True
    assert not find(text_HW, ones_HW & ~text_HW).any()


def test_a_line_is_a_part_also_where_writing_hides_most_of_it() -> None:
    text_HW = np.zeros(SIZE, bool)
    text_HW[40:56, 113:122] = text_HW[40:56, 128:137] = True
    assert find(text_HW, draw(EVEN) & ~text_HW)[50, 122:128].all()


def test_writing_above_a_tick_as_a_whole_is_a_part_of_it() -> None:
    text_HW = np.zeros(SIZE, bool)
    text_HW[14:37, 49:52] = True
    assert find(text_HW, draw(EVEN))[14:37, 49:52].all()


def test_writing_on_a_tick_is_a_part_of_it_unless_it_crosses_it() -> None:
    rules_HW = draw(EVEN, top=12)
    text_HW = np.zeros(SIZE, bool)
    text_HW[14:30, 49:52] = True  # of the second tick
    text_HW[20:24, 70:95] = True  # across the third
    text_HW[14:40, 78:82] = True  # all of it
    text_HW[12:45, 124:127] = True  # a one between two
    comb_HW = find(text_HW, rules_HW & ~text_HW) > 0
    assert comb_HW[14:30, 49:52].all()
    assert not comb_HW[20:24, 70:95].any()
    assert comb_HW[26:40, 78:82].all()
    assert not comb_HW[12:45, 124:127].any()


@pytest.mark.parametrize("has_boxes", [True, False])
@pytest.mark.parametrize("first", [0, 8, 16, 24])
def test_a_number_in_a_comb_is_read(
    reader: tenfold.Reader, test_images: LabelledImages, first: int, has_boxes: bool
) -> None:
    images_NHW = test_images.images_NHW[first : first + 8]
    page_HW = np.zeros((150, 60 + 8 * 64), np.float32)
    for i, image_HW in enumerate(images_NHW):
        ink_HW = enlarge(image_HW, 2)
        page_HW[44:100, 34 + 64 * i : 90 + 64 * i] = ink_HW
    ends = (30, 30 + 8 * 64)
    for x in range(ends[0], ends[1] + 1, 64):
        cv2.line(page_HW, (x, 36 if has_boxes else 88), (x, 108), 0.8, 2)
    for y in (36, 108)[not has_boxes :]:
        cv2.line(page_HW, (ends[0], y), (ends[1], y), 0.8, 2)
    reading = reader.read(paint(page_HW))
    text = "".join(map(str, test_images.labels_N[first : first + 8]))
    assert (reading.status, reading.text) == (Status.READ, text)


@pytest.mark.parametrize("middles", [(), (80, 200)])
def test_without_writing_between_its_ticks_it_may_be_ones(middles: Sequence[int]) -> None:
    text_HW = np.zeros(SIZE, bool)
    for x in middles:
        text_HW[34:48, x - 6 : x + 7] = True  # a digit in a row with ones
    ones_HW = draw([x for x in EVEN if x not in middles] if middles else EVEN, top=34)
    assert not find_combs(text_HW, ones_HW & ~text_HW).any()


def test_ones_on_a_ruled_line_are_no_comb(reader: tenfold.Reader) -> None:
    page_HW = np.zeros((150, 340), np.float32)
    for x in range(60, 260, 40):
        cv2.line(page_HW, (x, 50), (x + 1, 98), 1.0, 4)
    cv2.line(page_HW, (30, 98), (300, 98), 0.8, 2)
    assert reader.read(paint(page_HW)).text == "11111"
