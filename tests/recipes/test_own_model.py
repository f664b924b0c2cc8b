"""A model of one's own in a recipe: its name, and what has none."""

import json
import sys
from functools import partial
from typing import Any

import pytest

import own_models
from tenfold.errors import RecipeError
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.recipe import Recipe


def test_a_class_or_function_is_kept_by_its_name() -> None:
    config = ModuleConfig(own_models.Net, {"width": 4})
    assert config == ModuleConfig("own_models:Net", {"width": 4})
    assert config.describe() == "own_models:Net(width=4)"
    assert ModuleConfig(own_models.build_lazy).name == "own_models:build_lazy"
    assert ModuleConfig(own_models.Outer.build).name == "own_models:Outer.build"


def test_a_recipe_survives_json_without_importing_the_module() -> None:
    model = ModuleConfig("no_such_package.models:Net", {"sizes": (3, 4), "name": None})
    recipe = Recipe(name="mine", summary="a test", model=model)
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert again.model == ModuleConfig(model.name, {"sizes": [3, 4], "name": None})
    assert recipe.replace(epochs=2).model == model
    assert "no_such_package" not in sys.modules


def local() -> Any:
    return lambda: None


def of_a_script() -> Any:
    def build() -> None: ...

    build.__module__ = "__main__"
    return build


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (of_a_script(), "which other processes and later calls cannot import; move it into a modu"),
        ("__main__:Net", "__main__:Net is of the script or notebook itself, which other process"),
        (local(), "<locals>.<lambda> cannot be imported by this name; move it to the top level"),
        (own_models.Net(), "not by an object of the class Net; pass the class"),
        (partial(own_models.Net, 3), "not by an object of the class partial"),
        (3, "not by an object of the class int"),
        ("own_models.Net", "named as package.module:name, such as my_models:Net, not 'own_models."),
        ("a/b.py:Net", "not 'a/b.py:Net'"),
    ],
)
def test_what_cannot_be_imported_is_refused(factory: Any, message: str) -> None:
    with pytest.raises(RecipeError) as raised:
        ModuleConfig(factory)
    assert message in str(raised.value)


@pytest.mark.parametrize("arguments", [{"width": object()}, {"rate": float("nan")}, 3])
def test_arguments_that_json_has_not_are_refused(arguments: Any) -> None:
    with pytest.raises(RecipeError, match=r"^own_models:Net: the arguments are not JSON values"):
        ModuleConfig("own_models:Net", arguments)


def test_a_class_in_place_of_a_config_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"such as ModuleConfig\('my_models:Net'\)"):
        Recipe(name="mine", summary="", model=own_models.Net)  # type: ignore[arg-type]
