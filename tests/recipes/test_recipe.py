import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.errors import RecipeError
from tenfold.recipes import catalogue
from tenfold.recipes.catalogue import RECIPES, find_changes, find_recipe
from tenfold.recipes.configs import (
    MODEL_KINDS,
    AugmentationConfig,
    Convolution,
    ConvolutionalConfig,
    OptimizerConfig,
    PerceptronConfig,
)
from tenfold.recipes.fields import flag_name, get_allowed
from tenfold.recipes.recipe import PARTS, Recipe, list_fields

CLASSIC = RECIPES["classic"]
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
    with pytest.raises(RecipeError) as raised:
        recipe.replace(**changes)
    message = str(raised.value)
    assert "\n" not in message
    return message


# --- the named recipes


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
}
STRONG = {
    "channels": (32, 64, 128),
    "depths": (1, 2, 2),
    "first_kernel_px": 5,
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
    ("name", "fields"),
    [
        ("classic-augmented", CLASSIC_AUGMENTED),
        ("strong", STRONG),
    ],
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
    assert recipe.model.count_parameters() <= 1_000_000
    assert recipe.model.count_multiply_adds() <= 25_000_000


def test_recipes_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLASSIC.epochs = 6  # type: ignore[misc]
    with pytest.raises(TypeError):
        RECIPES["mine"] = CLASSIC  # type: ignore[index]


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError) as raised:
        find_recipe("clasic")
    message = str(raised.value)
    assert message.startswith("unknown recipe 'clasic'; there are: classic")
    assert all(name in message for name in RECIPES)


def test_the_nearest_name_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["classic", "convolution", "conventional"]
    known = {name: dataclasses.replace(CLASSIC, name=name) for name in names}
    monkeypatch.setattr(catalogue, "RECIPES", known)
    with pytest.raises(RecipeError) as raised:
        find_recipe("CONVOLUTIONS")
    assert str(raised.value) == (
        "unknown recipe 'CONVOLUTIONS'; there are: convolution, conventional, classic"
    )


@pytest.mark.parametrize("name", ["", "Mine", "../up", "of my own", "-x"])
def test_a_name_must_be_usable_as_a_folder_name(name: str) -> None:
    with pytest.raises(RecipeError, match="must be lower-case letters, digits and dashes"):
        Recipe(name=name, summary="")


# --- fields


def test_every_field_has_help_and_a_valid_default() -> None:
    for field in list_fields().values():
        allowed = get_allowed(field)
        assert allowed is not None
        assert allowed.help.endswith(".")
        assert allowed.accepts(field.default)


def test_every_field_except_the_name_can_be_changed() -> None:
    for holder in (OptimizerConfig, AugmentationConfig, *MODEL_KINDS.values()):
        assert {field.name for field in dataclasses.fields(holder)} <= set(list_fields())
    own = {field.name for field in dataclasses.fields(Recipe)}
    assert own - set(list_fields()) == {"name", "summary", "model", "augmentation"}


def test_field_names_are_unique_across_parts() -> None:
    # A flag would set two fields at once if two parts of a recipe had one of that name.
    for recipe in (CLASSIC, CONVOLUTIONAL):
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
    assert any_recipes == set(list_fields(CLASSIC)) | set(list_fields(CONVOLUTIONAL))
    assert set(list_fields(CLASSIC)) - set(list_fields(CONVOLUTIONAL)) == {"hidden_sizes"}


@pytest.mark.parametrize(
    ("field", "good"),
    [
        ("learning_rate", (1e-7, 10.0, 1, 0.5)),
        ("batch_size", (1, 60_000)),
        ("epochs", (1, 10_000)),
        ("hidden_sizes", ((1,), (10_000,), (3_000,) * 8, [300, 100])),
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
        (
            {"channels": (4, 8)},
            "--channels: a recipe with this model has no such field",
        ),
        ({"optimizer": "adamw"}, "--optimizer must be adam or sgd, not adamw"),
        ({"schedule": "cosine"}, "--schedule must be constant or one-cycle, not cosine"),
        ({"precision": "bf16"}, "--precision must be float32 or bfloat16, not bf16"),
        (
            {"leave_out_mislabelled": 1},
            "--leave-out-mislabelled must be True or False, not 1",
        ),
        ({"shift_px": -1}, "--shift-px must be from 0 to 14, not -1"),
        ({"clean_share": 1.1}, "--clean-share must be from 0 to 1, not 1.1"),
        (
            {"precision": "bfloat16"},
            "--precision must be float32 for a perceptron, not bfloat16",
        ),
    ],
)
def test_invalid_values_are_refused(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": [4, 8, 16]}, "--depths must have as many values as --channels, 3, not 2"),
        ({"depths": [1]}, "--depths must have as many values as --channels, 2, not 1"),
        ({"first_kernel_px": 4}, "--first-kernel-px must be an odd number, not 4"),
        (
            {"first_kernel_px": 9},
            "--first-kernel-px must be a whole number from 1 to 7, not 9",
        ),
        (
            {"channels": [0, 1]},
            "--channels must be 1 to 4 whole numbers, each from 1 to 1,024, not (0, 1)",
        ),
    ],
)
def test_invalid_convolutions_are_refused(changes: dict[str, Any], message: str) -> None:
    assert refusal(CONVOLUTIONAL, **changes) == message


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


def test_find_changes_compares_with_the_named_recipe() -> None:
    changed = CLASSIC.replace(epochs=7, hidden_sizes=(30,), batch_size=100, optimizer="sgd")
    assert find_changes(changed) == {"epochs": 7, "hidden_sizes": (30,), "optimizer": "sgd"}
    assert find_changes(CONVOLUTIONAL) == {}


def test_numpy_numbers_become_python_numbers() -> None:
    recipe = CLASSIC.replace(
        epochs=np.int64(3), learning_rate=np.float32(0.5), hidden_sizes=[np.int32(7)]
    )
    assert json.loads(json.dumps(recipe.to_json()))["epochs"] == 3
    assert type(recipe.optimizer.learning_rate) is float
    assert recipe.model == PerceptronConfig(hidden_sizes=(7,))


# --- JSON


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


@pytest.mark.parametrize("recipe", [CLASSIC, CONVOLUTIONAL], ids=["classic", "convolutional"])
def test_json_has_all_fields(recipe: Recipe) -> None:
    values = json.loads(json.dumps(recipe.to_json()))
    assert (values["name"], values["summary"]) == (recipe.name, recipe.summary)
    assert (values["epochs"], values["precision"]) == (recipe.epochs, recipe.precision)
    assert values["optimizer"] == vars(recipe.optimizer)
    assert values["augmentation"] == vars(recipe.augmentation)
    if recipe is CLASSIC:
        assert values["model"] == {"kind": "perceptron", "hidden_sizes": [500, 125]}
    else:
        assert values["model"] == {
            "kind": "convolutional",
            "channels": [4, 8],
            "depths": [1, 2],
            "first_kernel_px": 5,
            "rejects": False,
        }
    assert Recipe.from_json(values) == recipe


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


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        (
            "classic",
            {"hidden_sizes": (10_000,) * 8},
            "--hidden-sizes: 10000 10000 10000 10000 10000 10000 10000 10000 makes a model of 708 "
            "million parameters; at most 100 million are allowed",
        ),
        (
            "strong",
            {"channels": (1024,) * 4, "depths": (8,) * 4},
            "--channels: 1024 1024 1024 1024 makes a model of 293 million parameters; at most 100 "
            "million are allowed",
        ),
    ],
)
def test_a_model_with_too_many_parameters_is_refused(
    recipe: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as raised:
        RECIPES[recipe].replace(**changes)
    assert str(raised.value) == message


def test_large_models_are_accepted() -> None:
    CLASSIC.replace(hidden_sizes=(5_000,) * 4)
    RECIPES["lines"].replace(channels=(1024,) * 5)


def test_members_of_version_0_1_must_be_1() -> None:
    values = CLASSIC.to_json()
    assert "members" not in values
    assert Recipe.from_json(values | {"members": 1}) == CLASSIC
    with pytest.raises(RecipeError, match=r"several members .* `tenfold compare STUDY --aver"):
        Recipe.from_json(values | {"members": 5})


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
    with pytest.raises(RecipeError) as raised:
        Recipe.from_json({**CLASSIC.to_json(), **changed})
    assert str(raised.value) == message


# --- models


def test_models_describe_their_layers() -> None:
    assert PerceptronConfig(hidden_sizes=(7,)).describe() == "784-7-10"
    assert ConvolutionalConfig(channels=(4, 8), depths=(1, 2)).describe() == "conv 1x4 2x8"


def test_parameters_and_multiply_adds_are_counted() -> None:
    # 784 x 7 + 7 x 10, and a bias for each output.
    perceptron = PerceptronConfig(hidden_sizes=(7,))
    assert perceptron.count_multiply_adds() == 5558
    assert perceptron.count_parameters() == 5558 + 17
    # 25 products for each of 4 x 28 x 28 pixels, 9 x 4 for each of 8 x 14 x 14, and 16 x 10.
    convolutional = ConvolutionalConfig(channels=(4, 8), depths=(1, 1))
    assert convolutional.count_multiply_adds() == 78_400 + 56_448 + 160
    # Kernels, a factor and an offset for each of 12 channels, and the last layer.
    assert convolutional.count_parameters() == 100 + 288 + 24 + 170


def test_convolutions_are_listed_in_order() -> None:
    config = ConvolutionalConfig(channels=(4, 6, 8), depths=(2, 1, 1), first_kernel_px=7)
    listed = [
        (one.num_inputs, one.num_outputs, one.kernel_px, one.size_px, one.is_pooled)
        for one in config.list_convolutions()
    ]
    assert listed == [
        (1, 4, 7, 28, False),
        (4, 4, 3, 28, True),
        (4, 6, 3, 14, True),
        (6, 8, 3, 7, False),  # followed by the mean and the maximum of each channel
    ]
    assert all(isinstance(one, Convolution) for one in config.list_convolutions())


# --- the learning rate over time


def list_scales(num_steps: int, **fields: Any) -> list[float]:
    config = OptimizerConfig(**fields)
    return [config.scale_at(step, num_steps) for step in range(num_steps)]


def test_a_constant_schedule_is_constant() -> None:
    assert list_scales(7, warmup=0.5) == [1.0] * 7


def test_one_cycle_rises_and_falls_linearly() -> None:
    scales = list_scales(10, schedule="one-cycle", warmup=0.4)
    # Up by quarters in the first 4 steps, then from the peak down by sixths, to 0 at step 10.
    up, down = [1, 2, 3, 4], [6, 5, 4, 3, 2, 1]
    assert scales == pytest.approx([i / 4 for i in up] + [i / 6 for i in down])


def test_one_cycle_without_warmup_falls_from_its_first_step() -> None:
    scales = list_scales(4, schedule="one-cycle", warmup=0)
    assert scales == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])


@given(num_steps=st.integers(1, 500), warmup=st.floats(0, 0.9))
def test_one_cycle_has_one_peak(num_steps: int, warmup: float) -> None:
    scales = list_scales(num_steps, schedule="one-cycle", warmup=warmup)
    rising = round(warmup * num_steps)
    peak = int(np.argmax(scales))
    assert all(0 < scale <= 1 for scale in scales)
    assert scales == sorted(scales[:peak]) + sorted(scales[peak:], reverse=True)
    assert peak - 1 <= rising <= peak + 1
    assert scales[peak] == 1
    if rising < num_steps:
        assert scales[-1] == pytest.approx(1 / (num_steps - rising))
    if rising:
        assert scales[0] == pytest.approx(1 / rising)


# --- augmentation


@pytest.mark.parametrize(
    ("strength", "described"),
    [
        ({"rotation_degrees": 12.5}, "rotation ±12.5°"),
        ({"shift_px": 2}, "shift ±2 px"),
        ({"scale": 0.1}, "scale e^±0.1"),
        ({"shear": 0.2}, "shear ±0.2"),
        ({"elastic_px": 0.001}, "elastic 0.001 px"),
        ({"stroke": 0.5, "rotation_degrees": 9}, "rotation ±9°, stroke ±0.5 px"),
    ],
)
def test_augmentation_is_described(strength: dict[str, float], described: str) -> None:
    config = CLASSIC.replace(**strength).augmentation
    assert not config.is_none
    assert config.describe() == described


def test_interpolation_alone_is_no_augmentation() -> None:
    assert AugmentationConfig().is_none
    assert AugmentationConfig(interpolation="bicubic").is_none
