"""How large an image says that it is, from its first bytes, without decoding any of it.

Only to send it to the right worker at once; what a worker finds counts. Nothing is unpacked and no
list is followed but a JPEG's, of so many segments at most.
"""

PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_SEGMENTS = 200
# Start of frame, of any kind of JPEG; between them lie tables.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8), 0xFF})


def find_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, of PNG, JPEG, GIF and BMP; None if they are not found."""
    if data.startswith(PNG_START) and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith(b"\xff\xd8"):
        return _find_jpeg_size(data)
    if data.startswith((b"GIF87a", b"GIF89a")) and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if data.startswith(b"BM") and len(data) >= 26 and data[14] >= 40:
        width, height = data[18:22], data[22:26]
        return (
            abs(int.from_bytes(width, "little", signed=True)),
            abs(int.from_bytes(height, "little", signed=True)),
        )
    return None


def is_heif(data: bytes) -> bool:
    """Whether it begins as HEIC and its kin do, which take long to decode whatever their size."""
    return data[4:8] == b"ftyp"


def _find_jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(MAX_SEGMENTS):
        if at + 9 > len(data) or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker in LONE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in FRAMES:
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
