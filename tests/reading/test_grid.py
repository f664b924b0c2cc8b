"""Grids drawn by straight lines: which cells are found, in which rows and columns."""

import itertools
import json
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from tenfold.data.mnist import LabelledImages
from tenfold.reading.grid import find_cells
from tenfold.reading.ink import Map
from tenfold.reading.page_segmenter import PageMap
from tenfold.reading.reader import Reader
from tenfold.reading.result import Cell

Line = tuple[float, float, float, float]  # from x, y to x, y
SIZE, LEFT, TOP, ROW, COLUMN = (560, 720), 90, 110, 70, 120
ROWS, COLUMNS = 5, 4
DIGIT = 36


def rule(
    rows: int = ROWS, columns: int = COLUMNS, row: int = ROW, column: int = COLUMN
) -> list[Line]:
    """The lines of a grid, first those along rows."""
    right, bottom = LEFT + columns * column, TOP + rows * row
    across = [(LEFT, TOP + i * row, right, TOP + i * row) for i in range(rows + 1)]
    down = [(LEFT + i * column, TOP, LEFT + i * column, bottom) for i in range(columns + 1)]
    return [*across, *down]


def move(line: Line, slope: float) -> Line:
    """A line of a page that is turned by a slope."""
    x0, y0, x1, y1 = line
    return (
        x0 - slope * y0 + slope * 200,
        y0 + slope * x0,
        x1 - slope * y1 + slope * 200,
        y1 + slope * x1,
    )


def draw(lines: Sequence[Line], *, slope: float = 0.0, gap_every: int = 0) -> tuple[Map, PageMap]:
    """Ink of lines, with a digit in each cell, and the network's map, whose lines have gaps."""
    rules_HW, text_HW = np.zeros((2, *SIZE), np.float32)
    for line in lines:
        x0, y0, x1, y1 = (round(value) for value in move(line, slope))
        cv2.line(rules_HW, (x0, y0), (x1, y1), 0.7, 2, cv2.LINE_AA)
    for i, k in itertools.product(range(ROWS), range(COLUMNS)):
        x, y, *_ = move((LEFT + (k + 0.15) * COLUMN, TOP + (i + 0.25) * ROW, 0, 0), slope)
        seven = np.add([(0, 0), (20, 0), (8, DIGIT)], (x, y)).astype(np.int32)
        cv2.polylines(text_HW, [seven], False, 1.0, 4, cv2.LINE_AA)
    ink_HW = np.maximum(text_HW, rules_HW)
    if gap_every:
        rules_HW[:, ::gap_every] = rules_HW[::gap_every] = 0
    small = [
        cv2.resize(layer_HW, (288, 224), interpolation=cv2.INTER_AREA)
        for layer_HW in (text_HW, rules_HW)
    ]
    return ink_HW, PageMap(small[0], np.asarray(small[1] * (small[0] < 0.2), np.float32))


def find(lines: Sequence[Line], *, slope: float = 0.0) -> tuple[Cell, ...]:
    return find_cells(*draw(lines, slope=slope), DIGIT)


def list_places(cells: Sequence[Cell]) -> list[tuple[int, int]]:
    return [(cell.row, cell.column) for cell in cells]


EVERY = list(itertools.product(range(ROWS), range(COLUMNS)))


@pytest.mark.parametrize("slope", [-0.15, -0.05, 0, 0.05, 0.15])
def test_cells_are_found_on_a_page_that_is_turned(slope: float) -> None:
    cells = find(rule(), slope=slope)
    assert list_places(cells) == EVERY
    for cell in cells:
        x0, y0 = LEFT + cell.column * COLUMN, TOP + cell.row * ROW
        x, y, *_ = move((x0 + COLUMN / 2, y0 + ROW / 2, 0, 0), slope)
        left, top, right, bottom = cell.box
        found = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
        assert found == pytest.approx((x, y, COLUMN, ROW), abs=8)


def test_gaps_in_the_map_and_a_missing_piece_of_a_line_do_no_harm() -> None:
    lines = rule()
    x0, y, x1, _ = lines[2]
    lines[2:3] = [(x0, y, x0 + 30, y), (x0 + 60, y, x1, y)]
    assert list_places(find(lines)) == EVERY
    assert list_places(find_cells(*draw(rule(), gap_every=3), DIGIT)) == EVERY


def test_a_cell_that_spans_two_is_one() -> None:
    lines = rule()
    x, y0, _, y1 = lines[ROWS + 3]
    lines[ROWS + 3] = (x, y0 + ROW, x, y1)  # starts below the first row
    cells = find(lines)
    assert list_places(cells) == [place for place in EVERY if place != (0, 2)]
    left, _, right, _ = cells[1].box
    assert abs(right - left - 2 * COLUMN) < 12


def test_a_comb_is_one_row() -> None:
    lines = rule(1, 8, ROW, COLUMN // 2)
    assert list_places(find(lines)) == [(0, i) for i in range(8)]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(rule()[: ROWS + 1], id="ruled"),
        pytest.param(
            [(x, 0, x, 560) for x in range(10, 720, 14)]
            + [(0, y, 720, y) for y in range(9, 560, 14)],
            id="squared",
        ),
        pytest.param(rule(1, 1), id="frame"),
        pytest.param([], id="blank"),
    ],
)
def test_what_is_no_grid_has_no_cells(lines: Sequence[Line]) -> None:
    assert find(lines) == ()


def test_a_reading_has_the_cells_that_its_digits_are_in(test_images: LabelledImages) -> None:
    page_HW = np.zeros(SIZE, np.float32)
    for x0, y0, x1, y1 in rule(5, 4, 80, 130):
        cv2.line(page_HW, (int(x0), int(y0)), (int(x1), int(y1)), 0.6, 2)
    for i in range(20):
        x, y = LEFT + 40 + (i % 4) * 130, TOP + 14 + (i // 4) * 80
        digit_HW = cv2.resize(test_images.images_NHW[i], (56, 56)).astype(np.float32) / 255
        np.maximum(page_HW[y : y + 56, x : x + 56], digit_HW, out=page_HW[y : y + 56, x : x + 56])
    pixels_HW = np.rint(235 - 190 * page_HW).astype(np.uint8)
    reading = Reader().read(pixels_HW)
    assert list_places(reading.cells) == EVERY
    values = json.loads(json.dumps(reading.to_json()))
    assert values["cells"][5] == {"box": list(reading.cells[5].box), "row": 1, "column": 1}
    for digit in reading.digits:
        middle = (digit.box[0] + digit.box[2]) / 2, (digit.box[1] + digit.box[3]) / 2
        boxes = [cell.box for cell in reading.cells]
        assert sum(a < middle[0] < c and b < middle[1] < d for a, b, c, d in boxes) == 1
    assert Reader().read(pixels_HW, single=True).cells == ()
