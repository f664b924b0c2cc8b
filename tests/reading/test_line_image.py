"""A line's ink as a strip: its size, what is white in it, and what it keeps of the line."""

import numpy as np
import pytest

from reading.pages import enlarge, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.reading.line_image import (
    COLUMN_PX,
    HEIGHT_PX,
    MARGIN_PX,
    SIDE_PX,
    WIDEST_PX,
    frame_strip,
    measure_scale,
)


@pytest.mark.parametrize("height", [9, 28, 61, 300])
@pytest.mark.parametrize("aspect", [0.2, 1.0, 3.3, 9.0])
def test_a_strip_is_as_high_as_all_and_as_wide_as_its_line(height: int, aspect: float) -> None:
    width = max(1, round(height * aspect))
    strip_HW = frame_strip(np.ones((height, width), np.float32))
    assert strip_HW.dtype == np.uint8
    assert len(strip_HW) == HEIGHT_PX
    assert strip_HW.shape[1] % COLUMN_PX == 0
    rows, columns = (np.flatnonzero(strip_HW.any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (MARGIN_PX, HEIGHT_PX - MARGIN_PX - 1)
    assert columns[0] == SIDE_PX
    assert len(columns) == max(1, round(width * measure_scale(height, width)))
    assert abs(len(columns) - 28 * width / height) <= 1
    assert strip_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].min() == 255


def test_a_very_long_line_is_squeezed() -> None:
    strip_HW = frame_strip(np.ones((10, 5000), np.float32))
    assert strip_HW.shape == (HEIGHT_PX, WIDEST_PX)


def test_a_line_without_ink_is_black() -> None:
    assert not frame_strip(np.zeros((20, 60), np.float32)).any()


def test_strong_strokes_are_white_however_faint_the_line_is(test_images: LabelledImages) -> None:
    line_HW, _ = lay_out(
        [[enlarge(image, 3) for image in test_images.images_NHW[:4]]], gap=5, margin=0
    )
    strong, faint = (frame_strip(line_HW * np.float32(share)) for share in (1.0, 0.3))
    assert strong.max() == faint.max() == 255
    assert np.abs(strong.astype(int) - faint).mean() < 3


def test_a_strip_shows_its_line(test_images: LabelledImages) -> None:
    """Brought back to the line's size it is nearly the line."""
    import cv2

    line_HW, _ = lay_out(
        [[enlarge(image, 2) for image in test_images.images_NHW[:5]]], gap=4, margin=0
    )
    strip_HW = frame_strip(line_HW)
    columns = round(line_HW.shape[1] * measure_scale(*line_HW.shape))
    inside_HW = strip_HW[MARGIN_PX : HEIGHT_PX - MARGIN_PX, SIDE_PX : SIDE_PX + columns] / 255
    back_HW = cv2.resize(inside_HW.astype(np.float32), line_HW.shape[::-1])
    assert np.corrcoef(back_HW.ravel(), line_HW.ravel())[0, 1] > 0.95
