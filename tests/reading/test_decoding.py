"""One picture in every form in which people keep pictures, and many that are broken."""

import io
import random
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from tenfold.data.mnist import LabelledImages
from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.decoding import (
    WORKING_PIXELS,
    Decoded,
    Pixels,
    decode,
    decode_array,
    decode_image,
    read_bytes,
)
from tenfold.reading.headers import MAX_FILE_BYTES, MAX_PLAIN_PPM_BYTES

MANY = 60  # mutations of each format


@pytest.fixture(scope="module")
def picture(test_images: LabelledImages) -> Image.Image:
    """Three digits in colours on grey paper, wider than high, no symmetry."""
    row_HW = np.concatenate(list(test_images.images_NHW[:3]), 1).repeat(2, 0).repeat(2, 1)
    paper_HWC = np.full((*row_HW.shape, 3), (230, 220, 200), np.uint8)
    for i, colour in enumerate(((200, 30, 20), (20, 20, 120), (30, 30, 30))):
        part = slice(56 * i, 56 * (i + 1))
        ink_HW1 = row_HW[:, part, None] / 255
        mixed = paper_HWC[:, part] * (1 - ink_HW1) + np.array(colour) * ink_HW1
        paper_HWC[:, part] = mixed.astype(np.uint8)
    return Image.fromarray(paper_HWC)


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


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"format": "PNG"}, 0),
        ({"format": "BMP"}, 0),
        ({"format": "TIFF"}, 0),
        ({"format": "TIFF", "compression": "tiff_lzw"}, 0),
        ({"format": "PPM"}, 0),
        ({"format": "WEBP", "lossless": True}, 0),
        ({"format": "WEBP", "quality": 90}, 4),
        ({"format": "JPEG", "quality": 90}, 4),
        ({"format": "JPEG", "quality": 90, "progressive": True}, 4),
        ({"format": "GIF"}, 4),
    ],
)
def test_formats(picture: Image.Image, options: dict[str, Any], tolerance: float) -> None:
    found = decode(encode(picture, **options))
    assert differ(found, picture) <= tolerance
    assert found.reduction == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_modes(picture: Image.Image, mode: str) -> None:
    format = "TIFF" if mode in ("CMYK", "YCbCr", "LAB") else "PNG"
    expected = picture.convert(mode) if mode in ("1", "P") else picture
    if mode in ("L", "LA"):
        expected = picture.convert("L")
    found = decode(encode(picture.convert(mode), format=format))
    assert differ(found, expected) <= 3


def test_a_cmyk_jpeg_is_not_a_negative(picture: Image.Image) -> None:
    assert differ(decode(encode(picture.convert("CMYK"), format="JPEG", quality=95)), picture) < 4


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits(picture: Image.Image, format: str) -> None:
    grey = picture.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert differ(decode(encode(deep, format=format)), grey) == 0


def test_sixteen_bits_are_rounded() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = decode_array(values).pixels_HWC[:, :, 0]
    np.testing.assert_array_equal(found, np.rint(values / 257))


def test_floats_use_their_own_range(picture: Image.Image) -> None:
    grey = ImageOps.autocontrast(picture.convert("L"))
    floats = Image.fromarray((np.asarray(grey) / 255 * 7 - 3).astype(np.float32))
    assert differ(decode(encode(floats, format="TIFF")), grey) < 0.5


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(picture: Image.Image, orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(picture, format=format, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image)
    found = decode(data)
    assert differ(found, expected) < 0.01
    assert (found.pixels_HWC.shape[0] > found.pixels_HWC.shape[1]) == (orientation >= 5)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_orientation_is_none(picture: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert differ(decode(encode(picture, format="PNG", exif=exif)), picture) == 0


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
def test_ink_on_nothing_gets_paper_that_shows_it(
    test_images: LabelledImages, ink: int, paper: int
) -> None:
    opacity_HW = test_images.images_NHW[0]
    values_HWC = np.full((28, 28, 4), ink, np.uint8)
    values_HWC[:, :, 3] = opacity_HW
    found = decode(encode(Image.fromarray(values_HWC), format="PNG"))
    expected_HW = ink * (opacity_HW / 255) + paper * (1 - opacity_HW / 255)
    np.testing.assert_allclose(found.pixels_HWC, expected_HW[:, :, None].repeat(3, 2), atol=1)


def test_a_palette_may_have_a_transparent_colour() -> None:
    image = Image.new("P", (20, 10), 0)
    image.putpalette([0, 0, 0, 90, 60, 30])
    image.paste(1, (5, 2, 10, 8))
    found = decode(encode(image, format="GIF", transparency=0))
    assert found.pixels_HWC[0, 0].tolist() == [255, 255, 255]
    assert found.pixels_HWC[5, 7].tolist() == [90, 60, 30]


def test_the_first_frame_counts(picture: Image.Image) -> None:
    other = Image.new("RGB", picture.size)
    for format in ("GIF", "WEBP", "TIFF", "PNG"):
        data = encode(picture, format=format, save_all=True, append_images=[other])
        assert differ(decode(data), picture) < 5


def test_large_images_are_reduced(picture: Image.Image) -> None:
    large = picture.resize((4000, 3000))
    for format, options in (("JPEG", {}), ("PNG", {"compress_level": 1})):
        exif = Image.Exif()
        exif[0x0112] = 6
        found = decode(encode(large, format=format, exif=exif, **options))
        height, width = found.pixels_HWC.shape[:2]
        assert WORKING_PIXELS / 2 < height * width <= WORKING_PIXELS * 1.01
        assert height / width == pytest.approx(4 / 3, rel=0.01)
        assert found.reduction == pytest.approx(4000 / height)
        small = picture.resize((width, height)).rotate(0)
        upright = large.transpose(Image.Transpose.ROTATE_270).resize(small.size)
        assert differ(found, upright) < 3


def test_a_jpeg_of_fifty_megapixels_is_decoded_reduced() -> None:
    data = encode(Image.new("L", (8200, 6200), 200), format="JPEG")
    assert decode(data).pixels_HWC.shape[0] < 2000


def test_a_jpeg_of_a_hundred_megapixels_is_decoded_without_a_warning() -> None:
    data = encode(Image.new("L", (10500, 10000), 200), format="JPEG")
    assert decode(data).reduction > 4


@pytest.mark.parametrize(
    ("format", "options", "size", "message"),
    [
        ("PNG", {}, (10000, 8000), "at most 72 megapixels, found 10000 x 8000, 80 megapixels"),
        ("JPEG", {"progressive": True}, (6000, 5000), "at most 25 megapixels"),
        ("JPEG", {}, (12500, 10000), "at most 120 megapixels, found 12500 x 10000"),
    ],
)
def test_too_many_pixels(
    format: str, options: dict[str, Any], size: tuple[int, int], message: str
) -> None:
    data = encode(Image.new("1" if format == "PNG" else "L", size), format=format, **options)
    with pytest.raises(ImageError, match=message):
        decode(data)


def test_too_little_memory_is_told_of_the_image(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    data = encode(picture, format="PNG")
    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(ImageError, match="expected memory enough for 168 x 56 pixels, found too"):
        decode(data)


@pytest.mark.parametrize("value", [np.uint8(3), np.True_, np.uint16(3), np.float32(0.5)])
@pytest.mark.parametrize("shape", [(100_000, 100_000), (10_000, 10_000, 3), (10_000, 10_000, 1)])
def test_too_many_pixels_of_an_array_are_refused_before_any_is_copied(
    value: np.generic, shape: tuple[int, ...]
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"at most (18|72) megapixels, found 10+ x 10+"):
            decode_array(np.broadcast_to(value, shape))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_too_many_bytes_in_memory_are_refused_before_they_are_copied() -> None:
    data = bytearray(MAX_FILE_BYTES + 1)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="at most 40 MiB"):
            decode(memoryview(data))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("options", [{}, {"transparency": 3}])
@pytest.mark.parametrize("mode", ["P", "L", "1", "LA"])
def test_a_large_image_is_converted_strip_by_strip_as_it_would_be_whole(
    mode: str, options: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    if mode in ("1", "LA") and options:
        options = {}
    values_HW = rng.integers(0, 256, (2611, 1987), np.uint8)
    image = Image.fromarray(values_HW).convert(mode)
    if mode == "P":
        image = Image.frombytes("P", (1987, 2611), values_HW.tobytes())
        image.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
    image.info.update(options)
    is_clear = mode == "LA" or bool(options)
    whole = image.convert("RGBA" if is_clear else "RGB")
    found = decode_image(image)
    height, width = found.pixels_HWC.shape[:2]
    expected = whole.resize((width, height), Image.Resampling.BOX)
    if is_clear:
        paper = Image.new("RGBA", expected.size, "white")
        expected = Image.alpha_composite(paper, expected)
    np.testing.assert_array_equal(found.pixels_HWC, np.asarray(expected.convert("RGB")))


DECODE = """
import re, sys
from pathlib import Path
from tenfold.reading.decoding import decode
print(decode(sys.stdin.buffer.read()).pixels_HWC.shape)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no /proc")
@pytest.mark.parametrize(
    ("format", "side", "options"),
    [("PNG", 8485, {}), ("PNG", 8485, {"transparency": 0}), ("GIF", 8000, {})],
)
def test_a_large_palette_image_takes_no_more_than_the_promise(
    format: str, side: int, options: dict[str, Any]
) -> None:
    image = Image.new("P", (side, side))
    image.putpalette([10, 20, 30] + [200, 100, 50] * 255)
    data = encode(image, format=format, **options)
    result = subprocess.run(
        [sys.executable, "-c", DECODE], input=data, capture_output=True, check=True
    )
    shape, mib = result.stdout.decode().splitlines()
    assert shape == "(2049, 2049, 3)"
    assert int(mib) < 260


@pytest.mark.parametrize(
    ("magic", "most"),
    [("P5", 254), ("P5", 1), ("P5", 1023), ("P6", 254), ("P6", 1023), ("P6", 65535)],
)
def test_a_ppm_of_any_maximum_is_scaled_as_pillow_does(magic: str, most: int) -> None:
    rng = np.random.default_rng(most)
    shape = (50, 70, 3) if magic == "P6" else (50, 70)
    values = rng.integers(0, most + 3, shape).clip(0, 255 if most < 256 else 65535)
    pixels = values.astype(np.uint8 if most < 256 else ">u2").tobytes()
    data = f"{magic} 70 50 {most}\n".encode() + pixels
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        expected = decode_image(image.copy())
    np.testing.assert_array_equal(decode(data).pixels_HWC, expected.pixels_HWC)
    with pytest.raises(ImageError, match="that can be decoded"):
        decode(data[:-1])


def test_libtiff_prints_nothing_of_a_damaged_file(
    picture: Image.Image, capfd: pytest.CaptureFixture[str]
) -> None:
    for compression in ("tiff_adobe_deflate", "tiff_lzw", "jpeg"):
        data = bytearray(encode(picture, format="TIFF", compression=compression))
        data[8:60] = bytes(52)
        with pytest.raises(ImageError, match="that can be decoded"):
            decode(bytes(data))
    assert capfd.readouterr() == ("", "")


def test_pillow_prints_nothing_of_a_damaged_file(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside of tests
        with pytest.raises(ImageError):
            decode(b"II*\0" + b"\xff" * 400)
    assert capfd.readouterr() == ("", "")


def test_an_image_beyond_pillows_own_limit_is_too_large_too() -> None:
    message = "expected at most 120 megapixels, found more than 179"
    with pytest.raises(ImageError, match=f"^{message}$"):
        decode(b"P5 30000 30000 255\n" + bytes(100))


def test_too_many_pixels_cost_nothing() -> None:
    header = b"P5 60000 60000 255\n"
    with pytest.raises(ImageError, match="expected"):
        decode(header + bytes(100))


def test_too_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES * 10)  # a hole: it takes no disk
    data = read_bytes(path)
    assert len(data) == MAX_FILE_BYTES + 1
    with pytest.raises(ImageError, match="expected at most 40 MiB, found more"):
        decode(data)
    plain = b"P2 2000 2000 255\n" + b"1 " * MAX_PLAIN_PPM_BYTES
    with pytest.raises(ImageError, match="expected at most 2 MiB of a PPM or PGM in plain text"):
        decode(plain)


@pytest.mark.parametrize("data", [b"x", b"%PDF-1.4 and so on", b"<svg></svg>", bytes(1000)])
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"expected an image \(PNG, JPEG, .*\), found none"):
        decode(data)


def test_an_empty_file() -> None:
    with pytest.raises(ImageError, match="found an empty file"):
        decode(b"")


def test_formats_that_are_not_for_pictures_stay_closed(picture: Image.Image) -> None:
    for format in ("ICO", "TGA", "PCX", "PDF", "EPS"):
        with pytest.raises(ImageError, match="found none"):
            decode(encode(picture, format=format))


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="expected a file that can be read, found: Is a directory"):
        read_bytes(tmp_path)
    with pytest.raises(ImageError, match="found: No such file"):
        read_bytes(tmp_path / "none.png")


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic(picture: Image.Image, orientation: int) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encode(picture, format="HEIF", quality=90, exif=exif.tobytes()))
    upright = picture.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else picture
    assert differ(found, upright) < 4


def test_damaged_heic_is_told(picture: Image.Image) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    whole = encode(picture, format="HEIF", quality=90)
    for length in range(40, len(whole) - 1, len(whole) // 20):
        with pytest.raises(ImageError, match="expected an image"):
            decode(whole[:length])


def test_heic_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = b"\0\0\0\x18ftypheic" + bytes(100)
    with pytest.raises(MissingExtraError, match="expected the extra 'heic'"):
        decode(data)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "jpeg"}),
        ("GIF", {}),
        ("PPM", {}),
    ],
)
@pytest.mark.filterwarnings("ignore")  # what libraries say of damage
def test_damage_is_told(picture: Image.Image, format: str, options: dict[str, Any]) -> None:
    whole = encode(picture, format=format, **options)
    rng = random.Random(f"{format}{options}")
    num_refused = 0
    for number in range(MANY):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[rng.randrange(len(data)) :]
        elif number % 3 == 1:
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            start = rng.randrange(min(200, len(data)))
            data[start : start + 4] = rng.randbytes(4)
        try:
            found = decode(bytes(data))
        except ImageError:
            num_refused += 1
        else:
            assert found.pixels_HWC.ndim == 3
    assert num_refused >= MANY // 6  # half or more of the truncations


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 1), np.uint8),
        np.zeros((4, 5, 3), np.uint8),
        np.zeros((4, 5), bool),
        np.zeros((4, 5), np.uint16),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((4, 5), np.float64),
    ],
)
def test_arrays(array: Pixels) -> None:
    array = array.copy()
    array[1, 2] = {"b": True, "f": 1}.get(array.dtype.kind, np.iinfo(np.uint8).max)
    if array.dtype == np.uint16:
        array[1, 2] = 65535
    found = decode_array(array).pixels_HWC
    assert found.shape == (4, 5, 3)
    assert found[1, 2].tolist() == [255, 255, 255]
    assert found.sum() == 3 * 255


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5, np.uint8), r"found \(5,\)"),
        (np.zeros((0, 5), np.uint8), r"found \(0, 5\)"),
        (np.zeros((5, 5, 2), np.uint8), r"found \(5, 5, 2\)"),
        (np.zeros((5, 5), np.int64), "found int64"),
        (np.full((5, 5), 255.0), "expected floats from 0 to 1"),
        (np.full((5, 5), np.nan), "expected floats from 0 to 1"),
        (np.zeros((5000, 4000, 3), np.uint8), "at most 18 megapixels, found 4000 x 5000"),
    ],
)
def test_what_is_no_array_of_an_image(array: Pixels, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_array(array)


def test_an_image_of_pillow_is_left_as_it_is(picture: Image.Image) -> None:
    before = picture.copy()
    assert differ(decode_image(picture), picture) == 0
    assert picture == before
