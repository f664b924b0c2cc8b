"""Recipes: everything that decides a training run, except the random seed. No torch."""

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
)
from tenfold.recipes.fields import boolean, check_fields, choice, flag_name, get_allowed, number
from tenfold.system.json_types import check_keys

# Added after the first files were written. They are left out at their defaults, so that the same
# recipe still gives the same bytes.
LATER_FIELDS = (
    ("augmentation", "corrupted_share"),
    ("model", "first_stride_px"),
    ("model", "upright_px"),
    ("model", "columns"),
)
NAME_PATTERN = "[a-z0-9][a-z0-9-]*"  # part of the name of a folder


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run, except the random seed.

    Raises RecipeError if a field has a value outside its range.
    """

    name: str
    summary: str
    model: ModelConfig = PerceptronConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    batch_size: int = number(100, 1, 60_000, "Images for each optimizer step.")
    epochs: int = number(5, 1, 10_000, "Passes over the training images.")
    clean_share: float = number(
        0.0, 0.0, 1.0, "The share of epochs without augmentation, at the end of training."
    )
    scenes: int = number(
        0,
        0,
        10_000_000,
        "Number of synthetic training images to generate; 0 trains on the real images. Only for "
        "the recipe reader, or with --rejects.",
    )
    calibrates: bool = boolean(
        False, "Set a sixth of the training images aside to calibrate the model's confidences."
    )
    leave_out_mislabelled: bool = boolean(
        False, "Leave out the MNIST images whose labels are known to be wrong."
    )
    precision: str = choice(
        "float32",
        "bfloat16",
        help="The precision of products in convolutions, if the processor supports it; sums and "
        "weights are always float32.",
    )

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise RecipeError(
                f"a recipe's name must be lower-case letters, digits and dashes, not {self.name!r}"
            )
        check_fields(self)
        if not isinstance(self.model, ModelConfig):
            raise RecipeError(
                "the model of a recipe is a config, such as ModuleConfig('my_models:Net') for one "
                f"of your own, not {self.model!r}"
            )
        if self.scenes and not self.model.rejects:
            raise RecipeError(
                f"--scenes must be 0 for a model without --rejects, not {self.scenes}"
            )
        if self.precision != "float32" and isinstance(self.model, PerceptronConfig):
            raise RecipeError(f"--precision must be float32 for a perceptron, not {self.precision}")

    def count_clean_epochs(self) -> int:
        """The number of epochs, at the end, without augmentation."""
        return round(self.clean_share * self.epochs)

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values; `Recipe.from_json` reads them back."""
        values = dataclasses.asdict(self)
        for part, name in LATER_FIELDS:
            field = type(getattr(self, part)).__dataclass_fields__.get(name)
            if field is not None and values[part][name] == field.default:
                del values[part][name]
        return {**values, "model": {"kind": self.model.kind, **values["model"]}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote. Raises RecipeError for unknown fields."""
        try:
            values = dict(check_keys(values, "", ["model", "optimizer", "augmentation"]))
            if values.pop("members", 1) != 1:  # a field of version 0.1
                raise RecipeError(
                    "a recipe with several members cannot be used any more; "
                    "`tenfold compare STUDY --average N` averages N runs of a study"
                )
            model = dict(check_keys(values["model"], "model", ["kind"]))
            if model["kind"] == "sequence":  # of version 0.2 and earlier
                raise RecipeError(
                    "the recipe `lines` cannot be used any more; "
                    "tools/train_reading.py trains the network for lines"
                )
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
            raise RecipeError(f"not a recipe of this version of Tenfold: {error}") from error

    def replace(self, **changes: Any) -> "Recipe":  # noqa: ANN401 - checked against the fields
        """This recipe with some fields changed, including those of its parts.

        Raises RecipeError for an unknown field or a value out of range.
        """
        known = list_fields(self)
        for name in changes:
            if name not in known:
                raise RecipeError(
                    f"{flag_name(name)}: a recipe with this model has no such field; its fields "
                    f"are: {', '.join(map(flag_name, known))}"
                )
        parts: dict[str, Any] = {}
        for part_name in PARTS:
            part = getattr(self, part_name)
            of_part = {
                field.name: _from_list(changes.pop(field.name))
                for field in dataclasses.fields(part)
                if field.name in changes
            }
            parts[part_name] = dataclasses.replace(part, **of_part)
        return dataclasses.replace(self, **changes, **parts)

    def flatten(self) -> dict[str, Any]:
        """The values of all fields that can be changed, including those of the parts."""
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
    """The fields that can be changed by a flag, by name, of one recipe or of all."""
    models: list[Any] = [*MODEL_KINDS.values()] if recipe is None else [recipe.model]
    return {
        field.name: field
        for holder in (Recipe, OptimizerConfig, AugmentationConfig, *models)
        for field in dataclasses.fields(holder)
        if get_allowed(field)
    }
