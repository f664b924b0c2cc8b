"""Image files with more parts than a decoder should walk through are refused."""

import struct
import zlib
from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image

from reading.pictures import encode
from tenfold.errors import ImageError
from tenfold.reading.decoding import decode

PLENTY = 40_000  # of any part, more than any limit
RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8))


def refuse(data: bytes) -> str:
    with pytest.raises(ImageError) as raised:
        decode(data)
    return str(raised.value)


def make_segment(marker: int, content: bytes = b"") -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(content)) + content


def insert_segments(*segments: bytes) -> bytes:
    """A JPEG with these segments before its own."""
    jpeg = encode(NOISE, format="JPEG")
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def repeat_scan(jpeg: bytes, times: int, between: bytes = b"") -> bytes:
    """A JPEG whose last scan stands several times, with its tables."""
    last = jpeg.rfind(b"\xff\xda")
    return jpeg[:last] + between + jpeg[last:-2] * times + b"\xff\xd9"


def part_scans(side: int) -> bytes:
    """A JPEG of three colours that is not progressive, yet has a scan for each of them."""
    grey = encode(Image.new("L", (side, side), 180), format="JPEG")
    frame, scan = grey.find(b"\xff\xc0"), grey.find(b"\xff\xda")
    three = struct.pack(">BHHB", 8, side, side, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    rest = grey[frame + 13 : scan]
    pixels = grey[scan + 10 : -2]
    scans = (make_segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + pixels for number in (1, 2, 3))
    return grey[:frame] + make_segment(0xC0, three) + rest + b"".join(scans) + b"\xff\xd9"


TABLES = make_segment(0xDB, (b"\0" + bytes([1] * 64)) * 1000)
EXIF = make_segment(0xE1, b"Exif\0\0" + bytes(65_000))


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([make_segment(0xFE)] * PLENTY, "more than 10000 segments"),
        ([make_segment(0xE1)] * PLENTY, "more than 10000 segments"),
        ([make_segment(0xDD, b"\0\0")] * PLENTY, "more than 10000 segments"),
        ([b"\xff\xd8"] * PLENTY, "more than 10000 segments"),
        ([TABLES] * 20, "more than 1 MiB of tables and metadata"),
        ([make_segment(0xC4, bytes(65_000))] * 20, "more than 1 MiB of tables and metadata"),
        ([EXIF] * 20, "more than 1 MiB of tables and metadata"),
        ([make_segment(0xED, bytes(65_000))] * 20, "more than 1 MiB of tables and metadata"),
        # Pillow goes on after the end, and reads no length of invalid markers.
        ([b"\xff\xd9", *[TABLES] * 20], "more than 1 MiB of tables and metadata"),
        ([b"\xff\xf0", *[TABLES] * 20], "more than 1 MiB of tables and metadata"),
        ([b"\xff" * 200_000], "too many parts"),
        ([b"\xff\xd0" * 100_000], "too many parts"),
        ([make_segment(0xFE), b"a" * 200_000], "too many parts"),
    ],
)
def test_a_jpeg_with_too_many_segments_is_refused(segments: list[bytes], message: str) -> None:
    assert message in refuse(insert_segments(*segments))


@pytest.mark.parametrize("between", [b"", make_segment(0xFE), b"\xff" * 1000])
def test_a_jpeg_with_too_many_scans_is_refused(between: bytes) -> None:
    large = encode(Image.new("L", (4900, 4900), 200), format="JPEG", progressive=True)
    message = refuse(repeat_scan(large, 25, between))
    assert message == "the JPEG has more than 24 scans of 4900 x 4900 pixels"


def test_a_small_jpeg_may_have_many_scans() -> None:
    data = encode(NOISE, format="JPEG", progressive=True)
    expected = decode(data).pixels_HWC
    assert decode(repeat_scan(data, 1)).pixels_HWC.tobytes() == expected.tobytes()
    assert decode(repeat_scan(data, 100)).pixels_HWC.shape == (64, 64, 3)


def test_a_jpeg_with_a_scan_for_each_colour_has_the_limit_of_a_progressive_one() -> None:
    assert decode(part_scans(200)).pixels_HWC.shape == (200, 200, 3)
    assert "5200 x 5200 pixels, 27 megapixels; the limit is 25" in refuse(part_scans(5200))


def test_a_jpeg_with_much_metadata_is_read() -> None:
    profile = [
        make_segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 40]) + bytes(65_000))
        for number in range(1, 41)
    ]
    extended = make_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000))
    notes = make_segment(0xFE, b"a comment")
    thumbnail = make_segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0" + encode(NOISE, format="JPEG"))
    data = insert_segments(EXIF, thumbnail, *profile, *[extended] * 60, *[notes] * 100)
    assert decode(data).pixels_HWC.shape == (64, 64, 3)
    moving = encode(NOISE, format="JPEG") + RNG.integers(0, 256, 5_000_000, np.uint8).tobytes()
    assert decode(moving).pixels_HWC.shape == (64, 64, 3)


def make_chunk(kind: bytes, content: bytes = b"") -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def insert_chunks(chunks: Iterable[bytes], before: bytes = b"IDAT") -> bytes:
    png = encode(NOISE, format="PNG")
    at = png.find(before) - 4
    return png[:at] + b"".join(chunks) + png[at:]


BLANK = zlib.compress(bytes(1_000_000))


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    ("chunk", "times", "message"),
    [
        (make_chunk(b"prVt"), PLENTY, "more than 30000 chunks"),
        (make_chunk(b"IDAT"), PLENTY, "more than 30000 chunks"),
        (make_chunk(b"tEXt", b"a\0b"), PLENTY, "more than 30000 chunks"),
        (make_chunk(b"tEXt", b"a\0" + bytes(1_000_000)), 17, "more than 16 MiB of text"),
        (make_chunk(b"zTXt", b"a\0\0" + BLANK[:-4] + b"oops"), 101, "more than 100 chunks"),
        (make_chunk(b"iTXt", b"a\0\1\0\0\0" + BLANK[:-4] + b"oops"), 101, "more than 100 chunks"),
        (make_chunk(b"iCCP", b"a\0\0" + BLANK), 101, "more than 100 chunks"),
    ],
)
def test_a_png_with_too_many_chunks_is_refused(
    chunk: bytes, times: int, message: str, before: bytes
) -> None:
    assert message in refuse(insert_chunks([chunk] * times, before))


def test_a_png_with_many_chunks_is_read() -> None:
    text = make_chunk(b"tEXt", b"prompt\0" + b"a" * 1_000_000)
    expected = decode(encode(NOISE, format="PNG")).pixels_HWC
    data = insert_chunks([text] * 5 + [make_chunk(b"prVt", bytes(10))] * 1000)
    # A byte of pixels in each chunk, and more chunks after the end.
    at = data.find(b"IDAT")
    length = int.from_bytes(data[at - 4 : at])
    pixels = data[at + 4 : at + 4 + length]
    parts = b"".join(make_chunk(b"IDAT", bytes([one])) for one in pixels)
    many = data[: at - 4] + parts + data[at + 8 + length :] + make_chunk(b"prVt") * PLENTY
    assert decode(many).pixels_HWC.tobytes() == expected.tobytes()


def insert_blocks(blocks: bytes) -> bytes:
    gif = encode(NOISE.convert("P"), format="GIF")
    at = 13 + 3 * 256
    return gif[:at] + blocks + gif[at:]


@pytest.mark.parametrize(
    "block",
    [
        b"!\xfe\1a\0",
        b"!\xfe\0",
        b"!\xf9\4\0\0\0\0\0",
        b"!\xff\1a\0",
        b"\0",
        b"!\xfe" + b"\1a" * 100_000 + b"\0",
    ],
)
def test_a_gif_with_too_many_blocks_is_refused(block: bytes) -> None:
    assert "too many parts" in refuse(insert_blocks(block * (PLENTY if len(block) < 9 else 1) * 3))


def test_a_gif_with_many_frames_and_a_long_comment_is_read() -> None:
    frames = [Image.new("L", (64, 64), number) for number in range(200)]
    animated = encode(NOISE, format="GIF", save_all=True, append_images=frames)
    assert decode(animated).pixels_HWC.shape == (64, 64, 3)
    comment = b"!\xfe" + (b"\xff" + bytes([97] * 255)) * 10_000 + b"\0"
    assert decode(insert_blocks(comment)).pixels_HWC.shape == (64, 64, 3)


@pytest.mark.parametrize(
    "filling", [b"#" + b"a" * 200_000 + b"\n", b" " * 200_000, b"#\n" * 90_000]
)
def test_a_ppm_with_a_long_header_is_refused(filling: bytes) -> None:
    assert "too many parts" in refuse(b"P5 " + filling + b" 8 8 255\n" + bytes(64))


def test_a_plain_ppm_with_too_many_comments_is_refused() -> None:
    plain = b"P2 8 8 255\n" + b"#\n" * 900 + b"7 " * 64
    assert decode(plain).pixels_HWC.tobytes() == bytes([7]) * 192
    assert "more than 1000 comments" in refuse(b"P2 8 8 255\n" + b"#\n" * 1001 + b"7 " * 64)


def make_bmp(side: int, runs: bytes) -> bytes:
    palette = b"".join(bytes([i, 255 - i, i // 2, 0]) for i in range(256))
    start = 54 + len(palette)
    sizes = struct.pack("<IHHI", start + len(runs), 0, 0, start)
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + sizes + header + palette + runs


def test_a_large_run_length_encoded_bmp_is_refused() -> None:
    assert decode(make_bmp(64, b"\x40\5\0\0" * 64)).pixels_HWC[0, 0].tolist() == [2, 250, 5]
    for side, runs in ((64, b"\1\5" * 600_000), (8000, b"\xff\5" * 1000)):
        message = refuse(make_bmp(side, runs))
        assert f"{side} x {side} pixels is larger than 1 MiB or 4.2 megapixels" in message


def make_tiff(
    *more: tuple[int, int, int, bytes], order: str = "<", side: int = 16, rest: bytes = b""
) -> bytes:
    """A grey TIFF with more entries: tag, type, count, and the bytes of the values."""
    short, long = order + "H", order + "L"
    values = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side}
    entries = {
        tag: (struct.pack(order + "HHL", tag, 4, 1), struct.pack(long, one))
        for tag, one in values.items()
    }
    far = b""
    start = 10 + 12 * len({*values, *(tag for tag, *_ in more)}) + 4
    for tag, kind, number, content in more:
        head = struct.pack(order + "HHL", tag, kind, number)
        if len(content) > 4:
            entries[tag] = (head, struct.pack(long, start + len(far)))
            far += content
        else:
            entries[tag] = (head, content.ljust(4, b"\0"))
    listed = b"".join(head + content for _, (head, content) in sorted(entries.items()))
    first = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(short, len(entries))
    return first + struct.pack(long, 8) + count + listed + bytes(4) + far + rest


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_with_too_many_numbers_is_refused(order: str) -> None:
    plenty = struct.pack(order + "LL", 1, 1) * 140_000
    decode(make_tiff(order=order, rest=bytes(300)))
    message = "more than 1 MiB of a TIFF's numbers"
    assert message in refuse(make_tiff((273, 4, 280_000, plenty), order=order))
    assert message in refuse(make_tiff((282, 5, 140_000, plenty), order=order))
    # In a nested directory.
    for form, kind in (("H", 3), ("L", 4)):
        entry = struct.pack(order + "HHHLL", 1, 33434, 5, 140_000, 2000) + bytes(4)
        offset = struct.pack(order + form, 1000)
        tiff = make_tiff((34665, kind, 1, offset), order=order).ljust(1000, b"\0")
        assert message in refuse((tiff + entry).ljust(2000, b"\0") + plenty)
    # A directory that leads to itself.
    assert "more than 10 lists" in refuse(
        make_tiff((34665, 4, 1, struct.pack(order + "L", 8)), order=order, rest=bytes(300))
    )


def test_a_tiff_with_too_many_values_is_refused() -> None:
    entry = struct.pack("<HHLL", 257, 4, 1, 16)
    small = b"II*\0" + struct.pack("<LH", 8, 20_000) + entry * 20_000
    assert "more than 10000 values" in refuse(small)
    large = struct.pack("<HHQQ", 257, 4, 1, 16) * 20_000
    big = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 20_000) + large
    assert "more than 10000 values" in refuse(big)


def test_the_count_of_an_unknown_kind_of_value_does_not_matter() -> None:
    data = encode(NOISE, format="TIFF", big_tiff=True)
    [first] = struct.unpack_from("<Q", data, 8)
    [num] = struct.unpack_from("<Q", data, first)
    more = struct.pack("<HHQQ", 65000, 99, 2**64 - 1, 0) + bytes(8)
    moved = data[:8] + struct.pack("<Q", len(data)) + data[16:]
    entries = data[first + 8 : first + 8 + 20 * num]
    found = decode(moved + struct.pack("<Q", num + 1) + entries + more)
    np.testing.assert_array_equal(found.pixels_HWC, decode(data).pixels_HWC)


def test_a_tiff_with_strips_that_share_bytes_is_refused() -> None:
    row = b"\x78\x01" + b"\0\0\0\xff\xff" * 200_000 + zlib.compress(bytes(100))[2:]
    strips = (
        (259, 3, 1, struct.pack("<H", 8)),
        (273, 4, 100, struct.pack("<L", 2000) * 100),
        (278, 3, 1, struct.pack("<H", 1)),
        (279, 4, 100, struct.pack("<L", len(row)) * 100),
    )
    data = make_tiff(*strips, side=100).ljust(2000, b"\0") + row
    assert "more than 40 MiB of a TIFF's strips" in refuse(data)


def test_a_tiff_with_strips_of_one_row_is_read() -> None:
    large = Image.new("L", (50, 5000), 7)
    for compression in (None, "tiff_adobe_deflate"):
        data = encode(large, format="TIFF", compression=compression, tiffinfo={278: 1})
        assert decode(data).pixels_HWC.shape == (5000, 50, 3)


def test_a_webp_with_too_many_chunks_is_refused() -> None:
    data = encode(NOISE, format="WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
    content = data[8:] + b"abcd\0\0\0\0" * PLENTY
    assert "more than 30000 chunks" in refuse(b"RIFF" + struct.pack("<I", len(content)) + content)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_large_metadata_are_ignored(format: str) -> None:
    numbers = struct.pack("<HHLL", 274, 5, 150_000, 100)
    exif = (b"II*\0\x08\0\0\0\1\0" + numbers).ljust(100, b"\0") + bytes([6, 0, 0, 0] * 300_000)
    data = encode(NOISE.resize((64, 32)), format=format, exif=exif)
    assert decode(data).pixels_HWC.shape == (32, 64, 3)
