"""Tables: the cells of grids and their readings, and numbers in columns without a grid."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.errors import MissingExtraError
from tenfold.reading.aligned_table import align
from tenfold.reading.decoding import Decoded
from tenfold.reading.glyphs import PageComponents
from tenfold.reading.page_segmenter import PageMap, load_page_segmenter
from tenfold.reading.reader import Reader
from tenfold.reading.result import ReadDigit, Reading, ReadSign, Status
from tenfold.reading.settings import build_settings
from tenfold.reading.table import LINES_MESSAGE, SEVERAL_MESSAGE, _View, read_table
from tenfold.reading.table_result import Table

Pixels = npt.NDArray[np.uint8]
LEFT, TOP, ROW, COLUMN, DIGIT = 60, 70, 60, 140, 40
TEXTS = [["24", "", "7"], ["05", "73", "4"], ["30", "27", "5"], ["42", "47", ""]]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def draw(
    test: LabelledImages,
    texts: Sequence[Sequence[str]],
    *,
    has_lines: bool,
    is_joined: bool = False,
) -> Pixels:
    """Clear digits in rows and columns; `is_joined` leaves out the line between two cells."""
    random = np.random.default_rng(5)
    height, width = 2 * TOP + len(texts) * ROW, 2 * LEFT + len(texts[0]) * COLUMN
    ink_HW = np.zeros((height, width), np.float32)
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            at = LEFT + x * COLUMN + 18
            for character in text:
                image = test.images_NHW[
                    random.choice(np.flatnonzero(test.labels_N == int(character)))
                ]
                columns = np.flatnonzero(image.max(axis=0) > 60)
                digit_HW = image[4:24, columns[0] : columns[-1] + 1]
                size = (max(1, digit_HW.shape[1] * DIGIT // 20), DIGIT)
                large_HW = cv2.resize(digit_HW, size, interpolation=cv2.INTER_CUBIC)
                top = TOP + y * ROW + (ROW - DIGIT) // 2
                ink_HW[top : top + DIGIT, at : at + size[0]] = large_HW / np.float32(255)
                at += size[0] + 7
    right, bottom = LEFT + len(texts[0]) * COLUMN, TOP + len(texts) * ROW
    for y in range(TOP, bottom + 1, ROW) if has_lines else ():
        cv2.line(ink_HW, (LEFT, y), (right, y), 0.6, 2)
    for i, x in enumerate(range(LEFT, right + 1, COLUMN) if has_lines else ()):
        cv2.line(ink_HW, (x, TOP + ROW * (is_joined and i == 1)), (x, bottom), 0.6, 2)
    return np.asarray(np.rint(240 - 200 * np.clip(ink_HW, 0, 1)), np.uint8)


def list_places(table: Table) -> list[tuple[int, int]]:
    return [(cell.row, cell.column) for row in table.rows for cell in row]


def test_cells_are_read_in_rows_and_columns(reader: Reader, test_images: LabelledImages) -> None:
    table = reader.read_table(draw(test_images, TEXTS, has_lines=True))
    assert table.to_rows() == TEXTS
    is_sure = not any(cell.is_doubtful for row in table.rows for cell in row)
    assert (table.status == Status.READ, table.message is None) == (is_sure, is_sure)
    assert list_places(table) == [(y, x) for y in range(4) for x in range(3)]
    for cell in (cell for row in table.rows for cell in row):
        left, top = LEFT + cell.column * COLUMN, TOP + cell.row * ROW
        assert cell.box == pytest.approx((left, top, left + COLUMN, top + ROW), abs=4)
        for digit in cell.reading.digits:
            assert left < digit.box[0] < digit.box[2] < left + COLUMN
            assert top < digit.box[1] < digit.box[3] < top + ROW
        assert (cell.picture is None) == (cell.reading.status == Status.BLANK)
    values = table.to_json()
    assert (values["num_rows"], values["num_columns"]) == (4, 3)
    assert values["rows"][1][0]["reading"]["text"] == "05"


def test_a_photo_aslant_or_upside_down_gives_the_same_rows(
    reader: Reader, test_images: LabelledImages
) -> None:
    flat_HW = draw(test_images, TEXTS, has_lines=True)
    height, width = flat_HW.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    seen = np.array([(40, 30), (width - 10, 5), (width - 30, height - 10), (5, height - 40)])
    matrix = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    photo = cv2.warpPerspective(flat_HW, matrix, (width, height), borderValue=240.0)
    table = reader.read_table(np.ascontiguousarray(photo, np.uint8))
    assert table.to_rows() == TEXTS
    turned = reader.read_table(np.ascontiguousarray(np.rot90(photo, 2), np.uint8))
    assert turned.to_rows() == TEXTS
    assert turned.message is not None
    assert "by 180 degrees" in turned.message
    [first, *_], *_ = turned.rows  # boxes are in pixels of the image as it is
    assert first.box[0] > width / 2


def test_a_cell_that_spans_several_is_one_and_doubtful_with_several_numbers(
    reader: Reader, test_images: LabelledImages
) -> None:
    joined = [["24", "64", "7"], *TEXTS[1:]]
    table = reader.read_table(draw(test_images, joined, has_lines=True, is_joined=True))
    cell = table.rows[0][0]
    assert (cell.column_span, len(table.rows[0])) == (2, 2)
    assert cell.reading.status == Status.UNCERTAIN
    assert table.status == Status.UNCERTAIN
    assert [row[1:] for row in table.to_rows()[1:]] == [row[1:] for row in TEXTS[1:]]


def test_digits_that_join_the_grid_are_no_higher_than_cells(
    reader: Reader, test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = Reader._find_components

    def find_joined(
        reader: Reader, pixels_HWC: Pixels, page_map: PageMap | None = None
    ) -> PageComponents | None:
        page = find(reader, pixels_HWC, page_map)
        if page is not None and page_map is None:  # of all the page, as one component
            page.__dict__["component_height"] = 4.0 * ROW
        return page

    monkeypatch.setattr(Reader, "_find_components", find_joined)
    assert reader.read_table(draw(test_images, TEXTS, has_lines=True)).to_rows() == TEXTS


def test_ink_that_is_taken_for_lines_makes_a_cell_doubtful(
    reader: Reader, test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(view: _View, pixels_HWC: Pixels, _: PageMap) -> tuple[Pixels, PageMap]:
        height, width = view.size[::-1]
        picture = cv2.warpPerspective(pixels_HWC, view.matrix, (width, height))
        return np.asarray(picture, np.uint8), PageMap(*np.zeros((2, height, width), np.float32))

    monkeypatch.setattr(_View, "cut", cut)
    table = reader.read_table(draw(test_images, TEXTS, has_lines=True))
    assert table.status == Status.UNCERTAIN
    for cell in (cell for row in table.rows for cell in row):
        is_empty = not TEXTS[cell.row][cell.column]
        assert cell.reading.status == (Status.BLANK if is_empty else Status.UNCERTAIN)
        assert is_empty or cell.reading.message == LINES_MESSAGE


def test_a_row_whose_line_is_missing_is_doubtful(
    reader: Reader, test_images: LabelledImages
) -> None:
    texts = [["24", "37"], ["75", "73"], ["30", "27"], ["42", "47"]]
    pixels = draw(test_images, texts, has_lines=True)
    pixels[TOP + 2 * ROW - 3 : TOP + 2 * ROW + 4] = 240
    table = reader.read_table(pixels)
    assert [cell.reading.status for cell in table.rows[1]] == 2 * [Status.UNCERTAIN]
    assert SEVERAL_MESSAGE in [cell.reading.message for cell in table.rows[1]]


def test_writing_beside_the_grid_is_mentioned(reader: Reader, test_images: LabelledImages) -> None:
    pixels = draw(test_images, TEXTS, has_lines=True)
    pixels[10 : 10 + ROW - 4] = pixels[TOP + 2 : TOP + ROW - 2]  # a row without lines above
    table = reader.read_table(pixels)
    assert table.message is not None
    assert "outside the cells" in table.message
    texts = [["2", "4", "7"], ["5", "7", "4"], ["3", "0", "2"]]
    sure = draw(test_images, texts, has_lines=True)
    assert reader.read_table(sure).status == Status.READ
    beside = sure.copy()
    beside[10 : 10 + ROW - 4] = sure[TOP + 2 : TOP + ROW - 2]
    assert reader.read_table(beside).status == Status.UNCERTAIN


def test_numbers_below_one_another_are_columns(reader: Reader, test_images: LabelledImages) -> None:
    table = reader.read_table(draw(test_images, TEXTS, has_lines=False))
    assert table.to_rows() == TEXTS
    assert table.message is not None
    assert table.message.startswith("there is no grid; the columns")


def test_a_line_alone_is_a_row(reader: Reader, test_images: LabelledImages) -> None:
    table = reader.read_table(draw(test_images, [["471"]], has_lines=False))
    assert table.to_rows() == [["471"]]
    assert reader.read_table(np.full((200, 300), 255, np.uint8)).status == Status.BLANK
    assert reader.read_table(b"no image").status == Status.ERROR


def test_a_dataframe_needs_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        Table(Status.BLANK).to_dataframe()


def test_boxes_of_a_reduced_image_are_in_its_own_pixels(
    reader: Reader, test_images: LabelledImages
) -> None:
    small = draw(test_images, TEXTS[1:3], has_lines=True)
    decoded = Decoded(cv2.merge([small] * 3), reduction=2.0)
    segmenter = load_page_segmenter()
    table = read_table(
        decoded,
        reader._find_components,
        segmenter,
        partial(reader._read_cells, settings=build_settings()),
        reader.read_decoded,
        build_settings(),
    )
    assert table.to_rows() == TEXTS[1:3]
    left, top, right, bottom = table.rows[0][0].box
    assert (left, top) == pytest.approx((2 * LEFT, 2 * TOP), abs=8)
    assert (right - left, bottom - top) == pytest.approx((2 * COLUMN, 2 * ROW), abs=10)
    digit = table.rows[0][0].reading.digits[0]
    assert 2 * TOP < digit.box[1] < digit.box[3] < 2 * (TOP + ROW)


def build_line(text: str, lefts: list[int], line: int, *, is_sure: bool = True) -> Reading:
    """A line of digits 20 pixels wide and 40 high; a sign is narrow, beside what it belongs to."""
    digits: list[ReadDigit] = []
    signs: list[ReadSign] = []
    for character, left in zip(text, lefts, strict=True):
        box = (left, 100 * line, left + (20 if character.isdigit() else 6), 100 * line + 40)
        if character.isdigit():
            image = np.zeros((28, 28), np.uint8)
            digit = ReadDigit(int(character), 0.99, box, (0.1,) * 10, image, line, is_sure)
            digits.append(digit)
        else:
            signs.append(ReadSign(character, 0.99, box, line, len(digits), is_sure))
    return Reading(Status.READ, tuple(digits), signs=tuple(signs))


@pytest.mark.parametrize(
    ("expect", "doubtful"), [(None, []), ("#.#{2}|-#", []), ("#.##", ["-5", "-7"])]
)
def test_numbers_without_a_grid_keep_their_signs(expect: str | None, doubtful: list[str]) -> None:
    first = build_line("1.25-5", [0, 24, 34, 60, 186, 200], 0)
    second = build_line("3.40-7", [0, 24, 34, 60, 186, 200], 1)
    both = Reading(Status.READ, first.digits + second.digits, signs=first.signs + second.signs)
    table = align(both, build_settings(expect=expect))
    assert table.to_rows() == [["1.25", "-5"], ["3.40", "-7"]]
    cells = [cell for row in table.rows for cell in row]
    assert [cell.reading.text for cell in cells if cell.is_doubtful] == doubtful
    assert [cell.reading.value for cell in cells[:2]] == [Decimal("1.25"), Decimal(-5)]
