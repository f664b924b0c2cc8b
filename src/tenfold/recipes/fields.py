"""The fields of a config: type, range or choices, help, and the check of a value.

A config is a frozen dataclass whose fields are made by `number`, `integers`, `choice` or `boolean`.
Command-line flags, checks and error messages all come from these fields.
"""

import dataclasses
import math
import numbers
from dataclasses import dataclass
from typing import Any

from tenfold.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Field:
    """What a field accepts; `str` describes it for an error message.

    `kind` is the type of the value, or of each item of a tuple. Numbers are from `low` to `high`,
    inclusive; other values are one of `choices`. `sizes` are the allowed lengths of a tuple, empty
    for a single value. `help` is one sentence.
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
        style = "," if self.kind is int else "g"  # 10,000,000, not 1e+07
        limits = f"from {self.low:{style}} to {self.high:{style}}"
        if self.sizes:
            fewest, most = self.sizes[0], self.sizes[-1]
            count = f"{fewest} to {most}" if fewest < most else f"{most}"
            return f"{count} whole numbers, each {limits}"
        return f"a whole number {limits}" if self.kind is int else limits

    def accepts(self, value: object) -> bool:
        """Whether the field accepts a value."""
        if not self.sizes:
            return self._accepts_item(value)
        if not isinstance(value, tuple) or len(value) not in self.sizes:
            return False
        return all(map(self._accepts_item, value))

    def _accepts_item(self, value: Any) -> bool:  # noqa: ANN401 - any value
        if self.choices:
            return isinstance(value, self.kind) and value in self.choices
        is_number = isinstance(value, numbers.Real if self.kind is float else numbers.Integral)
        return is_number and not isinstance(value, bool) and bool(self.low <= value <= self.high)

    def to_plain(self, value: Any) -> Any:  # noqa: ANN401 - of the field's type
        """The value with Python types in place of NumPy types, for JSON."""
        return tuple(map(self.kind, value)) if self.sizes else self.kind(value)


def number(default: float, low: float, high: float, help: str) -> Any:  # noqa: ANN401
    """A field for a number, an integer if its default is one."""
    return _make(default, Field(kind=type(default), low=low, high=high, help=help))


def integers(
    default: tuple[int, ...], low: int, high: int, help: str, *, sizes: tuple[int, int]
) -> Any:  # noqa: ANN401 - as dataclasses.field
    """A field for a tuple of integers; `sizes` are the smallest and the largest length."""
    lengths = range(sizes[0], sizes[1] + 1)
    return _make(default, Field(kind=int, low=low, high=high, sizes=lengths, help=help))


def choice(default: str, *others: str, help: str) -> Any:  # noqa: ANN401
    """A field for one of some strings."""
    return _make(default, Field(kind=str, choices=(default, *others), help=help))


def boolean(default: bool, help: str) -> Any:  # noqa: ANN401
    """A field that is true or false."""
    return _make(default, Field(kind=bool, choices=(True, False), help=help))


def _make(default: object, field: Field) -> Any:  # noqa: ANN401
    return dataclasses.field(default=default, metadata={"allowed": field})


def get_allowed(field: dataclasses.Field[Any]) -> Field | None:
    """What a dataclass field accepts; None if this module did not make it."""
    return field.metadata.get("allowed")


def check_fields(config: Any) -> None:  # noqa: ANN401 - any config
    """Raise RecipeError for the first field with a value of a wrong type or out of range."""
    for field in dataclasses.fields(config):
        allowed, value = get_allowed(field), getattr(config, field.name)
        if allowed is None:
            continue
        if not allowed.accepts(value):
            raise RecipeError(describe_bad_value(field.name, value, allowed))
        object.__setattr__(config, field.name, allowed.to_plain(value))


def describe_bad_value(field_name: str, value: object, allowed: Field) -> str:
    """The error message for a value that a field does not accept."""
    return f"{flag_name(field_name)} must be {allowed}, not {value}"


def flag_name(field_name: str) -> str:
    """The command-line flag of a field: learning_rate is --learning-rate."""
    return "--" + field_name.replace("_", "-")
