"""Images for tests: PNG bytes, figures without clipped edges, every file format, damaged files."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:  # tests of the core run without matplotlib
    from tenfold.reports.figures.style import Theme

# A file of each format and pixel layout: the mode, and what Pillow saves it with.
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("RGB", {"format": "PNG"}),
    "PNG, bits": ("1", {"format": "PNG"}),
    "PNG, palette": ("P", {"format": "PNG", "transparency": 3}),
    "PNG, opacity": ("LA", {"format": "PNG"}),
    "PNG, deep": ("I;16", {"format": "PNG"}),
    "JPEG": ("RGB", {"format": "JPEG"}),
    "JPEG, grey": ("L", {"format": "JPEG", "restart_marker_blocks": 2}),
    "JPEG, progressive": ("RGB", {"format": "JPEG", "progressive": True}),
    "JPEG, inks": ("CMYK", {"format": "JPEG"}),
    "WebP": ("RGB", {"format": "WEBP"}),
    "WebP, lossless": ("RGBA", {"format": "WEBP", "lossless": True}),
    "BMP": ("RGB", {"format": "BMP"}),
    "BMP, bits": ("1", {"format": "BMP"}),
    "BMP, palette": ("P", {"format": "BMP"}),
    "TIFF": ("RGB", {"format": "TIFF"}),
    "TIFF, LZW": ("L", {"format": "TIFF", "compression": "tiff_lzw"}),
    "TIFF, deflate": ("RGBA", {"format": "TIFF", "compression": "tiff_adobe_deflate"}),
    "TIFF, JPEG": ("RGB", {"format": "TIFF", "compression": "jpeg"}),
    "TIFF, fax": ("1", {"format": "TIFF", "compression": "group4"}),
    "TIFF, floats": ("F", {"format": "TIFF"}),
    "GIF": ("P", {"format": "GIF"}),
    "PPM": ("RGB", {"format": "PPM"}),
    "PGM, deep": ("I;16", {"format": "PPM"}),
    "HEIC": ("RGB", {"format": "HEIF"}),
    "PDF": ("RGB", {"format": "PDF", "resolution": 200}),  # where a page has the image's pixels
}


def to_png(image_HW: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image_HW).save(file, "PNG")
    return file.getvalue()


def open_picture(png: bytes, theme: Theme | None = None) -> npt.NDArray[np.uint8]:
    """The pixels of a figure, after a check that nothing is clipped at its edges."""
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    paper = [int(theme.paper[i : i + 2], 16) if theme else 255 for i in (1, 3, 5)]
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == paper).all()
    assert (pixels != paper).any()
    return pixels


def encode_all(grey_HW: npt.NDArray[np.uint8]) -> dict[str, bytes]:
    """The bytes of a file of each kind in FILES."""
    import pillow_heif  # tests of the core run without it

    pillow_heif.register_heif_opener()
    return {name: encode(grey_HW, mode, **options) for name, (mode, options) in FILES.items()}


def encode(grey_HW: npt.NDArray[np.uint8], mode: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    convert(grey_HW, mode).save(buffer, **options)
    return buffer.getvalue()


def convert(grey_HW: npt.NDArray[np.uint8], mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(grey_HW.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(grey_HW.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(grey_HW.astype(np.float32))
    colours = Image.fromarray(np.stack([grey_HW, grey_HW // 2 + 100, grey_HW], axis=2))
    for step in {"RGBa": ("RGBA",), "La": ("LA",), "PA": ("P",)}.get(mode, ()):
        colours = colours.convert(step)
    return colours.convert(mode)


def mutate(whole: bytes, seed: str) -> bytes:
    """A file truncated, or with bits flipped or bytes changed, removed or added, mostly early."""
    source, data = random.Random(seed), bytearray(whole)
    in_head = source.randrange(min(120, len(data)))
    anywhere = source.randrange(len(data))
    match source.randrange(6):
        case 0:
            del data[anywhere:]
        case 1:
            for _ in range(source.randint(1, 8)):
                data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        case 2:
            data[in_head : in_head + 4] = source.randbytes(4)
        case 3:
            del data[anywhere : anywhere + source.randint(1, 20)]
        case 4:
            data[anywhere:anywhere] = source.randbytes(source.randint(1, 20))
        case _:
            data[in_head] = source.choice([0, 1, 2, 4, 8, 16, 32, 127, 128, 255])
    return bytes(data)
