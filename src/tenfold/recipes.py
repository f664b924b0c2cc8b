"""Recipes: everything that decides a training run but the random seed, as plain data.

Each recipe and model config is a frozen dataclass whose fields carry their help and their range;
command-line flags, checks and error messages come from these alone. No torch.
"""

import dataclasses
import difflib
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tenfold.errors import RecipeError

NAME_PATTERN = "[a-z0-9][a-z0-9-]*"  # it becomes part of a folder's name


@dataclass(frozen=True, kw_only=True)
class Range:
    """Which numbers a field takes: from `low` to `high`, both included."""

    low: float
    high: float
    help: str
    num_values: tuple[int, int] | None = None  # for a field of several numbers: how many

    def __str__(self) -> str:
        text = f"from {self.low:g} to {self.high:g}"
        if self.num_values:
            return f"{self.num_values[0]} to {self.num_values[1]} whole numbers, each {text}"
        return text


def _ranged(default: Any, **described: Any) -> Any:  # noqa: ANN401 - as dataclasses.field has it
    return dataclasses.field(default=default, metadata={"range": Range(**described)})


def _check(config: "Recipe | PerceptronConfig") -> None:
    """Raise RecipeError for the first field whose value is of the wrong type or out of range."""
    field: dataclasses.Field[Any]
    for field in dataclasses.fields(config):
        allowed: Range | None = field.metadata.get("range")
        value = getattr(config, field.name)
        if allowed is None:
            continue
        if allowed.num_values:
            few, many = allowed.num_values
            good = (
                isinstance(value, tuple)
                and few <= len(value) <= many
                and all(_is_within(number, int, allowed) for number in value)
            )
        else:
            good = _is_within(value, type(field.default), allowed)
        if not good:
            raise RecipeError(describe_bad_value(field.name, value, allowed))
        # NumPy's numbers are welcome, but not kept: they are no JSON.
        plain = (
            tuple(map(int, value))
            if allowed.num_values
            else float(value)
            if isinstance(field.default, float)
            else int(value)
        )
        object.__setattr__(config, field.name, plain)


def _is_within(value: object, kind: type, allowed: Range) -> bool:
    number: Any = value
    is_number = isinstance(value, numbers.Real if kind is float else numbers.Integral)
    if isinstance(value, bool) or not is_number:
        return False
    return bool(allowed.low <= number <= allowed.high)  # false for NaN too


def describe_bad_value(field_name: str, value: object, allowed: Range) -> str:
    """The message for a value that a field does not take; names flag, value and range."""
    whole = "a whole number " if isinstance(allowed.low, int) and not allowed.num_values else ""
    expected = f"{whole}{allowed}"
    return f"{flag_name(field_name)}: expected {expected}, found {value}"


def flag_name(field_name: str) -> str:
    """The command-line flag of a field: learning_rate is --learning-rate."""
    return "--" + field_name.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class PerceptronConfig:
    """A perceptron: fully connected layers with ReLU between them."""

    hidden_sizes: tuple[int, ...] = _ranged(
        (500, 125), low=1, high=10_000, num_values=(1, 8), help="Neurons in each hidden layer."
    )

    def __post_init__(self) -> None:
        _check(self)

    def describe(self) -> str:
        """The layers in one line, such as 784-500-125-10."""
        return "-".join(map(str, (784, *self.hidden_sizes, 10)))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run but the random seed.

    Raises RecipeError if a field has a value outside its range.
    """

    name: str
    summary: str
    model: PerceptronConfig = PerceptronConfig()
    learning_rate: float = _ranged(0.001, low=1e-7, high=1.0, help="Adam's step size.")
    batch_size: int = _ranged(100, low=1, high=60_000, help="Images in each optimizer step.")
    epochs: int = _ranged(5, low=1, high=10_000, help="Passes over the training images.")

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise RecipeError(
                f"name: expected lower-case letters, digits and dashes, found {self.name!r}"
            )
        _check(self)

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values; `Recipe.from_json` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote. Raises RecipeError for fields it does not know."""
        try:
            model = PerceptronConfig(
                **{name: tuple(value) for name, value in values["model"].items()}
            )
            return cls(**{**values, "model": model})
        except (TypeError, KeyError, AttributeError) as error:
            raise RecipeError(f"expected a recipe of this version of Tenfold: {error}") from error

    def replace(self, **changes: Any) -> "Recipe":  # noqa: ANN401 - checked against the fields
        """This recipe with some fields changed, those of its model included.

        Raises RecipeError for a field that the recipe does not have or a value out of range.
        """
        known = list_fields()
        for name in changes:
            if name not in known:
                raise RecipeError(
                    f"{flag_name(name)}: no such field of a recipe; there are: "
                    f"{', '.join(map(flag_name, known))}"
                )
        of_model = {name: changes.pop(name) for name in list(changes) if name in MODEL_FIELDS}
        if of_model:
            of_model = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in of_model.items()
            }
            changes["model"] = dataclasses.replace(self.model, **of_model)
        return dataclasses.replace(self, **changes)

    def changes(self) -> dict[str, Any]:
        """The fields in which this recipe differs from the one that it is named after."""
        original = RECIPES.get(self.name)
        if original is None:
            return {}
        mine, theirs = _flatten(self), _flatten(original)
        return {name: mine[name] for name in mine if mine[name] != theirs[name]}


MODEL_FIELDS = {field.name: field for field in dataclasses.fields(PerceptronConfig)}


def list_fields() -> dict[str, dataclasses.Field[Any]]:
    """Every field that can be changed by a flag, its name first."""
    own = {field.name: field for field in dataclasses.fields(Recipe) if "range" in field.metadata}
    return {**own, **MODEL_FIELDS}


def _flatten(recipe: Recipe) -> dict[str, Any]:
    return {
        name: getattr(recipe.model if name in MODEL_FIELDS else recipe, name)
        for name in list_fields()
    }


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(
                name="classic",
                summary="the well-known exercise: a perceptron with ReLU, Adam, cross-entropy",
            ),
        )
    }
)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises RecipeError with the known names, the nearest first."""
    if name in RECIPES:
        return RECIPES[name]
    nearest = sorted(
        RECIPES, key=lambda known: -difflib.SequenceMatcher(None, name.lower(), known).ratio()
    )
    raise RecipeError(f"unknown recipe '{name}'; there are: {', '.join(nearest)}")
