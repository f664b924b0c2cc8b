"""Reads tables: the cells of a grid, cut out and read together, or numbers aligned in columns.

Array names carry their axes: H rows, W columns of pixels, C colours, M components; 4 corners of x
and y, clockwise from the left at the top.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.aligned_table import align
from tenfold.reading.decision import BLANK_MESSAGE
from tenfold.reading.decoding import Decoded
from tenfold.reading.glyphs import Box, PageComponents
from tenfold.reading.grid import find_cells
from tenfold.reading.ink import Map, Pixels
from tenfold.reading.orientation import Matrix, turn
from tenfold.reading.page_segmenter import MIN_TEXT, PageMap, PageSegmenter
from tenfold.reading.result import Cell, ReadDigit, Reading, ReadSign, Status
from tenfold.reading.settings import Settings
from tenfold.reading.table_result import Table, TableCell

Corners = npt.NDArray[np.float64]

# Chosen on drawn tables.
MARGIN = 0.06  # of a cell's height, around it, so that its lines are seen to be lines
MIN_HEIGHT_PX, MAX_SIDE_PX = 64, 1600  # of the picture of a cell
# A cell is empty if within it, apart from an edge of this share of its height, there is less ink
# than this share of a square as high as digits. Ink is half as strong as elsewhere at least.
EDGE, MIN_INK, INK_LEVEL = 0.1, 0.01, 0.5
LINE, MIN_STROKE = 0.06, 0.3  # of a cell's height: where its lines are; a stroke that is no line
MIN_TALL_INK = 0.5  # of the digits' height: ink that makes a cell doubtful if nothing is read there
# Of the digits' height: what is written outside the cells, and what may be cells that are missing.
MIN_OUTSIDE_HEIGHT, MIN_LOST_HEIGHT = 0.5, 0.8
MAP_DIGIT_PX, MAX_MAP_PX = 26, 2_000_000  # digits' height in the map of the cells; its area
# If fewer of the filled cells are read, the table may not be upright, and is turned if that helps.
MIN_READ, MIN_FILLED, MIN_GAIN = 0.6, 4, 1.3
EMPTY = Reading(Status.BLANK, message=BLANK_MESSAGE)
SEVERAL_MESSAGE = "there are several numbers; a line between cells may be missing"
OUTSIDE_MESSAGE = "what is written outside the cells was not read"
LINES_MESSAGE = "what is written here may be lines of the table"

FindComponents = Callable[[Pixels], PageComponents | None]
ReadCells = Callable[[Sequence[tuple[Pixels, PageMap]]], Iterator[Reading]]
ReadOne = Callable[[Decoded], Reading]


def read_table(
    decoded: Decoded,
    find_components: FindComponents,
    segmenter: PageSegmenter,
    read_cells: ReadCells,
    read_one: ReadOne,
    settings: Settings,
) -> Table:
    """Read the cells of a grid, or without one the numbers of an image, in rows and columns.

    `read_cells` reads pictures of cells by maps of them, `read_one` an image as a whole, without
    the settings' pattern, which is that of a cell.
    """

    def read_grid(pixels_HWC: Pixels, to_upright: Matrix) -> _Grid | None:
        to_page = np.vstack([decoded.reduction * to_upright, [0, 0, 1]])
        return _read_grid(pixels_HWC, find_components, segmenter, read_cells, to_page)

    grid = read_grid(decoded.pixels_HWC, np.eye(2, 3))
    if grid is None or grid.is_ruled_paper:
        table = align(read_one(decoded), settings)
    else:
        for degrees in (180, 90, 270) if grid.may_be_turned else ():
            turned = read_grid(*turn(decoded.pixels_HWC, degrees))
            if turned is not None and turned.num_read >= MIN_GAIN * max(1, grid.num_read):
                grid = turned
                grid.messages.append(f"read after turning the image by {degrees} degrees")
                break
        table = _build_table(grid.cells, grid.messages)
        if grid.may_miss_cells and table.status == Status.READ:
            table = replace(table, status=Status.UNCERTAIN)
    message = "; ".join(filter(None, (table.message, decoded.note))) or None
    return replace(table, message=message, page=decoded.page, num_pages=decoded.num_pages)


@dataclass(frozen=True)
class _Grid:
    """The cells of a grid, and what there is to say about them."""

    cells: list[TableCell]
    messages: list[str]
    may_miss_cells: bool = False

    @property
    def num_read(self) -> int:
        return sum(cell.reading.status == Status.READ for cell in self.cells)

    @property
    def is_ruled_paper(self) -> bool:
        """Whether it may be ruled lines and the edges of the paper: one column, and more beside."""
        return bool(self.messages) and all(cell.column == 0 for cell in self.cells)

    @property
    def may_be_turned(self) -> bool:
        num_filled = sum(cell.reading.status != Status.BLANK for cell in self.cells)
        return num_filled >= MIN_FILLED and self.num_read < MIN_READ * num_filled


def _read_grid(
    pixels_HWC: Pixels,
    find_components: FindComponents,
    segmenter: PageSegmenter,
    read_cells: ReadCells,
    to_page: Matrix,
) -> _Grid | None:
    """The cells of a grid; None without one. The matrix moves points to the image as it was."""
    page = find_components(pixels_HWC)
    if page is None or page.page_map is None:
        return None
    cells = find_cells(page.ink.unmasked_HW, page.page_map, page.component_height)
    if not cells:
        return None
    views = [_View(cell) for cell in cells]
    # Digits that touch the lines are one component with the grid; none is higher than its cell.
    digit_px = min(page.component_height, float(np.median([view.height_px for view in views])))
    height, width = pixels_HWC.shape[:2]
    scale = min(MAP_DIGIT_PX / digit_px, math.sqrt(MAX_MAP_PX / (height * width)), 2.0)
    page_map = segmenter.segment_at(pixels_HWC, scale)
    pictures = [
        view.cut(pixels_HWC, page_map) if view.has_ink(page, digit_px) else None for view in views
    ]
    found_readings = read_cells([picture for picture in pictures if picture is not None])
    readings = [EMPTY if picture is None else next(found_readings) for picture in pictures]
    _read_again(readings, views, pictures, page, digit_px, read_cells)
    found = []
    for cell, view, picture, reading in zip(cells, views, pictures, readings, strict=True):
        back = to_page @ np.linalg.inv(view.matrix)
        digits = [replace(digit, box=_map_box(digit.box, back)) for digit in reading.digits]
        signs = [replace(sign, box=_map_box(sign.box, back)) for sign in reading.signs]
        place = cell.row, cell.column, cell.row_span, cell.column_span
        table_cell = TableCell(
            *place,
            _map_box(cell.box, to_page),
            _check(replace(reading, digits=tuple(digits), signs=tuple(signs))),
            None if picture is None else picture[0],
        )
        found.append(table_cell)
    outside = _measure_outside(page, cells) / digit_px
    messages = [OUTSIDE_MESSAGE] if outside >= MIN_OUTSIDE_HEIGHT else []
    return _Grid(found, messages, outside >= MIN_LOST_HEIGHT)


def _read_again(
    readings: list[Reading],
    views: Sequence["_View"],
    pictures: Sequence[tuple[Pixels, PageMap] | None],
    page: PageComponents,
    digit_px: float,
    read_cells: ReadCells,
) -> None:
    """Read cells in which nothing was found, although there is ink as high as digits, without map.

    What the map takes for a line there may be a digit. So it is doubtful, whatever is read.
    """
    lost = [
        (i, views[i], picture[0])
        for i, picture in enumerate(pictures)
        if picture is not None
        and readings[i].status == Status.BLANK
        and views[i].has_tall_ink(page, digit_px)
    ]
    again = read_cells([(pixels_HWC, view.mark_inside()) for _, view, pixels_HWC in lost])
    for (i, _, _), reading in zip(lost, again, strict=True):
        digits = tuple(replace(digit, is_sure=False) for digit in reading.digits)
        readings[i] = replace(
            reading, status=Status.UNCERTAIN, digits=digits, message=LINES_MESSAGE
        )


class _View:
    """A cell seen from above: its place in the picture, and the matrix that cuts it out."""

    def __init__(self, cell: Cell) -> None:
        self.corners_42: Corners = np.array(cell.corners, np.float64)
        sides_4 = np.linalg.norm(np.roll(self.corners_42, -1, axis=0) - self.corners_42, axis=1)
        width, height = float(sides_4[[0, 2]].mean()), float(sides_4[[1, 3]].mean())
        self.height_px = height
        scale = min(max(1.0, MIN_HEIGHT_PX / height), MAX_SIDE_PX / max(width, height))
        self.margin = margin = MARGIN * height * scale
        self.size = round(width * scale + 2 * margin), round(height * scale + 2 * margin)
        right, bottom = width * scale + margin, height * scale + margin
        target_42 = np.array([(margin, margin), (right, margin), (right, bottom), (margin, bottom)])
        self.matrix = cv2.getPerspectiveTransform(
            self.corners_42.astype(np.float32), target_42.astype(np.float32)
        )

    def cut(self, pixels_HWC: Pixels, page_map: PageMap) -> tuple[Pixels, PageMap]:
        """The pixels of the cell, uint8 [H, W, 3], and its part of the page's map."""
        height, width = pixels_HWC.shape[:2]
        rows, columns = page_map.text_HW.shape
        of_map = self.matrix @ np.diag([width / columns, height / rows, 1.0])
        text_HW, rules_HW = (
            self._warp(layer_HW, of_map) for layer_HW in (page_map.text_HW, page_map.rules_HW)
        )
        edge = round(self.margin + LINE * (self.size[1] - self.margin))
        _claim_strokes(text_HW, rules_HW, edge)
        _leave_out_lines(text_HW, rules_HW, edge)
        return self._warp(pixels_HWC, self.matrix), PageMap(text_HW, rules_HW)

    def _warp(self, layer: Any, matrix: Corners) -> Any:  # noqa: ANN401 - of any type
        flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
        return cv2.warpPerspective(layer, matrix, self.size, flags=flags, borderMode=border)

    def mark_inside(self) -> PageMap:
        """A map of the cell's picture in which all is writing but the lines around it."""
        text_HW = np.zeros(self.size[::-1], np.float32)
        edge = round(self.margin + EDGE * (self.size[1] - 2 * self.margin))
        text_HW[edge:-edge, edge:-edge] = 1.0
        return PageMap(text_HW, np.zeros_like(text_HW))

    def has_ink(self, page: PageComponents, digit_px: float) -> bool:
        """Whether anything may be written in the cell."""
        num = np.count_nonzero(self._find_ink(page, INK_LEVEL * page.ink.level))
        return bool(num > MIN_INK * digit_px**2)

    def has_tall_ink(self, page: PageComponents, digit_px: float) -> bool:
        """Whether there is ink as high as a digit in the cell."""
        is_ink_HW = self._find_ink(page, page.ink.level)
        table_M5 = cv2.connectedComponentsWithStats(is_ink_HW.view(np.uint8))[2]
        return bool((table_M5[1:, 3] >= MIN_TALL_INK * digit_px).any())

    def _find_ink(self, page: PageComponents, level: float) -> npt.NDArray[np.bool_]:
        """Which pixels of the cell's box are ink within its lines."""
        middle_2 = self.corners_42.mean(axis=0)
        left, top = np.floor(self.corners_42.min(axis=0)).astype(int).clip(0).tolist()
        right, bottom = np.ceil(self.corners_42.max(axis=0)).astype(int).tolist()
        ink_HW = page.ink.unmasked_HW[top:bottom, left:right]
        if not ink_HW.size:
            return np.zeros((1, 1), bool)
        edge = EDGE * self.height_px
        reach_42 = middle_2 - self.corners_42
        inner_42 = self.corners_42 + np.sign(reach_42) * np.minimum(np.abs(reach_42), edge)
        inside_HW = np.zeros(ink_HW.shape, np.uint8)
        cv2.fillConvexPoly(inside_HW, np.rint(inner_42 - (left, top)).astype(np.int32), 1)
        return np.asarray((inside_HW > 0) & (ink_HW > level))


def _claim_strokes(text_HW: Map, rules_HW: Map, edge: int) -> None:
    """Make writing of high strokes within a cell: what is no line of the grid is no line at all.

    A stroke that goes through the cell may be a line that was not found, and one along its sides
    the rest of one that was.
    """
    inner = slice(edge, len(text_HW) - edge), slice(edge, text_HW.shape[1] - edge)
    marks_HW = (text_HW[inner] + rules_HW[inner] > 0.5).view(np.uint8)
    if not marks_HW.size:
        return
    height, width = marks_HW.shape
    num, labels_HW, table_M5, _ = cv2.connectedComponentsWithStats(marks_HW)
    for i in range(1, num):
        left, _, across, down, _ = table_M5[i].tolist()
        is_beside_line = left <= 0 or left + across >= width
        if MIN_STROKE * len(text_HW) <= down < height and not is_beside_line:
            is_stroke_HW = labels_HW == i
            text_HW[inner][is_stroke_HW], rules_HW[inner][is_stroke_HW] = 1.0, 0.0


def _leave_out_lines(text_HW: Map, rules_HW: Map, edge: int) -> None:
    """Make paper of all lines in the map of a cell, and of what others reach into it.

    What is written in the cell, and reaches over its lines, stays. The rest of a line would be
    taken for a stroke beside it.
    """
    height, width = text_HW.shape
    inner = slice(edge, height - edge), slice(edge, width - edge)
    is_text_HW = (text_HW > rules_HW) & (text_HW > MIN_TEXT)
    _, labels_HW = cv2.connectedComponents(is_text_HW.view(np.uint8))
    own = np.unique(labels_HW[inner][is_text_HW[inner]])
    is_kept_HW = cv2.dilate(np.isin(labels_HW, own).view(np.uint8), np.ones((11, 11), np.uint8)) > 0
    is_kept_HW[inner] = True
    text_HW[~is_kept_HW] = 0.0
    rules_HW[:] = 0.0


def _map_box(box: Box, matrix: npt.NDArray[np.float64]) -> Box:
    left, top, right, bottom = box
    corners = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float64)
    mapped_42 = cv2.perspectiveTransform(corners, matrix)[0]
    middles_42 = (mapped_42 + np.roll(mapped_42, 1, axis=0)) / 2
    (left, top), (right, bottom) = middles_42.min(axis=0), middles_42.max(axis=0)
    return round(left), round(top), round(right), round(bottom)


def _measure_outside(page: PageComponents, cells: Sequence[Cell]) -> int:
    """The height of the highest component whose middle is in no cell; 0 without any."""
    boxes_M4 = page.components.boxes_M4
    inside_HW = np.zeros(page.ink.strength_HW.shape, np.uint8)
    for cell in cells:
        cv2.fillConvexPoly(inside_HW, np.rint(cell.corners).astype(np.int32), 1)
    middle_M2 = ((boxes_M4[:, :2] + boxes_M4[:, 2:]) // 2).T
    is_outside_M = inside_HW[middle_M2[1], middle_M2[0]] == 0
    return int(page.heights_M[is_outside_M].max(initial=0))


def _check(reading: Reading) -> Reading:
    """The reading, doubtful if it has several numbers, as the cell may be several."""
    marks: list[ReadDigit | ReadSign] = [*reading.digits, *reading.signs]
    has_several = any(mark.starts_number or mark.line for mark in marks)
    if not (has_several and reading.status == Status.READ):
        return reading
    digits = tuple(replace(digit, is_sure=False) for digit in reading.digits)
    return replace(reading, status=Status.UNCERTAIN, digits=digits, message=SEVERAL_MESSAGE)


def _build_table(cells: Sequence[TableCell], messages: Sequence[str]) -> Table:
    num_rows = max(cell.row + cell.row_span for cell in cells)
    num_columns = max(cell.column + cell.column_span for cell in cells)
    is_covered = np.zeros((num_rows, num_columns), bool)
    for cell in cells:
        last_row, last_column = cell.row + cell.row_span, cell.column + cell.column_span
        is_covered[cell.row : last_row, cell.column : last_column] = True
    num_missing = int((~is_covered).sum())
    num_doubtful = sum(cell.reading.status == Status.UNCERTAIN for cell in cells)
    num_others = sum(cell.is_doubtful for cell in cells) - num_doubtful
    said = [
        *_count(num_doubtful, "cell is doubtful", "cells are doubtful"),
        *_count(num_others, "cell has no digits", "cells have no digits"),
        *_count(num_missing, "cell of the grid was not found", "cells of the grid were not found"),
        *messages,
    ]
    if num_doubtful or num_missing:
        status = Status.UNCERTAIN
    elif any(cell.reading.status == Status.READ for cell in cells):
        status = Status.READ
    else:
        status = Status.NOT_DIGITS if num_others else Status.BLANK
    rows = tuple(tuple(cell for cell in cells if cell.row == row) for row in range(num_rows))
    return Table(status, rows, "; ".join(said) or None)


def _count(num: int, one: str, several: str) -> list[str]:
    return [f"{num} {one if num == 1 else several}"] if num else []
