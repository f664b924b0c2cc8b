"""Check the structure of an image file before a decoder walks through it.

A decoder spends time on each part of a file, however small: a scan of a progressive JPEG is a pass
over all pixels, an empty segment or chunk a few calls in Python. So parts are counted. The limits
are many times what cameras, scanners and programs write.
"""

import io
import re
import struct
from collections.abc import Iterator

from tenfold.errors import ImageError

MAX_FILE_BYTES = 40 * 1024**2
# Pillow reads four times for a PNG's chunk or a JPEG's segment, once for each byte of a PPM's
# header and for each strip of a TIFF.
MAX_READS = 100_000
# A JPEG of 40 MiB has at most 640 full segments before its pixels.
MAX_SEGMENTS = 10_000
# Pixels of all scans together. Programs write 3 to 20 scans; this is 25 scans of 24 megapixels.
MAX_SCANNED_PIXELS = 600_000_000
# Tables, EXIF and Photoshop's blocks, which Pillow parses; other metadata may be larger.
MAX_METADATA_BYTES = 1024**2
MAX_CHUNKS = 30_000  # a PNG of 40 MiB in chunks of 8 KiB has 5,000
# A PNG's compressed texts and colour profiles; each may unpack to a megabyte.
MAX_COMPRESSED_CHUNKS = 100
MAX_CHUNK_BYTES = 16 * 1024**2  # of a PNG's chunks other than pixels, which Pillow keeps
# Pillow parses numbers in text, and runs of pixels, one at a time.
MAX_PLAIN_PPM_BYTES, MAX_RUN_LENGTH_BYTES = 2 * 1024**2, 1024**2
MAX_RUN_LENGTH_PIXELS = 4_200_000
MAX_COMMENTS = 1000  # of a plain PPM; each costs a copy of the rest of the file

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = (b"IDAT", b"fdAT")
PNG_COMPRESSED = (b"iCCP", b"zTXt", b"iTXt")
PLAIN_PPM = (b"P1", b"P2", b"P3")
RUN_LENGTH = (1, 2)  # a BMP's compression types RLE8 and RLE4

# A JPEG marker. In a scan, 0xff 0x00 is a byte of pixels, and restart markers belong to the scan.
MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA
# Markers without a length. Pillow takes the invalid ones among them as such; libjpeg stops there.
LONE_MARKERS = (0x01, 0xC8, START_OF_IMAGE, END_OF_IMAGE, *range(0xF0, 0xFE))
TABLES = (0xC4, 0xCC, 0xDB)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
EXIF, PHOTOSHOP = 0xE1, 0xED

# Bytes of a value by its type. Pillow does not parse bytes and text (types 1, 2 and 7).
TIFF_VALUE_BYTES = {
    3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8
}  # fmt: skip
TIFF_INTEGERS = {3: "H", 4: "L", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q", 18: "Q"}
TIFF_STARTS = (b"II", b"MM")
TIFF_LISTS = (34665, 34853, 40965)  # nested directories: EXIF, GPS, interoperability
TIFF_PIXEL_BYTES = (279, 325)  # byte counts of strips or tiles
MAX_TIFF_ENTRIES, MAX_TIFF_LISTS = 10_000, 10
MAX_PAGES, MAX_PAGES_METADATA_BYTES = 500, 8 * 1024**2


class CountedBytes(io.BytesIO):
    """The bytes of a file, which may be read a limited number of times."""

    def __init__(self, data: bytes, most: float = MAX_READS) -> None:
        super().__init__(data)
        self.num_left = most

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as from a file. Raises ImageError after too many calls."""
        self.num_left -= 1
        if self.num_left < 0:
            raise ImageError("the image file has too many parts (chunks, blocks, comments)")
        return super().read(size)


def check_structure(data: bytes) -> bool:
    """Raise ImageError for a file with too many parts.

    Returns whether it is a JPEG with several scans, which keeps all coefficients until the last.
    """
    if data.startswith(b"\xff\xd8"):
        return _check_jpeg(data)
    if data.startswith(PNG_START):
        _check_png(data)
    elif data.startswith(b"RIFF"):
        _check_webp(data)
    elif data.startswith(TIFF_STARTS):
        # Pillow does not recognise a big-endian BigTIFF, so its entries are checked as both kinds.
        for is_big in {data[2:3] == b"+", b"+" in data[2:4]}:
            _check_tiff(_Tiff(data, is_big))
    elif data.startswith(PLAIN_PPM):
        if len(data) > MAX_PLAIN_PPM_BYTES:
            raise ImageError(
                f"the plain-text PPM or PGM is larger than {MAX_PLAIN_PPM_BYTES // 1024**2} MiB; "
                "use the binary format"
            )
        if data.count(b"#") > MAX_COMMENTS:
            raise _exceed(MAX_COMMENTS, "comments")
    elif data.startswith(b"BM") and _find_compression(data) in RUN_LENGTH:
        width, height = struct.unpack_from("<ii", data, 18)
        if len(data) > MAX_RUN_LENGTH_BYTES or abs(width * height) > MAX_RUN_LENGTH_PIXELS:
            raise ImageError(
                f"the run-length encoded BMP of {width} x {abs(height)} pixels is larger than "
                f"{MAX_RUN_LENGTH_BYTES // 1024**2} MiB or {MAX_RUN_LENGTH_PIXELS / 1e6:.1f} "
                "megapixels; save it uncompressed"
            )
    return False


def _exceed(most: int | str, parts: str) -> ImageError:
    return ImageError(f"the image file has more than {most} {parts}")


def _check_jpeg(data: bytes) -> bool:
    at, num_scans, num_bytes = 2, 0, 0
    width = height = 0
    components, is_whole = b"", True  # is_whole: each scan has all colours
    for _ in range(MAX_SEGMENTS):
        # Pillow walks to the first scan, byte by byte between segments; libjpeg walks to the end.
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
                    f"the JPEG has more than {MAX_SCANNED_PIXELS // (width * height)} scans of "
                    f"{width} x {height} pixels"
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
                raise _exceed(f"{MAX_METADATA_BYTES // 1024**2} MiB", "of tables and metadata")
        at += max(2, length)
    raise _exceed(MAX_SEGMENTS, "segments")


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
            raise _exceed(f"{MAX_CHUNK_BYTES // 1024**2} MiB", "of text and other chunks")
        if num_compressed > MAX_COMPRESSED_CHUNKS:
            raise _exceed(MAX_COMPRESSED_CHUNKS, "chunks of compressed text or profiles")
        at += 12 + length
    raise _exceed(MAX_CHUNKS, "chunks")


def _check_webp(data: bytes) -> None:
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    raise _exceed(MAX_CHUNKS, "chunks")


class _Tiff:
    """A TIFF's directories. Values beyond the end of the file are skipped; Pillow fails there."""

    def __init__(self, data: bytes, is_big: bool) -> None:
        self.data, self.is_big = data, is_big
        self.order = "<" if data.startswith(b"II") else ">"
        self.num_entries = 0  # of all directories; Pillow reads each

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        """The numbers at an offset; none beyond the end."""
        is_inside = at + struct.calcsize(self.order + form) <= len(self.data)
        return struct.unpack_from(self.order + form, self.data, at) if is_inside else ()

    def list_pages(self) -> list[int]:
        """The offset of each page's directory. They may form a circle, in which each is once."""
        offset, count, entry_bytes = ("Q", "Q", 20) if self.is_big else ("L", "H", 12)
        pages: dict[int, None] = {}
        following = self.unpack(offset, 8 if self.is_big else 4)
        while following and following[0] and following[0] not in pages:
            [at] = following
            pages[at] = None
            if len(pages) > MAX_PAGES:
                raise _exceed(MAX_PAGES, "pages")
            for num_entries in self.unpack(count, at):
                at += struct.calcsize(self.order + count) + num_entries * entry_bytes
            following = self.unpack(offset, at)
        return list(pages)

    def list_entries(self, at: int) -> Iterator[tuple[int, int, int, int]]:
        """The tag, type, count and offset of each entry of a directory."""
        count, entry, inline = ("Q", "HHQQ", 8) if self.is_big else ("H", "HHLL", 4)
        for num_entries in self.unpack(count, at):
            self.num_entries += num_entries
            if num_entries > MAX_TIFF_ENTRIES:
                raise _exceed(MAX_TIFF_ENTRIES, "values in a list")
            if self.num_entries > MAX_READS:
                raise _exceed(MAX_READS, "values in all lists")
            at += struct.calcsize(self.order + count)
            for _ in range(num_entries):
                if not (found := self.unpack(entry, at)):
                    return
                at += struct.calcsize(self.order + entry)
                tag, kind, number, where = found
                is_inline = number * TIFF_VALUE_BYTES.get(kind, 1) <= inline
                yield tag, kind, number, at - inline if is_inline else where


def _check_tiff(tiff: _Tiff) -> None:
    # They may share what they lead to, so all together are limited, too.
    num_bytes = 0
    for at in tiff.list_pages():
        num_bytes += _check_page(tiff, at)
        if num_bytes > MAX_PAGES_METADATA_BYTES:
            raise _exceed(f"{MAX_PAGES_METADATA_BYTES // 1024**2} MiB", "of numbers on all pages")


def _check_page(tiff: _Tiff, page: int) -> int:
    """Check a page's directory and the nested ones that Pillow parses, too; count their bytes."""
    num_bytes = 0
    waiting = [page]
    for at in waiting:
        for tag, kind, number, where in tiff.list_entries(at):
            size = number * TIFF_VALUE_BYTES.get(kind, 0)
            if where + size > len(tiff.data):
                continue
            num_bytes += size
            if num_bytes > MAX_METADATA_BYTES:
                raise _exceed(f"{MAX_METADATA_BYTES // 1024**2} MiB", "of a TIFF's numbers")
            if kind not in TIFF_INTEGERS:
                continue
            values = tiff.unpack(f"{number}{TIFF_INTEGERS[kind]}", where)
            # Strips may share bytes, and each is unpacked from its beginning.
            if (
                tag in TIFF_PIXEL_BYTES
                and sum(min(abs(one), len(tiff.data)) for one in values) > MAX_FILE_BYTES
            ):
                raise _exceed(f"{MAX_FILE_BYTES // 1024**2} MiB", "of a TIFF's strips")
            if tag in TIFF_LISTS:
                waiting += values
                if len(waiting) > MAX_TIFF_LISTS:
                    raise _exceed(MAX_TIFF_LISTS, "lists of values")
    return num_bytes


def _find_compression(data: bytes) -> int:
    """A BMP's compression type."""
    header_bytes, kind = data[14:18], data[30:34]
    return int.from_bytes(kind, "little") if int.from_bytes(header_bytes, "little") >= 40 else 0
