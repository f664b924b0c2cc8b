"""PDF files for tests, written by hand where Pillow cannot write them."""

import io
from typing import Any

from PIL import Image

A7 = (210, 297)  # width and height in points


def save_pdf(images: list[Image.Image], dpi: float = 200) -> bytes:
    """A PDF with an image on each page, as a scanner writes it."""
    file = io.BytesIO()
    images[0].save(file, "PDF", save_all=True, append_images=images[1:], resolution=dpi)
    return file.getvalue()


def write_pdf(objects: dict[int, bytes], trailer: bytes = b"") -> bytes:
    """A PDF of numbered objects; the first is its catalogue."""
    data, offsets = b"%PDF-1.7\n", {}
    for number, content in objects.items():
        offsets[number] = len(data)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(
        b"%d 1\n%010d 00000 n \n" % (number, offset) for number, offset in offsets.items()
    )
    end = b"<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (
        max(objects) + 1,
        trailer,
        len(data),
    )
    return data + b"xref\n0 1\n0000000000 65535 f \n" + table + b"trailer\n" + end


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(content), content)


def make_pdf(*contents: bytes, page: bytes = b"", size: tuple[int, int] = A7, **more: Any) -> bytes:
    """A PDF whose pages draw the contents; `page` are more entries of each page.

    Objects from 100 on are given as `more`, such as `_100=b"<<...>>"`, and those of the catalogue
    as `catalogue`.
    """
    kids = b" ".join(b"%d 0 R" % (10 + 2 * number) for number in range(len(contents)))
    catalogue = more.pop("catalogue", b"")
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R%s>>" % catalogue,
        2: b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(contents)),
    }
    for number, content in enumerate(contents):
        at = 10 + 2 * number
        objects[at] = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R%s>>" % (
            *size,
            at + 1,
            page,
        )
        objects[at + 1] = stream(content)
    return write_pdf(objects | {int(name[1:]): value for name, value in more.items()})
