from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pytest

from tenfold.errors import RecipeError
from tenfold.recipes.fields import (
    Field,
    boolean,
    check_fields,
    choice,
    flag_name,
    get_allowed,
    integers,
    number,
)

NAN, INFINITY = float("nan"), float("inf")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A field of each kind, and one that is not looked at."""

    title: str = field(default="as it comes")
    step_length: float = number(0.5, 0.25, 2.0, "How far.")
    num_steps: int = number(3, 1, 10, "How often.")
    layer_sizes: tuple[int, ...] = integers((5,), 2, 9, "Sizes.", sizes=(1, 3))
    colour: str = choice("red", "green", "blue", help="Which colour.")
    is_loud: bool = boolean(False, "Whether it is loud.")

    def __post_init__(self) -> None:
        check_fields(self)


ALLOWED: dict[str, Field | None] = {each.name: get_allowed(each) for each in fields(Config)}


def test_fields_store_what_they_accept() -> None:
    expected: dict[str, Field | None] = {
        "title": None,
        "step_length": Field(low=0.25, high=2.0, kind=float, help="How far."),
        "num_steps": Field(low=1, high=10, kind=int, help="How often."),
        "layer_sizes": Field(low=2, high=9, kind=int, sizes=range(1, 4), help="Sizes."),
        "colour": Field(choices=("red", "green", "blue"), kind=str, help="Which colour."),
        "is_loud": Field(choices=(True, False), kind=bool, help="Whether it is loud."),
    }
    assert expected == ALLOWED


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("step_length", "from 0.25 to 2"),
        ("num_steps", "a whole number from 1 to 10"),
        ("layer_sizes", "1 to 3 whole numbers, each from 2 to 9"),
        ("colour", "red or green or blue"),
        ("is_loud", "True or False"),
    ],
)
def test_a_field_describes_its_values(name: str, words: str) -> None:
    assert str(ALLOWED[name]) == words


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("step_length", [0.25, 2.0, 1, np.float32(0.5), np.int64(2)]),
        ("num_steps", [1, 10, np.uint8(7)]),
        ("layer_sizes", [(2,), (9, 2, 9), (np.int16(4),)]),
        ("colour", ["red", "blue"]),
        ("is_loud", [True, False]),
    ],
)
def test_valid_values_become_python_types(name: str, good: list[Any]) -> None:
    plain = type(getattr(Config(), name))
    for value in good:
        taken = getattr(Config(**{name: value}), name)
        assert taken == value
        assert type(taken) is plain
        if plain is tuple:
            assert {type(each) for each in taken} == {int}


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("step_length", [0.24, 2.01, NAN, INFINITY, -INFINITY, True, "1", None, 1j, (1,)]),
        ("num_steps", [0, 11, 5.0, NAN, True, "5", None, [5]]),
        ("layer_sizes", [(), (2,) * 4, (1,), (10,), (5, 1), (5.0,), (True,), ("5",), 5, "5", None]),
        ("colour", ["yellow", "", "Red", 0, None, ("red",)]),
        ("is_loud", [0, 1, "True", None]),
    ],
)
def test_invalid_values_are_refused(name: str, bad: list[Any]) -> None:
    for value in bad:
        with pytest.raises(RecipeError) as raised:
            Config(**{name: value})
        assert str(raised.value) == f"{flag_name(name)} must be {ALLOWED[name]}, not {value}"


def test_the_first_invalid_field_is_named() -> None:
    with pytest.raises(RecipeError, match=r"^--num-steps must be "):
        Config(num_steps=0, colour="yellow")


def test_plain_dataclass_fields_are_not_checked() -> None:
    anything: Any = object()
    assert Config(title=anything).title is anything
