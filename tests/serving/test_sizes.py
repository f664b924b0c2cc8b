"""How large an image says that it is, found without decoding it."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from tenfold.serving.sizes import find_size

PICTURE = Image.fromarray(np.zeros((37, 1234), np.uint8))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("PNG", {}), ("GIF", {}), ("BMP", {}), ("JPEG", {}), ("JPEG", {"progressive": True})),
        ("JPEG", {"exif": b"Exif\x00\x00" + b"\xff\xc0" * 500, "comment": b"\xff\xc0" * 30_000}),
    ],
)
def test_a_size_is_found(kind: str, options: dict[str, object]) -> None:
    file = io.BytesIO()
    PICTURE.save(file, kind, **options)
    assert find_size(file.getvalue()) == (1234, 37)
    for end in range(0, 700, 7):  # of a part there is a size or none
        assert find_size(file.getvalue()[:end]) in (None, (1234, 37))


def test_any_bytes_have_a_size_or_none() -> None:
    chance = random.Random(0)
    starts = (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xff\xd8",
        b"GIF89a",
        b"BM",
        b"",
        b"\xff\xd8\xff\xff",
    )
    for number in range(3000):
        data = starts[number % len(starts)] + chance.randbytes(chance.randrange(60))
        size = find_size(data)
        assert size is None or min(size) >= 0
    assert find_size(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 100_000) is None
    assert find_size(b"\xff" * 1_000_000) is None
