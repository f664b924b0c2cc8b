"""Images that are too large, broken or no images are refused, and large ones take little memory."""

import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reading.pictures import differ, encode
from tenfold.errors import ImageError
from tenfold.reading.decoding import (
    WORKING_PIXELS,
    Pixels,
    decode,
    decode_array,
    decode_image,
    read_bytes,
)
from tenfold.reading.headers import MAX_FILE_BYTES, MAX_PLAIN_PPM_BYTES


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


@pytest.mark.parametrize(
    ("format", "options", "size", "message"),
    [
        ("PNG", {}, (10000, 8000), "10000 x 8000 pixels, 80 megapixels; the limit is 72"),
        ("JPEG", {"progressive": True}, (6000, 5000), "the limit is 25"),
        ("JPEG", {}, (12500, 10000), "12500 x 10000 pixels, .* the limit is 120"),
    ],
)
def test_too_many_pixels_are_refused(
    format: str, options: dict[str, Any], size: tuple[int, int], message: str
) -> None:
    data = encode(Image.new("1" if format == "PNG" else "L", size), format=format, **options)
    with pytest.raises(ImageError, match=message):
        decode(data)


def test_too_little_memory_is_an_image_error(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    data = encode(picture, format="PNG")
    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(ImageError, match="not enough memory to decode 168 x 56 pixels"):
        decode(data)


@pytest.mark.parametrize("value", [np.uint8(3), np.True_, np.uint16(3), np.float32(0.5)])
@pytest.mark.parametrize("shape", [(100_000, 100_000), (10_000, 10_000, 3), (10_000, 10_000, 1)])
def test_a_large_array_is_refused_before_it_is_copied(
    value: np.generic, shape: tuple[int, ...]
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"10+ x 10+ pixels, .* the limit is (18|72)"):
            decode_array(np.broadcast_to(value, shape))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_many_bytes_are_refused_before_they_are_copied() -> None:
    data = bytearray(MAX_FILE_BYTES + 1)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="larger than 40 MiB"):
            decode(memoryview(data))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("options", [{}, {"transparency": 3}])
@pytest.mark.parametrize("mode", ["P", "L", "1", "LA"])
def test_converting_in_bands_gives_the_same_pixels(mode: str, options: dict[str, Any]) -> None:
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
def test_a_large_palette_image_takes_little_memory(
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


def test_large_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES * 10)  # a hole: it takes no disk
    data = read_bytes(path)
    assert len(data) == MAX_FILE_BYTES + 1
    with pytest.raises(ImageError, match="larger than 40 MiB"):
        decode(data)
    plain = b"P2 2000 2000 255\n" + b"1 " * MAX_PLAIN_PPM_BYTES
    with pytest.raises(ImageError, match="plain-text PPM or PGM is larger than 2 MiB"):
        decode(plain)


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="this is a folder; give the files in it"):
        read_bytes(tmp_path)
    with pytest.raises(ImageError, match="cannot read the file: No such file"):
        read_bytes(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5, np.uint8), r"has shape \(5,\)"),
        (np.zeros((0, 5), np.uint8), r"has shape \(0, 5\)"),
        (np.zeros((5, 5, 2), np.uint8), r"has shape \(5, 5, 2\)"),
        (np.zeros((5, 5), np.complex64), "has type complex64"),
        (np.full((5, 5), None), "has type object"),
        (np.diag([0, np.nan, 1]), r"infinite or not a number \(NaN\)"),
        (np.diag([0, np.inf, 1]), "infinite or not a number"),
        (np.zeros((5000, 4000, 3), np.uint8), "4000 x 5000 pixels, .* the limit is 18"),
    ],
)
def test_other_arrays_are_refused(array: Pixels, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_array(array)


def test_other_data_is_not_an_image(picture: Image.Image) -> None:
    others = [encode(picture, format=format) for format in ("ICO", "TGA", "PCX", "EPS")]
    for data in (b"x", b"<svg></svg>", bytes(1000), *others):
        with pytest.raises(ImageError, match=r"^not an image \(PNG, JPEG, .*\)$"):
            decode(data)
    with pytest.raises(ImageError, match=r"^the file is empty$"):
        decode(b"")


def test_nothing_is_printed_about_a_damaged_file(
    picture: Image.Image, capfd: pytest.CaptureFixture[str]
) -> None:
    for compression in ("tiff_adobe_deflate", "tiff_lzw", "jpeg"):
        data = bytearray(encode(picture, format="TIFF", compression=compression))
        data[8:60] = bytes(52)
        with pytest.raises(ImageError, match="cannot decode"):
            decode(bytes(data))
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside of tests
        with pytest.raises(ImageError):
            decode(b"II*\0" + b"\xff" * 400)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [(8200, 6200), (10500, 10000)])
def test_a_large_jpeg_is_decoded_reduced_without_a_warning(size: tuple[int, int]) -> None:
    found = decode(encode(Image.new("L", size, 200), format="JPEG"))
    assert found.reduction > 3
    assert found.pixels_HWC.shape[0] < 2100


def test_an_image_beyond_pillows_own_limit_is_refused() -> None:
    for size in ("30000 30000", "60000 60000"):
        with pytest.raises(ImageError, match=r"more than 179 megapixels; the limit is 120$"):
            decode(f"P5 {size} 255\n".encode() + bytes(100))
