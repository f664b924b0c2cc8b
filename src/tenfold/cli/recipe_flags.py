"""Every field of a recipe as a flag, for `tenfold train` and `tenfold study`."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Optional

from cyclopts import Group, Parameter

from tenfold.cli.options import parse_whole_numbers
from tenfold.recipes.fields import Field
from tenfold.recipes.recipe import list_fields

RECIPE_FLAGS = Group(
    "Changes to the recipe",
    help="Defaults depend on the recipe: `tenfold recipes RECIPE` shows them.",
    sort_key=1,
)


def describe_flag(allowed: Field) -> str:
    """The help of a field's flag, with the allowed values unless it is a switch."""
    if allowed.kind is bool:
        return allowed.help
    text = f"{allowed}."
    text = f"One of: {text}" if allowed.kind is str else text[0].upper() + text[1:]
    return f"{allowed.help} {text}"


def _build_changes() -> Any:  # noqa: ANN401 - a dataclass made from the recipe's own fields
    """A dataclass with every field of a recipe; None means the recipe's own value."""
    fields = []
    for name, field in list_fields().items():
        allowed: Field = field.metadata["allowed"]
        parameter = Parameter(
            help=describe_flag(allowed),
            group=RECIPE_FLAGS,
            consume_multiple=bool(allowed.sizes),
            negative=None if field.type is bool else (),
            converter=parse_whole_numbers if allowed.kind is int else None,
        )
        kind: Any = Optional[field.type]  # noqa: UP045 - the type is a value here
        fields.append((name, Annotated[kind, parameter], dataclasses.field(default=None)))
    changes = dataclasses.make_dataclass("Changes", fields, kw_only=True)
    changes.__module__ = __name__  # otherwise "types", whose classes the parser does not unpack
    return Parameter(name="*")(changes)


if TYPE_CHECKING:
    Changes = Any  # mypy does not know a class that is built at run time
    NO_CHANGES: Changes
else:
    Changes = _build_changes()
    NO_CHANGES = Changes()
