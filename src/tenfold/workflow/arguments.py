"""Checks of the arguments that several calls share."""

import datetime
import importlib.util
import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenfold.data.class_names import check_class_names, find_class_names
from tenfold.errors import MissingExtraError, RecipeError, describe_install
from tenfold.recipes.catalogue import RECIPES, find_recipe
from tenfold.recipes.configs import ModelConfig
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import DEFAULT_THREADS, THREADS
from tenfold.runs.folder import Run
from tenfold.system.machine import describe_machine, list_versions
from tenfold.training.threads import check_environment

TRAIN_PACKAGES = ("torch", "safetensors", "matplotlib", "jinja2", "scipy", "onnx", "onnxscript")


def require_train_extra() -> None:
    """Raise MissingExtraError if the packages for training are not installed."""
    missing = [name for name in TRAIN_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the extra 'train' is not installed ({', '.join(missing)} missing): "
            f"{describe_install('train')} (see the README for PyTorch's CPU build)"
        )


def check_integer(flag: str, value: object, allowed: range) -> int:
    """The value as an int. Raises RecipeError if it is not an integer in the range."""
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or int(value) not in allowed:  # type: ignore[call-overload]
        raise RecipeError(
            f"{flag} must be a whole number from {allowed[0]:,} to {allowed[-1]:,}, not {value!r}"
        )
    return int(value)  # type: ignore[call-overload,no-any-return]


def check_threads(threads: int | None) -> int:
    """The number of threads of a run, by default the same on every machine."""
    return check_integer("--threads", DEFAULT_THREADS if threads is None else threads, THREADS)


def choose_recipe(recipe: str | Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe, by name or as it is, with some fields changed."""
    chosen = (find_recipe(recipe) if isinstance(recipe, str) else recipe).replace(**changes)
    if isinstance(chosen.model, ModuleConfig) and chosen.name in RECIPES:
        raise RecipeError(
            f"a recipe with a model of your own needs a name of its own, not {chosen.name}"
        )
    return chosen


def choose_class_names(names: Sequence[str] | None, data: object) -> tuple[str, ...]:
    """The names of the classes, by default those that the data folder has; empty for digits.

    Raises DataError if they cannot be used.
    """
    if names is not None:
        return check_class_names(names, "--class-names")
    return find_class_names(Path(data)) if isinstance(data, str | Path) else ()


def get_run_path(run: str | Path | Run) -> Path:
    """The folder of a run that was given by its path or as an object."""
    return run.path if isinstance(run, Run) else Path(run)


def describe_environment(
    threads: int, device: str, model: ModelConfig | None = None
) -> dict[str, Any]:
    """The fields of a RunConfig that describe this machine: device, versions, time and so on.

    The source of a model of one's own, which is imported, counts as a version.

    Raises RunError for threads or a device that cannot be used here.
    """
    from tenfold.training.devices import choose_device, describe_device

    check_environment(threads)
    chosen, source = choose_device(device), {}
    if isinstance(model, ModuleConfig):
        from tenfold.models.own_model import describe_source

        source = describe_source(model)
    return {
        "threads": threads,
        "device": chosen.type,
        "versions": list_versions() | source,
        "machine": describe_machine() | describe_device(chosen),
        "started": datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
    }
