"""The weights of a run's model, read from its folder."""

import logging
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from tenfold.errors import RunError
from tenfold.models.build import build_model
from tenfold.models.own_model import describe_source
from tenfold.recipes.configs import ModelConfig
from tenfold.recipes.own_model import ModuleConfig

logger = logging.getLogger("tenfold")


def load_model(
    config: ModelConfig, seed: int, path: Path, versions: Mapping[str, str] | None = None
) -> nn.Module:
    """A model with the weights in a file.

    `versions` are those of its run, which have the source of a model of one's own: a warning is
    logged if that has changed. Raises RunError if the weights do not fit, RecipeError if such a
    model cannot be imported.
    """
    model = build_model(config, seed)
    _warn_of_changes(config, versions, str(path.parent))
    load_weights(model, path)
    return model


def build_from_weights(
    config: ModelConfig, seed: int, weights: bytes, versions: Mapping[str, str] | None = None
) -> nn.Module:
    """A model with the weights in the bytes of a file that was written for it.

    `versions` are as in `load_model`. Raises RunError if the weights no longer fit.
    """
    model = build_model(config, seed)
    _warn_of_changes(config, versions, "the fitted classifier")
    restore(model, safetensors.torch.load(weights), "the fitted classifier")
    return model


def _warn_of_changes(config: ModelConfig, versions: Mapping[str, str] | None, owner: str) -> None:
    if not isinstance(config, ModuleConfig) or versions is None:
        return
    for module, source in describe_source(config).items():
        if versions.get(module) != source:
            logger.warning(
                "tenfold: %s: the source of %s has changed since it was trained", owner, module
            )


def restore(model: nn.Module, tensors: Mapping[str, Tensor], owner: str) -> None:
    """Put tensors into `model`. Raises RunError, which names their owner, if they do not fit."""
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:  # names, or names and shapes, of the tensors that differ
        differs = " ".join(str(error).split())
        raise RunError(f"{owner}: not the weights of the run's recipe: {differs}") from error


def load_weights(model: nn.Module, path: Path) -> None:
    """Read the weights of a run into `model`.

    Raises RunError if the file cannot be read or holds the weights of another model.
    """
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{path}: not a safetensors file: {error}") from error
    restore(model, tensors, str(path))
