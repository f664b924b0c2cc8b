"""How commands print: results to stdout, as text or JSON, notes to stderr.

Text is escaped here, or with `escape` where a line is formatted elsewhere: file names and strings
from files are not trusted, as terminals obey the control characters in them.
"""

import json
from typing import Any

from tenfold.system.escaping import escape
from tenfold.system.escaping import print_note as print_note
from tenfold.system.json_types import to_json


def print_json(value: object) -> None:
    """Print a dataclass or JSON values as JSON."""
    print(json.dumps(to_json(value), indent=1))


def print_text(text: str = "") -> None:
    """Print lines of a result."""
    print("\n".join(map(escape, text.split("\n"))))


def print_rows(*rows: tuple[str, Any]) -> None:
    """Print names and values in two columns; long values are not wrapped."""
    from rich.console import Console  # imported here, as most commands print no table

    width = max(len(name) for name, _ in rows)
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for name, value in rows:
        console.print(f"{name:<{width}}  ", style="dim", end="")
        console.print(escape(str(value)))


def print_table(
    columns: list[str], rows: list[list[str]], *, num_unwrapped: int | None = None
) -> None:
    """Print a table. Its first columns, all but the last by default, are not wrapped.

    On a terminal that is too narrow for the longest words of the others, each row is a list.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if num_unwrapped is None:
        num_unwrapped = len(columns) - 1
    rows = [list(map(escape, row)) for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, cells in enumerate(zip(columns, *rows, strict=True)):
        least = max(map(cell_len, cells)) if number < num_unwrapped else None
        table.add_column(cells[0], no_wrap=least is not None, min_width=least, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # not markup, as [/] would be
    console = Console(highlight=False)
    unlimited = console.options.update(max_width=10_000)
    if console.measure(table, options=unlimited).minimum <= console.width:
        console.print(table)
        return
    for row in rows:
        console.print(Text(row[0]), overflow="fold")
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(style="dim", no_wrap=True)
        lines.add_column(overflow="fold")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            lines.add_row(f"  {column}", Text(cell))
        console.print(lines)
