import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthetic import CHECKSUMS, build_study, miss
from tenfold.cli import main
from tenfold.errors import RecipeError
from tenfold.recipes import RECIPES, Recipe
from tenfold.studies.report import write_study_command
from tenfold.studies.study import Study

LABELS_N = np.arange(100).astype(np.uint8) % 10


def build(**others: Any) -> Study:
    return build_study(LABELS_N, miss(LABELS_N, [[1], [2]]), **others)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("classic", {}),
        ("classic", {"hidden_sizes": [30, 20], "learning_rate": 3e-4, "epochs": 7}),
        ("classic", {"leave_out_mislabelled": True, "optimizer": "sgd", "members": 2}),
        ("strong", {"leave_out_mislabelled": False, "channels": [8, 16], "depths": [1, 1]}),
    ],
)
def test_the_command_of_a_report_makes_the_same_study(
    name: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def study(recipe: str, **others: Any) -> None:
        given.update(others, recipe=recipe)
        raise RecipeError("enough")

    monkeypatch.setattr("tenfold.studying.study", study)
    recipe = RECIPES[name].replace(**changes)
    checksums = {"train": CHECKSUMS["train"]}
    made = build(recipe=recipe, seeds=[4, 5], holdout=True, checksums=checksums, path=Path("a b"))
    assert main(shlex.split(write_study_command(made))[1:]) == 2
    assert given["recipe"] == name
    assert RECIPES[name].replace(**{key: given[key] for key in recipe.changes()}) == recipe
    assert (given["seeds"], given["first_seed"], given["holdout"]) == (2, 4, True)
    assert (given["out"], given["data"]) == (Path("a b"), None)


def test_a_recipe_of_ones_own_is_studied_again_from_python() -> None:
    command = write_study_command(build(recipe=Recipe(name="mine", summary="a test")))
    assert command.startswith("tenfold.study(Recipe(name='mine'")
