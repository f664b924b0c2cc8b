import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_errors import catch_error
from tenfold.errors import RecipeError
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import (
    MODEL_KINDS,
    AugmentationConfig,
    ConvolutionalConfig,
    OptimizerConfig,
    PerceptronConfig,
    SeparableConfig,
)
from tenfold.recipes.fields import flag_name, get_allowed
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.recipe import PARTS, Recipe, list_fields
from tenfold.recipes.upright import UprightConfig

CLASSIC = RECIPES["classic"]
SEPARABLE = Recipe(name="separable", summary="", model=SeparableConfig())
UPRIGHT = Recipe(name="upright", summary="", model=UprightConfig())
CONVOLUTIONAL = Recipe(
    name="of-my-own",
    summary="one of each part that is not the default",
    model=ConvolutionalConfig(channels=(4, 8), depths=(1, 2)),
    optimizer=OptimizerConfig(optimizer="sgd", learning_rate=0.1, schedule="one-cycle"),
    augmentation=AugmentationConfig(shift_px=2, stroke=0.5),
    epochs=9,
    leave_out_mislabelled=True,
    precision="bfloat16",
)
NAN = float("nan")


def refusal(recipe: Recipe = CLASSIC, **changes: Any) -> str:
    return catch_error(lambda: recipe.replace(**changes), RecipeError)


@pytest.mark.parametrize("name", ["", "Mine", "../up", "of my own", "-x"])
def test_a_name_must_be_usable_as_a_folder_name(name: str) -> None:
    with pytest.raises(RecipeError, match="must be lower-case letters, digits and dashes"):
        Recipe(name=name, summary="")


def test_every_field_has_help_and_a_valid_default() -> None:
    for field in list_fields().values():
        allowed = get_allowed(field)
        assert allowed is not None
        assert allowed.help.endswith(".")
        assert allowed.accepts(field.default)


def test_every_field_except_the_name_can_be_changed() -> None:
    kinds = set(MODEL_KINDS.values()) - {ModuleConfig}  # whose arguments are its own
    for holder in (OptimizerConfig, AugmentationConfig, *kinds):
        assert {field.name for field in dataclasses.fields(holder)} <= set(list_fields())
    own = {field.name for field in dataclasses.fields(Recipe)}
    assert own - set(list_fields()) == {"name", "summary", "model", "augmentation"}


def test_field_names_are_unique_across_parts() -> None:
    # A flag would set two fields at once if two parts of a recipe had one of that name.
    for recipe in (CLASSIC, CONVOLUTIONAL, SEPARABLE, UPRIGHT):
        holders = [recipe, *(getattr(recipe, part) for part in PARTS)]
        names = [
            field.name
            for holder in holders
            for field in dataclasses.fields(holder)
            if get_allowed(field)
        ]
        assert sorted(names) == sorted(list_fields(recipe)) == sorted(recipe.flatten())


def test_list_fields_covers_all_models() -> None:
    any_recipes = set(list_fields())
    of_each = [set(list_fields(recipe)) for recipe in (CLASSIC, CONVOLUTIONAL, SEPARABLE, UPRIGHT)]
    assert any_recipes == set.union(*of_each)
    assert set(list_fields(CLASSIC)) - set(list_fields(CONVOLUTIONAL)) == {"hidden_sizes"}


@pytest.mark.parametrize(
    ("field", "good"),
    [
        ("learning_rate", (1e-7, 10.0, 1, 0.5)),
        ("batch_size", (1, 60_000)),
        ("epochs", (1, 10_000)),
        ("hidden_sizes", ((1,), (10_000,), (3_000,) * 8, [300, np.int32(100)])),
        ("optimizer", ("sgd", "adam")),
        ("rotation_degrees", (0, 180)),
        ("leave_out_mislabelled", (True, False)),
    ],
)
def test_limits_of_a_range_are_accepted(field: str, good: tuple[Any, ...]) -> None:
    for value in good:
        changed = CLASSIC.replace(**{field: value})
        expected = tuple(value) if isinstance(value, list) else value
        assert changed.flatten()[field] == expected
        assert changed.flatten() == {**CLASSIC.flatten(), field: expected}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 10.001}, "--learning-rate must be from 1e-07 to 10, not 10.001"),
        ({"learning_rate": NAN}, "--learning-rate must be from 1e-07 to 10, not nan"),
        ({"batch_size": 0}, "--batch-size must be a whole number from 1 to 60,000, not 0"),
        (
            {"hidden_sizes": (5,) * 9},
            f"--hidden-sizes must be 1 to 8 whole numbers, each from 1 to 10,000, not {(5,) * 9}",
        ),
        ({"optimizer": "adamw"}, "--optimizer must be adam or sgd, not adamw"),
        ({"schedule": "cosine"}, "--schedule must be constant or one-cycle, not cosine"),
        ({"precision": "bf16"}, "--precision must be float32 or bfloat16, not bf16"),
        ({"leave_out_mislabelled": 1}, "--leave-out-mislabelled must be True or False, not 1"),
        ({"shift_px": -1}, "--shift-px must be from 0 to 14, not -1"),
        ({"clean_share": 1.1}, "--clean-share must be from 0 to 1, not 1.1"),
        ({"precision": "bfloat16"}, "--precision must be float32 for a perceptron, not bfloat16"),
    ],
)
def test_invalid_values_are_refused(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes).startswith(message)


@pytest.mark.parametrize("recipe", [CLASSIC, CONVOLUTIONAL], ids=["classic", "convolutional"])
@pytest.mark.parametrize("field", ["epoch", "name", "summary", "model", "learning-rate"])
def test_replace_refuses_unknown_fields(field: str, recipe: Recipe) -> None:
    known = ", ".join(map(flag_name, list_fields(recipe)))
    assert refusal(recipe, **{field: 3}) == (
        f"{flag_name(field)}: a recipe with this model has no such field; its fields are: {known}"
    )


def test_replace_changes_every_part_but_not_the_original() -> None:
    before = CLASSIC.flatten()
    changed = CLASSIC.replace(
        epochs=7, hidden_sizes=[30], learning_rate=0.5, momentum=0.5, optimizer="sgd", scale=0.25
    )
    assert CLASSIC.replace() == CLASSIC
    assert changed == Recipe(
        name="classic",
        summary=CLASSIC.summary,
        model=PerceptronConfig(hidden_sizes=(30,)),
        optimizer=OptimizerConfig(optimizer="sgd", learning_rate=0.5, momentum=0.5),
        augmentation=AugmentationConfig(scale=0.25),
        epochs=7,
    )
    assert CLASSIC.flatten() == before


@given(
    learning_rate=st.floats(1e-7, 10.0),
    optimizer=st.sampled_from(["adam", "sgd"]),
    rotation_degrees=st.floats(0, 180),
    batch_size=st.integers(1, 60_000),
    epochs=st.integers(1, 10_000),
    leave_out_mislabelled=st.booleans(),
    hidden_sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=8),
)
def test_recipes_survive_json(**fields: Any) -> None:
    recipe = CLASSIC.replace(**fields)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("recipe", "model"),
    [
        (CLASSIC, {"kind": "perceptron", "hidden_sizes": [500, 125]}),
        (
            CONVOLUTIONAL,
            {"kind": "convolutional", "channels": [4, 8], "depths": [1, 2]}
            | {"first_kernel_px": 5, "rejects": False},
        ),
    ],
)
def test_json_has_all_fields(recipe: Recipe, model: dict[str, Any]) -> None:
    values = json.loads(json.dumps(recipe.to_json()))
    expected = {**vars(recipe), "model": model} | {
        part: dict(vars(getattr(recipe, part))) for part in ("optimizer", "augmentation")
    }
    # Left out at its default, so that files of older runs and their checksums stay as they are.
    del expected["augmentation"]["corrupted_share"]
    assert values == expected
    assert Recipe.from_json(values) == recipe


@pytest.mark.parametrize(
    "recipe",
    [
        CLASSIC.replace(corrupted_share=0.5),
        CONVOLUTIONAL.replace(first_stride_px=2),
        CONVOLUTIONAL.replace(upright_px=24, columns=3),
    ],
)
def test_json_has_later_fields_where_they_differ_from_their_defaults(recipe: Recipe) -> None:
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"momentum": 0.9}, "got an unexpected keyword argument 'momentum'"),
        (
            {"model": {"kind": "perceptron", "kernels": [3]}},
            "unexpected keyword argument 'kernels'",
        ),
        ({"model": {"kind": "transformer"}}, "'transformer'"),
        ({"model": {"kind": ["perceptron"]}}, "unhashable type: 'list'"),
        ({"model": {"hidden_sizes": [500, 125]}}, "model.kind: missing"),
        ({"model": None}, "model must be an object, not None"),
        ({"model": "perceptron"}, "model must be an object, not 'perceptron'"),
        ({"optimizer": {"nesterov": True}}, "unexpected keyword argument 'nesterov'"),
        ({"optimizer": "adam"}, "optimizer must be an object, not 'adam'"),
        ({"optimizer": None}, "optimizer must be an object, not None"),
        ({"augmentation": None}, "augmentation must be an object, not None"),
    ],
)
def test_invalid_json_is_refused(changed: dict[str, Any], reason: str) -> None:
    expected = "^not a recipe of this version of Tenfold: .*" + re.escape(reason)
    with pytest.raises(RecipeError, match=expected):
        Recipe.from_json({**CLASSIC.to_json(), **changed})


def test_members_of_version_0_1_must_be_1() -> None:
    values = CLASSIC.to_json()
    assert "members" not in values
    assert Recipe.from_json(values | {"members": 1}) == CLASSIC
    with pytest.raises(RecipeError, match=r"several members .* `tenfold compare STUDY --aver"):
        Recipe.from_json(values | {"members": 5})


def test_the_removed_recipe_of_lines_is_named() -> None:
    model = {"kind": "sequence", "channels": [16, 32, 64, 96, 160]}
    with pytest.raises(RecipeError, match=r"`lines` .* tools/train_reading\.py"):
        Recipe.from_json(CLASSIC.to_json() | {"model": model})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 0}, "--epochs must be a whole number from 1 to 10,000, not 0"),
        (
            {"model": {"kind": "perceptron", "hidden_sizes": 3}},
            "--hidden-sizes must be 1 to 8 whole numbers, each from 1 to 10,000, not 3",
        ),
        (
            {"model": {"kind": "perceptron", "hidden_sizes": [9000, 9000, 9000]}},
            "--hidden-sizes: 9000 9000 9000 makes a model of 169 million parameters; at most 100 "
            "million are allowed",
        ),
        ({"augmentation": {"shear": 2}}, "--shear must be from 0 to 1, not 2"),
    ],
)
def test_json_with_a_value_out_of_range_is_refused(changed: dict[str, Any], message: str) -> None:
    values = {**CLASSIC.to_json(), **changed}
    assert catch_error(lambda: Recipe.from_json(values), RecipeError) == message
