import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold import recipes
from tenfold.errors import RecipeError
from tenfold.recipes import (
    RECIPES,
    PerceptronConfig,
    Range,
    Recipe,
    find_recipe,
    flag_name,
    list_fields,
)

CLASSIC = RECIPES["classic"]


def refusal(**changes: Any) -> str:
    with pytest.raises(RecipeError) as raised:
        CLASSIC.replace(**changes)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_classic_is_the_brief() -> None:
    assert CLASSIC.model.hidden_sizes == (500, 125)
    assert CLASSIC.model.describe() == "784-500-125-10"
    assert (CLASSIC.learning_rate, CLASSIC.batch_size, CLASSIC.epochs) == (0.001, 100, 5)


def test_recipes_are_kept_under_their_names() -> None:
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert all(recipe.summary for recipe in RECIPES.values())


def test_every_field_that_can_be_changed_has_a_range_and_a_help() -> None:
    assert list(list_fields()) == ["learning_rate", "batch_size", "epochs", "hidden_sizes"]
    for field in list_fields().values():
        allowed = field.metadata["range"]
        assert isinstance(allowed, Range)
        assert allowed.low < allowed.high
        assert allowed.help.endswith(".")


def test_recipes_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLASSIC.epochs = 6  # type: ignore[misc]
    with pytest.raises(TypeError):
        RECIPES["mine"] = CLASSIC  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "good"),
    [
        ("learning_rate", (1e-7, 1.0, 1, 0.5)),
        ("batch_size", (1, 60_000)),
        ("epochs", (1, 10_000)),
        ("hidden_sizes", ((1,), (10_000,) * 8, [300, 100])),
    ],
)
def test_the_ends_of_a_range_are_taken(field: str, good: tuple[Any, ...]) -> None:
    for value in good:
        changed = CLASSIC.replace(**{field: value})
        holder = changed.model if field == "hidden_sizes" else changed
        assert getattr(holder, field) == (tuple(value) if isinstance(value, list) else value)


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("value", [0, 1.001, 9e-8, -0.1, NAN, INFINITY, True, "0.1", None])
def test_a_bad_learning_rate_is_refused(value: object) -> None:
    assert refusal(learning_rate=value) == (
        f"--learning-rate: expected from 1e-07 to 1, found {value}"
    )


@pytest.mark.parametrize("value", [0, -1, 60_001, 100.0, 1e3, NAN, True, "100", None, [1]])
def test_a_bad_batch_size_is_refused(value: object) -> None:
    assert refusal(batch_size=value) == (
        f"--batch-size: expected a whole number from 1 to 60000, found {value}"
    )


@pytest.mark.parametrize("value", [0, 10_001, 5.0, False, "5"])
def test_bad_epochs_are_refused(value: object) -> None:
    assert refusal(epochs=value) == (
        f"--epochs: expected a whole number from 1 to 10000, found {value}"
    )


@pytest.mark.parametrize(
    "value",
    [(), (0,), (10_001,), (5,) * 9, (5, 0), (5.0,), (True,), ("5",), 5, "500", None, (NAN,)],
)
def test_bad_hidden_sizes_are_refused(value: object) -> None:
    assert refusal(hidden_sizes=value) == (
        f"--hidden-sizes: expected 1 to 8 whole numbers, each from 1 to 10000, found {value}"
    )


def test_the_first_bad_field_is_named() -> None:
    assert refusal(epochs=0, learning_rate=2.0) == (
        "--learning-rate: expected from 1e-07 to 1, found 2.0"
    )


@pytest.mark.parametrize("field", ["epoch", "name", "summary", "model", "learning-rate"])
def test_replace_refuses_fields_that_cannot_be_changed(field: str) -> None:
    assert refusal(**{field: 3}) == (
        f"{flag_name(field)}: no such field of a recipe; there are: "
        "--learning-rate, --batch-size, --epochs, --hidden-sizes"
    )


def test_replace_leaves_the_original_as_it_was() -> None:
    changed = CLASSIC.replace(epochs=7, hidden_sizes=[30])
    assert (changed.epochs, changed.model.hidden_sizes) == (7, (30,))
    assert (CLASSIC.epochs, CLASSIC.model.hidden_sizes) == (5, (500, 125))
    assert changed.name == "classic"
    assert changed.batch_size == CLASSIC.batch_size


def test_replace_by_nothing_is_the_same() -> None:
    assert CLASSIC.replace() == CLASSIC


def test_changes_are_those_to_the_recipe_of_that_name() -> None:
    assert CLASSIC.changes() == {}
    changed = CLASSIC.replace(epochs=7, hidden_sizes=(30,), batch_size=100)
    assert changed.changes() == {"epochs": 7, "hidden_sizes": (30,)}
    assert Recipe(name="of-my-own", summary="", epochs=9).changes() == {}


@pytest.mark.parametrize("name", ["", "Mine", "../up", "of my own", "-x"])
def test_a_name_must_do_for_a_folder(name: str) -> None:
    with pytest.raises(RecipeError, match="name: expected lower-case letters, digits and dashes"):
        Recipe(name=name, summary="")


def test_numpy_numbers_become_python_numbers() -> None:
    recipe = CLASSIC.replace(
        epochs=np.int64(3), learning_rate=np.float32(0.5), hidden_sizes=[np.int32(7)]
    )
    assert json.loads(json.dumps(recipe.to_json()))["epochs"] == 3
    assert type(recipe.learning_rate) is float
    assert recipe.model.hidden_sizes == (7,)


@given(
    learning_rate=st.floats(1e-7, 1.0),
    batch_size=st.integers(1, 60_000),
    epochs=st.integers(1, 10_000),
    hidden_sizes=st.lists(st.integers(1, 10_000), min_size=1, max_size=8),
)
def test_json_brings_the_same_recipe_back(**fields: Any) -> None:
    recipe = CLASSIC.replace(**fields)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_json_is_plain() -> None:
    assert json.loads(json.dumps(CLASSIC.to_json())) == {
        "name": "classic",
        "summary": CLASSIC.summary,
        "model": {"hidden_sizes": [500, 125]},
        "learning_rate": 0.001,
        "batch_size": 100,
        "epochs": 5,
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"momentum": 0.9}, "got an unexpected keyword argument 'momentum'"),
        ({"model": {"kernels": [3]}}, "got an unexpected keyword argument 'kernels'"),
        ({"model": {"hidden_sizes": 3}}, "'int' object is not iterable"),
        ({"model": None}, "'NoneType' object has no attribute 'items'"),
    ],
)
def test_json_of_another_version_is_refused(changed: dict[str, Any], reason: str) -> None:
    expected = "expected a recipe of this version of Tenfold: .*" + re.escape(reason)
    with pytest.raises(RecipeError, match=expected):
        Recipe.from_json({**CLASSIC.to_json(), **changed})


def test_json_without_a_model_is_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"^expected a recipe of this version of Tenfold: 'model'$"
    ):
        Recipe.from_json({"name": "classic", "summary": ""})


def test_json_with_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(RecipeError) as raised:
        Recipe.from_json({**CLASSIC.to_json(), "epochs": 0})
    assert str(raised.value) == "--epochs: expected a whole number from 1 to 10000, found 0"


def test_a_recipe_is_found_by_name() -> None:
    assert find_recipe("classic") is CLASSIC


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(RecipeError) as raised:
        find_recipe("clasic")
    message = str(raised.value)
    assert message.startswith("unknown recipe 'clasic'; there are: classic")
    assert all(name in message for name in RECIPES)


def test_the_nearest_name_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["classic", "convolution", "conventional"]
    known = {name: dataclasses.replace(CLASSIC, name=name) for name in names}
    monkeypatch.setattr(recipes, "RECIPES", known)
    with pytest.raises(RecipeError) as raised:
        find_recipe("CONVOLUTIONS")
    assert str(raised.value) == (
        "unknown recipe 'CONVOLUTIONS'; there are: convolution, conventional, classic"
    )


def test_a_perceptron_describes_its_layers() -> None:
    assert PerceptronConfig(hidden_sizes=(7,)).describe() == "784-7-10"
