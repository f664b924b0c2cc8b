"""What an image may be given as: a path, bytes, an open file, an array, Pillow's image."""

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.errors import ImageError, ImageTypeError, MissingExtraError
from tenfold.reading.decoding import (
    Decoded,
    decode,
    decode_array,
    decode_image,
    list_pages,
    read_bytes,
)
from tenfold.reading.headers import TIFF_STARTS
from tenfold.reading.pdf import Pdf, count_pages, decode_pdf, is_pdf, is_pdf_file


class Tensor(Protocol):
    """Anything that NumPy takes as an array, such as a tensor of PyTorch."""

    def __array__(self) -> npt.NDArray[Any]: ...


@dataclass(frozen=True)
class Page:
    """One of the pages of a file: its number, from 1, and the number of its frame, from 0.

    A PDF on the disk stays there, so that its pages cost little in other processes.
    """

    data: Pdf
    frame: int
    number: int
    num_pages: int


Buffer = bytes | bytearray | memoryview
Source = (
    str | os.PathLike[str] | Buffer | IO[bytes] | npt.NDArray[Any] | Tensor | Image.Image | Page
)


def decode_source(source: Source) -> Decoded:
    """Decode an image. Raises as `decode` and `decode_pdf` do, and ImageTypeError for others."""
    if isinstance(source, Page):
        decoded = _decode_file(source.data, source.frame, source.num_pages)
        return replace(decoded, page=source.number, num_pages=source.num_pages)
    if isinstance(source, Image.Image):
        return decode_image(source)
    data = _read_file(source)
    if data is not None:
        return _decode_file(data)
    if hasattr(source, "__array__"):
        return decode_array(_to_array(source))
    kind = "None" if source is None else f"an object of type {type(source).__name__}"
    raise ImageTypeError(
        f"{kind} is no image; expected a path, bytes, an open binary file, a NumPy array, "
        "a tensor or a Pillow image"
    )


def split_pages(source: Source) -> list[Source]:
    """The pages of a file that has several, else the source itself or what was read from it."""
    found = source
    with contextlib.suppress(ImageError, MissingExtraError):  # decoding will raise it, too
        data = None if isinstance(source, Page | Image.Image) else _read_file(source)
        if data is None:
            return [source]
        found = data
        frames: Sequence[int] = [0]
        if isinstance(data, Path) or is_pdf(data):
            frames = range(count_pages(data))
        elif data.startswith(TIFF_STARTS):
            frames = list_pages(data)
        if len(frames) > 1:
            pages = enumerate(frames, 1)
            return [Page(data, frame, number, len(frames)) for number, frame in pages]
    return [found]


def _decode_file(data: Pdf, frame: int | None = None, num_pages: int = 1) -> Decoded:
    if isinstance(data, Path) or is_pdf(data):
        return decode_pdf(data, frame, num_pages)
    return decode(data, frame)


def _read_file(source: Any) -> Pdf | None:  # noqa: ANN401 - anything may be given
    """The bytes of a file, from its beginning, or the path of a PDF; None if it is no file.

    A buffer that was just written is at its end.
    """
    if isinstance(source, Buffer):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return path if is_pdf_file(path) else read_bytes(path)
    if isinstance(source, io.TextIOBase):
        raise ImageTypeError("the file is open as text; open it in binary mode, 'rb'")
    if not hasattr(source, "read"):
        return None
    with contextlib.suppress(AttributeError, OSError, ValueError):  # a pipe, or it is closed
        source.seek(0)
    return bytes(read_bytes(source))


def _to_array(source: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - anything may be given
    try:
        if hasattr(source, "detach"):  # PyTorch: also on a GPU, or part of a computation
            source = source.detach().cpu()
        return np.asarray(source)
    except Exception as error:
        raise ImageError(
            f"cannot convert the {type(source).__name__} to an array: {error}"
        ) from error
