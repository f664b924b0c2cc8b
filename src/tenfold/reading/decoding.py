"""Decode image files, Pillow images and arrays to RGB pixels: upright, 8 bits, reduced if large.

Files come from strangers. The number of bytes and of pixels is limited before anything is decoded,
and every failure of a decoder becomes an ImageError.

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
# Limits that keep a reading within 300 MB, measured. Most formats are decoded whole, at PIXEL_BYTES
# a pixel, four for other modes.
MAX_DECODED_BYTES = 72_000_000
PIXEL_BYTES = {"1": 1, "L": 1, "P": 1}
# A JPEG is decoded reduced, but all coefficients of a progressive one are kept meanwhile.
MAX_JPEG_PIXELS = 120_000_000
MAX_PROGRESSIVE_PIXELS = 25_000_000
MAX_WEBP_PIXELS = 12_200_000  # the decoder holds several copies
BAND_PIXELS = 1_000_000  # converted at a time
# Larger images are reduced to this; handwriting on 2,000 x 2,000 pixels is legible.
WORKING_PIXELS = 4_200_000
BRIGHT = 200  # of 255: ink this bright would not be seen on white paper
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
EXIF_ORIENTATION = 0x0112

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """Upright RGB pixels, uint8 [H, W, 3]; each is `reduction` pixels of the image wide."""

    pixels_HWC: Pixels
    reduction: float = 1.0


def read_bytes(source: Path | BinaryIO) -> bytes:
    """The bytes of a file or a stream, at most one more than allowed.

    Raises ImageError if they cannot be read.
    """
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        else:
            data = source.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"cannot read the file: {reason}") from error
    return data


def decode(data: bytes | bytearray | memoryview) -> Decoded:
    """Decode the bytes of an image file. Its first bytes tell the format.

    Raises ImageError if it is not an image, damaged or too large, and MissingExtraError for HEIC
    without the extra that decodes it.
    """
    if memoryview(data).nbytes > MAX_FILE_BYTES:
        raise ImageError(f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    data = bytes(data)
    if not data:
        raise ImageError("the file is empty")
    with _open(data) as image:
        return decode_image(image)


def _open(data: bytes) -> Image.Image:
    """Decode an image's header, after its structure is checked. Raises as `decode` does."""
    formats: tuple[str, ...] = FORMATS
    if data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS:
        formats = _register_heif()
    keeps_pixels = check_structure(data)
    # Pillow reads the runs of a BMP one by one; `check_structure` limits their bytes.
    file = CountedBytes(data, math.inf if data.startswith(b"BM") else MAX_READS)
    try:
        with warnings.catch_warnings():
            # Damage raises below, and the size is checked later.
            warnings.simplefilter("ignore")
            image = Image.open(file, formats=formats)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            "not an image (PNG, JPEG, WebP, BMP, TIFF, GIF, PGM, PPM or HEIC)"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"the image has more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels; "
            f"the limit is {MAX_JPEG_PIXELS / 1e6:.0f}"
        ) from error
    except Exception as error:
        raise _describe_damage(error) from error
    if keeps_pixels:
        image.info["progressive"] = True
    return image


def _register_heif() -> tuple[str, ...]:
    """Let Pillow read HEIC, and return its name of the format."""
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(
            f"HEIC images need the extra 'heic': {describe_install('heic')}"
        ) from error
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def decode_image(image: Image.Image) -> Decoded:
    """Decode a Pillow image; one that was just opened is decoded only after its size is checked.

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
            # The decoder can halve the size up to three times, which is also faster.
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
        raise ImageError(f"not enough memory to decode {width} x {height} pixels") from error
    except Exception as error:
        raise _describe_damage(error) from error
    reduction = max(width, height) / max(pixels_HWC.shape[:2])
    return Decoded(_turn_upright(pixels_HWC, orientation), reduction)


def _check_size(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise ImageError(
            f"the image has {width} x {height} pixels, {width * height / 1e6:.0f} megapixels; "
            f"the limit is {limit / 1e6:.0f}"
        )


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing errors to stderr, as Pillow raises them.

    Pillow has no setting for that. Where libtiff is out of reach, as on Windows, it still prints.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def _load_ppm(image: Image.Image) -> Image.Image:
    """Load a binary PPM or PGM with a maximum other than 255, which Pillow does value by value."""
    tile: Any = image
    _, _, offset, (_, most) = tile.tile[0]
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    shape = (image.height, image.width, 3)[: 3 if image.mode == "RGB" else 2]
    tile.fp.seek(offset)
    values = np.frombuffer(tile.fp.read(), dtype, math.prod(shape)).reshape(shape)
    # Pillow scales grey values with a maximum above 255 to 16 bits first.
    top = 65535 if image.mode == "I" else 255
    scaled = np.rint(np.arange(most + 1) / most * top).astype(np.uint16)
    levels = _halve_depth(scaled) if image.mode == "I" else scaled.astype(np.uint8)
    return Image.fromarray(_convert_rows(values, lambda rows: levels[np.minimum(rows, most)]))


def _convert_rows(
    values: npt.NDArray[Any], convert: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> Pixels:
    """Convert values to bytes in bands of rows, as intermediate results are much larger."""
    converted = np.empty(values.shape, np.uint8)
    num_rows = max(1, BAND_PIXELS // values.shape[1])
    for start in range(0, len(values), num_rows):
        converted[start : start + num_rows] = convert(values[start : start + num_rows])
    return converted


def decode_array(array: npt.NDArray[Any]) -> Decoded:
    """Decode an array: [H, W] or [H, W, 1] is grey, [H, W, 3] RGB and [H, W, 4] RGBA.

    Booleans are black and white, uint8 and uint16 use their whole range, floats are from 0 to 1.
    Raises ImageError for other shapes, types and values.
    """
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not is_image or 0 in array.shape:
        raise ImageError(
            f"the array has shape {array.shape}; expected [height, width] or "
            "[height, width, 1, 3 or 4]"
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
        raise ImageError(f"the array has type {array.dtype}; expected bool, uint8, uint16 or float")
    return decode_image(Image.fromarray(np.ascontiguousarray(values)))


def _describe_damage(error: Exception) -> ImageError:
    """Decoders raise struct.error, SyntaxError, EOFError and a dozen other kinds."""
    return ImageError(f"cannot decode the image: {str(error) or type(error).__name__}")


def _find_orientation(image: Image.Image) -> int:
    """The orientation in EXIF, 1 to 8; 1 (upright) if it is missing or damaged."""
    texts = (image.info.get(name, b"") for name in ("exif", "Raw profile type exif"))
    try:
        if max(map(len, texts)) > MAX_METADATA_BYTES:
            return 1
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # damaged metadata do not matter
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
    """RGB pixels of an image of any mode, reduced if it is large."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_scale_deep(np.asarray(image)))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _put_on_paper(_reduce(image, "RGBA"))
    return np.array(_reduce(image, "L" if image.mode in ("1", "L") else "RGB").convert("RGB"))


def _find_reduction(image: Image.Image) -> float:
    """How many times wider an image is than reading needs."""
    return math.sqrt(image.width * image.height / WORKING_PIXELS)


def _reduce(image: Image.Image, mode: str) -> Image.Image:
    """The image in a mode, averaged over areas if it is larger than reading needs.

    Palette indices cannot be averaged, and the whole image in another mode may take four times the
    memory, so a large one is converted band by band.
    """
    reduction = _find_reduction(image)
    if reduction <= 1:
        return _convert(image, mode)
    width, height = (max(1, round(side / reduction)) for side in image.size)
    if image.mode == mode:
        return image.resize((width, height), Image.Resampling.BOX)
    reduced = Image.new(mode, (width, height))
    scale = image.height / height
    rows = max(1, round(BAND_PIXELS / (image.width * scale)))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = math.floor(top * scale), min(math.ceil(bottom * scale), image.height)
        band = _convert(image.crop((0, first, image.width, last)), mode)
        box = (0, top * scale - first, image.width, min(bottom * scale, image.height) - first)
        part = band.resize((width, bottom - top), Image.Resampling.BOX, box)
        reduced.paste(part, (0, top))
    return reduced


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:  # converting would copy it
        return image
    if image.mode == "La":  # Pillow converts it only to LA
        image = image.convert("LA")
    return image.convert(mode)


def _put_on_paper(image: Image.Image) -> Pixels:
    """A transparent image on white paper, or on black if its ink is bright."""
    small_HWC = np.asarray(image.resize((64, 64), Image.Resampling.BOX)).astype(np.float64)
    colours_HWC, opacity_HW1 = small_HWC[:, :, :3], small_HWC[:, :, 3:] / 255
    total = float(opacity_HW1.sum())
    is_bright = float((colours_HWC * opacity_HW1).sum()) > 3 * BRIGHT * total
    has_paper = float(opacity_HW1.mean()) > 0.5  # then little of it is transparent
    paper = Image.new("RGBA", image.size, "black" if is_bright and not has_paper else "white")
    return np.array(Image.alpha_composite(paper, image).convert("RGB"))


def _halve_depth(values: npt.NDArray[np.uint16]) -> Pixels:
    """Sixteen bits to eight by rounded division by 257, without more than sixteen bits."""
    most = np.uint16(65535 - 128)  # larger values become 255, too
    return ((np.minimum(values, most) + np.uint16(128)) // np.uint16(257)).astype(np.uint8)


def _scale_deep(values_HW: npt.NDArray[Any]) -> Pixels:
    """Grey values of more than eight bits as eight bits.

    Integers within 16 bits keep their scale. The range of all others, also floats, is stretched.
    """
    if values_HW.dtype.kind in "iu" and values_HW.min() >= 0 and values_HW.max() <= 65535:
        return _halve_depth(values_HW.astype(np.uint16, copy=False))
    low, high = float(values_HW.min()), float(values_HW.max())
    if not math.isfinite(low) or not math.isfinite(high):  # NaN and infinities count as 0
        finite = values_HW[np.isfinite(values_HW)]
        low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    scale = 255 / (high - low) if high > low else 0.0

    def convert(rows_HW: npt.NDArray[Any]) -> npt.NDArray[Any]:
        finite_HW = np.nan_to_num(rows_HW.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        return np.rint((finite_HW - low) * scale)

    return _convert_rows(values_HW, convert)


def _scale_floats(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Floats from 0 to 1 as bytes. Raises ImageError for others."""
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ImageError("float pixels must be from 0 to 1; use uint8 for 0 to 255")
    return np.rint(values * 255)
