"""How commands print: results to stdout, as text or JSON, notes to stderr.

All text goes through here, or through `escape` where lines are made elsewhere: names of files and
strings from files may be anybody's, and a terminal obeys what is in them.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, get_origin

from cyclopts import Parameter, Token

from tenfold.escaping import escape
from tenfold.shapes import to_json

AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")]


def parse_whole_numbers(kind: Any, tokens: Sequence[Token]) -> int | tuple[int, ...]:  # noqa: ANN401
    """Convert one or more arguments; the parser's own conversion would round 1.5 to 2."""
    try:
        values = tuple(int(token.value) for token in tokens)
    except ValueError:
        found = " ".join(token.value for token in tokens)
        raise ValueError(f"expected a whole number, found {found}.") from None
    return values if get_origin(kind) is tuple else values[0]


WholeNumber = Annotated[int, Parameter(converter=parse_whole_numbers)]


def print_json(value: object) -> None:
    """Print a dataclass or JSON values as JSON."""
    print(json.dumps(to_json(value), indent=1))


def print_text(text: str = "") -> None:
    """Print a result; its line breaks are lines."""
    print("\n".join(map(escape, text.split("\n"))))


def print_note(text: str) -> None:
    """Print a line to stderr at once; if nobody reads it any more, work goes on."""
    with suppress(BrokenPipeError):
        print(escape(text), file=sys.stderr, flush=True)


def print_rows(*rows: tuple[str, Any]) -> None:
    """Print names and values in two columns; long values are not wrapped."""
    from rich.console import Console  # most calls print no table

    width = max(len(name) for name, _ in rows)
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for name, value in rows:
        console.print(f"{name:<{width}}  ", style="dim", end="")
        console.print(escape(str(value)))


def print_table(
    columns: list[str], rows: list[list[str]], *, num_unwrapped: int | None = None
) -> None:
    """Print a table; its first columns, all but the last by default, are never wrapped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if num_unwrapped is None:
        num_unwrapped = len(columns) - 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number < num_unwrapped, overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape(cell)) for cell in row))  # not markup, as [/] would be
    Console(highlight=False).print(table)
