"""Decode image files, Pillow images and arrays to RGB pixels: upright, 8 bits, reduced if large.

Files come from strangers. The number of bytes and of pixels is limited before anything is decoded,
and every failure of a decoder becomes an ImageError.

Array names carry their axes: H rows, W columns, C colours (red, green, blue).
"""

import contextlib
import ctypes
import math
import os
import re
import warnings
from dataclasses import dataclass, replace
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
from tenfold.reading.pages import describe_rest, find_pages, seek
from tenfold.reading.pixel_values import BAND_PIXELS, convert_rows, scale_values

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
# Limits that keep a reading within 300 MB, measured. Most formats are decoded whole, at PIXEL_BYTES
# a pixel, four for other modes.
MAX_DECODED_BYTES = 72_000_000
PIXEL_BYTES = {"1": 1, "L": 1, "P": 1}
# A JPEG is decoded reduced, but all coefficients of a progressive one are kept meanwhile.
MAX_JPEG_PIXELS = 120_000_000
MAX_PROGRESSIVE_PIXELS = 25_000_000
MAX_WEBP_PIXELS = 12_200_000  # the decoder holds several copies
# The longer side of the smallest image that is read. Of digits cut out tightly and reduced to 8
# pixels, 98 of 100 with status read were right, of 5 pixels 84.
MIN_SIDE_PX = 8
# Larger images are reduced to this; handwriting on 2,000 x 2,000 pixels is legible.
WORKING_PIXELS = 4_200_000
BRIGHT = 200  # of 255: ink this bright would not be seen on white paper
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
EXIF_ORIENTATION = 0x0112
CHANNELS = (1, 3, 4)
# An address, also after a Path has taken one of its slashes.
ADDRESS = re.compile(r"(https?|ftp|file|s3|gs):/", re.IGNORECASE)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """Upright RGB pixels, uint8 [H, W, 3]; each is `reduction` pixels of the image wide.

    `page` and `num_pages` are as in a reading. `note` says that the file has other pages or frames,
    which are not to be read.
    """

    pixels_HWC: Pixels
    reduction: float = 1.0
    page: int | None = None
    num_pages: int | None = None
    note: str | None = None


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
        if isinstance(source, Path) and ADDRESS.match(str(source)):
            raise ImageError(
                "this is an address, and Tenfold does not download; save the image to a file first"
            ) from error
        if isinstance(source, Path) and os.path.isdir(source):  # noqa: PTH112 - raises nothing
            raise ImageError("this is a folder; give the files in it") from error
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"cannot read the file: {reason}") from error
    return data


def decode(data: bytes | bytearray | memoryview, frame: int | None = None) -> Decoded:
    """Decode the bytes of an image file. Its first bytes tell the format.

    `frame` is one of `list_pages`; without it the first is decoded.

    Raises ImageError if it is not an image, damaged or too large, and MissingExtraError for HEIC
    without the extra that decodes it.
    """
    with _open(data) as image:
        if frame is None:
            return replace(decode_image(image), note=describe_rest(image))
        try:
            seek(image, frame)
        except ImageError:
            raise
        except Exception as error:
            raise _describe_damage(error) from error
        return decode_image(image)


def list_pages(data: bytes | bytearray | memoryview) -> list[int]:
    """The frames of a file that are pages, as `find_pages` gives them. Raises as `decode` does."""
    with _open(data) as image:
        return find_pages(image)


def _open(data: bytes | bytearray | memoryview) -> Image.Image:
    """Decode an image's header, after its structure is checked. Raises as `decode` does."""
    if memoryview(data).nbytes > MAX_FILE_BYTES:
        raise ImageError(f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    data = bytes(data)
    if not data:
        raise ImageError("the file is empty")
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
    if max(width, height) < MIN_SIDE_PX:
        raise ImageError(f"the image of {width} x {height} pixels is too small to show a digit")
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
    scaled = np.rint(np.arange(most + 1) / most * top)
    levels = np.rint(scaled * (255 / top)).astype(np.uint8)
    return Image.fromarray(convert_rows(values, lambda rows: levels[np.minimum(rows, most)]))


def decode_array(array: npt.NDArray[Any]) -> Decoded:
    """Decode an array of booleans, integers or floats.

    [H, W] is grey, [H, W, C] or [C, H, W] with one channel grey, with three RGB, with four RGBA; a
    batch of one image, [1, ...], is that image.

    Black is 0, and white depends on the values that are there: it is the least of 1, 255, 1023,
    4095, 16383 and 65535 that none exceeds, and in uint8 1 or 255. So masks of 0 and 1, floats up
    to 1 or up to 255, and integers of 8 to 16 bits are what they look like. If values are negative
    or above 65535, or the largest is between 1 and 20 (but not in uint8), the least value is black
    and the largest white.

    Raises ImageError for other shapes and types, and for NaN and infinities.
    """
    shape = array.shape
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS:
        array = array.transpose(1, 2, 0)
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in CHANNELS)
    if not is_image or 0 in shape:
        raise ImageError(
            f"the array has shape {shape}; expected one image, [height, width], "
            "[height, width, 1, 3 or 4] or [1, 3 or 4, height, width]"
        )
    if array.dtype.kind not in "buif":
        raise ImageError(f"the array has type {array.dtype}; expected bool, integers or floats")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    pixel_bytes = 1 if array.ndim == 2 else 4
    _check_size(array.shape[1], array.shape[0], MAX_DECODED_BYTES // pixel_bytes)
    if array.dtype.kind == "f" and not np.isfinite([array.min(), array.max()]).all():
        raise ImageError("the array has values that are infinite or not a number (NaN)")
    return decode_image(Image.fromarray(np.ascontiguousarray(scale_values(array))))


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
        image = Image.fromarray(scale_values(np.asarray(image)))
    # A mask of zeros and ones. A JPEG that is nearly black has noise.
    if image.mode == "L" and image.format != "JPEG" and image.getextrema() == (0, 1):
        image = image.point(lambda value: 255 * value)
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
