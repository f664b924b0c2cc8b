import json
from pathlib import Path

import pytest
import safetensors
import torch

from run_errors import catch_error
from tenfold.models.build import build_model
from tenfold.models.weights import load_weights
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import PerceptronConfig
from tenfold.recipes.recipe import Recipe
from tenfold.training.flat_parameters import flatten_parameters
from tenfold.training.weights import dump_weights

CONFIG = PerceptronConfig(hidden_sizes=(7, 5))
RECIPE = RECIPES["classic"].replace(hidden_sizes=(7, 5))


def test_weights_are_restored_bitwise(tmp_path: Path) -> None:
    model, other = build_model(CONFIG, seed=0), build_model(CONFIG, seed=1)
    flatten_parameters(model)  # as after training
    (tmp_path / "weights").write_bytes(dump_weights(model, RECIPE, 0))
    load_weights(other, tmp_path / "weights")
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_same_weights_give_the_same_bytes() -> None:
    first, again = (dump_weights(build_model(CONFIG, 0), RECIPE, 0) for _ in range(2))
    assert first == again


def test_recipe_and_seed_are_in_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(dump_weights(build_model(CONFIG, 3), RECIPE, 3))
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["tenfold"])
    assert metadata["seed"] == 3
    assert Recipe.from_json(metadata["recipe"]) == RECIPE


def refusal(path: Path, hidden_sizes: tuple[int, ...] = (7, 5)) -> str:
    model = build_model(PerceptronConfig(hidden_sizes=hidden_sizes), 0)
    return catch_error(lambda: load_weights(model, path))


WEIGHTS = dump_weights(build_model(CONFIG, 0), RECIPE, 0)


@pytest.mark.parametrize("content", [None, b"", b"not weights", bytes(100), WEIGHTS[:-1]])
def test_a_file_that_is_not_safetensors_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    if content is not None:
        path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: not a safetensors file: ")


@pytest.mark.parametrize("hidden_sizes", [(7, 6), (7,), (7, 5, 3)])
def test_the_weights_of_another_model_are_refused(
    hidden_sizes: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(WEIGHTS)
    assert refusal(path, hidden_sizes).startswith(f"{path}: not the weights of the run's recipe: ")
