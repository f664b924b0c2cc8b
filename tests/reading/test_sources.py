"""Images are taken from all kinds of objects, and their pages are found."""

import copy
import io
import multiprocessing
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import tenfold
from reading.pages import enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ImageTypeError
from tenfold.reading import pdf
from tenfold.reading.decoding import MIN_SIDE_PX
from tenfold.reading.headers import MAX_METADATA_BYTES
from tenfold.reading.line_reader import BUNDLED_LINES, LineReader
from tenfold.reading.pdf import has_pdf_extra
from tenfold.reading.result import Reading, Status
from tenfold.reading.sources import Source, decode_source, split_pages


@pytest.fixture(scope="module")
def sheets(test_images: LabelledImages) -> list[Image.Image]:
    """A 7, a 2 and a 1, each on a sheet of its own."""
    glyphs = [enlarge(image_HW, 3) for image_HW in test_images.images_NHW[:3]]
    return [Image.fromarray(paint(lay_out([[one]], gap=0, margin=30)[0])) for one in glyphs]


def encode(images: list[Image.Image], format: str = "TIFF", **options: Any) -> bytes:
    buffer = io.BytesIO()
    first, *rest = [image.copy() for image in images]  # Pillow keeps options of PDF in them
    first.save(buffer, format, save_all=True, append_images=rest, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "tiff_lzw"},
        {"compression": "jpeg"},
        {"big_tiff": True},
        pytest.param(
            {"format": "PDF", "resolution": 200},
            marks=pytest.mark.skipif(not has_pdf_extra(), reason="needs the extra `pdf`"),
        ),
    ],
)
def test_all_pages_of_a_tiff_or_pdf_are_read(
    reader: tenfold.Reader, sheets: list[Image.Image], tmp_path: Path, options: dict[str, Any]
) -> None:
    data = encode(sheets, **options)
    path = tmp_path / "scan.tif"
    path.write_bytes(data)
    sources: list[Source] = [path, str(path), data, io.BytesIO(data)]
    for source in sources:
        readings = list(reader.read_pages(source))
        assert [(one.text, one.page, one.num_pages) for one in readings] == [
            ("7", 1, 3),
            ("2", 2, 3),
            ("1", 3, 3),
        ]
        assert [(one.status, one.message) for one in readings] == [(Status.READ, None)] * 3
    assert readings[1].to_json()["page"] == 2
    for page, sheet in zip(split_pages(data), sheets, strict=True):
        found = decode_source(page).pixels_HWC
        assert np.abs(found - np.asarray(sheet, np.float32)).mean() < 4


@pytest.mark.parametrize(("format", "single"), [("TIFF", True), ("TIFF", False), ("PDF", False)])
def test_reading_the_first_page_says_that_there_are_others(
    reader: tenfold.Reader, sheets: list[Image.Image], format: str, single: bool
) -> None:
    if format == "PDF":
        pytest.importorskip("pypdfium2")
    data = encode(sheets, format)
    reading = reader.read(data, single=single)
    assert (reading.text, reading.page) == ("7", None)
    assert reading.message == "only the first of 3 pages was read"
    assert "page" not in reading.to_json()
    [same] = reader.read_many([data], single=single)
    assert same == reading
    blank = reader.read(encode([Image.new("L", (60, 60), 230), *sheets]), single=single)
    assert blank.status == Status.BLANK
    assert blank.message == (
        "nothing stands out from the paper; only the first of 4 pages was read"
    )


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_read_and_the_message_says_so(
    reader: tenfold.Reader, sheets: list[Image.Image], format: str
) -> None:
    same_size = [sheet.resize(sheets[0].size) for sheet in sheets]
    data = encode(same_size, format)
    [reading] = reader.read_pages(data)
    assert (reading.text, reading.page) == ("7", None)
    assert reading.message == "only the first of 3 frames was read"
    assert reader.read(encode(sheets[:1], format)).message is None


def test_a_damaged_animation_has_more_frames_without_a_number(
    reader: tenfold.Reader, sheets: list[Image.Image]
) -> None:
    grey = [sheet.resize(sheets[0].size).convert("L") for sheet in sheets]
    data = encode(grey, "GIF")
    more = data[:-1] + b"!\xfe\1a\0" * 120_000 + b";"
    assert reader.read(more).message == "only the first frame was read"


def test_of_a_phones_two_pictures_the_first_is_the_image(
    reader: tenfold.Reader, sheets: list[Image.Image]
) -> None:
    [reading] = reader.read_pages(encode([sheets[0], sheets[1].resize((40, 40))], "MPO"))
    assert (reading.text, reading.message) == ("7", None)


def list_directories(data: bytes) -> list[int]:
    """The offsets of a little-endian TIFF's directories."""
    found, (at,) = [], struct.unpack_from("<L", data, 4)
    while at:
        found.append(at)
        (num,) = struct.unpack_from("<H", data, at)
        (at,) = struct.unpack_from("<L", data, at + 2 + 12 * num)
    return found


def patch(data: bytes, form: str, at: int, value: int) -> bytes:
    patched = bytearray(data)
    struct.pack_into(form, patched, at, value)
    return bytes(patched)


def find_next(data: bytes, at: int) -> int:
    """Where a directory has the offset of the next."""
    (num,) = struct.unpack_from("<H", data, at)
    return at + 2 + 12 * int(num)


def test_smaller_copies_and_masks_are_no_pages(sheets: list[Image.Image]) -> None:
    for kind, num_pages in ((0, 3), (1, 1), (2, 3), (4, 1)):
        data = encode(sheets, tiffinfo={254: kind})  # on all; the first is always a page
        assert len(split_pages(data)) == num_pages


def test_a_damaged_page_is_an_error_and_the_others_are_read(
    reader: tenfold.Reader, sheets: list[Image.Image]
) -> None:
    data = encode(sheets, compression="tiff_adobe_deflate")
    second = list_directories(data)[1]
    for entry in range(second + 2, find_next(data, second), 12):
        tag, _, _, value = struct.unpack_from("<HHLL", data, entry)
        if tag == 273:
            data = data[:value] + b"\xff" * 40 + data[value + 40 :]
    readings = list(reader.read_pages(data))
    assert [one.text for one in readings] == ["7", "", "1"]
    assert readings[1].status == Status.ERROR
    assert (readings[1].page, readings[1].num_pages) == (2, 3)


def test_pages_that_lead_in_a_circle_or_nowhere_end(
    reader: tenfold.Reader, sheets: list[Image.Image]
) -> None:
    data = encode(sheets)
    directories = list_directories(data)
    for at in directories:
        circular = patch(data, "<L", find_next(data, directories[2]), at)
        assert [one.text for one in reader.read_pages(circular)] == ["7", "2", "1"]
    for at in (9, len(data), 2**32 - 9):
        nowhere = patch(data, "<L", find_next(data, directories[1]), at)
        first, second, *rest = reader.read_pages(nowhere)
        assert [first.text, second.text] == ["7", "2"]
        assert {one.status for one in rest} == {Status.ERROR}


TAG, LONG_TAG = (65000, 4, 1, 0), (65000, 4, 250_000, 8)


def make_pages(num_pages: int, size: int, *entries: tuple[int, int, int, int]) -> bytes:
    """A white TIFF of bits with more entries. All pages share what these lead to."""
    data = encode([Image.new("1", (size, size), 1)], compression="group4")
    [first] = list_directories(data)
    [num] = struct.unpack_from("<H", data, first)
    directory = struct.pack("<H", num + len(entries)) + data[first + 2 : find_next(data, first)]
    directory += b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    made = bytearray(data.ljust(MAX_METADATA_BYTES, b"\0"))
    struct.pack_into("<L", made, 4, len(made))
    for number in range(num_pages):
        following = len(made) + len(directory) + 4
        made += directory + struct.pack("<L", following if number + 1 < num_pages else 0)
    return bytes(made)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (make_pages(501, 10), "the image file has more than 500 pages"),
        (make_pages(80, 8000), "the TIFF has 5120 megapixels on 80 pages; the limit is 5000"),
        (
            make_pages(11, 10, *[TAG] * 9950),
            "the image file has more than 100000 values in all lists",
        ),
        (make_pages(9, 10, LONG_TAG), "the image file has more than 8 MiB of numbers on all pages"),
    ],
)
def test_too_many_pages_are_refused(reader: tenfold.Reader, data: bytes, message: str) -> None:
    for reading in (reader.read(data), *reader.read_pages(data)):
        assert (reading.status, reading.message) == (Status.ERROR, message)


def test_many_pages_are_read(reader: tenfold.Reader) -> None:
    readings = list(reader.read_pages(make_pages(50, 10)))
    assert [one.page for one in readings] == [*range(1, 51)]
    assert {(one.status, one.num_pages) for one in readings} == {(Status.BLANK, 50)}
    assert len(split_pages(make_pages(500, 3000))) == 500


class Tensor:
    """As PyTorch's, on a GPU and part of a computation."""

    def __init__(self, array: npt.NDArray[Any], *, is_free: bool = False) -> None:
        self.array, self.is_free = array, is_free

    def detach(self) -> "Tensor":
        return Tensor(self.array)

    def cpu(self) -> "Tensor":
        return Tensor(self.array, is_free=True)

    def __array__(self, *_: object, **__: object) -> npt.NDArray[Any]:
        if not self.is_free:
            raise RuntimeError("can't convert it to numpy")
        return self.array


def test_tensors_and_layouts_are_taken(reader: tenfold.Reader, test_images: LabelledImages) -> None:
    grey_HW = test_images.images_NHW[0]
    expected = reader.read(grey_HW)
    assert expected.text == "7"
    colours_CHW = np.stack([grey_HW] * 3)
    floats_1HW = (grey_HW / 255).astype(np.float32)[None]
    standardised_11HW = ((floats_1HW - 0.1307) / 0.3081)[None]
    for source in (grey_HW[None], grey_HW[None, None], colours_CHW, colours_CHW[None]):
        assert reader.read(source) == expected
    for array in (grey_HW, floats_1HW, colours_CHW):
        assert reader.read(Tensor(array)).digits == expected.digits
    assert reader.read(standardised_11HW).text == "7"
    for shape in ((2, 28, 28), (28, 28, 2), (5, 1, 28, 28), (28,)):
        reading = reader.read(np.zeros(shape, np.uint8))
        assert reading.status == Status.ERROR
        assert "expected one image" in str(reading.message)


def test_tensors_of_pytorch_are_taken(reader: tenfold.Reader, test_images: LabelledImages) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(test_images.images_NHW[:1].copy())
    expected = reader.read(test_images.images_NHW[0])
    floats = (tensor.float() / 255).requires_grad_()
    for source in (tensor, tensor[0], tensor.long(), tensor[None], floats, floats.double()):
        assert reader.read(source).digits == expected.digits
    refused = reader.read(tensor.bfloat16())
    assert refused.status == Status.ERROR
    assert "cannot convert the Tensor to an array" in str(refused.message)


def test_open_files_are_taken_from_their_beginning(
    reader: tenfold.Reader, sheets: list[Image.Image], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    sheets[0].save(path)
    buffer = io.BytesIO()
    sheets[0].save(buffer, "PNG")  # its position is the end
    with path.open("rb") as file, Image.open(path) as image:
        for source in (buffer, file, file, image):
            assert reader.read(source).text == "7"
        assert [one.text for one in reader.read_many([file, buffer, path])] == ["7"] * 3
    assert "closed file" in str(reader.read(file).message)
    with path.open(encoding="latin-1") as text, pytest.raises(ImageTypeError, match="binary mode"):
        reader.read(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, [[0, 255], [255, 0]], 5, ("a.png",), {"a": 1}, object])
def test_other_objects_are_refused(reader: tenfold.Reader, source: Any) -> None:
    for read in (
        reader.read,
        lambda source: list(reader.read_pages(source)),
        lambda source: list(reader.read_many([source])),
    ):
        with pytest.raises(ImageTypeError, match=r"is no image; expected a path, bytes, .*tensor"):
            read(source)
    assert issubclass(ImageTypeError, TypeError)
    assert issubclass(ImageTypeError, tenfold.TenfoldError)


def test_an_address_is_named_and_not_downloaded(reader: tenfold.Reader) -> None:
    for source in ("https://example.org/a.png", Path("http://example.org/a.png"), "s3://b/a.png"):
        reading = reader.read(source)
        assert reading.status == Status.ERROR
        assert "Tenfold does not download" in str(reading.message)


def test_a_pdf_needs_its_extra(
    reader: tenfold.Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pdf, "has_pdf_extra", lambda: False)
    monkeypatch.setattr(pdf, "_renderers", {})
    path = tmp_path / "a.pdf"
    path.write_bytes(b"\n\n%PDF-1.7 and so on")
    for source in (path, path.read_bytes()):
        for reading in (reader.read(source), *reader.read_pages(source)):
            assert reading.status == Status.ERROR
            assert str(reading.message).startswith("PDF files need the extra 'pdf': pip install ")


@pytest.mark.parametrize("single", [True, False])
def test_an_image_without_room_for_a_digit_is_an_error(
    reader: tenfold.Reader, single: bool
) -> None:
    for height, width in ((3, 3), (1, 1), (MIN_SIDE_PX - 1, 5), (2, MIN_SIDE_PX - 1)):
        image_HW = np.full((height, width), 255, np.uint8)
        image_HW[:, width // 2] = 0
        reading = reader.read(image_HW, single=single)
        assert reading.status == Status.ERROR
        assert reading.message == (
            f"the image of {width} x {height} pixels is too small to show a digit"
        )
    assert reader.read(np.full((8, 8), 255, np.uint8), single=single).status == Status.BLANK


def read_in_process(arguments: tuple[tenfold.Reader, npt.NDArray[np.uint8]]) -> Reading:
    reader, image = arguments
    return reader.read(image)


def test_a_reader_is_copied_and_goes_to_other_processes(test_images: LabelledImages) -> None:
    image = test_images.images_NHW[0]
    lines = BUNDLED_LINES.read_bytes()
    for reader in (tenfold.Reader(threads=2), tenfold.Reader(lines=LineReader(lines, "lines"))):
        expected = reader.read(image)
        for other in (pickle.loads(pickle.dumps(reader)), copy.copy(reader), copy.deepcopy(reader)):
            assert other.read(image) == expected
            assert other.threads == reader.threads
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(read_in_process, [(reader, image)]) == [expected]


def test_pages_of_what_is_no_file_are_one(test_images: LabelledImages) -> None:
    image = test_images.images_NHW[0]
    for source in (image, Image.fromarray(image)):
        assert split_pages(source) == [source]
