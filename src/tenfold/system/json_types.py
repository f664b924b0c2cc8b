"""JSON values held against the types that are declared for them.

A type is what a dataclass or a TypedDict says of a field. `Annotated` narrows it: whole numbers to
a `range`, objects to those with a set of keys. So what a file may hold stands in one place, and
whatever is wrong in it is told with the field, what it takes and what was found.
"""

import dataclasses
import math
import reprlib
from collections.abc import Collection
from contextlib import suppress
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

UNIONS = (UnionType, Union)  # the second where `Annotated` stands in one
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


def fit_fields(values: object, kind: type) -> dict[str, Any]:
    """The fields of a dataclass that a JSON object has; those with a default may be missing.

    Arrays become tuples and whole numbers floats where the type says so, and what can be made by a
    `from_json` is. Raises ValueError for anything else.
    """
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    found = fit_keys(values, "", required)
    unknown = sorted(found.keys() - fields.keys())
    if unknown:
        raise ValueError(f"{unknown[0]}: no such field")
    hints = get_type_hints(kind, include_extras=True)
    return {name: fit(value, hints[name], name) for name, value in found.items()}


def fit_keys(values: object, name: str, required: Collection[str]) -> dict[str, Any]:
    """A JSON object with at least these keys. Raises ValueError for anything else."""
    if not isinstance(values, dict):
        raise _mismatch(name, NAMES[dict], values)
    for key in sorted(required):
        if key not in values:
            raise ValueError(f"{_join(name, key)}: expected a value, found none")
    return values


def fit(value: Any, kind: Any, name: str) -> Any:  # noqa: ANN401 - any JSON, any type
    """A JSON value as a type has it. Raises ValueError, which begins with `name`, for others."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        return fit(value, parts[0], name)
    if origin is Annotated:
        return _narrow(fit(value, parts[0], name), parts[1], name)
    if origin in UNIONS:
        for part in parts:
            with suppress(ValueError):
                return fit(value, part, name)
    elif origin is Literal:
        if value in parts:
            return value
    elif origin is dict and isinstance(value, dict):
        return {key: fit(one, parts[1], _join(name, key)) for key, one in value.items()}
    elif origin in (list, tuple) and isinstance(value, list | tuple):
        each = parts[:1] * len(value) if origin is list or parts[-1] is ... else parts
        if len(each) == len(value):
            pairs = enumerate(zip(value, each, strict=True))
            return origin(fit(one, part, f"{name}[{i}]") for i, (one, part) in pairs)
    elif is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        found = fit_keys(value, name, kind.__required_keys__)
        return {
            key: fit(one, hints[key], _join(name, key)) if key in hints else one
            for key, one in found.items()
        }
    elif hasattr(kind, "from_json"):
        try:
            return kind.from_json(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    elif kind is float and type(value) in (int, float):
        with suppress(OverflowError):
            if math.isfinite(value):
                return float(value)
    elif type(value) is kind:
        return value
    raise _mismatch(name, _describe(kind), value)


def _narrow(value: Any, to: Any, name: str) -> Any:  # noqa: ANN401
    if isinstance(to, range):
        if value not in to:
            raise _mismatch(name, f"a whole number from {to[0]} to {to[-1]}", value)
        return value
    return fit_keys(value, name, to)


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
