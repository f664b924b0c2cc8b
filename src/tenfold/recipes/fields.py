"""The fields of a config: type, range or choices, help, and the check of a value.

A config is a frozen dataclass whose fields are made by `number`, `several`, `choice` or `switch`.
Command-line flags, checks and error messages come from these fields and from nothing else.
"""

import dataclasses
import math
import numbers
from dataclasses import dataclass
from typing import Any

from tenfold.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Field:
    """What a field accepts; its text says so in words.

    `kind` is the type of a value, or of each item of a tuple. Numbers lie from `low` to `high`,
    both included; other values are one of `choices`. `sizes` are the allowed numbers of items of a
    tuple, empty for a single value. `help` is one sentence.
    """

    help: str
    kind: type
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[object, ...] = ()
    sizes: range = range(0)

    def __str__(self) -> str:
        if self.choices:
            return " or ".join(map(str, self.choices))
        limits = f"from {self.low:g} to {self.high:g}"
        if self.sizes:
            return f"{self.sizes[0]} to {self.sizes[-1]} whole numbers, each {limits}"
        return f"a whole number {limits}" if self.kind is int else limits

    def accepts(self, value: object) -> bool:
        """Whether the field accepts a value."""
        if self.sizes:
            return (
                isinstance(value, tuple)
                and len(value) in self.sizes
                and all(map(self._accepts_item, value))
            )
        return self._accepts_item(value)

    def _accepts_item(self, value: Any) -> bool:  # noqa: ANN401 - any value
        if self.choices:
            return isinstance(value, self.kind) and value in self.choices
        is_number = isinstance(value, numbers.Real if self.kind is float else numbers.Integral)
        return is_number and not isinstance(value, bool) and bool(self.low <= value <= self.high)

    def to_plain(self, value: Any) -> Any:  # noqa: ANN401 - of the field's type
        """The value in Python's own types, as NumPy's cannot be written as JSON."""
        return tuple(map(self.kind, value)) if self.sizes else self.kind(value)


def number(default: float, *, low: float, high: float, help: str) -> Any:  # noqa: ANN401
    """A field for a number; for a whole number if its default is one."""
    return _make(default, Field(kind=type(default), low=low, high=high, help=help))


def several(
    default: tuple[int, ...],
    *,
    low: int,
    high: int,
    fewest: int,
    most: int,
    help: str,
) -> Any:  # noqa: ANN401 - as dataclasses.field has it
    """A field for a tuple of `fewest` to `most` whole numbers."""
    sizes = range(fewest, most + 1)
    return _make(default, Field(kind=int, low=low, high=high, sizes=sizes, help=help))


def choice(default: str, *others: str, help: str) -> Any:  # noqa: ANN401
    """A field for one of several words."""
    return _make(default, Field(kind=str, choices=(default, *others), help=help))


def switch(default: bool, *, help: str) -> Any:  # noqa: ANN401
    """A field that is on or off."""
    return _make(default, Field(kind=bool, choices=(True, False), help=help))


def _make(default: object, field: Field) -> Any:  # noqa: ANN401
    return dataclasses.field(default=default, metadata={"allowed": field})


def get_allowed(field: dataclasses.Field[Any]) -> Field | None:
    """What a field of a dataclass accepts; None if it was not made by this module."""
    return field.metadata.get("allowed")


def check_fields(config: Any) -> None:  # noqa: ANN401 - any config
    """Raise RecipeError for the first field whose value is of the wrong type or out of range."""
    for field in dataclasses.fields(config):
        allowed, value = get_allowed(field), getattr(config, field.name)
        if allowed is None:
            continue
        if not allowed.accepts(value):
            raise RecipeError(describe_bad_value(field.name, value, allowed))
        object.__setattr__(config, field.name, allowed.to_plain(value))


def describe_bad_value(field_name: str, value: object, allowed: Field) -> str:
    """The error message for a value that a field does not accept: flag, range and value."""
    return f"{flag_name(field_name)}: expected {allowed}, found {value}"


def flag_name(field_name: str) -> str:
    """The command-line flag of a field: learning_rate is --learning-rate."""
    return "--" + field_name.replace("_", "-")
