"""Boxes to tick and bubbles."""

import cv2
import numpy as np
import pytest

from tenfold.forms.form import Field
from tenfold.forms.marks import read_bubbles, read_tick
from tenfold.reading.result import Status

BOX = Field("late", (0, 0, 5, 5), "tick")
GRADE = Field("grade", (0, 0, 32, 8), "bubbles", columns=4, labels=("1", "2", "3", "4"))


def draw_box() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    frame_HW = np.zeros((24, 24), np.uint8)
    cv2.rectangle(frame_HW, (0, 0), (23, 23), 255, 1)
    return frame_HW


@pytest.mark.parametrize(
    ("strokes", "value", "is_sure"),
    [
        ([], "no", True),
        ([((5, 5), (19, 19)), ((19, 5), (5, 19))], "yes", True),
        ([((10, 10), (11, 13))], "no", False),
        ([((1, y), (22, y)) for y in range(1, 23)], "yes", False),
    ],
    ids=["empty", "crossed", "a speck", "blotted out"],
)
def test_ticks(
    strokes: list[tuple[tuple[int, int], tuple[int, int]]], value: str, is_sure: bool
) -> None:
    ink_HW = draw_box()
    for start, end in strokes:
        cv2.line(ink_HW, start, end, 220, 1 if len(strokes) != 2 else 2)
    reading = read_tick(BOX, ink_HW, draw_box(), 255.0)
    assert (reading.value, reading.is_sure) == (value, is_sure)


@pytest.mark.parametrize(
    ("filled", "value", "status"),
    [
        ({}, "", Status.BLANK),
        ({2: 220}, "3", Status.READ),
        ({0: 220, 2: 220}, "1+3", Status.UNCERTAIN),
        ({1: 90}, "", Status.UNCERTAIN),
    ],
)
def test_bubbles(filled: dict[int, int], value: str, status: Status) -> None:
    known_HW = np.zeros((32, 128), np.uint8)
    for column in range(4):
        cv2.circle(known_HW, (16 + 32 * column, 16), 10, 255, 1)
    ink_HW = known_HW.copy()
    for column, ink in filled.items():
        cv2.circle(ink_HW, (16 + 32 * column, 16), 9, ink, -1)
    reading = read_bubbles(GRADE, ink_HW, known_HW, 255.0)
    assert (reading.value, reading.status) == (value, status)


def test_one_bubble_of_each_column() -> None:
    field = Field("id", (0, 0, 20, 30), "bubbles", rows=3, columns=2, labels=("0", "1", "2"))
    ink_HW = np.zeros((96, 64), np.uint8)
    cv2.circle(ink_HW, (16, 80), 10, 255, -1)
    known_HW = np.zeros_like(ink_HW)
    assert read_bubbles(field, ink_HW, known_HW, 255.0).value == "2?"
    cv2.circle(ink_HW, (48, 48), 10, 255, -1)
    reading = read_bubbles(field, ink_HW, known_HW, 255.0)
    assert (reading.value, reading.is_sure) == ("21", True)
