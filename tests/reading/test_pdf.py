"""The pages of PDF files are rendered as the files say, and each that cannot be is an error."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pypdfium2")

import tenfold
from pdfs import make_pdf, save_pdf, stream, write_pdf
from tenfold.errors import ImageError
from tenfold.reading import pdf
from tenfold.reading.decoding import WORKING_PIXELS
from tenfold.reading.pdf_renderer import PAGES_OF_OPENING
from tenfold.reading.result import Status
from tenfold.reading.sources import Page, Source, decode_source, split_pages

BOX = b"0 0 0 rg 10 200 50 50 re f"  # in points, from the bottom of A7
FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 99 99]"
RESOURCES = b"/Resources<</XObject<</X %d 0 R>>>>"


def find_dark(data: bytes) -> tuple[int, ...]:
    """The box of what is dark on the first page, to 3 pixels of 200 dpi."""
    rows, columns = np.nonzero(decode_source(data).pixels_HWC.min(axis=2) < 128)
    box = (columns.min(), rows.min(), columns.max(), rows.max())
    return tuple(round(int(side) / 3) for side in box)


def refuse(source: Source) -> str:
    with pytest.raises(ImageError) as found:
        decode_source(source)
    return str(found.value)


def test_pages_are_rendered_at_200_dpi_and_turned_as_the_file_says() -> None:
    found = decode_source(make_pdf(BOX))
    assert found.pixels_HWC.shape == (825, 584, 3)
    assert (found.reduction, found.note) == (1, None)
    assert find_dark(make_pdf(BOX)) == (9, 44, 55, 90)
    assert decode_source(make_pdf(BOX, page=b"/Rotate 90")).pixels_HWC.shape == (584, 825, 3)
    assert find_dark(make_pdf(BOX, page=b"/Rotate 90")) == (185, 9, 231, 55)


def test_annotations_and_form_fields_are_drawn() -> None:
    """What people fill in, with and without an appearance that a program has stored."""
    stamp = b"<</Type/Annot/Subtype/Stamp/Rect[10 200 60 250]/F 4/AP<</N 101 0 R>>>>"
    shown = stream(b"0 0 0 rg 0 0 50 50 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 50 50]")
    annotated = make_pdf(b"", page=b"/Annots[100 0 R]", _100=stamp, _101=shown)
    assert find_dark(annotated) == (9, 44, 55, 90)
    rest = b"/Rect[10 200 160 250]/F 4/DA(/Helv 24 Tf 0 g)>>"
    note = b"<</Type/Annot/Subtype/FreeText/Contents(12345)" + rest
    assert find_dark(make_pdf(b"", page=b"/Annots[100 0 R]", _100=note))
    filled = make_pdf(
        b"",
        page=b"/Annots[100 0 R]",
        catalogue=b"/AcroForm<</Fields[100 0 R]/DR<</Font<</Helv 101 0 R>>>>>>",
        _100=b"<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/V(12345)" + rest,
        _101=b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    left, top, right, bottom = find_dark(filled)
    assert 9 <= left < right < 148
    assert 44 <= top < bottom < 91


def test_a_large_page_is_rendered_smaller_and_its_boxes_are_those_of_200_dpi() -> None:
    found = decode_source(make_pdf(BOX, size=(842, 1191)))  # A3
    height, width, _ = found.pixels_HWC.shape
    assert 0.99 * WORKING_PIXELS < height * width < 1.01 * WORKING_PIXELS
    assert round(width * found.reduction) == pytest.approx(842 / 72 * 200, abs=2)


ENCRYPTION = b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>/ID[<00><00>]"
CATALOGUE = {1: b"<</Type/Catalog/Pages 2 0 R>>"}
NO_PAGES = {**CATALOGUE, 2: b"<</Type/Pages/Kids[]/Count 0>>"}
MANY_PAGES = {**CATALOGUE, 2: b"<</Type/Pages/Kids[%s]/Count 100000>>" % (b"3 0 R " * 100_000)}
HUGE = b"/Type/XObject/Subtype/Image/Width 60000/Height 60000/BitsPerComponent 8"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.7 and so on", "cannot decode the PDF: it is damaged"),
        (b"\n\n%PDF-", "cannot decode the PDF: it is damaged"),
        (write_pdf(NO_PAGES), "the PDF has no pages"),
        (
            write_pdf(NO_PAGES, ENCRYPTION % (2 * (b"00" * 32,))),
            "the PDF is encrypted; save it without a password first",
        ),
        (write_pdf(MANY_PAGES), "the PDF has 100000 pages; the limit is 1000"),
        (make_pdf(BOX, size=(14400, 14400)), "the page has 200 x 200 inches; the limit is 120"),
        (make_pdf(BOX, size=(2, 2)), "the page of 6 x 6 pixels is too small to show a digit"),
        (
            make_pdf(b"99 0 0 99 0 0 cm /X Do", page=RESOURCES % 100, _100=stream(b"", HUGE)),
            "cannot decode the page: it is damaged",
        ),
        (b"%PDF-" + bytes(40 * 1024**2), "the PDF is larger than 40 MiB; give the path of a file"),
    ],
    ids=range(9),
)
def test_what_cannot_be_rendered_is_an_error_of_one_line(
    reader: tenfold.Reader, data: bytes, message: str
) -> None:
    assert refuse(data).startswith(message)
    [reading] = reader.read_pages(data)
    assert (reading.status, reading.message) == (Status.ERROR, refuse(data))


def test_a_page_that_cannot_be_rendered_does_not_lose_the_others(
    reader: tenfold.Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second page is missing, and the third draws a form that draws forms, 10^9 in all."""
    forms: dict[str, Any] = {
        f"_{100 + depth}": stream(b"/X Do " * 10, FORM + RESOURCES % (101 + depth))
        for depth in range(9)
    }
    data = make_pdf(b"", b"", b"/X Do", BOX, page=RESOURCES % 100, _109=stream(BOX, FORM), **forms)
    path = tmp_path / "a.pdf"
    path.write_bytes(data.replace(b"10 0 R 12 0 R", b"10 0 R 99 0 R"))
    blank, missing, slow, last = split_pages(path)
    assert decode_source(blank).pixels_HWC.min() == 255
    assert refuse(missing) == "cannot decode the page: it is damaged"
    monkeypatch.setattr(pdf, "PAGE_SECONDS", 0.3)
    assert refuse(slow) == "the page takes longer than 0.3 seconds"
    monkeypatch.undo()
    assert decode_source(last).pixels_HWC.min() == 0
    reading = reader.read(missing)
    assert (reading.status, reading.page, reading.num_pages) == (Status.ERROR, 2, 4)


def test_a_crash_is_an_error_of_one_page() -> None:
    first, second = split_pages(make_pdf(BOX, BOX))
    process = pdf._find_renderer()._process
    assert process is not None
    process.kill()
    assert refuse(first).startswith("cannot decode the page: it is damaged, or needs more than")
    assert decode_source(second).pixels_HWC.min() == 0


def test_pages_of_several_files_are_told_apart_also_in_threads(tmp_path: Path) -> None:
    shades = range(PAGES_OF_OPENING + 5)
    scanned = save_pdf([Image.new("L", (9, 9), 8 * shade) for shade in shades])
    drawn = make_pdf(*[b"%f g 0 0 999 999 re f" % (shade / 32) for shade in shades])
    path = tmp_path / os.fsdecode(b"\xff.pdf")
    path.write_bytes(drawn)
    files = [split_pages(source) for source in (scanned, drawn, path)]
    pages = [page for pages in zip(*files, strict=True) for page in pages]
    with ThreadPoolExecutor(4) as threads:  # PDFium knows no threads
        means = threads.map(lambda page: decode_source(page).pixels_HWC.mean(), pages)
        for number, mean in enumerate(means):
            assert abs(mean - 8 * (number // 3)) < 4
    page = split_pages(path)[3]
    path.write_bytes(make_pdf(b"", b"", b"", b"", b""))  # another version
    assert decode_source(page).pixels_HWC.min() == 255


def test_pages_of_a_file_on_the_disk_are_small_in_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf(BOX, BOX) + bytes(2**20))
    for page in split_pages(path):
        assert isinstance(page, Page)
        assert page.data == path


def test_an_image_on_a_page_is_averaged(tmp_path: Path) -> None:
    """Strokes of one pixel at 600 dpi stay visible."""
    bits_HW = np.full((600, 600), 255, np.uint8)
    bits_HW[:, ::6] = 0
    image = Image.fromarray(bits_HW).convert("1")
    found = decode_source(save_pdf([image], dpi=600)).pixels_HWC
    assert found.shape == (200, 200, 3)
    assert abs(found[:, 5:-5].mean() - 255 * 5 / 6) < 8
