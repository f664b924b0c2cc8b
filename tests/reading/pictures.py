"""Encode Pillow images for tests of decoding, and compare what is decoded with them."""

import io
from typing import Any

import numpy as np
from PIL import Image

from tenfold.reading.decoding import Decoded


def encode(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def differ(found: Decoded, expected: Image.Image) -> float:
    """The mean difference of two images' bytes."""
    expected_HWC = np.asarray(expected.convert("RGB"), np.float32)
    assert found.pixels_HWC.dtype == np.uint8
    assert found.pixels_HWC.shape == expected_HWC.shape
    return float(np.abs(found.pixels_HWC - expected_HWC).mean())
