import dataclasses
import json
from typing import Any

import pytest

from tenfold.errors import RecipeError
from tenfold.recipes import catalogue
from tenfold.recipes.catalogue import RECIPES, find_changes, find_recipe
from tenfold.recipes.configs import OptimizerConfig, PerceptronConfig
from tenfold.recipes.recipe import Recipe

CLASSIC = RECIPES["classic"]


def test_classic_is_the_brief() -> None:
    assert CLASSIC.model == PerceptronConfig(hidden_sizes=(500, 125))
    assert CLASSIC.model.describe() == "784-500-125-10"
    assert (CLASSIC.batch_size, CLASSIC.epochs) == (100, 5)
    assert CLASSIC.optimizer == OptimizerConfig(
        optimizer="adam", learning_rate=0.001, weight_decay=0.0, schedule="constant"
    )
    assert CLASSIC.augmentation.is_none
    assert not CLASSIC.leave_out_mislabelled
    assert CLASSIC.precision == "float32"


# Every field, because a change of any of them needs new studies.
MODERATE = {
    "rotation_degrees": 12.0,
    "shift_px": 1.5,
    "scale": 0.12,
    "shear": 0.12,
    "elastic_px": 0.8,
    "stroke": 0.0,
    "corrupted_share": 0.0,
}
STRONG = {
    "channels": (16, 32, 64),
    "depths": (1, 2, 2),
    "first_kernel_px": 5,
    "first_stride_px": 1,
    "upright_px": 24,
    "columns": 4,
    "rejects": False,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "one-cycle",
    "warmup": 0.1,
    **MODERATE,
    "interpolation": "bicubic",
    "batch_size": 125,
    "epochs": 24,
    "clean_share": 0.125,
    "scenes": 0,
    "calibrates": False,
    "leave_out_mislabelled": True,
    "precision": "bfloat16",
}
CLASSIC_AUGMENTED = {
    "hidden_sizes": (500, 125),
    "optimizer": "adam",
    "learning_rate": 0.002,
    "momentum": 0.9,
    "weight_decay": 0.05,
    "schedule": "one-cycle",
    "warmup": 0.1,
    **MODERATE,
    "interpolation": "bilinear",
    "batch_size": 128,
    "epochs": 150,
    "clean_share": 0.0,
    "scenes": 0,
    "calibrates": False,
    "leave_out_mislabelled": False,
    "precision": "float32",
}


@pytest.mark.parametrize(
    ("name", "fields"), [("classic-augmented", CLASSIC_AUGMENTED), ("strong", STRONG)]
)
def test_a_named_recipe_has_the_studied_values(name: str, fields: dict[str, Any]) -> None:
    assert RECIPES[name].flatten() == fields


@pytest.mark.parametrize("name", RECIPES)
def test_a_named_recipe_is_valid_and_small(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert recipe.summary
    assert find_changes(recipe) == {}
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    # Small enough to run on any machine.
    assert (recipe.model.count_parameters() or 0) <= 1_000_000
    assert (recipe.model.count_multiply_adds() or 0) <= 25_000_000


def test_recipes_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLASSIC.epochs = 6  # type: ignore[misc]
    with pytest.raises(TypeError):
        RECIPES["mine"] = CLASSIC  # type: ignore[index]


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError) as raised:
        find_recipe("clasic")
    message = str(raised.value)
    assert message.startswith("unknown recipe 'clasic'; known recipes: classic")
    assert all(name in message for name in RECIPES)


def test_the_nearest_name_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["classic", "convolution", "conventional"]
    known = {name: dataclasses.replace(CLASSIC, name=name) for name in names}
    monkeypatch.setattr(catalogue, "RECIPES", known)
    with pytest.raises(RecipeError) as raised:
        find_recipe("CONVOLUTIONS")
    assert str(raised.value) == (
        "unknown recipe 'CONVOLUTIONS'; known recipes: convolution, conventional, classic"
    )


def test_find_changes_compares_with_the_named_recipe() -> None:
    changed = CLASSIC.replace(epochs=7, hidden_sizes=(30,), batch_size=100, optimizer="sgd")
    assert find_changes(changed) == {"epochs": 7, "hidden_sizes": (30,), "optimizer": "sgd"}
    assert find_changes(dataclasses.replace(changed, name="of-my-own")) == {}
