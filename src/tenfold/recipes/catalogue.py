"""The named recipes."""

import dataclasses
import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tenfold.errors import RecipeError
from tenfold.recipes.configs import (
    AugmentationConfig,
    ConvolutionalConfig,
    OptimizerConfig,
    PerceptronConfig,
    SeparableConfig,
)
from tenfold.recipes.recipe import Recipe
from tenfold.recipes.upright import UprightConfig

MODERATE = AugmentationConfig(
    rotation_degrees=12.0, shift_px=1.5, scale=0.12, shear=0.12, elastic_px=0.8
)

LIGHT = AugmentationConfig(
    rotation_degrees=8.0, shift_px=1.0, scale=0.08, shear=0.08, elastic_px=0.5
)

CLASSIC = Recipe(
    name="classic",
    summary="the well-known exercise: a perceptron with ReLU, Adam, cross-entropy",
)
CLASSIC_AUGMENTED = Recipe(
    name="classic-augmented",
    summary="the same perceptron, trained longer on altered images",
    optimizer=OptimizerConfig(learning_rate=0.002, weight_decay=0.05, schedule="one-cycle"),
    augmentation=MODERATE,
    batch_size=128,
    epochs=150,
)
DASH = Recipe(
    name="dash",
    summary="97 % in half a second: a perceptron with one hidden layer, one epoch",
    model=PerceptronConfig(hidden_sizes=(256,)),
    optimizer=OptimizerConfig(optimizer="sgd", learning_rate=0.3, schedule="one-cycle"),
    batch_size=100,
    epochs=1,
)
SPRINT = Recipe(
    name="sprint",
    summary="99 % in three seconds: a small convolutional network, one epoch",
    model=ConvolutionalConfig(channels=(16, 32, 64, 64), depths=(1, 1, 1, 1), first_stride_px=2),
    optimizer=OptimizerConfig(
        learning_rate=0.01, weight_decay=0.01, schedule="one-cycle", warmup=0.2
    ),
    batch_size=125,
    epochs=1,
    precision="bfloat16",
)
SWIFT = Recipe(
    name="swift",
    summary="99.5 % in half a minute: a network like sprint's, trained on altered images",
    model=ConvolutionalConfig(channels=(32, 32, 64, 64), depths=(1, 1, 1, 1), first_stride_px=2),
    optimizer=OptimizerConfig(
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=5e-4,
        schedule="one-cycle",
        warmup=0.2,
    ),
    augmentation=LIGHT,
    batch_size=125,
    epochs=8,
    clean_share=0.125,
    precision="bfloat16",
)
STRONG = Recipe(
    name="strong",
    summary="the mean of four convolutional networks, trained on altered images",
    model=ConvolutionalConfig(channels=(16, 32, 64), upright_px=24, columns=4),
    optimizer=OptimizerConfig(
        optimizer="sgd", learning_rate=0.1, weight_decay=5e-4, schedule="one-cycle"
    ),
    augmentation=dataclasses.replace(MODERATE, interpolation="bicubic"),
    batch_size=125,
    epochs=24,
    clean_share=0.125,
    leave_out_mislabelled=True,
    precision="bfloat16",
)
ROBUST = dataclasses.replace(
    STRONG,
    name="robust",
    summary="a convolutional network, trained on corrupted images too",
    model=ConvolutionalConfig(),
    augmentation=dataclasses.replace(STRONG.augmentation, corrupted_share=0.5),
    clean_share=0.0,
)
TINY = Recipe(
    name="tiny",
    summary="99 % with 700 parameters: a network that first makes digits upright",
    model=UprightConfig(),
    optimizer=OptimizerConfig(learning_rate=0.03, schedule="one-cycle"),
    augmentation=AugmentationConfig(
        rotation_degrees=10.0, shift_px=0.5, scale=0.1, shear=0.1, elastic_px=0.7
    ),
    batch_size=128,
    epochs=40,
)
SMALL = Recipe(
    name="small",
    summary="99.5 % with 5,000 parameters: a separable network, trained on altered images",
    model=SeparableConfig(width=26, blocks=(1, 2, 2, 0, 3, 4, 4, 0)),
    optimizer=OptimizerConfig(learning_rate=0.03, weight_decay=0.02, schedule="one-cycle"),
    augmentation=STRONG.augmentation,
    batch_size=250,
    epochs=40,
    clean_share=0.1,
    precision="bfloat16",
)
CHIP = dataclasses.replace(
    SMALL,
    name="chip",
    summary="99.5 % in 12 kB of integers: a separable network, for `tenfold export --c`",
    model=SeparableConfig(width=32, blocks=(1, 2, 0, 3, 4, 5, 0, 6)),
)
READER = Recipe(
    name="reader",
    summary="the bundled reader's network, trained on drawn scenes of digits and of other marks",
    model=ConvolutionalConfig(rejects=True),
    optimizer=STRONG.optimizer,
    augmentation=AugmentationConfig(
        rotation_degrees=5.0,
        shift_px=0.8,
        scale=0.06,
        shear=0.08,
        elastic_px=0.5,
        interpolation="bicubic",
    ),
    batch_size=125,
    epochs=10,
    scenes=200_000,
    calibrates=True,
    leave_out_mislabelled=True,
    precision="bfloat16",
)

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            CLASSIC,
            CLASSIC_AUGMENTED,
            DASH,
            SPRINT,
            SWIFT,
            STRONG,
            ROBUST,
            TINY,
            SMALL,
            CHIP,
            READER,
        )
    }
)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises RecipeError with the known names, the nearest first."""
    if name not in RECIPES:
        nearest = difflib.get_close_matches(name.lower(), RECIPES, len(RECIPES), cutoff=0)
        raise RecipeError(f"unknown recipe '{name}'; known recipes: {', '.join(nearest)}")
    return RECIPES[name]


def find_changes(recipe: Recipe) -> dict[str, Any]:
    """The fields in which a recipe differs from the one with its name."""
    original = RECIPES.get(recipe.name)
    if original is None:
        return {}
    theirs = original.flatten()
    return {name: value for name, value in recipe.flatten().items() if value != theirs.get(name)}


def build_display_name(recipe: Recipe) -> str:
    """The name and the changed fields: "classic (epochs=10, hidden_sizes=40-20)"."""
    return recipe.name + format_changes(find_changes(recipe))


def format_changes(changes: Mapping[str, Any]) -> str:
    """Changed fields as a suffix: " (epochs=10, hidden_sizes=40-20)"; empty if there are none."""
    texts = [
        f"{name}={'-'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in changes.items()
    ]
    return f" ({', '.join(texts)})" if texts else ""
