"""What an image file is made of, looked at before a decoder walks through it.

In: the bytes of a file. Out: nothing, or an ImageError. A decoder takes a constant time for each
part of a file, whatever its size: a scan of a progressive JPEG is a pass over all pixels, an empty
segment or chunk a few calls in Python. So parts are counted, with limits that are many times what
cameras, scanners and programs write. The walks here stop at a limit, and leap from part to part.
"""

import io
import re
import struct
from collections.abc import Iterator

from tenfold.errors import ImageError

MAX_FILE_BYTES = 40 * 1024**2
# Times that Pillow asks for bytes: four for a PNG's chunk or a JPEG's segment, one for each byte of
# a PPM's header, one for each strip of a TIFF.
MAX_READS = 100_000
# A JPEG of 40 MiB has at most 640 full segments before its pixels.
MAX_SEGMENTS = 10_000
# Of all its scans together. Programs write 3 to 20; this is 25 of 24 megapixels, 50 of 12.
MAX_SCANNED_PIXELS = 600_000_000
# Of tables, EXIF and Photoshop's blocks, which Pillow takes apart; other metadata may be larger.
MAX_METADATA_BYTES = 1024**2
MAX_CHUNKS = 30_000  # a PNG of 40 MiB in chunks of 8 KiB has 5,000
# Of a PNG's text and colour profiles, each unpacked to as much as a megabyte.
MAX_COMPRESSED_CHUNKS = 100
MAX_CHUNK_BYTES = 16 * 1024**2  # of a PNG's chunks but pixels, which Pillow keeps
# What Pillow takes apart a value at a time: numbers in text, and runs of pixels.
MAX_PLAIN_PPM_BYTES, MAX_RUN_LENGTH_BYTES = 2 * 1024**2, 1024**2
MAX_RUN_LENGTH_PIXELS = 4_200_000
MAX_COMMENTS = 1000  # of a PPM in text, each of which costs a copy of what follows

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = (b"IDAT", b"fdAT")
PNG_COMPRESSED = (b"iCCP", b"zTXt", b"iTXt")
PLAIN_PPM = (b"P1", b"P2", b"P3")
RUN_LENGTH = (1, 2)  # of a BMP's kinds of compression

# A marker after bytes that are none: in a scan 0xff 0x00 is a byte, and restarts belong to it.
MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA
# Without a length; those that no image has are such for Pillow, and end libjpeg's work.
LONE_MARKERS = (0x01, 0xC8, START_OF_IMAGE, END_OF_IMAGE, *range(0xF0, 0xFE))
TABLES = (0xC4, 0xCC, 0xDB)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
EXIF, PHOTOSHOP = 0xE1, 0xED

# Bytes of a value by its type's number; of bytes and text (1, 2 and 7) Pillow makes no numbers.
TIFF_VALUE_BYTES = {
    3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8
}  # fmt: skip
TIFF_INTEGERS = {3: "H", 4: "L", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q", 18: "Q"}
TIFF_STARTS = (b"II", b"MM")
TIFF_LISTS = (34665, 34853, 40965)  # lists of their own, of EXIF, GPS and their interoperability
TIFF_PIXEL_BYTES = (279, 325)  # of each strip or tile
MAX_TIFF_ENTRIES, MAX_TIFF_LISTS = 10_000, 10


class CountedBytes(io.BytesIO):
    """The bytes of a file for Pillow, which may ask for a part of them so many times."""

    def __init__(self, data: bytes, most: float = MAX_READS) -> None:
        super().__init__(data)
        self.num_left = most

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file has it. Raises ImageError where it is called too often."""
        self.num_left -= 1
        if self.num_left < 0:
            raise ImageError("expected an image file of fewer parts (chunks, blocks, comments)")
        return super().read(size)


def check_structure(data: bytes) -> bool:
    """Raise ImageError for a file of more parts than images have.

    Returns whether it is a JPEG of several scans, whose pixels are all kept until the last.
    """
    if data.startswith(b"\xff\xd8"):
        return _check_jpeg(data)
    if data.startswith(PNG_START):
        _check_png(data)
    elif data.startswith(b"RIFF"):
        _check_webp(data)
    elif data.startswith(TIFF_STARTS):
        # What is a large TIFF (BigTIFF) of big-endian numbers is none for Pillow.
        for is_big in {data[2:3] == b"+", b"+" in data[2:4]}:
            _check_tiff(_Tiff(data, is_big))
    elif data.startswith(PLAIN_PPM):
        if len(data) > MAX_PLAIN_PPM_BYTES:
            raise ImageError(
                f"expected at most {MAX_PLAIN_PPM_BYTES // 1024**2} MiB of a PPM or PGM in plain "
                "text, found more; the binary kind may be larger"
            )
        if data.count(b"#") > MAX_COMMENTS:
            raise _count_too_many(MAX_COMMENTS, "comments")
    elif data.startswith(b"BM") and _find_compression(data) in RUN_LENGTH:
        width, height = struct.unpack_from("<ii", data, 18)
        if len(data) > MAX_RUN_LENGTH_BYTES or abs(width * height) > MAX_RUN_LENGTH_PIXELS:
            raise ImageError(
                f"expected at most {MAX_RUN_LENGTH_BYTES // 1024**2} MiB and "
                f"{MAX_RUN_LENGTH_PIXELS / 1e6:.1f} megapixels of a BMP with runs of pixels, "
                f"found {width} x {abs(height)}; one without may be larger"
            )
    return False


def _count_too_many(most: int | str, parts: str) -> ImageError:
    return ImageError(f"expected at most {most} {parts} in an image file, found more")


def _check_jpeg(data: bytes) -> bool:
    at, num_scans, num_bytes = 2, 0, 0
    width = height = 0
    components, is_whole = b"", True  # whether each scan has all colours
    for _ in range(MAX_SEGMENTS):
        # Pillow walks up to the first scan, byte by byte over what belongs to no segment, and no
        # further; libjpeg walks to the end.
        found = MARKER.search(data, at, len(data) if num_scans else at + MAX_READS)
        if found is None or (found[1][0] == END_OF_IMAGE and num_scans):
            return num_scans > 1 or not is_whole
        marker, at = found[1][0], found.end()
        if marker in LONE_MARKERS:
            continue
        length = int.from_bytes(data[at : at + 2])
        if marker == START_OF_SCAN:
            num_scans += 1
            is_whole = is_whole and data[at + 2 : at + 3] == components
            if num_scans > 1 and num_scans * width * height > MAX_SCANNED_PIXELS:
                raise ImageError(
                    f"expected at most {MAX_SCANNED_PIXELS // (width * height)} scans of "
                    f"{width} x {height} pixels, found more"
                )
        elif marker in FRAMES:
            height = max(height, int.from_bytes(data[at + 3 : at + 5]))
            width = max(width, int.from_bytes(data[at + 5 : at + 7]))
            components = data[at + 7 : at + 8]
        elif marker in (*TABLES, PHOTOSHOP) or (
            marker == EXIF and data.startswith(b"Exif", at + 2)
        ):
            num_bytes += length
            if num_bytes > MAX_METADATA_BYTES:
                raise _count_too_many(
                    f"{MAX_METADATA_BYTES // 1024**2} MiB", "of tables and metadata"
                )
        at += max(2, length)
    raise _count_too_many(MAX_SEGMENTS, "segments")


def _check_png(data: bytes) -> None:
    at, num_bytes, num_compressed = len(PNG_START), 0, 0
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            return
        if kind not in PNG_PIXELS:
            num_bytes += min(length, len(data) - at)
            num_compressed += kind in PNG_COMPRESSED
        if num_bytes > MAX_CHUNK_BYTES:
            raise _count_too_many(f"{MAX_CHUNK_BYTES // 1024**2} MiB", "of text and other chunks")
        if num_compressed > MAX_COMPRESSED_CHUNKS:
            raise _count_too_many(MAX_COMPRESSED_CHUNKS, "chunks of compressed text or profiles")
        at += 12 + length
    raise _count_too_many(MAX_CHUNKS, "chunks")


def _check_webp(data: bytes) -> None:
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    raise _count_too_many(MAX_CHUNKS, "chunks")


class _Tiff:
    """A TIFF's lists of values. What lies beyond the file's end is left out: Pillow says so."""

    def __init__(self, data: bytes, is_big: bool) -> None:
        self.data, self.is_big = data, is_big
        self.order = "<" if data.startswith(b"II") else ">"

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        """The numbers at an offset."""
        is_inside = at + struct.calcsize(self.order + form) <= len(self.data)
        return struct.unpack_from(self.order + form, self.data, at) if is_inside else ()

    def list_entries(self, at: int) -> Iterator[tuple[int, int, int, int]]:
        """Of a list's values each one's tag, type, number, and where they are."""
        count, entry, inline = ("Q", "HHQQ", 8) if self.is_big else ("H", "HHLL", 4)
        for num_entries in self.unpack(count, at):
            if num_entries > MAX_TIFF_ENTRIES:
                raise _count_too_many(MAX_TIFF_ENTRIES, "values in a list")
            at += struct.calcsize(self.order + count)
            for _ in range(num_entries):
                if not (found := self.unpack(entry, at)):
                    return
                at += struct.calcsize(self.order + entry)
                tag, kind, number, where = found
                is_inline = number * TIFF_VALUE_BYTES.get(kind, 1) <= inline
                yield tag, kind, number, at - inline if is_inline else where


def _check_tiff(tiff: _Tiff) -> None:
    """The image's list of values, and those lists in it that Pillow takes apart, too."""
    num_bytes = 0
    waiting = list(tiff.unpack("Q", 8) if tiff.is_big else tiff.unpack("L", 4))
    for at in waiting:
        for tag, kind, number, where in tiff.list_entries(at):
            size = number * TIFF_VALUE_BYTES.get(kind, 0)
            if where + size > len(tiff.data):
                continue
            num_bytes += size
            if num_bytes > MAX_METADATA_BYTES:
                raise _count_too_many(f"{MAX_METADATA_BYTES // 1024**2} MiB", "of a TIFF's numbers")
            values = tiff.unpack(f"{number}{TIFF_INTEGERS.get(kind, 'x')}", where)
            # Strips may share their bytes, yet each is unpacked from the beginning.
            if (
                tag in TIFF_PIXEL_BYTES
                and sum(min(abs(one), len(tiff.data)) for one in values) > MAX_FILE_BYTES
            ):
                raise _count_too_many(f"{MAX_FILE_BYTES // 1024**2} MiB", "of a TIFF's strips")
            if tag in TIFF_LISTS:
                waiting += values
                if len(waiting) > MAX_TIFF_LISTS:
                    raise _count_too_many(MAX_TIFF_LISTS, "lists of values")


def _find_compression(data: bytes) -> int:
    """A BMP's kind of compression."""
    header_bytes, kind = data[14:18], data[30:34]
    return int.from_bytes(kind, "little") if int.from_bytes(header_bytes, "little") >= 40 else 0
