"""What tests of figures share: the pixels of a picture, of which nothing is cut."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.reports.figures.style import LIGHT, Theme


def open_picture(png: bytes, theme: Theme = LIGHT) -> npt.NDArray[np.uint8]:
    """The pixels of a picture, of which no line and no word goes beyond its edges."""
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    paper = [int(theme.paper[i : i + 2], 16) for i in (1, 3, 5)]
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == paper).all()
    assert (pixels != paper).any()
    return pixels
