"""How commands print: results to stdout, as text or JSON, notes to stderr.

All text is escaped here, or with `escape` where a line is made elsewhere: file names and strings
from files are not trusted, as a terminal obeys control characters in them.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, get_origin

from cyclopts import Parameter, Token

from tenfold.system.escaping import escape
from tenfold.system.json_types import to_json

WIDEST_TABLE = 10_000  # columns

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
AsJson = Annotated[Flag, Parameter(name="--json")]


def parse_whole_numbers(kind: Any, tokens: Sequence[Token]) -> int | tuple[int, ...]:  # noqa: ANN401
    """Convert one or more arguments to int; the parser's own conversion rounds 1.5 to 2."""
    try:
        values = tuple(int(token.value) for token in tokens)
    except ValueError:
        found = " ".join(token.value for token in tokens)
        raise ValueError(f"expected a whole number, found {found}") from None
    return values if get_origin(kind) is tuple else values[0]


WholeNumber = Annotated[int, Parameter(converter=parse_whole_numbers)]


def print_json(value: object) -> None:
    """Print a dataclass or JSON values as JSON."""
    print(json.dumps(to_json(value), indent=1))


def print_text(text: str = "") -> None:
    """Print lines of a result."""
    print("\n".join(map(escape, text.split("\n"))))


def print_note(text: str) -> None:
    """Print a line to stderr at once; a closed pipe is ignored."""
    with suppress(BrokenPipeError):
        print(escape(text), file=sys.stderr, flush=True)


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
    """Print a table; its first columns, all but the last by default, are never wrapped.

    Where the terminal is too narrow for that, each row is printed as lines of its own.
    """
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    if num_unwrapped is None:
        num_unwrapped = len(columns) - 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number < num_unwrapped, overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape(cell)) for cell in row))  # not markup, as [/] would be
    console = Console(highlight=False)
    wide = console.options.update(max_width=WIDEST_TABLE)
    if Measurement.get(console, wide, table).minimum <= console.width:
        console.print(table)
        return
    for row in rows:
        console.print(Text(escape(row[0])), overflow="fold")
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(style="dim", no_wrap=True)
        lines.add_column(overflow="fold")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            lines.add_row(f"  {column}", Text(escape(cell)))
        console.print(lines)
