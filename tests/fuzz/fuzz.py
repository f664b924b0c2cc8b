"""Gives a decoder bytes that Atheris chooses by the lines of code that they reach.

    python tests/fuzz/fuzz.py decoding -max_total_time=300 FOLDER

FOLDER has files to start from; those that reach more lines are added. Anything but a result or a
TenfoldError ends the program with status 77, and the bytes are in a file `crash-*`.
"""

import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import atheris

WATCHED = ["gzip", "tenfold.data", "tenfold.reading", "PIL", "pillow_heif"]
with atheris.instrument_imports(include=WATCHED):
    from tenfold.data.idx import load_idx
    from tenfold.errors import TenfoldError
    from tenfold.reading.decoding import decode, list_pages

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
IDX_FILE = Path(tempfile.mkdtemp(), "idx")


def fuzz_decoding(data: bytes) -> None:
    """Decode an image, or the last page of several."""
    data = mend_checksums(data)
    try:
        pages = list_pages(data)
        decoded = decode(data, pages[-1]) if len(pages) > 1 else decode(data)
    except TenfoldError:
        return
    height, width, colours = decoded.pixels_HWC.shape
    assert min(height, width) > 0
    assert (colours, decoded.pixels_HWC.dtype.name) == (3, "uint8")


def fuzz_idx(data: bytes) -> None:
    """Load an IDX file as images and as labels."""
    IDX_FILE.write_bytes(data)
    for shape in ((None, 2, 2), (None,)):
        try:
            array = load_idx(IDX_FILE, shape)
        except TenfoldError:
            continue
        assert (array.ndim, array.dtype.name) == (len(shape), "uint8")
        assert array.size > 0


def mend_checksums(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks made right, so that what they hold is looked at."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    mended, start = bytearray(data), len(PNG_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4])
        if end + 4 > len(data):
            break
        mended[end : end + 4] = zlib.crc32(data[start + 4 : end]).to_bytes(4)
        start = end + 4
    return bytes(mended)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Pillow warns of damage
    target = {"decoding": fuzz_decoding, "idx": fuzz_idx}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
