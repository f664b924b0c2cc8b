"""Truncated, damaged and malicious files, odd modes and sizes: each is decoded or an ImageError.

Reading one never raises.
"""

import io
import json
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

pytest.importorskip("pillow_heif")
pytest.importorskip("pypdfium2")

from images import FILES, convert, encode_all, mutate
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ImageError
from tenfold.reading.decoding import MIN_SIDE_PX, WORKING_PIXELS, Decoded, decode, decode_image
from tenfold.reading.reader import Reader
from tenfold.reading.result import Reading, Status
from tenfold.reading.sources import decode_source

MUTATIONS = 18  # of each file
MANY_MUTATIONS = 400
WITHOUT_CHECKSUMS = ("BMP", "PPM", "JPEG", "TIFF", "GIF")
# Libraries warn of damage.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def page(test_images: LabelledImages) -> npt.NDArray[np.uint8]:
    """Two digits side by side, dark on bright, 28 x 56."""
    return 255 - np.concatenate(list(test_images.images_NHW[:2]), axis=1)


@pytest.fixture(scope="module")
def files(page: npt.NDArray[np.uint8]) -> dict[str, bytes]:
    return encode_all(page)


def try_to_decode(data: bytes) -> Decoded | str:
    """The decoded file, or the message with which it is refused."""
    try:
        return decode_source(data)
    except ImageError as error:
        return str(error)


def check(data: bytes, reader: Reader, *, single: bool = False) -> Status:
    """Decode and read a file, and check that both agree."""
    decoded = try_to_decode(data)
    if isinstance(decoded, str):
        reading = reader.read(data, single=single)
        assert reading == Reading(Status.ERROR, message=decoded)
        return reading.status
    height, width, colours = decoded.pixels_HWC.shape
    assert decoded.pixels_HWC.dtype == np.uint8
    assert colours == 3
    assert 0 < height * width <= 1.01 * WORKING_PIXELS
    assert decoded.reduction > 0
    reading = reader.read(data, single=single)
    check_reading(reading)
    return reading.status


def check_reading(reading: Reading) -> None:
    assert reading.status != Status.ERROR
    assert reading.status == Status.READ or reading.message
    json.dumps(reading.to_json(), allow_nan=False)
    assert all(0 <= digit.confidence <= 1 for digit in reading.digits)
    if reading.status in (Status.READ, Status.UNCERTAIN):
        num_read = len(reading.digits) + len(reading.signs)
        assert len("".join(reading.text.split())) == num_read > 0
    else:
        assert reading.text == ""


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(name: str, files: dict[str, bytes]) -> None:
    status = check(files[name], Reader())
    assert status in (Status.READ, Status.UNCERTAIN)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_read_or_refused(name: str, files: dict[str, bytes]) -> None:
    reader = Reader()
    found = [
        check(mutate(files[name], f"{name} {seed}"), reader, single=seed % 2 == 0)
        for seed in range(MUTATIONS)
    ]
    assert Status.ERROR in found
    if name in WITHOUT_CHECKSUMS:
        assert set(found) != {Status.ERROR}


@pytest.mark.heavy
@pytest.mark.parametrize("name", FILES)
def test_many_damaged_files_are_read_or_refused(name: str, files: dict[str, bytes]) -> None:
    reader = Reader()
    for seed in range(MUTATIONS, MUTATIONS + MANY_MUTATIONS):
        check(mutate(files[name], f"{name} {seed}"), reader, single=seed % 2 == 0)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_decoded_or_refused(name: str, files: dict[str, bytes]) -> None:
    data = files[name]
    step = max(1, len(data) // 150)
    refused = []
    for length in range(0, len(data), step):
        found = try_to_decode(data[:length])
        if isinstance(found, str):
            refused.append(length)
        else:
            assert found.pixels_HWC.shape == (28, 56, 3)
    # Some formats are decoded without their end, but none from the first third of a file.
    assert set(range(0, len(data) // 3, step)) <= set(refused)


def png(width: int, height: int, *, depth: int = 8, kind: int = 0, data: bytes = b"") -> bytes:
    """A PNG with any header and correct checksums."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(data)),
            chunk(b"IEND", b""),
        ]
    )


def bmp(width: int, height: int, bits: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)


def gif(width: int, height: int) -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x03\x84\x6f\x05\x00"
    return b"GIF89a" + screen + frame + b";"


def tiff(width: int, height: int, *, bits: int = 8, strips: int = 1) -> bytes:
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, strips, 8),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, 2**31),
    ]
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4)


LIES = {
    "PNG of 3,600 megapixels": png(60_000, 60_000),
    "PNG of 2^62 pixels": png(2**31 - 1, 2**31 - 1),
    "PNG of no rows": png(5, 0),
    "PNG of no columns": png(0, 5),
    "PNG without its pixels": png(3000, 3000),
    "PNG of an unknown kind": png(5, 5, kind=1, data=bytes(500)),
    "PNG of an unknown depth": png(5, 5, depth=3, data=bytes(500)),
    "PNG of too few pixels": png(5, 5, data=bytes(7)),
    "PNG of an invalid filter": png(2, 2, data=bytes([9, 0, 0, 9, 0, 0])),
    "BMP of 2^60 pixels": bmp(2**30, 2**30, 24),
    "BMP of the most negative height": bmp(5, -(2**31), 24),
    "BMP of a negative width": bmp(-5, 5, 24),
    "BMP of no bits": bmp(5, 5, 0),
    "BMP without its pixels": bmp(500, 500, 24),
    "GIF of 4,000 megapixels": gif(65535, 65535),
    "GIF of nothing": gif(0, 0),
    "TIFF of 2^62 pixels": tiff(2**31, 2**31),
    "TIFF of a strip beyond its end": tiff(100, 100),
    "TIFF of more strips than it has bytes": tiff(100, 100, strips=2**31),
    "TIFF of 65,535 bits": tiff(10, 10, bits=65535),
    "PGM of 3,600 megapixels": b"P5 60000 60000 255\n" + bytes(99),
    "PGM without its pixels": b"P5 3000 3000 255\n" + bytes(99),
    "PGM of a negative size": b"P5 -5 -5 255\n" + bytes(99),
    "PGM of a size without end": b"P5 " + b"9" * 5000 + b" 1 255\n",
    "PGM of no shades": b"P5 5 5 0\n" + bytes(99),
    "PGM that is all comment": b"P5 #" + b"x" * 100_000,
    "PPM of words": b"P3 5 5 255\n" + b"red green blue " * 25,
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_refused(name: str) -> None:
    with pytest.raises(ImageError):
        decode(LIES[name])
    assert Reader().read(LIES[name]).status == Status.ERROR


def test_the_same_files_with_true_headers_are_decoded() -> None:
    honest = {
        "PNG": png(8, 4, data=bytes(9 * 4)),
        "BMP": bmp(8, 2, 24),
        "GIF": gif(8, 1),
        "TIFF": tiff(8, 4),
        "PGM": b"P5 8 4 255\n" + bytes(32),
        "PPM": b"P3 8 4 255\n" + b"1 " * 96,
    }
    for name, data in honest.items():
        assert decode(data).pixels_HWC.size > 0, name


@pytest.mark.parametrize(
    "mode",
    [
        *("1", "L", "P", "PA", "LA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"),
        *("I", "F", "I;16", "La"),
    ],
)
def test_images_of_every_mode_are_read(mode: str, page: npt.NDArray[np.uint8]) -> None:
    image = convert(page, mode)
    assert image.mode == mode
    assert decode_image(image).pixels_HWC.shape == (28, 56, 3)
    reading = Reader().read(image)
    check_reading(reading)
    assert reading.status in (Status.READ, Status.UNCERTAIN)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_floats_without_bounds_are_read(number: float, page: npt.NDArray[np.uint8]) -> None:
    values_HW = page.astype(np.float32)
    values_HW[0, 0] = number
    image = Image.fromarray(values_HW)
    buffer = io.BytesIO()
    image.save(buffer, format="TIFF")
    for source in (image, buffer.getvalue()):
        reading = Reader().read(source)
        check_reading(reading)
        if not np.isfinite(number):  # other numbers stretch the range
            assert reading.status in (Status.READ, Status.UNCERTAIN)


@pytest.mark.parametrize("num_sizes", [12, pytest.param(100, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("single", [False, True])
def test_images_of_any_size_and_content_are_read(single: bool, num_sizes: int) -> None:
    reader, rng = Reader(), np.random.default_rng(0)
    sides = [1, 2, 3, 5, 16, 31, 32, 33, 63, 64, 65, 100, 130, 260]
    sizes = [tuple(map(int, rng.choice(sides, 2))) for _ in range(num_sizes)]
    for height, width in [*sizes, (1, 3000), (3000, 1), (2, 5000), (4000, 3)]:
        plain_HW = np.full((height, width), rng.integers(256), np.uint8)
        speck_HW = plain_HW.copy()
        speck_HW[rng.integers(height), rng.integers(width)] ^= 255
        blob_HW = plain_HW.copy()
        blob_HW[height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] ^= 255
        half_HW = plain_HW.copy()
        half_HW[height // 2 :] ^= 255
        stripes_HW = plain_HW.copy()
        stripes_HW[:: int(rng.integers(2, 9))] ^= 255
        slope_HW = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
        noise_HW = rng.integers(0, 256, (height, width)).astype(np.uint8)
        dots_HW = (rng.random((height, width)) < rng.random()) * np.uint8(255)
        images = (plain_HW, speck_HW, blob_HW, half_HW, stripes_HW, slope_HW, noise_HW, dots_HW)
        for image_HW in images:
            reading = reader.read(image_HW, single=single)
            if max(height, width) >= MIN_SIDE_PX:
                check_reading(reading)
            else:
                assert reading.status == Status.ERROR
