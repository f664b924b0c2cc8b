"""The weights of a model as a safetensors file, with the recipe in its metadata."""

import json
from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from tenfold.errors import RunError
from tenfold.recipes.recipe import Recipe


def dump_weights(model: nn.Module, recipe: Recipe, seed: int) -> bytes:
    """The bytes of a safetensors file with the model's weights.

    The metadata are one entry, "tenfold", because the format keeps no order among several and the
    same run must give the same bytes.
    """
    metadata = {"recipe": recipe.to_json(), "seed": seed}
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return safetensors.torch.save(tensors, {"tenfold": json.dumps(metadata)})


def load_weights(model: nn.Module, path: Path) -> None:
    """Read the weights of a run into `model`.

    Raises RunError if the file cannot be read or holds the weights of another model.
    """
    try:
        model.load_state_dict(safetensors.torch.load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{path}: not a safetensors file: {error}") from error
    except RuntimeError as error:  # names, or names and shapes, of the tensors that differ
        differs = " ".join(str(error).split())
        raise RunError(f"{path}: not the weights of the run's recipe: {differs}") from error
