"""The flags that change a recipe, and the command that repeats a run."""

import dataclasses
import datetime
import re
import shlex
from typing import Any

import pytest

from cli.conftest import Fail
from tenfold.cli import main
from tenfold.cli.app import app
from tenfold.cli.options import list_given
from tenfold.cli.recipe_flags import NO_CHANGES, Changes, describe_flag
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import ConvolutionalConfig
from tenfold.recipes.fields import flag_name
from tenfold.recipes.recipe import Recipe, list_fields
from tenfold.reports.run_report import build_train_command
from tenfold.runs.config import RunConfig

CLASSIC = RECIPES["classic"]
CONVOLUTIONAL = Recipe(name="convolutional", summary="a test", model=ConvolutionalConfig())


def parse(command: str) -> tuple[str, dict[str, Any]]:
    """The recipe's name and the changes that `tenfold train` gets from a command."""
    words = shlex.split(command)
    assert words[0] == "tenfold"
    _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    return bound.arguments["recipe"], list_given(bound.arguments.get("changes", NO_CHANGES))


def test_every_field_of_every_recipe_has_a_flag() -> None:
    assert [field.name for field in dataclasses.fields(Changes)] == list(list_fields())
    assert list_given(NO_CHANGES) == {}


def test_the_help_has_the_range_of_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    # Join the lines, without borders.
    shown = re.sub(r"[\s│]+", " ", re.sub(r"--no-[a-z-]+ ", " ", shown))
    for name, field in list_fields().items():
        allowed = field.metadata["allowed"]
        words = describe_flag(allowed)
        assert re.search(rf"{flag_name(name)}( [A-Z]+[.]*)? {re.escape(words)}", shown), name


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        ("", {}),
        ("--epochs 7", {"epochs": 7}),
        ("--learning-rate 1", {"learning_rate": 1.0}),
        ("--hidden-sizes 30 20 10", {"hidden_sizes": (30, 20, 10)}),
        ("--hidden-sizes 30 --hidden-sizes 20", {"hidden_sizes": (30, 20)}),
        ("--channels 4 8 --depths 1 2", {"channels": (4, 8), "depths": (1, 2)}),
        ("--optimizer sgd --schedule one-cycle", {"optimizer": "sgd", "schedule": "one-cycle"}),
        ("--leave-out-mislabelled", {"leave_out_mislabelled": True}),
        ("--no-leave-out-mislabelled", {"leave_out_mislabelled": False}),
        ("--shift-px 0", {"shift_px": 0.0}),
    ],
)
def test_flags_become_changes(flags: str, changes: dict[str, Any]) -> None:
    assert parse(f"tenfold train classic {flags}") == ("classic", changes)


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        (CLASSIC, {}),
        (CLASSIC, {"hidden_sizes": (30, 20), "epochs": 7, "learning_rate": 3e-05}),
        (CLASSIC, {"optimizer": "sgd", "schedule": "one-cycle", "weight_decay": 0.1}),
        (CLASSIC, {"rotation_degrees": 12.5, "stroke": 0.25, "clean_share": 0.25}),
        (CLASSIC, {"leave_out_mislabelled": True}),
        (CLASSIC.replace(leave_out_mislabelled=True), {"leave_out_mislabelled": False}),
        (
            CONVOLUTIONAL,
            {"channels": (4, 8), "depths": (1, 2), "first_kernel_px": 3, "precision": "bfloat16"},
        ),
    ],
)
def test_the_command_of_a_changed_recipe_repeats_it(
    recipe: Recipe, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.recipes.catalogue.RECIPES", {recipe.name: recipe})
    changed = recipe.replace(**changes)
    config = RunConfig(
        recipe=changed,
        seed=3,
        holdout=True,
        data_folder="a folder",
        checksums={},
        threads=1,
        device="cpu",
        versions={},
        machine={},
        started=datetime.datetime.now().isoformat(),
    )
    name, parsed = parse(build_train_command(config))
    assert name == recipe.name
    assert parsed == changes
    assert recipe.replace(**parsed) == changed


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("--epochs 0", "--epochs must be a whole number from 1 to 10,000, not 0"),
        ("--epochs many", "--epochs must be a whole number from 1 to 10,000, not many"),
        ("--epochs 1.5", "--epochs must be a whole number from 1 to 10,000, not 1.5"),
        (f"--epochs 1{400 * '0'}", "--epochs must be a whole number from 1 to 10,000"),
        ("--batch-size 1e9", "--batch-size must be a whole number from 1 to 60,000"),
        ("--learning-rate nan", "--learning-rate must be from 1e-07 to 10, not nan"),
        ("--hidden-sizes 5 0", "--hidden-sizes must be 1 to 8 whole numbers, each from"),
        ("--hidden-sizes 30.7", "--hidden-sizes must be 1 to 8 whole numbers, each from"),
        ("--channels 4 8", "--channels: a recipe with this model has no such field"),
        ("--channels x", "--channels must be 1 to 4 whole numbers, each from 1 to 1,024, not x"),
        ("--channels 4 x", "--channels must be 1 to 4 whole numbers, each from 1 to 1,024, not"),
        ("--hidden-sizes", "--hidden-sizes must be 1 to 8 whole numbers, each from 1 to 10,000"),
        ("--optimizer adamw", "--optimizer must be adam or sgd, not adamw"),
        ("--schedule cosine", "--schedule must be constant or one-cycle, not cosine"),
        ("--precision bf16", "--precision must be float32 or bfloat16, not bf16"),
        ("--shift-px far", "--shift-px must be from 0 to 14, not far"),
        ("--shift-px 15", "--shift-px must be from 0 to 14, not 15.0"),
        ("--clean-share 1.5", "--clean-share must be from 0 to 1, not 1"),
        ("--leave-out-mislabelled=maybe", "--leave-out-mislabelled must be True or False, not"),
    ],
)
def test_errors_are_one_line_with_the_range(command: str, message: str, fail: Fail) -> None:
    assert message in fail(f"train classic {command}")
