"""Images as files."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image


def to_png(image_HW: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image_HW).save(file, "PNG")
    return file.getvalue()
