"""Renders pages of PDF files, in a process of its own that `tenfold.reading.pdf` starts.

PDFium, which reads the files, is C++ and not safe for threads, and the files come from strangers.
So it runs where a crash, too much memory or time ends only this process. Each request is a line of
JSON, then the bytes of a document if it is not one on the disk; so is each answer, then pixels.
This module imports nothing of Tenfold, so that the process starts fast.
"""

import faulthandler
import json
import math
import os
import signal
import sys
from contextlib import suppress
from typing import Any

DPI = 200  # where A4 has as many pixels as reading uses of an image
# The format ends at 200 inches. A photo of 50 megapixels at 72 dpi, as some programs take it, is
# 113 inches long.
MAX_INCHES = 120
IDLE_SECONDS = 60  # without a request; then the process ends, and so leaves files open no longer
MAX_MEMORY_BYTES = 1024**3  # a colour scan of A3 at 600 dpi takes 300 MB
POINTS_PER_INCH = 72
ROUNDING = 1 - 1e-5  # sizes are rounded up, and programs write them in points with two decimals
WHITE = b"\xff"
# A document keeps what was read of it, so it is opened again after so many pages.
PAGES_OF_OPENING = 20

Request = dict[str, Any]


class _Refused(Exception):  # noqa: N818 - an answer, and no fault of this program
    """Why a document or a page is not rendered, for the user."""


def main() -> None:
    """Answer requests from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries may print
    documents = _Documents()
    while True:
        faulthandler.dump_traceback_later(IDLE_SECONDS, exit=True)
        line = sys.stdin.buffer.readline()
        if not line:
            return
        request = json.loads(line)
        if "num_bytes" in request:
            request["data"] = sys.stdin.buffer.read(request["num_bytes"])
        faulthandler.dump_traceback_later(request["seconds"], exit=True)
        try:
            answer, pixels = documents.answer(request)
        except _Refused as error:
            answer, pixels = {"error": str(error)}, None
        except MemoryError:
            answer, pixels = {"error": "not enough memory to render the page"}, None
        faulthandler.dump_traceback_later(IDLE_SECONDS, exit=True)
        answers.write(json.dumps(answer).encode() + b"\n")
        if pixels is not None:
            answers.write(pixels)
        answers.flush()


class _Documents:
    """The one document that is open, if any."""

    def __init__(self) -> None:
        self.source: str | bytes | None = None
        self.document: Any = None
        self.num_rendered = 0

    def answer(self, request: Request) -> tuple[Request, Any]:
        """The number of pages, or a page's pixels in RGB and its size.

        A path or bytes in a request open a document; `closes` closes it afterwards. It ends this
        process if it takes more than its `seconds`.
        """
        try:
            if "path" in request or "data" in request:
                self.close()
                self.source = request.get("path", request.get("data"))
            if self.document is None or self.num_rendered >= PAGES_OF_OPENING:
                self._open()
            if "page" not in request:
                return {"num_pages": len(self.document)}, None
            self.num_rendered += 1
            return self._render(request["page"], request["max_pixels"])
        finally:
            if request.get("closes"):
                self.close()

    def close(self) -> None:
        """Close the document and forget it."""
        self._close_document()
        self.source = None

    def _close_document(self) -> None:
        if self.document is not None:
            self.document.close()
        self.document = None

    def _open(self) -> None:
        import pypdfium2 as pdfium
        import pypdfium2.raw as pdfium_c

        self._close_document()
        self.num_rendered = 0
        # Not opened by PdfDocument, which raises an earlier file's error for one without pages.
        assert self.source is not None
        if isinstance(self.source, bytes):
            raw = pdfium_c.FPDF_LoadMemDocument64(self.source, len(self.source), None)
        else:
            raw = pdfium_c.FPDF_LoadDocument(os.fsencode(self.source) + b"\0", None)
        if not raw:
            raise _Refused(_describe_refusal(pdfium_c.FPDF_GetLastError()))
        self.document = pdfium.PdfDocument(raw)
        if not len(self.document):
            self._close_document()
            raise _Refused("the PDF has no pages")
        with suppress(pdfium.PdfiumError):  # then pages are drawn without form fields
            self.document.init_forms()

    def _render(self, number: int, max_pixels: int) -> tuple[Request, Any]:
        import pypdfium2 as pdfium

        try:
            width, height = self.document.get_page_size(number)
            if not 0 < max(width, height) <= MAX_INCHES * POINTS_PER_INCH:
                inches = " x ".join(f"{side / POINTS_PER_INCH:.0f}" for side in (width, height))
                raise _Refused(f"the page has {inches} inches; the limit is {MAX_INCHES}")
            full = DPI / POINTS_PER_INCH
            scale = min(full, math.sqrt(max_pixels / (width * height)))
            page = self.document[number]
            try:
                bitmap = page.render(
                    scale=scale * ROUNDING, rev_byteorder=True, limit_image_cache=True
                )
                if not bytes(bitmap.buffer).strip(WHITE):
                    _check_images(page)
            finally:
                page.close()
        except (pdfium.PdfiumError, ValueError, ZeroDivisionError) as error:
            raise _Refused("cannot decode the page: it is damaged") from error
        size = {"width": bitmap.width, "height": bitmap.height, "reduction": full / scale}
        return size, bitmap.buffer


def _check_images(page: Any) -> None:  # noqa: ANN401 - pypdfium2 has no types
    """Raise PdfiumError for an image that cannot be decoded, which is left out of the page."""
    import pypdfium2.raw as pdfium_c

    for image in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE]):
        image.get_bitmap()


def _describe_refusal(code: int) -> str:
    import pypdfium2.raw as pdfium_c

    if code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY):
        return "the PDF is encrypted; save it without a password first"
    if code == pdfium_c.FPDF_ERR_FILE:
        return "cannot read the file"
    return "cannot decode the PDF: it is damaged"


def _limit_memory() -> None:
    """Limit the memory of this process, where the system can: Linux does, macOS does not."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


if __name__ == "__main__":
    main()
