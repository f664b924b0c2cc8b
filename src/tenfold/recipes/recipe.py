"""Recipes: everything that decides a training run but the random seed, as plain data.

Each recipe is made of frozen dataclasses whose fields carry their help and their range
(`fields.py`). No torch.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenfold.errors import RecipeError
from tenfold.recipes.configs import (
    MODEL_KINDS,
    AugmentationConfig,
    ModelConfig,
    OptimizerConfig,
    PerceptronConfig,
    SequenceConfig,
)
from tenfold.recipes.fields import check_fields, choice, flag_name, get_allowed, number, switch
from tenfold.system.json_types import check_keys

NAME_PATTERN = "[a-z0-9][a-z0-9-]*"  # it becomes part of a folder's name


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run but the random seed.

    Raises RecipeError if a field has a value outside its range.
    """

    name: str
    summary: str
    model: ModelConfig = PerceptronConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    batch_size: int = number(100, low=1, high=60_000, help="Images in each optimizer step.")
    epochs: int = number(5, low=1, high=10_000, help="Passes over the training images.")
    clean_share: float = number(
        0.0,
        low=0.0,
        high=1.0,
        help="The share of epochs, the last, in which images stay as they are.",
    )
    scenes: int = number(
        0,
        low=0,
        high=10_000_000,
        help="Training images that are drawn first: digits on paper, photographed, and brought "
        "back by the reader's own pipeline. 0: MNIST's own images.",
    )
    calibrates: bool = switch(
        False,
        help="Never train on the hold-out's images: temperature and thresholds are found on them.",
    )
    leave_out_mislabelled: bool = switch(
        False, help="Train without the MNIST images whose labels are known to be wrong."
    )
    precision: str = choice(
        "float32",
        "bfloat16",
        help="In what convolutions multiply, where the processor can; sums and weights are always "
        "float32.",
    )

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise RecipeError(
                f"name: expected lower-case letters, digits and dashes, found {self.name!r}"
            )
        check_fields(self)
        if self.scenes and not getattr(self.model, "rejects", False):
            raise RecipeError(
                "--scenes: expected 0, for this model has no answer for what is no digit "
                f"(--rejects), found {self.scenes}"
            )
        if isinstance(self.model, SequenceConfig):
            if not self.scenes:
                raise RecipeError("--scenes: expected at least 1, for lines are drawn, found 0")
            if not self.augmentation.is_none:
                raise RecipeError("augmentation: expected none of lines, which are drawn varied")
        if self.precision != "float32" and isinstance(self.model, PerceptronConfig):
            raise RecipeError(
                "--precision: expected float32, for a perceptron has no convolutions, "
                f"found {self.precision}"
            )

    def count_clean_epochs(self) -> int:
        """The last epochs, in which images are not altered."""
        return round(self.clean_share * self.epochs)

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values; `Recipe.from_json` reads them back."""
        values = dataclasses.asdict(self)
        return {**values, "model": {"kind": self.model.kind, **values["model"]}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote. Raises RecipeError for fields it does not know."""
        try:
            values = dict(check_keys(values, "", ["model", "optimizer", "augmentation"]))
            if values.pop("members", 1) != 1:  # a field of version 0.1
                raise RecipeError(
                    "a recipe with several members cannot be used any more; "
                    "`tenfold compare STUDY --average N` averages N runs of a study"
                )
            model = dict(check_keys(values["model"], "model", ["kind"]))
            kind = MODEL_KINDS[model.pop("kind")]
            optimizer = check_keys(values["optimizer"], "optimizer", ())
            augmentation = check_keys(values["augmentation"], "augmentation", ())
            parts = {
                "model": kind(**{name: _from_list(value) for name, value in model.items()}),
                "optimizer": OptimizerConfig(**optimizer),
                "augmentation": AugmentationConfig(**augmentation),
            }
            return cls(**{**values, **parts})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise RecipeError(f"expected a recipe of this version of Tenfold: {error}") from error

    def replace(self, **changes: Any) -> "Recipe":  # noqa: ANN401 - checked against the fields
        """This recipe with some fields changed, those of its parts included.

        Raises RecipeError for a field that the recipe does not have or a value out of range.
        """
        known = list_fields(self)
        for name in changes:
            if name not in known:
                raise RecipeError(
                    f"{flag_name(name)}: no such field of a recipe with this model; there are: "
                    f"{', '.join(map(flag_name, known))}"
                )
        parts: dict[str, Any] = {}
        for part_name in PARTS:
            part = getattr(self, part_name)
            of_part = {
                field.name: _from_list(changes.pop(field.name))
                for field in dataclasses.fields(part)
                if field.name in changes
            }
            if of_part:
                parts[part_name] = dataclasses.replace(part, **of_part)
        return dataclasses.replace(self, **changes, **parts)

    def flatten(self) -> dict[str, Any]:
        """Every field that can be changed with its value, those of the parts included."""
        holders = (self, *(getattr(self, part) for part in PARTS))
        return {
            field.name: getattr(holder, field.name)
            for holder in holders
            for field in dataclasses.fields(holder)
            if get_allowed(field)
        }


PARTS = ("model", "optimizer", "augmentation")


def _from_list(value: Any) -> Any:  # noqa: ANN401 - JSON and callers may have lists for tuples
    return tuple(value) if isinstance(value, list) else value


def list_fields(recipe: Recipe | None = None) -> dict[str, dataclasses.Field[Any]]:
    """Every field that can be changed by a flag, by name: of a recipe, or of any recipe."""
    # Of a name that several kinds of models have, the first kind's field stands.
    models: list[Any] = [*MODEL_KINDS.values()][::-1] if recipe is None else [recipe.model]
    return {
        field.name: field
        for holder in (Recipe, OptimizerConfig, AugmentationConfig, *models)
        for field in dataclasses.fields(holder)
        if get_allowed(field)
    }
