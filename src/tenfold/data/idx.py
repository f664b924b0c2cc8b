"""IDX files, the form in which MNIST was published, to NumPy arrays and back.

In: the path of a file, plain or gzipped (told apart by content, not by name). Out: an array of
unsigned bytes. Every field of the header is checked against the file and against what the caller
can use, and an error names file, field, expected and found. Which files belong together is
`mnist.py`'s affair.

The format (http://yann.lecun.com/exdb/mnist, "the IDX file format"): two zero bytes, one byte for
the type, one for the number of dimensions, each dimension as a big-endian 32-bit integer, the data
in row-major order.
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tenfold.errors import DataError

UNSIGNED_BYTE = 0x08
TYPE_NAMES = {
    0x08: "unsigned byte",
    0x09: "signed byte",
    0x0B: "short",
    0x0C: "int",
    0x0D: "float",
    0x0E: "double",
}
GZIP_MAGIC = b"\x1f\x8b"
MAX_DATA_BYTES = 2**31  # 45 times MNIST: a header that promises more is taken for damage


def load_idx(path: Path, shape: tuple[int | None, ...]) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    `shape` is what the caller can use, None where any size will do: (None, 28, 28) for digit
    images, (None,) for labels. Returns an array of that shape.

    Raises DataError, naming file, field, expected and found, if the file cannot be read, is no
    IDX file, holds another type or shape, or has more or fewer bytes than its header says.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    return _parse(unpacked, path, shape)
            return _parse(file, path, shape)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: gzip: expected a whole gzip file, found a broken one ({error}). "
            "Fetch the file again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: file: expected a readable file, found: {error.strerror or error}"
        ) from error


def dump_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """The IDX bytes of an array of unsigned bytes of any shape; `load_idx` reads them back."""
    header = struct.pack(">BBBB", 0, 0, UNSIGNED_BYTE, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def _parse(
    file: BinaryIO | gzip.GzipFile, path: Path, shape: tuple[int | None, ...]
) -> npt.NDArray[np.uint8]:
    magic = _read(file, 4, path, "magic number")
    if magic[:2] != b"\0\0":
        raise DataError(
            f"{path}: magic number: expected two zero bytes at the start of an IDX file, "
            f"found {magic[:2].hex(' ')}"
        )
    if magic[2] != UNSIGNED_BYTE:
        found = TYPE_NAMES.get(magic[2], "unknown")
        raise DataError(
            f"{path}: type: expected 0x08 (unsigned byte), found 0x{magic[2]:02x} ({found})"
        )
    if magic[3] != len(shape):
        raise DataError(
            f"{path}: number of dimensions: expected {len(shape)} "
            f"({'images' if len(shape) == 3 else 'labels'}), found {magic[3]}"
        )
    sizes = struct.unpack(f">{len(shape)}I", _read(file, 4 * len(shape), path, "dimensions"))
    for i, (usable, size) in enumerate(zip(shape, sizes, strict=True)):
        if usable is not None and size != usable:
            raise DataError(f"{path}: dimension {i + 1}: expected {usable}, found {size}")
        if size == 0:
            raise DataError(f"{path}: dimension {i + 1}: expected at least 1, found 0")
    num_bytes = math.prod(sizes)
    if num_bytes > MAX_DATA_BYTES:
        raise DataError(
            f"{path}: dimensions: expected at most {MAX_DATA_BYTES} bytes of data, "
            f"found {' x '.join(map(str, sizes))} = {num_bytes}"
        )
    # One byte more than promised is asked for: it tells a longer file from a whole one without
    # unpacking whatever else a hostile gzip holds.
    data = _read_up_to(file, num_bytes + 1)
    if len(data) != num_bytes:
        found = "more" if len(data) > num_bytes else str(len(data))
        raise DataError(
            f"{path}: size: expected {num_bytes} bytes of data as the header says, found {found}"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(sizes)


def _read(file: BinaryIO | gzip.GzipFile, num_bytes: int, path: Path, field: str) -> bytes:
    data = _read_up_to(file, num_bytes)
    if len(data) < num_bytes:
        raise DataError(f"{path}: {field}: expected {num_bytes} bytes, found {len(data)}")
    return data


def _read_up_to(file: BinaryIO | gzip.GzipFile, num_bytes: int) -> bytes:
    """As many bytes as there are, up to a limit; memory grows with the file, not the limit."""
    parts = io.BytesIO()
    while (missing := num_bytes - parts.tell()) > 0:
        part = file.read(min(missing, 2**20))
        if not part:
            break
        parts.write(part)
    return parts.getvalue()
