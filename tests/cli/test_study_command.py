"""`tenfold study`, `tenfold compare` and `tenfold recipes NAME`."""

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import tenfold
from made_studies import build_study
from tenfold.cli import main
from tenfold.cli.progress import showing_progress, showing_study_progress
from tenfold.cli.recipes import draw_augmented_sheet
from tenfold.data.mnist import load_part
from tenfold.errors import RecipeError
from tenfold.recipes.catalogue import RECIPES
from tenfold.runs.progress import DrawingProgress, StageProgress
from tenfold.studies.study import write_study
from tenfold.workflow.study_progress import StudyProgress

TINY = ["--epochs", "2", "--hidden-sizes", "16"]
ALTERED = RECIPES["classic"].replace(rotation_degrees=15.0, shift_px=2.0)


@pytest.fixture
def folders(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two studies of the small data's test images, one with more mistakes."""
    monkeypatch.chdir(tmp_path)  # for short names
    images = load_part(small_data, "test")
    wrong_N = np.arange(500) < 20
    folders = []
    for name, num_wrong in (("first", 30), ("other", 10)):
        given_RN = np.tile(images.labels_N.astype(np.int64), (3, 1))
        given_RN[:, wrong_N] = (given_RN[:, wrong_N] + 1) % 10
        for run in range(3):
            given_RN[run, 100 : 100 + num_wrong + run] = 0
        study = build_study(
            images.labels_N,
            given_RN,
            path=Path(name),
            checksums={"train": ("1" * 64, "2" * 64), "test": images.checksums},
        )
        study.path.mkdir()
        write_study(study)
        folders.append(str(study.path))
    return folders


@pytest.mark.usefixtures("in_this_process")
def test_study_prints_findings_and_each_seed(
    small_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = str(tmp_path / "study")
    command = ["study", "classic", "--seeds", "2", "--data", str(small_data), "--out", out, *TINY]
    assert main(command) == 0
    printed = capsys.readouterr()
    first, last = printed.err.splitlines()
    seed = r"classic: seed {}: \d\d\.\d\d % in \d+\.\d s \({} of 2 seeds{}\)"
    assert re.fullmatch(seed.format(0, 1, r", \d+ s left"), first)
    assert re.fullmatch(seed.format(1, 2, ""), last)
    lines = printed.out.splitlines()
    assert lines[0] == f"study                {out}"
    assert re.fullmatch(
        r"How accurate is it\?  \d\d\.\d\d %, standard deviation \d+\.\d\d", lines[1]
    )
    assert lines[2:] == [f"report               {out}/report.html"]
    assert Path(out, "report.html").is_file()
    # A second call trains nothing and prints the same numbers.
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
    assert main([*command, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out) == json.loads(Path(out, "summary.json").read_text())
    assert json.loads(printed.out)["seeds"] == [0, 1]


def test_every_flag_reaches_the_study(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}

    def study(*recipe: str, **others: Any) -> None:
        given.update(others, recipe=recipe)
        raise RecipeError("enough")

    monkeypatch.setattr("tenfold.workflow.study.study", study)
    flags = "--seeds 7 --first-seed 3 --threads 3 --jobs 2 --alone 1 --holdout --data d --out o"
    flags += " --no-by-epoch"
    flags += " --longer --learning-rate 3e-4 --hidden-sizes 40 20"
    flags += " --on ray --address h:6379"
    assert main(["study", "classic", *flags.split()]) == 2
    assert capsys.readouterr().err == "tenfold: enough\n"
    assert given.pop("on_progress")
    assert dict(given) == {
        "recipe": ("classic",),
        "seeds": 7,
        "first_seed": 3,
        "threads": 3,
        "jobs": 2,
        "alone": 1,
        "holdout": True,
        "data": Path("d"),
        "out": Path("o"),
        "by_epoch": False,
        "longer": True,
        "on": "ray",
        "address": "h:6379",
        "learning_rate": 3e-4,
        "hidden_sizes": (40, 20),
    }
    for flags, longer in (("--no-longer", False), ("", None)):
        assert main(["study", *flags.split()]) == 2
        assert given["longer"] is longer
    assert given["jobs"] is None


def test_a_terminal_shows_a_bar_below_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        "tenfold.cli.progress.Console",
        lambda **_: Console(file=file, force_terminal=True, width=99),
    )
    labels_N = np.zeros(4, dtype=np.uint8)
    study = build_study(labels_N, np.zeros((1, 4), dtype=np.int64), seconds=[90.04])
    with showing_study_progress() as show:
        for title in ("classic", "classic, 10 epochs"):
            for newest, num_done in ((None, 1), (study.runs[0], 2)):
                show(
                    StudyProgress(
                        title=title,
                        num_done=num_done,
                        num_seeds=4,
                        share=num_done / 4,
                        seconds_left=180.0,
                        newest=newest,
                        newest_accuracy=None if newest is None else 0.98,
                    )
                )
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert "classic: seed 0: 98.00 % in 90.0 s (2 of 4 seeds, 3 min left)" in shown
    assert "classic, 10 epochs: seed 0: 98.00 % in 90.0 s" in shown
    assert re.search(r"classic [━╸╺]+ 1 of 4 seeds", shown)
    assert re.search(r"classic, 10 epochs [━╸╺]+ 2 of 4 seeds", shown)


def test_the_title_of_a_bar_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the name of a run's folder."""
    file = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        "tenfold.cli.progress.Console",
        lambda **_: Console(file=file, force_terminal=True, width=99),
    )
    title = "[/x] :smile: \x1b[31m\r\u202e"
    with showing_progress(title) as show:
        show(DrawingProgress(num_drawn=1, num_scenes=4, seconds_left=3.0))
        show(StageProgress(stage="calibrating"))
        time.sleep(0.3)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert r"[/x] :smile: \x1b[31m\r\u202e  generating images" in shown
    frames = re.findall(r"(.) \[/x\] :smile: \\x1b\[31m\\r\\u202e  calibrating", shown)
    assert len(set(frames)) > 1  # something moves
    assert "\u202e" not in shown


def test_compare_prints_a_table_and_sentences(
    folders: list[str], small_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *folders, "--data", str(small_data)]) == 0
    printed = capsys.readouterr().out
    table, sentences = printed.split("\n\n")
    assert re.match(r" +first +other +\n", table)
    assert re.search(r"^seeds +3 +3 *$", table, re.MULTILINE)
    comparison = tenfold.compare(folders, data=small_data)
    for one in comparison.studies:
        assert f"{100 * one.summary.accuracy.mean:.3f} %" in table
    assert sentences.startswith("How does other compare with first? better\n")
    [pair] = comparison.differences
    assert f"other is {100 * pair.difference.difference:.3f} points above first." in sentences


def test_compare_writes_json_and_a_report(
    folders: list[str], small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page"
    command = ["compare", *folders, "--data", str(small_data), "--out", str(page)]
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((page / "comparison.json").read_text())
    num_images = [len(printed["differences"][0][kind]) for kind in ("mended", "not_mended", "new")]
    labels_N = load_part(small_data, "test").labels_N
    # Images 100 to 130 are read as 0, which zeros are; both miss the first 20.
    assert num_images == [
        np.count_nonzero(labels_N[111:131]),
        20 + np.count_nonzero(labels_N[100:111]),
        0,
    ]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith(f"\nreport  {page}/report.html\n")
    # The command in the report makes the same report again.
    text = (page / "report.html").read_text()
    assert f"<pre>tenfold compare first other --data {small_data} --out {page}</pre>" in text


def test_recipes_shows_one_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "classic"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^recipe +classic: the well-known exercise", printed)
    assert re.search(r"model +784-500-125-10, 455,750 multiply-adds", printed)
    assert re.search(r"optimizer +Adam, learning rate 0.001", printed)
    assert re.search(r"batch size +100\nepochs +5", printed)
    assert "sheet" not in printed
    assert main(["recipes", "classic", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        json.dumps(RECIPES["classic"].to_json())
    )


@pytest.mark.parametrize("named", [True, False])
def test_recipes_draws_augmented_digits(
    named: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tenfold.recipes.catalogue.RECIPES", {"classic": ALTERED})
    assert main(["recipes", "classic", *(["--out", "new/a.png"] if named else ["--show"])]) == 0
    sheet = "new/a.png" if named else "classic-augmented.png"
    printed = capsys.readouterr().out
    assert re.search(rf"^sheet +{sheet}$", printed, re.MULTILINE)
    assert re.search(r"augmentation +rotation ±15°, shift ±2 px", printed)
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000


def test_a_sheet_depends_on_the_seed_and_the_augmentation() -> None:
    sheet = draw_augmented_sheet(ALTERED)
    assert draw_augmented_sheet(ALTERED) == sheet
    assert draw_augmented_sheet(ALTERED, seed=1) != sheet
    assert draw_augmented_sheet(ALTERED.replace(shift_px=3.0)) != sheet
    # With fewer epochs, images are fewer and larger.
    with (
        Image.open(io.BytesIO(sheet)) as five,
        Image.open(io.BytesIO(draw_augmented_sheet(ALTERED.replace(epochs=2)))) as two,
    ):
        assert five.width == two.width
        assert five.height < two.height


def test_recipes_as_json_prints_the_sheet_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tenfold.recipes.catalogue.RECIPES", {"classic": ALTERED})
    for flags, sheet in ((["--show"], "classic-augmented.png"), (["--out", "a.png"], "a.png")):
        assert main(["recipes", "classic", *flags, "--json"]) == 0
        printed = capsys.readouterr()
        assert printed.err == f"sheet {sheet}\n"
        assert json.loads(printed.out) == json.loads(json.dumps(ALTERED.to_json()))
        assert Path(sheet).is_file()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("study clasic", "unknown recipe 'clasic'; there are: classic"),
        ("study --seeds 0", "--seeds must be a whole number from 1 to 10,000, not 0"),
        ("study --seeds 2.5", "--seeds must be a whole number, not 2.5"),
        ("study --jobs 0", "--jobs must be a whole number from 1 to 1,024, not 0"),
        ("study --epochs 0", "--epochs must be a whole number from 1 to 10,000, not 0"),
        ("study --data nowhere", "nowhere: no such folder"),
        ("study --out file", "file: cannot be written: File exists"),
        ("compare", 'Command "compare" parameter STUDIES requires an argument.'),
        ("compare nowhere", "nowhere/study.json: cannot read the study: No such"),
        ("compare file", "file/study.json: cannot read the study: Not a directory"),
        (
            "compare synthetic",
            "data: no such folder",
        ),
        ("compare empty", "empty: the study has no runs yet"),
        ("compare run", "run is a run, not a study"),
        ("recipes clasic", "unknown recipe 'clasic'; there are: classic"),
        ("recipes --show", "--show needs a recipe: tenfold recipes strong --show"),
        ("recipes classic --show", "--show: the recipe classic has no augmentation"),
        ("recipes classic --out sheet.png", "--out: the recipe classic has no augmentation"),
        (
            "compare synthetic --out synthetic",
            "synthetic: has the report of a study; use another folder",
        ),
        ("compare synthetic --average 2", "synthetic: cannot average 2 runs; the study has 1"),
        ("compare synthetic --average 0", "--average must be a whole number from 1 to 10,000"),
        ("compare synthetic empty --average 1", "--average takes one study, and no --out"),
        ("compare synthetic --average 1 --out page", "--average takes one study, and no --out"),
        ("compare empty --average 1", "empty: the study has no runs yet"),
        ("compare synthetic --average 1", "data: no such folder; --data takes a folder"),
        ("compare cut", "cut: the study evaluated 4 images, but the data have 10000"),
    ],
)
def test_errors_are_one_line_and_exit_with_2(
    command: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    labels_N = np.zeros(4, dtype=np.uint8)
    for name, num_runs in (("synthetic", 1), ("empty", 0)):
        answers_RN = np.zeros((num_runs, 4), dtype=np.int64)
        (tmp_path / name).mkdir()
        write_study(build_study(labels_N, answers_RN, path=tmp_path / name))
    values = (tmp_path / "synthetic/study.json").read_text()
    moved = values.replace('"data_folder": null', '"data_folder": "data"')
    (tmp_path / "synthetic/study.json").write_text(moved)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/study.json").write_text(values)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    before = sorted(tmp_path.iterdir())
    assert main(command.split()) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.startswith("tenfold: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_studies_with_long_names_are_compared(
    small_data: Path, folders: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    long = []
    for folder in folders:
        long.append(f"{folder}-{60 * 'x'}")
        Path(folder).rename(long[-1])
    assert main(["compare", *long, "--data", str(small_data)]) == 0
    table = capsys.readouterr().out.split("\n\n")[0]
    for one in tenfold.compare(long, data=small_data).studies:
        assert f"{100 * one.summary.accuracy.mean:.3f} %" in table


def test_a_name_of_a_report_that_is_too_long_is_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["compare", "studies/classic", "--out", 300 * "x"]) == 2
    assert "File name too long" in capsys.readouterr().err
