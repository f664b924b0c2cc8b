"""`tenfold study` and `tenfold compare`, and progress on a terminal."""

import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import tenfold
from cli.conftest import Fail
from made_studies import build_study
from tenfold.cli import main
from tenfold.data.mnist import load_part
from tenfold.errors import RecipeError
from tenfold.runs.progress import DrawingProgress, StageProgress
from tenfold.studies.study import write_study
from tenfold.workflow.progress import showing_progress, showing_study_progress
from tenfold.workflow.study_progress import StudyProgress

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folders(small_data: Path, here: Path) -> list[str]:
    """Two studies of the small data's test images, one with more mistakes."""
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
    small_data: Path, here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"study --seeds 2 --data {small_data} --out study --epochs 2 --hidden-sizes 16"
    assert main(command.split()) == 0
    printed = capsys.readouterr()
    first, last = printed.err.splitlines()
    seed = r"classic: seed {}: \d\d\.\d\d % in \d+\.\d s \({} of 2 seeds{}\)"
    assert re.fullmatch(seed.format(0, 1, r", \d+ s left"), first)
    assert re.fullmatch(seed.format(1, 2, ""), last)
    lines = printed.out.splitlines()
    assert lines[0] == "study                study"
    assert re.fullmatch(
        r"How accurate is it\?  \d\d\.\d\d %, standard deviation \d+\.\d\d", lines[1]
    )
    assert lines[2:] == ["report               study/report.html"]
    assert Path("study/report.html").is_file()
    # A second call trains nothing and prints the same numbers.
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
    assert main([*command.split(), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out) == json.loads(Path("study/summary.json").read_text())
    assert json.loads(printed.out)["seeds"] == [0, 1]


def test_every_flag_reaches_the_study(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    given: dict[str, Any] = {}

    def study(*recipe: str, **others: Any) -> None:
        given.update(others, recipe=recipe)
        raise RecipeError("enough")

    monkeypatch.setattr("tenfold.workflow.study.study", study)
    flags = "--seeds 7 --first-seed 3 --threads 3 --jobs 2 --alone 1 --holdout --data d --out o"
    flags += " --no-by-epoch --longer --learning-rate 3e-4 --hidden-sizes 40 20"
    flags += " --on ray --address h:6379 --class-names a b c d e f g h i j"
    assert main(["study", "classic", *flags.split()]) == 2
    assert capsys.readouterr().err == "tenfold: enough\n"
    assert given.pop("progress") is True
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
        "class_names": tuple("abcdefghij"),
        "learning_rate": 3e-4,
        "hidden_sizes": (40, 20),
    }
    for flags, longer in (("--no-longer", False), ("", None)):
        assert main(["study", *flags.split()]) == 2
        assert given["longer"] is longer
    assert given["jobs"] is None


@pytest.fixture
def read_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """A terminal for progress; the function gives the text on it."""
    file = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        "tenfold.workflow.progress.Console",
        lambda **_: Console(file=file, force_terminal=True, width=99),
    )
    return lambda: re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())


def test_a_terminal_shows_a_bar_below_the_seeds(read_terminal: Callable[[], str]) -> None:
    labels_N = np.zeros(4, dtype=np.uint8)
    study = build_study(labels_N, np.zeros((1, 4), dtype=np.int64), seconds=[90.04])
    with showing_study_progress(is_shown=True) as show:
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
    shown = read_terminal()
    assert "classic: seed 0: 98.00 % in 90.0 s (2 of 4 seeds, 3 min left)" in shown
    assert "classic, 10 epochs: seed 0: 98.00 % in 90.0 s" in shown
    assert re.search(r"classic [━╸╺]+ 1 of 4 seeds", shown)
    assert re.search(r"classic, 10 epochs [━╸╺]+ 2 of 4 seeds", shown)


def test_the_title_of_a_bar_is_escaped(read_terminal: Callable[[], str]) -> None:
    """It may be the name of a run's folder."""
    title = "[/x] :smile: \x1b[31m\r\u202e"
    with showing_progress(title, is_shown=True) as show:
        show(DrawingProgress(num_drawn=1, num_scenes=4, seconds_left=3.0))
        show(StageProgress(stage="calibrating"))
        time.sleep(0.3)
    shown = read_terminal()
    assert r"[/x] :smile: \x1b[31m\r\u202e  generating images" in shown
    frames = re.findall(r"(.) \[/x\] :smile: \\x1b\[31m\\r\\u202e  calibrating", shown)
    assert len(set(frames)) > 1  # something moves
    assert "\u202e" not in shown


def test_compare_prints_a_table_and_sentences(
    folders: list[str], small_data: Path, capsys: Capture
) -> None:
    assert main(["compare", *folders, "--data", str(small_data)]) == 0
    table, sentences = capsys.readouterr().out.split("\n\n")
    assert re.match(r" +first +other +\n", table)
    assert re.search(r"^seeds +3 +3 *$", table, re.MULTILINE)
    comparison = tenfold.compare(folders, data=small_data)
    accuracies = [f"{100 * one.summary.accuracy.mean:.3f} %" for one in comparison.studies]
    assert all(one in table for one in accuracies)
    assert sentences.startswith("How does other compare with first? better\n")
    [pair] = comparison.differences
    assert f"other is {100 * pair.difference.difference:.3f} points above first." in sentences
    long = [str(Path(folder).rename(folder + 60 * "x")) for folder in folders]
    assert main(["compare", *long, "--data", str(small_data)]) == 0
    table = capsys.readouterr().out.split("\n\n")[0]
    assert all(one in table for one in accuracies)


def test_compare_writes_json_and_a_report(
    folders: list[str], small_data: Path, tmp_path: Path, capsys: Capture
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


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("study clasic", "unknown recipe 'clasic'; known recipes: classic"),
        ("study --seeds 0", "--seeds must be a whole number from 1 to 10,000, not 0"),
        ("study --seeds 2.5", "--seeds must be a whole number, not 2.5"),
        ("study --jobs 0", "--jobs must be a whole number from 1 to 1,024, not 0"),
        ("study --epochs 0", "--epochs must be a whole number from 1 to 10,000, not 0"),
        ("study --data nowhere", "nowhere: no such folder"),
        ("study --out file", "file: cannot be written: there is a file where a folder should be"),
        ("compare", "missing FOLDERS; usage: tenfold compare FOLDERS... [OPTIONS]"),
        ("compare nowhere", "nowhere/study.json: cannot read the study: No such"),
        ("compare file", "file/study.json: cannot read the study: Not a directory"),
        ("compare synthetic", "data: no such folder"),
        ("compare empty", "empty: the study has no runs yet"),
        ("compare run", "run/config.json: not valid in this version of Tenfold: "),
        ("compare run synthetic", "synthetic is a study, but run is a run; compare studies with"),
        ("compare run --average 1", "run is a run, not a study; `tenfold study` makes studies"),
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
    command: str, message: str, here: Path, fail: Fail
) -> None:
    (here / "file").touch()
    labels_N = np.zeros(4, dtype=np.uint8)
    for name, num_runs in (("synthetic", 1), ("empty", 0)):
        answers_RN = np.zeros((num_runs, 4), dtype=np.int64)
        (here / name).mkdir()
        write_study(build_study(labels_N, answers_RN, path=here / name))
    values = (here / "synthetic/study.json").read_text()
    moved = values.replace('"data_folder": null', '"data_folder": "data"')
    (here / "synthetic/study.json").write_text(moved)
    (here / "cut").mkdir()
    (here / "cut/study.json").write_text(values)
    (here / "run").mkdir()
    (here / "run/config.json").write_text("{}")
    assert message in fail(command)


def test_a_name_of_a_report_that_is_too_long_is_an_error(capsys: Capture) -> None:
    assert main(["compare", "studies/classic", "--out", 300 * "x"]) == 2
    assert "File name too long" in capsys.readouterr().err
