"""The result of reading a table: its cells in rows, each with a reading."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from tenfold.errors import MissingExtraError
from tenfold.reading.glyphs import Box
from tenfold.reading.ink import Pixels
from tenfold.reading.result import Reading, Status


@dataclass(frozen=True)
class TableCell:
    """A cell: its first row and column, from 0, how many it spans, its box, and its reading.

    Boxes, also of the reading's digits, are in pixels of the upright image at its original size.
    `picture` is the cell as it was read, uint8 [H, W, 3], without perspective.
    """

    row: int
    column: int
    row_span: int
    column_span: int
    box: Box
    reading: Reading
    picture: Pixels | None = field(default=None, repr=False, compare=False)

    @property
    def is_doubtful(self) -> bool:
        """Whether somebody should look at it: doubtful digits, or something that is no digits."""
        return self.reading.status not in (Status.READ, Status.BLANK)

    def to_json(self) -> dict[str, Any]:
        """The cell as JSON values."""
        return {
            "row": self.row,
            "column": self.column,
            "row_span": self.row_span,
            "column_span": self.column_span,
            "box": list(self.box),
            "reading": self.reading.to_json(),
        }


@dataclass(frozen=True)
class Table:
    """A table: a status, its cells in rows, and a message.

    The status is `read` if no cell is doubtful, none is missing, and nothing as high as the digits
    is written outside. Rows have as many cells as were found; a cell that spans several rows is in
    its first one. `page` and `num_pages` are as of a reading.
    """

    status: Status
    rows: tuple[tuple[TableCell, ...], ...] = ()
    message: str | None = None
    page: int | None = None
    num_pages: int | None = None

    @property
    def num_columns(self) -> int:
        """How many columns there are."""
        ends = (cell.column + cell.column_span for row in self.rows for cell in row)
        return max(ends, default=0)

    def to_rows(self) -> list[list[str]]:
        """The text of each cell, as many in each row; empty where nothing was read."""
        rows = [[""] * self.num_columns for _ in self.rows]
        for cell in itertools.chain.from_iterable(self.rows):
            rows[cell.row][cell.column] = cell.reading.text
        return rows

    def to_dataframe(self) -> Any:  # noqa: ANN401 - pandas is not installed with Tenfold
        """The texts as a DataFrame of pandas. Raises MissingExtraError without pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("a DataFrame needs pandas: pip install pandas") from error
        return pd.DataFrame(self.to_rows(), dtype=str)

    def to_json(self) -> dict[str, Any]:
        """The table as JSON values."""
        pages = {} if self.page is None else {"page": self.page, "num_pages": self.num_pages}
        return {
            **pages,
            "status": str(self.status),
            "num_rows": len(self.rows),
            "num_columns": self.num_columns,
            "rows": [[cell.to_json() for cell in row] for row in self.rows],
            "message": self.message,
        }
