"""Image files in every format and mode, and what strangers make of them."""

import io
import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image

# A file of every format, and of every way to keep pixels in it: a mode, and what to save it with.
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
}


def encode_all(grey_HW: npt.NDArray[np.uint8]) -> dict[str, bytes]:
    """A picture as a file of every kind, by its name."""
    pillow_heif.register_heif_opener()
    return {name: encode(grey_HW, mode, **options) for name, (mode, options) in FILES.items()}


def encode(grey_HW: npt.NDArray[np.uint8], mode: str, **options: Any) -> bytes:
    """The bytes of a file with a picture in that mode."""
    image = convert(grey_HW, mode)
    buffer = io.BytesIO()
    image.save(buffer, **options)
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
    """The file cut off, with flipped bits, other, lost or additional bytes; most in its head."""
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
