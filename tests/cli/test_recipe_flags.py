"""The flags that change a recipe: they come from its fields, and a run's command has them again."""

import dataclasses
import datetime
import re
import shlex
from typing import Any

import pytest

from tenfold.cli import main
from tenfold.cli.app import app
from tenfold.cli.recipe_flags import NO_CHANGES, Changes, describe_range, list_changes
from tenfold.recipes.catalogue import (
    RECIPES,
)
from tenfold.recipes.configs import ConvolutionalConfig
from tenfold.recipes.fields import flag_name
from tenfold.recipes.recipe import (
    Recipe,
    list_fields,
)
from tenfold.reports.run_report import write_command
from tenfold.runs.config import RunConfig

CLASSIC = RECIPES["classic"]
CONVOLUTIONAL = Recipe(name="convolutional", summary="a test", model=ConvolutionalConfig())


def parse(command: str) -> tuple[str, dict[str, Any]]:
    """The recipe's name and the changes that `tenfold train` gets from a command."""
    words = shlex.split(command)
    assert words[0] == "tenfold"
    _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    return bound.arguments["recipe"], list_changes(bound.arguments.get("changes", NO_CHANGES))


def test_every_field_of_every_recipe_has_a_flag() -> None:
    assert [field.name for field in dataclasses.fields(Changes)] == list(list_fields())
    assert list_changes(NO_CHANGES) == {}


def test_the_help_tells_every_flag_and_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    # Where a line of help ends, a border and blanks stand before the next.
    shown = re.sub(r"[\s│]+", " ", re.sub(r"--no-[a-z-]+ ", " ", shown))
    for name, field in list_fields().items():
        allowed = field.metadata["allowed"]
        words = f"{allowed.help} {describe_range(allowed)}"
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
def test_flags_are_changes(flags: str, changes: dict[str, Any]) -> None:
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
def test_the_command_of_a_changed_recipe_makes_it_again(
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
    name, parsed = parse(write_command(config))
    assert name == recipe.name
    assert parsed == changes
    assert recipe.replace(**parsed) == changed


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("--channels 4 8", "--channels: no such field of a recipe with this model; there are: --"),
        ("--channels x", "--channels: expected 1 to 4 whole numbers, each from 1 to 1024, found x"),
        ("--channels 4 x", "--channels: expected 1 to 4 whole numbers, each from 1 to 1024, found"),
        ("--hidden-sizes", "--hidden-sizes: expected 1 to 8 whole numbers, each from 1 to 10000"),
        ("--optimizer adamw", "--optimizer: expected adam or sgd, found adamw"),
        ("--schedule cosine", "--schedule: expected constant or one-cycle, found cosine"),
        ("--precision bf16", "--precision: expected float32 or bfloat16, found bf16"),
        ("--shift-px far", "--shift-px: expected from 0 to 14, found far"),
        ("--shift-px 15", "--shift-px: expected from 0 to 14, found 15.0"),
        ("--clean-share 1.5", "--clean-share: expected from 0 to 1, found 1"),
        ("--leave-out-mislabelled=maybe", "--leave-out-mislabelled: expected True or False, found"),
    ],
)
def test_a_mistake_is_one_line_with_the_range(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "classic", *command.split()]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
