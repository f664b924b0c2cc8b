import json
from pathlib import Path

import pytest
import safetensors
import torch

from tenfold.errors import RunError
from tenfold.models.build import build_model
from tenfold.recipes.catalogue import (
    RECIPES,
)
from tenfold.recipes.configs import PerceptronConfig
from tenfold.recipes.recipe import (
    Recipe,
)
from tenfold.training.flat_parameters import flatten_parameters
from tenfold.training.weights import dump_weights, load_weights

CONFIG = PerceptronConfig(hidden_sizes=(7, 5))
RECIPE = RECIPES["classic"].replace(hidden_sizes=(7, 5))


def test_weights_come_back_to_the_last_bit(tmp_path: Path) -> None:
    model, other = build_model(CONFIG, seed=0), build_model(CONFIG, seed=1)
    flatten_parameters(model)  # as training leaves it: views of one buffer
    (tmp_path / "weights").write_bytes(dump_weights(model, RECIPE, 0))
    load_weights(other, tmp_path / "weights")
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_same_weights_are_the_same_bytes() -> None:
    first, again = (dump_weights(build_model(CONFIG, 0), RECIPE, 0) for _ in range(2))
    assert first == again


def test_recipe_and_seed_are_in_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(dump_weights(build_model(CONFIG, 3), RECIPE, 3))
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["tenfold"])
    assert metadata["seed"] == 3
    assert Recipe.from_json(metadata["recipe"]) == RECIPE


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with pytest.raises(RunError) as raised:
        load_weights(build_model(CONFIG, 0), path)
    assert str(raised.value).startswith(f"{path}: not a safetensors file: No such file")


@pytest.mark.parametrize("content", [b"", b"not weights", bytes(100)])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(RunError) as raised:
        load_weights(build_model(CONFIG, 0), path)
    assert str(raised.value).startswith(f"{path}: not a safetensors file: ")


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(dump_weights(build_model(CONFIG, 0), RECIPE, 0)[:-1])
    with pytest.raises(RunError) as raised:
        load_weights(build_model(CONFIG, 0), path)
    assert str(raised.value).startswith(f"{path}: not a safetensors file: ")


@pytest.mark.parametrize("hidden_sizes", [(7, 6), (7,), (7, 5, 3)])
def test_the_weights_of_another_model_are_refused(
    hidden_sizes: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(dump_weights(build_model(CONFIG, 0), RECIPE, 0))
    other = build_model(PerceptronConfig(hidden_sizes=hidden_sizes), 0)
    with pytest.raises(RunError) as raised:
        load_weights(other, path)
    assert str(raised.value).startswith(f"{path}: not the weights of the run's recipe: ")
