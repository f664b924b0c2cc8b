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
OPTIONAL = MappingProxyType({"optional": True})

Value = TypeVar("Value")


def to_json(value: Any) -> Any:  # noqa: ANN401
    """Convert dataclasses to objects and tuples to arrays; a class may define its own `to_json`."""
    if hasattr(value, "to_json"):
        value = value.to_json()
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not (field.metadata == OPTIONAL and getattr(value, field.name) == field.default)
        }
    if isinstance(value, dict):
        return {key: to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    return value


def from_json(kind: type[Value], values: object, name: str = "") -> Value:
    """The dataclass that JSON values describe; fields with a default may be missing.

    Arrays become tuples, and whole numbers floats, if the type says so. A class may define its own
    `from_json`. Raises ValueError, which names the field after `name`, for values of other types.
    """
    value: Value = _fit(values, kind, name)
    return value


def check_keys(values: object, name: str, required: Collection[str]) -> dict[str, Any]:
    """Check that a value is a JSON object with these keys. Raises ValueError otherwise."""
    if not isinstance(values, dict):
        raise _mismatch(name, NAMES[dict], values)
    for key in sorted(required):
        if key not in values:
            raise ValueError(f"{_join(name, key)}: expected a value, found none")
    return values


def _fit(value: Any, kind: Any, name: str) -> Any:  # noqa: ANN401 - any JSON, any type
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        value, limits = _fit(value, parts[0], name), parts[1]
        if not isinstance(limits, range):
            return check_keys(value, name, limits)
        if value in limits:
            return value
        raise _mismatch(name, f"a whole number from {limits[0]} to {limits[-1]}", value)
    if origin in UNIONS:
        for part in parts:
            with suppress(ValueError):
                return _fit(value, part, name)
    elif origin is Literal:
        if value in parts:
            return value
    elif origin is dict and isinstance(value, dict):
        return {key: _fit(one, parts[1], _join(name, key)) for key, one in value.items()}
    elif origin is tuple and isinstance(value, list | tuple):
        each = parts[:1] * len(value) if parts[-1] is ... else parts
        if len(each) == len(value):
            pairs = enumerate(zip(value, each, strict=True))
            return tuple(_fit(one, part, f"{name}[{i}]") for i, (one, part) in pairs)
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


def _build_dataclass(values: object, kind: Any, name: str) -> Any:  # noqa: ANN401
    hints, required = _list_fields(kind)
    fitted = {}
    for key, one in check_keys(values, name, required).items():
        if key not in hints:
            raise ValueError(f"{_join(name, key)}: no such field")
        fitted[key] = _fit(one, hints[key], _join(name, key))
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
    found = f"expected {expected}, found {reprlib.repr(value)}"
    return ValueError(f"{name}: {found}" if name else found)


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
