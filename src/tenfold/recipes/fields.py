"""What a field of a config takes: its range or its choices, its help, and the checks of both.

A config is a frozen dataclass whose fields are made by `number`, `several`, `choice` or `switch`.
Command-line flags, checks and error messages come from what these note down, and from nothing else.
"""

import dataclasses
import numbers
from dataclasses import dataclass
from typing import Any, Protocol

from tenfold.errors import RecipeError


class Allowed(Protocol):
    """What a field takes; its text says so in words."""

    @property
    def help(self) -> str:
        """What the field means, in a sentence."""

    def accepts(self, value: object) -> bool:
        """Whether the field takes this value."""

    def to_plain(self, value: Any) -> Any:  # noqa: ANN401 - of the field's type
        """The value as Python's own types: NumPy's numbers are welcome, but they are no JSON."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones if `kind` is int."""

    low: float
    high: float
    kind: type
    help: str

    def __str__(self) -> str:
        whole = "a whole number " if self.kind is int else ""
        return f"{whole}from {self.low:g} to {self.high:g}"

    def accepts(self, value: object) -> bool:
        """Whether this is such a number; NaN is none."""
        number: Any = value
        is_number = isinstance(value, numbers.Real if self.kind is float else numbers.Integral)
        return is_number and not isinstance(value, bool) and bool(self.low <= number <= self.high)

    def to_plain(self, value: Any) -> float | int:  # noqa: ANN401
        """The number as a float or an int."""
        plain: float | int = self.kind(value)
        return plain


@dataclass(frozen=True, kw_only=True)
class Several:
    """A tuple of `fewest` to `most` numbers, each as `each` has it."""

    fewest: int
    most: int
    each: Range
    help: str

    def __str__(self) -> str:
        return (
            f"{self.fewest} to {self.most} whole numbers, "
            f"each from {self.each.low:g} to {self.each.high:g}"
        )

    def accepts(self, value: object) -> bool:
        """Whether this is such a tuple."""
        if not isinstance(value, tuple) or not self.fewest <= len(value) <= self.most:
            return False
        return all(map(self.each.accepts, value))

    def to_plain(self, value: Any) -> tuple[int, ...]:  # noqa: ANN401
        """The tuple with ints in it."""
        return tuple(map(int, value))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]
    help: str

    def __str__(self) -> str:
        return " or ".join(self.words)

    def accepts(self, value: object) -> bool:
        """Whether this is one of the words."""
        return isinstance(value, str) and value in self.words

    def to_plain(self, value: Any) -> str:  # noqa: ANN401
        """The word."""
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Switch:
    """True or False."""

    help: str

    def __str__(self) -> str:
        return "True or False"

    def accepts(self, value: object) -> bool:
        """Whether this is a bool."""
        return isinstance(value, bool)

    def to_plain(self, value: Any) -> bool:  # noqa: ANN401
        """The bool."""
        return bool(value)


def number(default: float, *, low: float, high: float, help: str) -> Any:  # noqa: ANN401
    """A field for a number; of whole numbers if its default is one."""
    return _field(default, Range(low=low, high=high, kind=type(default), help=help))


def several(
    default: tuple[int, ...],
    *,
    low: int,
    high: int,
    fewest: int,
    most: int,
    help: str,
) -> Any:  # noqa: ANN401 - as dataclasses.field has it
    """A field for a tuple of whole numbers."""
    each = Range(low=low, high=high, kind=int, help="")
    return _field(default, Several(fewest=fewest, most=most, each=each, help=help))


def choice(default: str, *others: str, help: str) -> Any:  # noqa: ANN401
    """A field for one of some words."""
    return _field(default, Choice(words=(default, *others), help=help))


def switch(default: bool, *, help: str) -> Any:  # noqa: ANN401
    """A field that is on or off."""
    return _field(default, Switch(help=help))


def _field(default: object, allowed: Allowed) -> Any:  # noqa: ANN401
    return dataclasses.field(default=default, metadata={"allowed": allowed})


def get_allowed(field: dataclasses.Field[Any]) -> Allowed | None:
    """What a field takes; None for a field of another making."""
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


def describe_bad_value(field_name: str, value: object, allowed: Allowed) -> str:
    """The message for a value that a field does not take; names flag, value and range."""
    return f"{flag_name(field_name)}: expected {allowed}, found {value}"


def flag_name(field_name: str) -> str:
    """The command-line flag of a field: learning_rate is --learning-rate."""
    return "--" + field_name.replace("_", "-")
