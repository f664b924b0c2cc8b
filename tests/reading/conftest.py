"""Fixtures for the tests of reading."""

import numpy as np
import pytest
from PIL import Image

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


@pytest.fixture(scope="session")
def picture(test_images: LabelledImages) -> Image.Image:
    """Three digits in colours on grey paper, wider than high, no symmetry."""
    row_HW = np.concatenate(list(test_images.images_NHW[:3]), 1).repeat(2, 0).repeat(2, 1)
    paper_HWC = np.full((*row_HW.shape, 3), (230, 220, 200), np.uint8)
    for i, colour in enumerate(((200, 30, 20), (20, 20, 120), (30, 30, 30))):
        part = slice(56 * i, 56 * (i + 1))
        ink_HW1 = row_HW[:, part, None] / 255
        mixed = paper_HWC[:, part] * (1 - ink_HW1) + np.array(colour) * ink_HW1
        paper_HWC[:, part] = mixed.astype(np.uint8)
    return Image.fromarray(paper_HWC)
