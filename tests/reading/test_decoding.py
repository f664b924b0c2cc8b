"""One picture in every format, mode and type is decoded; broken and large ones are refused."""

import io
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from reading.pictures import differ, encode
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.decoding import (
    Pixels,
    decode,
    decode_array,
    decode_image,
)


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
def test_every_format_is_decoded(
    picture: Image.Image, options: dict[str, Any], tolerance: float
) -> None:
    found = decode(encode(picture, **options))
    assert differ(found, picture) <= tolerance
    assert found.reduction == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_every_mode_is_decoded(picture: Image.Image, mode: str) -> None:
    format = "TIFF" if mode in ("CMYK", "YCbCr", "LAB") else "PNG"
    expected = picture.convert(mode) if mode in ("1", "P") else picture
    if mode in ("L", "LA"):
        expected = picture.convert("L")
    found = decode(encode(picture.convert(mode), format=format))
    assert differ(found, expected) <= 3


def test_a_cmyk_jpeg_is_not_a_negative(picture: Image.Image) -> None:
    assert differ(decode(encode(picture.convert("CMYK"), format="JPEG", quality=95)), picture) < 4


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_decoded(picture: Image.Image, format: str) -> None:
    grey = picture.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert differ(decode(encode(deep, format=format)), grey) == 0


def test_sixteen_bits_are_rounded() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = decode_array(values).pixels_HWC[:, :, 0]
    np.testing.assert_array_equal(found, np.rint(values / 257))


WHITE_HW = np.add.outer(np.arange(20), np.arange(30)) / 48  # from 0 to 1


@pytest.mark.parametrize(
    "values_HW",
    [
        WHITE_HW > 0.5,
        (WHITE_HW > 0.5).astype(np.uint8),
        (WHITE_HW > 0.5).astype(np.int64),
        (WHITE_HW > 0.5).astype(np.float16),
        np.rint(WHITE_HW * 255).astype(np.uint8),
        np.rint(WHITE_HW * 255).astype(np.uint16),
        np.rint(WHITE_HW * 255).astype(np.int32),
        np.rint(WHITE_HW * 255).astype(np.uint64),
        np.rint(WHITE_HW * 4095).astype(np.uint16),
        np.rint(WHITE_HW * 65535).astype(np.int64),
        np.rint(WHITE_HW * 1e6).astype(np.int64),
        np.rint(WHITE_HW * 255 - 128).astype(np.int8),
        WHITE_HW.astype(np.float16),
        WHITE_HW,
        WHITE_HW * 255,
        WHITE_HW * 16,
        WHITE_HW * 1.04 - 0.02,
        WHITE_HW * 3.2 - 0.4,
        WHITE_HW * 65535,
    ],
)
def test_white_is_found_from_the_values(values_HW: npt.NDArray[Any]) -> None:
    is_mask = len(np.unique(values_HW)) == 2
    expected_HW = 255 * (WHITE_HW > 0.5 if is_mask else WHITE_HW)
    found = [decode_array(values_HW), decode_array(values_HW[None].repeat(3, 0))]
    if values_HW.dtype in (np.uint8, np.uint16, np.int32, np.float64):
        type = np.float32 if values_HW.dtype == np.float64 else values_HW.dtype
        image = Image.fromarray(values_HW.astype(type))
        found += [decode_image(image), decode(encode(image, format="TIFF"))]
        if image.mode in ("L", "I;16"):
            found.append(decode(encode(image, format="PNG")))
    for one in found:
        assert np.abs(one.pixels_HWC - expected_HW[:, :, None]).max() <= 1  # rounded


@pytest.mark.parametrize("type", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("level", [0, 1, 3, 250, 4000, 65000])
def test_the_noise_of_paper_is_not_enlarged(type: npt.DTypeLike, level: int) -> None:
    noise_HW = np.random.default_rng(0).integers(-2, 3, (60, 60)) * (level > 200)
    values_HW = (noise_HW + level) % 256 if type == np.uint8 else noise_HW + level
    found_HWC = decode_array(values_HW.astype(type)).pixels_HWC
    assert np.ptp(found_HWC.astype(int)) <= 4


def test_a_jpeg_that_is_nearly_black_is_no_mask() -> None:
    values_HW = np.zeros((64, 64), np.uint8)
    values_HW[::3] = 1
    with_noise = Image.fromarray(values_HW)
    assert decode(encode(with_noise, format="PNG")).pixels_HWC.max() == 255
    found = decode(encode(with_noise, format="JPEG", quality=100)).pixels_HWC
    assert found.max() == 1


def test_the_range_of_floats_is_stretched(picture: Image.Image) -> None:
    grey = ImageOps.autocontrast(picture.convert("L"))
    floats = Image.fromarray((np.asarray(grey) / 255 * 7 - 3).astype(np.float32))
    assert differ(decode(encode(floats, format="TIFF")), grey) < 0.5


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(picture: Image.Image, orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(picture, format=format, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image)
    found = decode(data)
    assert differ(found, expected) < 0.01
    assert (found.pixels_HWC.shape[0] > found.pixels_HWC.shape[1]) == (orientation >= 5)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_orientation_is_ignored(picture: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert differ(decode(encode(picture, format="PNG", exif=exif)), picture) == 0


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
def test_transparent_images_get_paper_that_shows_the_ink(
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


def test_the_first_frame_is_decoded(picture: Image.Image) -> None:
    other = Image.new("RGB", picture.size)
    for format in ("GIF", "WEBP", "TIFF", "PNG"):
        data = encode(picture, format=format, save_all=True, append_images=[other])
        assert differ(decode(data), picture) < 5


@pytest.mark.parametrize(
    ("magic", "most"),
    [("P5", 254), ("P5", 1), ("P5", 1023), ("P6", 254), ("P6", 1023), ("P6", 65535)],
)
def test_a_ppm_with_any_maximum_is_scaled_as_pillow_does(magic: str, most: int) -> None:
    rng = np.random.default_rng(most)
    shape = (50, 70, 3) if magic == "P6" else (50, 70)
    values = rng.integers(0, most + 3, shape).clip(0, 255 if most < 256 else 65535)
    pixels = values.astype(np.uint8 if most < 256 else ">u2").tobytes()
    data = f"{magic} 70 50 {most}\n".encode() + pixels
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        expected = decode_image(image.copy())
    np.testing.assert_array_equal(decode(data).pixels_HWC, expected.pixels_HWC)
    with pytest.raises(ImageError, match="cannot decode"):
        decode(data[:-1])


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_is_decoded(picture: Image.Image, orientation: int) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encode(picture, format="HEIF", quality=90, exif=exif.tobytes()))
    upright = picture.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else picture
    assert differ(found, upright) < 4


def test_heic_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = b"\0\0\0\x18ftypheic" + bytes(100)
    with pytest.raises(MissingExtraError, match="HEIC images need the extra 'heic'"):
        decode(data)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((9, 5), np.uint8),
        np.zeros((9, 5, 1), np.uint8),
        np.zeros((9, 5, 3), np.uint8),
        np.zeros((9, 5), bool),
        np.zeros((9, 5), np.uint16),
        np.zeros((9, 5, 3), np.float32),
        np.zeros((9, 5), np.float64),
    ],
)
def test_arrays_of_every_type_are_decoded(array: Pixels) -> None:
    array = array.copy()
    array[1, 2] = {"b": True, "f": 1}.get(array.dtype.kind, np.iinfo(np.uint8).max)
    if array.dtype == np.uint16:
        array[1, 2] = 65535
    found = decode_array(array).pixels_HWC
    assert found.shape == (9, 5, 3)
    assert found[1, 2].tolist() == [255, 255, 255]
    assert found.sum() == 3 * 255


def test_a_pillow_image_is_not_changed(picture: Image.Image) -> None:
    before = picture.copy()
    assert differ(decode_image(picture), picture) == 0
    assert picture == before
