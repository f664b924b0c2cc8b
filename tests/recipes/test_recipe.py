import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.errors import RecipeError
from tenfold.recipes import catalogue as recipes
from tenfold.recipes.catalogue import (
    RECIPES,
    find_changes,
    find_recipe,
)
from tenfold.recipes.configs import (
    MODEL_KINDS,
    AugmentationConfig,
    Convolution,
    ConvolutionalConfig,
    OptimizerConfig,
    PerceptronConfig,
)
from tenfold.recipes.fields import flag_name, get_allowed
from tenfold.recipes.recipe import (
    PARTS,
    Recipe,
    list_fields,
)

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
NAN, INFINITY = float("nan"), float("inf")


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


# Every field: whoever changes one has other studies to make.
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
def test_a_named_recipe_is_what_was_studied(name: str, fields: dict[str, Any]) -> None:
    assert RECIPES[name].flatten() == fields


@pytest.mark.parametrize("name", RECIPES)
def test_a_named_recipe_is_in_order(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert recipe.summary
    assert find_changes(recipe) == {}
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    # What a model may cost that is to run on any machine.
    assert recipe.model.count_parameters() <= 1_000_000
    assert recipe.model.count_multiply_adds() <= 25_000_000


def test_recipes_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLASSIC.epochs = 6  # type: ignore[misc]
    with pytest.raises(TypeError):
        RECIPES["mine"] = CLASSIC  # type: ignore[index]


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


@pytest.mark.parametrize("name", ["", "Mine", "../up", "of my own", "-x"])
def test_a_name_must_do_for_a_folder(name: str) -> None:
    with pytest.raises(RecipeError, match="name: expected lower-case letters, digits and dashes"):
        Recipe(name=name, summary="")


# --- fields


def test_every_field_that_can_be_changed_has_a_help() -> None:
    for field in list_fields().values():
        allowed = get_allowed(field)
        assert allowed is not None
        assert allowed.help.endswith(".")
        assert allowed.accepts(field.default)


def test_everything_in_a_recipe_but_its_name_can_be_changed() -> None:
    for holder in (OptimizerConfig, AugmentationConfig, *MODEL_KINDS.values()):
        assert {field.name for field in dataclasses.fields(holder)} <= set(list_fields())
    own = {field.name for field in dataclasses.fields(Recipe)}
    assert own - set(list_fields()) == {"name", "summary", "model", "augmentation"}


def test_the_names_of_fields_do_not_say_which_part_they_are_of() -> None:
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


def test_fields_of_any_recipe_are_those_of_all_models() -> None:
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
def test_the_ends_of_a_range_are_taken(field: str, good: tuple[Any, ...]) -> None:
    for value in good:
        changed = CLASSIC.replace(**{field: value})
        expected = tuple(value) if isinstance(value, list) else value
        assert changed.flatten()[field] == expected
        assert changed.flatten() == {**CLASSIC.flatten(), field: expected}


@pytest.mark.parametrize("value", [0, 10.001, 9e-8, -0.1, NAN, INFINITY, True, "0.1", None])
def test_a_bad_learning_rate_is_refused(value: object) -> None:
    assert refusal(learning_rate=value) == (
        f"--learning-rate: expected from 1e-07 to 10, found {value}"
    )


@pytest.mark.parametrize("value", [0, -1, 60_001, 100.0, 1e3, NAN, True, "100", None, [1]])
def test_a_bad_batch_size_is_refused(value: object) -> None:
    assert refusal(batch_size=value) == (
        f"--batch-size: expected a whole number from 1 to 60000, found {value}"
    )


@pytest.mark.parametrize(
    "value",
    [(), (0,), (10_001,), (5,) * 9, (5, 0), (5.0,), (True,), ("5",), 5, "500", None, (NAN,)],
)
def test_bad_hidden_sizes_are_refused(value: object) -> None:
    assert refusal(hidden_sizes=value) == (
        f"--hidden-sizes: expected 1 to 8 whole numbers, each from 1 to 10000, found {value}"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adamw"}, "--optimizer: expected adam or sgd, found adamw"),
        ({"schedule": "cosine"}, "--schedule: expected constant or one-cycle, found cosine"),
        ({"precision": "bf16"}, "--precision: expected float32 or bfloat16, found bf16"),
        (
            {"leave_out_mislabelled": 1},
            "--leave-out-mislabelled: expected True or False, found 1",
        ),
        ({"shift_px": -1}, "--shift-px: expected from 0 to 14, found -1"),
        ({"clean_share": 1.1}, "--clean-share: expected from 0 to 1, found 1.1"),
        (
            {"precision": "bfloat16"},
            "--precision: expected float32, for a perceptron has no convolutions, found bfloat16",
        ),
    ],
)
def test_other_bad_values_are_refused(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": [4, 8, 16]}, "--depths: expected as many as --channels, 3, found 2"),
        ({"depths": [1]}, "--depths: expected as many as --channels, 2, found 1"),
        ({"first_kernel_px": 4}, "--first-kernel-px: expected an odd number, found 4"),
        (
            {"first_kernel_px": 9},
            "--first-kernel-px: expected a whole number from 1 to 7, found 9",
        ),
        (
            {"channels": [0, 1]},
            "--channels: expected 1 to 4 whole numbers, each from 1 to 1024, found (0, 1)",
        ),
    ],
)
def test_convolutions_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    assert refusal(CONVOLUTIONAL, **changes) == message


def test_stages_change_together() -> None:
    changed = CONVOLUTIONAL.replace(channels=[4, 8, 16], depths=[1, 1, 3])
    assert changed.model == ConvolutionalConfig(channels=(4, 8, 16), depths=(1, 1, 3))


@pytest.mark.parametrize("recipe", [CLASSIC, CONVOLUTIONAL], ids=["classic", "convolutional"])
@pytest.mark.parametrize("field", ["epoch", "name", "summary", "model", "learning-rate"])
def test_replace_refuses_fields_that_cannot_be_changed(field: str, recipe: Recipe) -> None:
    known = ", ".join(map(flag_name, list_fields(recipe)))
    assert refusal(recipe, **{field: 3}) == (
        f"{flag_name(field)}: no such field of a recipe with this model; there are: {known}"
    )


def test_replace_refuses_the_fields_of_another_model() -> None:
    assert refusal(CLASSIC, channels=(4, 8)).startswith(
        "--channels: no such field of a recipe with this model; there are: --batch-size, "
    )
    assert refusal(CONVOLUTIONAL, hidden_sizes=(5,)).startswith(
        "--hidden-sizes: no such field of a recipe with this model; there are: --batch-size, "
    )


def test_replace_reaches_every_part_and_leaves_the_original_as_it_was() -> None:
    before = CLASSIC.flatten()
    changed = CLASSIC.replace(
        epochs=7, hidden_sizes=[30], learning_rate=0.5, momentum=0.5, optimizer="sgd", scale=0.25
    )
    assert changed == Recipe(
        name="classic",
        summary=CLASSIC.summary,
        model=PerceptronConfig(hidden_sizes=(30,)),
        optimizer=OptimizerConfig(optimizer="sgd", learning_rate=0.5, momentum=0.5),
        augmentation=AugmentationConfig(scale=0.25),
        epochs=7,
    )
    assert CLASSIC.flatten() == before


def test_replace_by_nothing_is_the_same() -> None:
    assert CLASSIC.replace() == CLASSIC


def test_changes_are_those_to_the_recipe_of_that_name() -> None:
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
def test_json_brings_the_same_recipe_back(**fields: Any) -> None:
    recipe = CLASSIC.replace(**fields)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize("recipe", [CLASSIC, CONVOLUTIONAL], ids=["classic", "convolutional"])
def test_json_is_plain(recipe: Recipe) -> None:
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
        ({"model": {"hidden_sizes": [500, 125]}}, "model.kind: expected a value"),
        ({"model": None}, "model: expected an object, found None"),
        ({"model": "perceptron"}, "model: expected an object, found 'perceptron'"),
        ({"optimizer": {"nesterov": True}}, "unexpected keyword argument 'nesterov'"),
        ({"optimizer": "adam"}, "optimizer: expected an object, found 'adam'"),
        ({"augmentation": None}, "augmentation: expected an object, found None"),
    ],
)
def test_json_of_another_version_is_refused(changed: dict[str, Any], reason: str) -> None:
    expected = "^expected a recipe of this version of Tenfold: .*" + re.escape(reason)
    with pytest.raises(RecipeError, match=expected):
        Recipe.from_json({**CLASSIC.to_json(), **changed})


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        (
            "classic",
            {"hidden_sizes": (10_000,) * 8},
            "--hidden-sizes: expected a model of at most 100 million parameters, found 10000 10000 "
            "10000 10000 10000 10000 10000 10000, which make 708 million",
        ),
        (
            "strong",
            {"channels": (1024,) * 4, "depths": (8,) * 4},
            "--channels: expected a model of at most 100 million parameters, found 1024 1024 1024 "
            "1024, which make 293 million",
        ),
    ],
)
def test_a_recipe_of_too_many_parameters_is_refused(
    recipe: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as raised:
        RECIPES[recipe].replace(**changes)
    assert str(raised.value) == message


def test_large_recipes_are_welcome() -> None:
    CLASSIC.replace(hidden_sizes=(5_000,) * 4)
    RECIPES["lines"].replace(channels=(1024,) * 5)


def test_a_recipe_of_an_earlier_version_is_read_if_it_has_one_member() -> None:
    values = CLASSIC.to_json()
    assert "members" not in values
    assert Recipe.from_json(values | {"members": 1}) == CLASSIC
    with pytest.raises(RecipeError, match=r"several members .* `tenfold compare STUDY --aver"):
        Recipe.from_json(values | {"members": 5})


@pytest.mark.parametrize("missing", ["model", "optimizer", "augmentation"])
def test_json_without_a_part_is_refused(missing: str) -> None:
    values = CLASSIC.to_json()
    del values[missing]
    with pytest.raises(RecipeError) as raised:
        Recipe.from_json(values)
    expected = (
        f"expected a recipe of this version of Tenfold: {missing}: expected a value, found none"
    )
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 0}, "--epochs: expected a whole number from 1 to 10000, found 0"),
        (
            {"model": {"kind": "perceptron", "hidden_sizes": 3}},
            "--hidden-sizes: expected 1 to 8 whole numbers, each from 1 to 10000, found 3",
        ),
        (
            {"model": {"kind": "perceptron", "hidden_sizes": [9000, 9000, 9000]}},
            "--hidden-sizes: expected a model of at most 100 million parameters, found 9000 9000 "
            "9000, which make 169 million",
        ),
        ({"augmentation": {"shear": 2}}, "--shear: expected from 0 to 1, found 2"),
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


def test_costs_are_counted() -> None:
    # 784 x 7 + 7 x 10, and a bias for each output.
    perceptron = PerceptronConfig(hidden_sizes=(7,))
    assert perceptron.count_multiply_adds() == 5558
    assert perceptron.count_parameters() == 5558 + 17
    # 25 products for each of 4 x 28 x 28 pixels, 9 x 4 for each of 8 x 14 x 14, and 16 x 10.
    convolutional = ConvolutionalConfig(channels=(4, 8), depths=(1, 1))
    assert convolutional.count_multiply_adds() == 78_400 + 56_448 + 160
    # Kernels, a factor and an offset for each of 12 channels, and the last layer.
    assert convolutional.count_parameters() == 100 + 288 + 24 + 170


def test_convolutions_are_listed_from_the_image_on() -> None:
    config = ConvolutionalConfig(channels=(4, 6, 8), depths=(2, 1, 1), first_kernel_px=7)
    listed = [
        (one.num_inputs, one.num_outputs, one.kernel_px, one.size_px, one.is_pooled)
        for one in config.list_convolutions()
    ]
    assert listed == [
        (1, 4, 7, 28, False),
        (4, 4, 3, 28, True),
        (4, 6, 3, 14, True),
        (6, 8, 3, 7, False),  # what comes after is the mean and the maximum of all that is left
    ]
    assert all(isinstance(one, Convolution) for one in config.list_convolutions())


def test_a_model_is_described_in_one_line() -> None:
    assert CONVOLUTIONAL.model.describe() == "conv 1x4 2x8"


# --- the learning rate over time


def list_scales(num_steps: int, **fields: Any) -> list[float]:
    config = OptimizerConfig(**fields)
    return [config.scale_at(step, num_steps) for step in range(num_steps)]


def test_a_constant_learning_rate_stays() -> None:
    assert list_scales(7, warmup=0.5) == [1.0] * 7


def test_one_cycle_rises_and_falls_in_straight_lines() -> None:
    scales = list_scales(10, schedule="one-cycle", warmup=0.4)
    # Up by quarters in the first 4 steps, then from the peak down by sixths, to 0 at step 10.
    up, down = [1, 2, 3, 4], [6, 5, 4, 3, 2, 1]
    assert scales == pytest.approx([i / 4 for i in up] + [i / 6 for i in down])


def test_one_cycle_without_warmup_falls_from_its_first_step() -> None:
    scales = list_scales(4, schedule="one-cycle", warmup=0)
    assert scales == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])


@given(num_steps=st.integers(1, 500), warmup=st.floats(0, 0.9))
def test_one_cycle_has_one_peak_and_small_ends(num_steps: int, warmup: float) -> None:
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
def test_any_strength_of_augmentation_is_some(strength: dict[str, float], described: str) -> None:
    config = CLASSIC.replace(**strength).augmentation
    assert not config.is_none
    assert config.describe() == described


def test_how_pixels_are_read_alters_nothing_by_itself() -> None:
    assert AugmentationConfig().is_none
    assert AugmentationConfig(interpolation="bicubic").is_none
