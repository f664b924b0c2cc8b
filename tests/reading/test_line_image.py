"""A text line's ink as a line image: its size, its contrast and its content."""

import cv2
import numpy as np
import pytest

from reading.pages import enlarge, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.reading.line_image import (
    COLUMN_PX,
    HEIGHT_PX,
    MARGIN_PX,
    MAX_WIDTH_PX,
    SIDE_PX,
    find_scale,
    normalise_line,
)


@pytest.mark.parametrize("height", [9, 28, 61, 300])
@pytest.mark.parametrize("aspect", [0.2, 1.0, 3.3, 9.0])
def test_line_images_have_one_height_and_keep_their_aspect(height: int, aspect: float) -> None:
    width = max(1, round(height * aspect))
    image_HW = normalise_line(np.ones((height, width), np.float32))
    assert image_HW.dtype == np.uint8
    assert len(image_HW) == HEIGHT_PX
    assert image_HW.shape[1] % COLUMN_PX == 0
    rows, columns = (np.flatnonzero(image_HW.any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (MARGIN_PX, HEIGHT_PX - MARGIN_PX - 1)
    assert columns[0] == SIDE_PX
    assert len(columns) == max(1, round(width * find_scale(height, width)))
    assert abs(len(columns) - 36 * width / height) <= 1
    assert image_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].min() == 255


def test_a_very_long_line_is_squeezed() -> None:
    image_HW = normalise_line(np.ones((10, 5000), np.float32))
    assert image_HW.shape == (HEIGHT_PX, MAX_WIDTH_PX)


def test_a_line_without_ink_is_black() -> None:
    assert not normalise_line(np.zeros((20, 60), np.float32)).any()


def test_strong_strokes_become_white_in_a_faint_line(test_images: LabelledImages) -> None:
    line_HW, _ = lay_out(
        [[enlarge(image, 3) for image in test_images.images_NHW[:4]]], gap=5, margin=0
    )
    strong, faint = (normalise_line(line_HW * np.float32(share)) for share in (1.0, 0.3))
    assert strong.max() == faint.max() == 255
    assert np.abs(strong.astype(int) - faint).mean() < 3


def test_a_line_image_scaled_back_is_the_line(test_images: LabelledImages) -> None:
    line_HW, _ = lay_out(
        [[enlarge(image, 2) for image in test_images.images_NHW[:5]]], gap=4, margin=0
    )
    image_HW = normalise_line(line_HW)
    columns = round(line_HW.shape[1] * find_scale(*line_HW.shape))
    inside_HW = image_HW[MARGIN_PX : HEIGHT_PX - MARGIN_PX, SIDE_PX : SIDE_PX + columns] / 255
    back_HW = cv2.resize(inside_HW.astype(np.float32), line_HW.shape[::-1])
    assert np.corrcoef(back_HW.ravel(), line_HW.ravel())[0, 1] > 0.95
