"""IDX files, the format in which MNIST was published, as NumPy arrays.

The format (http://yann.lecun.com/exdb/mnist, "the IDX file format"): two zero bytes, one byte for
the type, one for the number of dimensions, each dimension as a big-endian 32-bit integer, the data
in row-major order. The file may be gzipped.
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
TYPE_NAMES = {0x09: "signed byte", 0x0B: "short", 0x0C: "int", 0x0D: "float", 0x0E: "double"}
GZIP_MAGIC = b"\x1f\x8b"
MAX_DATA_BYTES = 2**31  # 45 times MNIST; a larger size in the header is taken as damage


def load_idx(path: Path, shape: tuple[int | None, ...]) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    `shape` is the required shape, with None for any size: (None, 28, 28) for digit images, (None,)
    for labels.

    Raises DataError, naming the file and the field, if the file cannot be read, is not an IDX
    file, has another type or shape, or more or fewer bytes than its header says.
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
        raise DataError(f"{path}: the gzip file is damaged ({error}); download it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def dump_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of an IDX file with an array of unsigned bytes."""
    header = struct.pack(">BBBB", 0, 0, UNSIGNED_BYTE, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def _parse(
    file: BinaryIO | gzip.GzipFile, path: Path, shape: tuple[int | None, ...]
) -> npt.NDArray[np.uint8]:
    magic = _read(file, 4, path, "magic number")
    if magic[:2] != b"\0\0":
        raise DataError(
            f"{path}: not an IDX file: the magic number starts with {magic[:2].hex(' ')}, not "
            "with two zero bytes"
        )
    if magic[2] != UNSIGNED_BYTE:
        found = TYPE_NAMES.get(magic[2], "unknown")
        raise DataError(
            f"{path}: the type is 0x{magic[2]:02x} ({found}), but must be 0x08 (unsigned byte)"
        )
    if magic[3] != len(shape):
        raise DataError(
            f"{path}: the number of dimensions is {magic[3]}, but "
            f"{'images' if len(shape) == 3 else 'labels'} need {len(shape)}"
        )
    sizes = struct.unpack(f">{len(shape)}I", _read(file, 4 * len(shape), path, "dimensions"))
    for i, (required, size) in enumerate(zip(shape, sizes, strict=True)):
        if required is not None and size != required:
            raise DataError(f"{path}: dimension {i + 1} is {size}, but must be {required}")
        if size == 0:
            raise DataError(f"{path}: dimension {i + 1} is 0: the file has no data")
    num_bytes = math.prod(sizes)
    if num_bytes > MAX_DATA_BYTES:
        raise DataError(
            f"{path}: the dimensions {' x '.join(map(str, sizes))} give {num_bytes} bytes of data, "
            f"more than the limit of {MAX_DATA_BYTES}"
        )
    # One byte more shows whether the file is longer, without unpacking all of a gzip bomb.
    data = _read_up_to(file, num_bytes + 1)
    if len(data) != num_bytes:
        found = "more" if len(data) > num_bytes else str(len(data))
        raise DataError(
            f"{path}: the header says {num_bytes} bytes of data, but the file has {found}"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(sizes)


def _read(file: BinaryIO | gzip.GzipFile, num_bytes: int, path: Path, field: str) -> bytes:
    data = _read_up_to(file, num_bytes)
    if len(data) < num_bytes:
        raise DataError(
            f"{path}: the file ends within the {field}, after {len(data)} of {num_bytes} bytes"
        )
    return data


def _read_up_to(file: BinaryIO | gzip.GzipFile, num_bytes: int) -> bytes:
    """Read up to a limit; memory grows with the file, not with the limit."""
    parts = io.BytesIO()
    while (missing := num_bytes - parts.tell()) > 0:
        part = file.read(min(missing, 2**20))
        if not part:
            break
        parts.write(part)
    return parts.getvalue()
