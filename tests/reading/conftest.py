"""Fixtures for the tests of reading."""

import numpy as np
import pytest

import tenfold
from reading.pages import Box, Map, enlarge, lay_out
from tenfold.data.mnist import LabelledImages


@pytest.fixture(scope="session")
def reader() -> tenfold.Reader:
    return tenfold.Reader()


@pytest.fixture(scope="session")
def digit(test_images: LabelledImages) -> tuple[Map, Box]:
    """A seven of 93 x 119 pixels on 300 x 280, and its box."""
    ink_HW, [box] = lay_out([[enlarge(test_images.images_NHW[0], 6)]], gap=0, margin=90)
    return ink_HW, box


@pytest.fixture
def noisy_digit(digit: tuple[Map, Box]) -> Map:
    """The seven with five specks, one of them within its box."""
    ink_HW, box = digit[0].copy(), digit[1]
    for row, column in ((20, 30), (80, 250), (250, 30), (270, 250), (box[3] - 8, box[0] + 8)):
        ink_HW[row : row + 4, column : column + 4] = 1
    return ink_HW


@pytest.fixture(params=range(4), ids=["right", "top", "left", "bottom"])
def cropped_digit(digit: tuple[Map, Box], request: pytest.FixtureRequest) -> tuple[Map, Box]:
    """The seven tightly cropped, with a sliver of a neighbour or a frame along one edge."""
    around, (left, top, right, bottom) = 22, digit[1]
    ink_HW = digit[0][top - around : bottom + around, left - around : right + around]
    turned_HW = np.rot90(ink_HW, request.param).copy()
    turned_HW[12:-12, -14:] = 1
    box = (around, around, right - left + around, bottom - top + around)
    return np.rot90(turned_HW, -request.param), box
