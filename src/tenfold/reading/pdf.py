"""The pages of PDF files, rendered one at a time by a process of its own.

`tenfold.reading.pdf_renderer` says why. Every process that reads PDF files has one such process,
whatever the number of its threads; it starts with the first document and ends with the last, with
its parent, or after a minute without a page.
"""

import atexit
import importlib.util
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.errors import ImageError, MissingExtraError, describe_install
from tenfold.reading.decoding import MIN_SIDE_PX, WORKING_PIXELS, Decoded
from tenfold.reading.headers import MAX_FILE_BYTES
from tenfold.reading.pdf_renderer import IDLE_SECONDS, MAX_MEMORY_BYTES

MAX_PDF_BYTES = 1024**3  # of a file on the disk; its pages are read from there
MAX_PDF_PAGES = 1000
PAGE_SECONDS = 20  # to open a document, or to render a page; a scan takes a tenth of a second
# Readers of PDF search its mark in so many bytes, as something else may come before it.
START, MAX_START_BYTES = b"%PDF-", 1024
IMAGE_STARTS = re.compile(rb"\xff\xd8|\x89PNG|RIFF|II|MM|GIF8|BM|P[1-6]\s|.{4}ftyp", re.DOTALL)

Pdf = Path | bytes


@cache
def has_pdf_extra() -> bool:
    """Whether the extra that reads PDF files is installed."""
    return importlib.util.find_spec("pypdfium2") is not None


def is_pdf(start: bytes) -> bool:
    """Whether a file with these first bytes is a PDF."""
    return START in start[:MAX_START_BYTES] and not IMAGE_STARTS.match(start)


def count_pages(pdf: Pdf) -> int:
    """The number of pages of a PDF.

    Raises ImageError if it is damaged, encrypted or too large, or has no pages or too many, and
    MissingExtraError without the extra that reads it.
    """
    answer, _ = _find_renderer().ask(pdf, {})
    return _check_number(answer)


def decode_pdf(pdf: Pdf, page: int | None = None, num_pages: int = 1) -> Decoded:
    """Render a page, from 0; without it the first, with a note if there are others.

    At 200 dpi, or smaller if it then has more pixels than reading uses. `num_pages` is how many
    there are, as after the last one the document is closed.

    Raises as `count_pages`, and ImageError for a page that is damaged, too large or too small, or
    takes too much memory or time.
    """
    note = None
    if page is None:
        num_pages = count_pages(pdf)
        note = f"only the first of {num_pages} pages was read" if num_pages > 1 else None
    is_last = page is None or page == num_pages - 1
    request = {"page": page or 0, "max_pixels": WORKING_PIXELS, "closes": is_last}
    answer, pixels = _find_renderer().ask(pdf, request)
    width, height = answer["width"], answer["height"]
    if max(width, height) < MIN_SIDE_PX:
        raise ImageError(f"the page of {width} x {height} pixels is too small to show a digit")
    pixels_HWC = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    return Decoded(pixels_HWC, answer["reduction"], note=note)


def _check_number(answer: dict[str, Any]) -> int:
    num_pages = int(answer["num_pages"])
    if num_pages > MAX_PDF_PAGES:
        raise ImageError(f"the PDF has {num_pages} pages; the limit is {MAX_PDF_PAGES}")
    return num_pages


class _Renderer:
    """A process that renders pages; one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._open: object = None  # the document that the process has open
        self._used = 0.0

    def ask(self, pdf: Pdf, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        """The answer to a request about a document, and the pixels, if it has any."""
        key = _identify(pdf)
        with self._lock:
            process, started = self._find_process(), time.monotonic()
            try:
                self._send(process, pdf, key, request)
                answer, pixels = self._receive(process)
            except (EOFError, OSError) as error:
                self.stop()
                raise _describe_end(time.monotonic() - started) from error
            except BaseException:  # Ctrl-C, say: the answer would be taken for the next one's
                self.stop()
                raise
            self._used = time.monotonic()
        if "error" in answer:
            raise ImageError(answer["error"])
        return answer, pixels

    def stop(self) -> None:
        """End the process."""
        process, self._process, self._open = self._process, None, None
        if process is not None:
            process.kill()
            process.communicate()

    def _find_process(self) -> subprocess.Popen[bytes]:
        if time.monotonic() - self._used > IDLE_SECONDS / 2:  # it may end at any moment
            self.stop()
        if self._process is None:
            if not has_pdf_extra():
                raise MissingExtraError(
                    f"PDF files need the extra 'pdf': {describe_install('pdf')}"
                )
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tenfold.reading.pdf_renderer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        return self._process

    def _send(
        self, process: subprocess.Popen[bytes], pdf: Pdf, key: object, request: dict[str, Any]
    ) -> None:
        assert process.stdin is not None
        request, data = request | {"seconds": PAGE_SECONDS}, b""
        if not _is_same(self._open, key):
            if isinstance(pdf, Path):
                request = request | {"path": os.path.realpath(pdf)}
            else:
                request, data = request | {"num_bytes": len(pdf)}, pdf
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.write(data)
        process.stdin.flush()
        self._open = None if request.get("closes") else key

    def _receive(self, process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], bytearray]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer = json.loads(line)
        pixels = bytearray(answer.get("width", 0) * answer.get("height", 0) * 3)
        if process.stdout.readinto(pixels) < len(pixels):  # type: ignore[attr-defined]
            raise EOFError
        return answer, pixels


def _describe_end(seconds: float) -> ImageError:
    """Why a process that was asked ended after so many seconds."""
    if seconds >= PAGE_SECONDS:
        return ImageError(f"the page takes longer than {PAGE_SECONDS} seconds")
    return ImageError(
        f"cannot decode the page: it is damaged, or needs more than {MAX_MEMORY_BYTES // 1024**2} "
        "MiB of memory"
    )


_renderers: dict[int, _Renderer] = {}  # of a process that was forked, another than its parent's


def _find_renderer() -> _Renderer:
    return _renderers.setdefault(os.getpid(), _Renderer())


def _stop_renderer() -> None:
    if os.getpid() in _renderers:
        _renderers[os.getpid()].stop()


atexit.register(_stop_renderer)


def _identify(pdf: Pdf) -> object:
    """What tells a document from others: the bytes themselves, or what the file is now."""
    if isinstance(pdf, bytes):
        if len(pdf) > MAX_FILE_BYTES:
            raise ImageError(
                f"the PDF is larger than {MAX_FILE_BYTES // 1024**2} MiB; give the path of a file, "
                f"which may have {MAX_PDF_BYTES // 1024**2} MiB"
            )
        return pdf
    try:
        state = pdf.stat()
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot read the file: {getattr(error, 'strerror', error)}") from error
    if state.st_size > MAX_PDF_BYTES:
        raise ImageError(f"the PDF is larger than {MAX_PDF_BYTES // 1024**2} MiB")
    return (os.path.realpath(pdf), state.st_ino, state.st_size, state.st_mtime_ns)


def _is_same(one: object, other: object) -> bool:
    return one is other if isinstance(other, bytes) else one == other


def is_pdf_file(path: Path) -> bool:
    """Whether a path leads to a PDF that can be opened again; False if it cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be emptied
            return False
        with path.open("rb") as file:
            return is_pdf(file.read(MAX_START_BYTES))
    except (OSError, ValueError):
        return False
