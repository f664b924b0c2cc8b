"""The weights of a model as a safetensors file, with the recipe in its metadata."""

import json

import safetensors.torch
import torch
from torch import nn

from tenfold.recipes.recipe import Recipe


def dump_weights(model: nn.Module, recipe: Recipe, seed: int) -> bytes:
    """The bytes of a safetensors file with the model's weights.

    The metadata are one entry, "tenfold", because the format keeps no order among several and the
    same run must give the same bytes.
    """
    metadata = {"recipe": recipe.to_json(), "seed": seed}
    # Cloned, as the format refuses tensors that share memory, such as weights used twice.
    tensors = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    return safetensors.torch.save(tensors, {"tenfold": json.dumps(metadata)})
