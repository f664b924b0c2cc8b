"""What `tenfold train`, `evaluate`, `recipes` and `data` print."""

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

import tenfold
from cli.conftest import Fail
from tenfold.cli import main
from tenfold.cli.recipes import draw_augmented_sheet
from tenfold.recipes.catalogue import RECIPES

Capture = pytest.CaptureFixture[str]
ALTERED = RECIPES["classic"].replace(rotation_degrees=15.0, shift_px=2.0)


def test_train_prints_the_headline_the_report_and_what_to_do_next(
    small_data: Path, here: Path, capsys: Capture, no_report: None
) -> None:
    command = f"train classic --data {small_data} --out run --epochs 2"
    assert main(command.split()) == 0
    printed = capsys.readouterr()
    assert re.search(r"accuracy +\d\d\.\d\d % of 500 test images, trained in", printed.out)
    assert "report    run/report.html" in printed.out
    assert "next      tenfold train classic --seed 1 --epochs 2 --data" in printed.out
    assert re.search(r"classic: epoch 2/2, loss \d\.\d+, [\d,]+ images/s, 0 s left", printed.err)
    assert main(["train", "--resume", "run"]) == 0
    assert capsys.readouterr().err == "run was already complete; nothing was trained\n"


def test_every_flag_reaches_the_run(
    small_data: Path, here: Path, capsys: Capture, few_readings: None, no_report: None
) -> None:
    flags = "--seed 7 --epochs 1 --batch-size 64 --learning-rate 3e-4 --hidden-sizes 40 20"
    flags += " --holdout --threads 1 --json"
    assert main(["train", "--data", str(small_data), "--out", "run", *flags.split()]) == 0
    captured = capsys.readouterr()
    lines, printed = captured.err.splitlines(), json.loads(captured.out)
    assert printed["part"] == "validation"
    assert lines[-2:] == ["classic: evaluating", "classic: calibrating"]
    config = json.loads(Path("run/config.json").read_text())
    recipe = config["recipe"]
    assert (recipe["epochs"], recipe["batch_size"]) == (1, 64)
    assert recipe["optimizer"]["learning_rate"] == 3e-4
    assert recipe["model"] == {"kind": "perceptron", "hidden_sizes": [40, 20]}
    assert (config["seed"], config["holdout"], config["threads"]) == (7, True, 1)


def test_one_run_or_several_are_evaluated(
    small_data: Path, here: Path, capsys: Capture, no_report: None
) -> None:
    runs = ["one", "two"]
    for seed, out in enumerate(runs):
        tenfold.train("classic", seed=seed, data=small_data, out=out, epochs=1, report=False)
    assert main(["evaluate", *runs]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("run ")] == runs
    assert printed.count("How accurate is it?") == 2
    assert main(["evaluate", *runs, "--json"]) == 0
    evaluations = json.loads(capsys.readouterr().out)
    assert evaluations == [json.loads(Path(run, "evaluation.json").read_text()) for run in runs]
    assert main(["evaluate", "one", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == evaluations[0]


def test_a_diverged_run_prints_a_warning(
    small_data: Path, here: Path, capsys: Capture, no_report: None
) -> None:
    command = f"train --data {small_data} --out run --epochs 1 --learning-rate 10"
    assert main(command.split()) == 0
    assert "\nwarning: The mean training loss of the last epoch is " in capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 160])
def test_recipes_lists_every_recipe(
    columns: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["recipes"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= columns
    assert re.search(r"^classic +784-500-125-10 +456,385 +the well", printed, re.MULTILINE)
    assert "\x1b" not in printed  # colours are for terminals
    for recipe in RECIPES.values():
        assert re.search(rf"^{recipe.name} ", printed, re.MULTILINE)
        assert recipe.summary in " ".join(printed.split())  # on narrow terminals in several lines
    assert main(["recipes", "--json"]) == 0
    recipes = [tenfold.Recipe.from_json(one) for one in json.loads(capsys.readouterr().out)]
    assert recipes == list(RECIPES.values())


def test_recipes_shows_one_recipe(capsys: Capture) -> None:
    assert main(["recipes", "classic"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^recipe +classic: the well-known exercise", printed)
    assert re.search(r"model +784-500-125-10, 455,750 multiply-adds", printed)
    assert re.search(r"optimizer +Adam, learning rate 0.001", printed)
    assert re.search(r"batch size +100\nepochs +5", printed)
    assert "sheet" not in printed
    assert main(["recipes", "classic", "--json"]) == 0
    assert tenfold.Recipe.from_json(json.loads(capsys.readouterr().out)) == RECIPES["classic"]


@pytest.mark.parametrize(
    ("flags", "sheet"), [("--show", "classic-augmented.png"), ("--out new/a.png", "new/a.png")]
)
def test_recipes_draws_augmented_digits(
    flags: str, sheet: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("tenfold.recipes.catalogue.RECIPES", {"classic": ALTERED})
    drawn: list[str] = []

    def draw(*_: object, flag: str) -> bytes:
        drawn.append(flag)
        return b"a sheet"

    monkeypatch.setattr("tenfold.cli.recipes.draw_augmented_sheet", draw)
    assert main(["recipes", "classic", *flags.split()]) == 0
    printed = capsys.readouterr().out
    assert re.search(rf"^sheet +{sheet}$", printed, re.MULTILINE)
    assert re.search(r"augmentation +rotation ±15°, shift ±2 px", printed)
    assert Path(sheet).read_bytes() == b"a sheet"
    assert drawn == [flags.split()[0]]
    assert main(["recipes", "classic", *flags.split(), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"sheet {sheet}\n"
    assert tenfold.Recipe.from_json(json.loads(captured.out)) == ALTERED


def test_a_sheet_depends_on_the_seed_and_the_augmentation() -> None:
    two = ALTERED.replace(epochs=2)
    sheet = draw_augmented_sheet(two)
    assert draw_augmented_sheet(two) == sheet
    assert draw_augmented_sheet(two, seed=1) != sheet
    assert draw_augmented_sheet(two.replace(shift_px=3.0)) != sheet
    # With more epochs, images are more and smaller.
    with (
        Image.open(io.BytesIO(sheet)) as few,
        Image.open(io.BytesIO(draw_augmented_sheet(ALTERED))) as many,
    ):
        assert few.format == many.format == "PNG"
        assert few.width == many.width > 1000
        assert few.height > many.height


def test_data_shows_counts_and_checksums(here: Path, capsys: Capture) -> None:
    assert main(["data", "--sheet", "new/sheet.png"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"train +60000 +5923 +6742 +5958 +6131 +5842 +5421 +5918 +6265", printed)
    assert "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db" in printed
    assert re.search(r"^sheet +new/sheet.png$", printed, re.MULTILINE)
    assert max(map(len, printed.splitlines())) <= 80
    with Image.open("new/sheet.png") as picture:
        assert picture.width > 1000


def test_data_as_json(small_data: Path, capsys: Capture) -> None:
    assert main(["data", "--data", str(small_data), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["train"]["num_images"] == sum(printed["train"]["num_images_of_label"]) == 1200
    assert not printed["test"]["is_mnist"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train clasic", "unknown recipe 'clasic'; known recipes: classic"),
        ("train --seed -1", "--seed must be a whole number from 0 to 4,294,967,295, not -1"),
        ("train --seed one", "--seed must be a whole number, not one"),
        ("train --seed 1.5", "--seed must be a whole number, not 1.5"),
        ("train --threads 1.9", "--threads must be a whole number, not 1.9"),
        ("train --threads 0", "--threads must be a whole number from 1 to 1,024, not 0"),
        ("train --data nowhere", "nowhere: no such folder"),
        ("train --data .", "neither train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) nor"),
        (f"train --data {300 * 'x'}", ": File name too long"),
        (f"evaluate {300 * 'x'}", "no such folder; name the folder of a run"),
        ("train --epoch 3", "Unknown option: --epoch."),
        ("train classic 5", "too many arguments: 5; usage: tenfold train [RECIPE] [OPTIONS]"),
        ("train --resume a b", "--resume takes one run, not 2: a, b"),
        ("evaluate", "missing RUNS; usage: tenfold evaluate RUNS... [OPTIONS]"),
        ("evaluate run --data", "--data needs a value"),
        ("evaluate nowhere", "nowhere: no such folder"),
        ("recipes clasic", "unknown recipe 'clasic'; known recipes: classic"),
        ("recipes --show", "--show needs a recipe: tenfold recipes strong --show"),
        ("recipes classic --show", "--show: the recipe classic has no augmentation"),
        ("recipes classic --out sheet.png", "--out: the recipe classic has no augmentation"),
        ("data --data nowhere", "nowhere: no such folder"),
        ("trian", 'Unknown command "trian"'),
    ],
)
def test_errors_are_one_line_and_exit_with_2(command: str, message: str, fail: Fail) -> None:
    assert message in fail(command)


@pytest.mark.parametrize(
    ("command", "before"),
    [
        (["read", ""], "tenfold read"),
        (["read", "a.png", ""], "tenfold read a.png"),
        (["read", "a.png", "--json", "--out", ""], "tenfold read a.png --json --out"),
        (["read", "a.png", "--model="], "tenfold read a.png --model"),
        (["train", "--data", ""], "tenfold train --data"),
        (["evaluate", ""], "tenfold evaluate"),
        (["export", "a run", ""], "tenfold export 'a run'"),
        (["runs", ""], "tenfold runs"),
        (["serve", "--token-file="], "tenfold serve --token-file"),
    ],
)
def test_an_empty_argument_is_refused(command: list[str], before: str, fail: Fail) -> None:
    assert fail(command).startswith(f"empty argument after `{before}`")
