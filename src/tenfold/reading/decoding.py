"""Bytes of an image file to pixels: upright, eight bits a channel, not larger than reading needs.

In: the bytes of a file in one of the formats below, a Pillow image, or an array. Out: RGB pixels
and how much smaller they are than the image. What is on them, others say. Bytes come from
strangers: their number and the number of pixels are limited before anything is decoded, and
whatever a decoder trips over is an ImageError.

Array names carry their axes: H rows, W columns, C colours (red, green, blue).
"""

import contextlib
import ctypes
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError, _imaging

from tenfold.errors import ImageError, MissingExtraError, describe_install
from tenfold.reading.headers import (
    MAX_FILE_BYTES,
    MAX_METADATA_BYTES,
    MAX_READS,
    CountedBytes,
    check_structure,
)

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
# Most formats are decoded whole, at so many bytes a pixel (four for modes that are not listed).
MAX_DECODED_BYTES = 72_000_000
PIXEL_BYTES = {"1": 1, "L": 1, "P": 1}
# A JPEG is decoded reduced; but a progressive JPEG's coefficients are all kept meanwhile.
MAX_JPEG_PIXELS = 120_000_000
MAX_PROGRESSIVE_PIXELS = 25_000_000
MAX_WEBP_PIXELS = 12_200_000  # its decoder holds several copies
# Larger images are reduced to this while reading; handwriting on 2,000 x 2,000 pixels is legible.
WORKING_PIXELS = 4_200_000
ROWS_PIXELS = 1_000_000  # converted at a time
BRIGHT = 200  # of 255: ink that would not be seen on white paper
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
EXIF_ORIENTATION = 0x0112

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """Upright pixels, RGB, uint8 [H, W, 3]; one of them is `reduction` of the image's wide."""

    pixels_HWC: Pixels
    reduction: float = 1.0


def read_bytes(source: Path | BinaryIO) -> bytes:
    """The bytes of a file or a stream. Raises ImageError if they cannot be read or are too many."""
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        else:
            data = source.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # a name with a null byte is no name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"expected a file that can be read, found: {reason}") from error
    return data


def decode(data: bytes | bytearray | memoryview) -> Decoded:
    """Decode the bytes of an image file, whose format its first bytes tell.

    Raises ImageError if they are no image of a known format, damaged, or too large, and
    MissingExtraError for HEIC without the extra that decodes it.
    """
    if memoryview(data).nbytes > MAX_FILE_BYTES:
        raise ImageError(f"expected at most {MAX_FILE_BYTES // 1024**2} MiB, found more")
    data = bytes(data)
    if not data:
        raise ImageError("expected an image, found an empty file")
    with _open(data) as image:
        return decode_image(image)


def _open(data: bytes) -> Image.Image:
    """An image of which only the header is decoded, with bounds on what the file is made of.

    Raises ImageError and MissingExtraError as `decode` does.
    """
    formats: tuple[str, ...] = FORMATS
    if data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS:
        formats = _register_heif()
    keeps_pixels = check_structure(data)
    # Of a BMP's runs, read one by one, the bytes are limited.
    file = CountedBytes(data, math.inf if data.startswith(b"BM") else MAX_READS)
    try:
        with warnings.catch_warnings():
            # Of damage, which is told below, and of many pixels: the size is checked next.
            warnings.simplefilter("ignore")
            image = Image.open(file, formats=formats)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            "expected an image (PNG, JPEG, WebP, BMP, TIFF, GIF, PGM, PPM or HEIC), found none"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"expected at most {MAX_JPEG_PIXELS / 1e6:.0f} megapixels, found more than "
            f"{2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f}"
        ) from error
    except Exception as error:
        raise _describe_damage(error) from error
    if keeps_pixels:
        image.info["progressive"] = True
    return image


def _register_heif() -> tuple[str, ...]:
    """Let Pillow read HEIC; returns the name of the format."""
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(
            f"HEIC images need the extra 'heic': {describe_install('heic')}"
        ) from error
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def decode_image(image: Image.Image) -> Decoded:
    """Decode a Pillow image, which may have just been opened: nothing is decoded before its size.

    Raises ImageError if it is damaged or too large.
    """
    width, height = image.size
    is_jpeg = image.format in ("JPEG", "MPO") and hasattr(image, "draft")
    limit = MAX_DECODED_BYTES // PIXEL_BYTES.get(image.mode, 4)
    if is_jpeg:
        limit = MAX_PROGRESSIVE_PIXELS if image.info.get("progressive") else MAX_JPEG_PIXELS
    if image.format == "WEBP":
        limit = MAX_WEBP_PIXELS
    _check_size(width, height, limit)
    if image.format == "TIFF":
        _silence_libtiff()
    try:
        if is_jpeg:
            # A decoder can halve the size up to three times, which also takes less time.
            halvings = round(math.log2(max(1.0, _find_reduction(image))))
            image.draft(None, (width >> halvings or 1, height >> halvings or 1))
        tiles = getattr(image, "tile", ())
        if tiles and tiles[0][0] == "ppm":
            image = _load_ppm(image)
        image.load()
        orientation = _find_orientation(image)
        pixels_HWC = _to_rgb(image)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"expected memory enough for {width} x {height} pixels, found too little"
        ) from error
    except Exception as error:
        raise _describe_damage(error) from error
    reduction = max(width, height) / max(pixels_HWC.shape[:2])
    return Decoded(_turn_upright(pixels_HWC, orientation), reduction)


def _check_size(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise ImageError(
            f"expected at most {limit / 1e6:.0f} megapixels, found {width} x {height}, "
            f"{width * height / 1e6:.0f} megapixels"
        )


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing to stderr what is wrong with a file: Pillow raises an error.

    It has no setting for that in Pillow, but a function that is safe to call at any time. Where it
    is built into Pillow out of reach, as on Windows, it goes on printing.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def _load_ppm(image: Image.Image) -> Image.Image:
    """A binary PPM or PGM with another maximum than 255, which Pillow scales one by one."""
    tile: Any = image
    _, _, offset, (_, most) = tile.tile[0]
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    shape = (image.height, image.width, 3)[: 3 if image.mode == "RGB" else 2]
    tile.fp.seek(offset)
    values = np.frombuffer(tile.fp.read(), dtype, math.prod(shape)).reshape(shape)
    # As Pillow does: grey values above 255 become 16 bits first.
    top = 65535 if image.mode == "I" else 255
    scaled = np.rint(np.arange(most + 1) / most * top).astype(np.uint16)
    levels = _halve_depth(scaled) if image.mode == "I" else scaled.astype(np.uint8)
    return Image.fromarray(_convert_rows(values, lambda rows: levels[np.minimum(rows, most)]))


def _convert_rows(
    values: npt.NDArray[Any], convert: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> Pixels:
    """Bytes for all values, a few rows at a time: what lies between takes several times as much."""
    converted = np.empty(values.shape, np.uint8)
    num_rows = max(1, ROWS_PIXELS // values.shape[1])
    for start in range(0, len(values), num_rows):
        converted[start : start + num_rows] = convert(values[start : start + num_rows])
    return converted


def decode_array(array: npt.NDArray[Any]) -> Decoded:
    """An array as an image: [H, W] grey, [H, W, 1], 3 (RGB) or 4 (RGBA).

    Booleans are black and white, unsigned integers use their whole range, floats are from 0 to 1.

    Raises ImageError for other shapes, types and values.
    """
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not is_image or 0 in array.shape:
        raise ImageError(
            f"expected an array [height, width] or [height, width, 1, 3 or 4], found {array.shape}"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    pixel_bytes = 1 if array.ndim == 2 else 4
    _check_size(array.shape[1], array.shape[0], MAX_DECODED_BYTES // pixel_bytes)
    if array.dtype == np.bool_:
        values = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype == np.uint8:
        values = array
    elif array.dtype == np.uint16:
        values = _convert_rows(array, _halve_depth)
    elif np.issubdtype(array.dtype, np.floating):
        values = _convert_rows(array, _scale_floats)
    else:
        raise ImageError(f"expected bool, uint8, uint16 or floats, found {array.dtype}")
    return decode_image(Image.fromarray(np.ascontiguousarray(values)))


def _describe_damage(error: Exception) -> ImageError:
    """What a decoder tripped over: struct.error, SyntaxError, EOFError, a dozen kinds."""
    reason = str(error) or type(error).__name__
    return ImageError(f"expected an image that can be decoded, found: {reason}")


def _find_orientation(image: Image.Image) -> int:
    """How EXIF says that the pixels lie: 1 to 8, 1 if it says nothing that can be used."""
    texts = (image.info.get(name, b"") for name in ("exif", "Raw profile type exif"))
    try:
        if max(map(len, texts)) > MAX_METADATA_BYTES:
            return 1
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # damaged metadata do not make an image worse
        return 1
    return orientation if orientation in range(1, 9) else 1


def _turn_upright(pixels_HWC: Pixels, orientation: int) -> Pixels:
    """Undo one of EXIF's eight orientations."""
    if orientation in (5, 6, 7, 8):
        pixels_HWC = pixels_HWC.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels_HWC = pixels_HWC[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels_HWC = pixels_HWC[::-1]
    return np.ascontiguousarray(pixels_HWC)


def _to_rgb(image: Image.Image) -> Pixels:
    """RGB pixels of an image of any mode, as large as reading needs."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_scale_deep(np.asarray(image)))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _put_on_paper(_reduce(image, "RGBA"))
    return np.array(_reduce(image, "L" if image.mode in ("1", "L") else "RGB").convert("RGB"))


def _find_reduction(image: Image.Image) -> float:
    """How many times too wide an image is."""
    return math.sqrt(image.width * image.height / WORKING_PIXELS)


def _reduce(image: Image.Image, mode: str) -> Image.Image:
    """The image in a mode, averaged over areas if it is larger than reading needs.

    Averages of a palette's numbers mean nothing, and a whole image in another mode may be four
    times as large: so a large one is converted a strip at a time.
    """
    reduction = _find_reduction(image)
    if reduction <= 1:
        return _convert(image, mode)
    width, height = (max(1, round(side / reduction)) for side in image.size)
    if image.mode == mode:
        return image.resize((width, height), Image.Resampling.BOX)
    reduced = Image.new(mode, (width, height))
    scale = image.height / height
    rows = max(1, round(ROWS_PIXELS / (image.width * scale)))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = math.floor(top * scale), min(math.ceil(bottom * scale), image.height)
        strip = _convert(image.crop((0, first, image.width, last)), mode)
        box = (0, top * scale - first, image.width, min(bottom * scale, image.height) - first)
        part = strip.resize((width, bottom - top), Image.Resampling.BOX, box)
        reduced.paste(part, (0, top))
    return reduced


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:  # a conversion would be a copy
        return image
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    return image.convert(mode)


def _put_on_paper(image: Image.Image) -> Pixels:
    """A transparent image on white paper, or on black if what is drawn on it is bright."""
    small_HWC = np.asarray(image.resize((64, 64), Image.Resampling.BOX)).astype(np.float64)
    colours_HWC, opacity_HW1 = small_HWC[:, :, :3], small_HWC[:, :, 3:] / 255
    total = float(opacity_HW1.sum())
    is_bright = float((colours_HWC * opacity_HW1).sum()) > 3 * BRIGHT * total
    has_paper = float(opacity_HW1.mean()) > 0.5  # then what shows through hardly matters
    paper = Image.new("RGBA", image.size, "black" if is_bright and not has_paper else "white")
    return np.array(Image.alpha_composite(paper, image).convert("RGB"))


def _halve_depth(values: npt.NDArray[np.uint16]) -> Pixels:
    """Sixteen bits to eight: rounded division by 257, within sixteen bits."""
    most = np.uint16(65535 - 128)  # what is above is 255 all the same
    return ((np.minimum(values, most) + np.uint16(128)) // np.uint16(257)).astype(np.uint8)


def _scale_deep(values_HW: npt.NDArray[Any]) -> Pixels:
    """Grey values of more than eight bits to eight.

    Those that fit into 16 bits are taken as such; of others, also floats, the range that is used
    becomes black to white.
    """
    if values_HW.dtype.kind in "iu" and values_HW.min() >= 0 and values_HW.max() <= 65535:
        return _halve_depth(values_HW.astype(np.uint16, copy=False))
    low, high = float(values_HW.min()), float(values_HW.max())
    if not math.isfinite(low) or not math.isfinite(high):  # what is no number counts as 0
        finite = values_HW[np.isfinite(values_HW)]
        low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    scale = 255 / (high - low) if high > low else 0.0

    def convert(rows_HW: npt.NDArray[Any]) -> npt.NDArray[Any]:
        finite_HW = np.nan_to_num(rows_HW.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        return np.rint((finite_HW - low) * scale)

    return _convert_rows(values_HW, convert)


def _scale_floats(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Floats from 0 to 1 to bytes. Raises ImageError for others."""
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ImageError("expected floats from 0 to 1, found others; bytes are 0 to 255")
    return np.rint(values * 255)
