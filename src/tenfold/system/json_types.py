"""Dataclasses to JSON values and back, checked against their type annotations.

`Annotated` narrows a type: whole numbers to a `range`, objects to those with certain keys.
"""

import dataclasses
import functools
import math
import reprlib
from collections.abc import Collection
from contextlib import suppress
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

UNIONS = (UnionType, Union)  # the second if a member is Annotated
NAMES = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "an array",
    NoneType: "null",
    str: "text",
    tuple: "an array",
}
# Metadata of a dataclass field that is left out of JSON while it has its default.
OMIT_DEFAULT = MappingProxyType({"omit_default": True})

Value = TypeVar("Value")


def to_json(value: Any) -> Any:  # noqa: ANN401
    """Convert dataclasses to objects and tuples to arrays; a class may define its own `to_json`."""
    if hasattr(value, "to_json"):
        value = value.to_json()
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not (field.metadata == OMIT_DEFAULT and getattr(value, field.name) == field.default)
        }
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[Value], value: object, name: str = "") -> Value:
    """The dataclass that a JSON value describes; fields with a default may be missing.

    Arrays become tuples, and whole numbers floats, if the type says so. A class may define its own
    `from_json`. Raises ValueError, prefixed with the path of the field below `name`, if a value has
    the wrong type.
    """
    converted: Value = _fit(value, kind, name)
    return converted


def check_keys(value: object, name: str, required: Collection[str]) -> dict[str, Any]:
    """Check that a value is a JSON object with these keys. Raises ValueError otherwise."""
    if not isinstance(value, dict):
        raise _mismatch(name, NAMES[dict], value)
    for key in sorted(required):
        if key not in value:
            raise ValueError(f"{_join(name, key)}: missing")
    return value


def _fit(value: Any, kind: Any, name: str) -> Any:  # noqa: ANN401 - any JSON, any type
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        value, limits = _fit(value, parts[0], name), parts[1]
        if not isinstance(limits, range):
            return check_keys(value, name, limits)
        if value in limits:
            return value
        raise _mismatch(name, f"a whole number from {limits[0]:,} to {limits[-1]:,}", value)
    if origin in UNIONS:
        for part in parts:
            with suppress(ValueError):
                return _fit(value, part, name)
    elif origin is Literal:
        if value in parts:
            return value
    elif origin is dict and isinstance(value, dict):
        return {key: _fit(item, parts[1], _join(name, key)) for key, item in value.items()}
    elif origin is tuple and isinstance(value, list | tuple):
        each = parts[:1] * len(value) if parts[-1] is ... else parts
        if len(each) == len(value):
            pairs = enumerate(zip(value, each, strict=True))
            return tuple(_fit(item, part, f"{name}[{i}]") for i, (item, part) in pairs)
    elif hasattr(kind, "from_json"):
        return kind.from_json(value)
    elif dataclasses.is_dataclass(kind):
        return _build_dataclass(value, kind, name)
    elif kind is float and type(value) in (int, float):
        with suppress(OverflowError):
            if math.isfinite(value):
                return float(value)
    elif type(value) is kind:
        return value
    raise _mismatch(name, _describe(kind), value)


def _build_dataclass(value: object, kind: Any, name: str) -> Any:  # noqa: ANN401
    hints, required = _list_fields(kind)
    fitted = {}
    for key, item in check_keys(value, name, required).items():
        if key not in hints:
            raise ValueError(f"{_join(name, key)}: unknown field")
        fitted[key] = _fit(item, hints[key], _join(name, key))
    return kind(**fitted)


@functools.cache  # resolving annotations takes long
def _list_fields(kind: type) -> tuple[dict[str, Any], list[str]]:
    """The types of a dataclass's fields, and the names of those without a default."""
    required = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return get_type_hints(kind, include_extras=True), required


def _describe(kind: Any) -> str:  # noqa: ANN401
    origin, parts = get_origin(kind), get_args(kind)
    if origin in UNIONS:
        return " or ".join(map(_describe, parts))
    if origin is Literal:
        return " or ".join(map(str, parts))
    if origin is tuple and parts[-1] is not ...:
        return f"an array of {len(parts)}"
    return NAMES.get(origin or kind, "an object")


def _mismatch(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"{name} must be {expected}, not {reprlib.repr(value)}".lstrip())


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
