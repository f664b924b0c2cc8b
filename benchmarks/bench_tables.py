"""How many cells of drawn tables are found in place, and how many of their values are read.

    python benchmarks/bench_tables.py [TABLES OF EACH KIND, 40] [FIRST, 0]

A value is what is handwritten in a cell; printed words are none. A cell is in place if its row,
column and spans are right and it lies there in the picture. A value that is not in place is wrong.
"""

import itertools
import sys
import time
from collections import Counter

import cv2
import numpy as np

from table_images import DrawnCell, draw_table
from tenfold.data.mnist import load_part
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status
from tenfold.reading.table_result import Table, TableCell

SEED = 20261129


def find_cell(table: Table, drawn: DrawnCell) -> TableCell | None:
    """The cell of a table that is where one was drawn."""
    x, y = drawn.middle
    place = drawn.row, drawn.column, drawn.row_span, drawn.column_span
    for cell in itertools.chain.from_iterable(table.rows):
        left, top, right, bottom = cell.box
        is_there = left < x < right and top < y < bottom
        if is_there and place == (cell.row, cell.column, cell.row_span, cell.column_span):
            return cell
    return None


def main(num_tables: int = 40, first: int = 0) -> None:
    """Read drawn tables on one core, and print a line for each kind."""
    cv2.setNumThreads(1)
    test, reader = load_part(None, "test"), Reader()
    reader.read_table(draw_table(test, np.random.default_rng(0), is_photo=False).pixels_HWC)
    for kind, is_photo in (("scans", False), ("photos", True)):
        counts: Counter[str] = Counter()
        seconds = 0.0
        for i in range(first, first + num_tables):
            drawn = draw_table(test, np.random.default_rng((SEED, is_photo, i)), is_photo=is_photo)
            started = time.process_time()
            table = reader.read_table(drawn.pixels_HWC)
            seconds += time.process_time() - started
            for truth in drawn.cells:
                cell = find_cell(table, truth)
                counts["cells"] += 1
                counts["in place"] += cell is not None
                is_right = cell is not None and cell.reading.text == truth.text
                counts["values"] += bool(truth.text)
                counts["right"] += bool(truth.text) and is_right
                if cell is not None and cell.reading.status == Status.READ:
                    counts["sure"] += 1
                    counts["sure and right"] += is_right
        n = counts
        print(
            f"{kind}: {num_tables} tables, {n['cells']} cells, {n['in place'] / n['cells']:.2%} in "
            f"place; {n['values']} values, {n['right'] / n['values']:.2%} right; "
            f"{n['sure'] / n['values']:.1%} sure, {n['sure and right'] / n['sure']:.2%} of these "
            f"right; {100 * seconds / n['cells']:.2f} s per 100 cells"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
