import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tenfold
from tenfold.cli import main
from tenfold.errors import RunError
from tenfold.runs.listing import find_state, list_folder
from tenfold.system.files import write_json
from tenfold.system.locks import locking
from tiny_studies import run_here


@pytest.fixture(scope="module")
def shelf(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, one that was stopped, one that hardly began, a study, and other things."""
    folder = tmp_path_factory.mktemp("shelf")
    short = {"hidden_sizes": [16], "epochs": 2, "data": small_data}
    tenfold.train(seed=4, out=folder / "done", report=False, **short)  # type: ignore[arg-type]

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tenfold.train(seed=5, out=folder / "begun", on_progress=stop, **short)  # type: ignore[arg-type]
    shutil.copytree(folder / "begun", folder / "saved")
    (folder / "begun" / "checkpoint.safetensors").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.workflow.study.run_seeds", run_here([]))
        patch.setattr(
            "tenfold.reports.study_files.write_study_report",
            lambda study, _: write_json(study.path / "summary.json", {"seeds": [0, 1]}),
        )
        tenfold.study(seeds=2, alone=0, jobs=1, out=folder / "study", **short)  # type: ignore[arg-type]
    (folder / "empty").mkdir()
    shutil.copytree(folder / "begun", folder / ".hidden")
    (folder / "note.txt").touch()
    return folder


def test_runs_and_studies_are_listed_with_their_state(shelf: Path, small_data: Path) -> None:
    listed = {entry.path.name: entry for entry in list_folder(shelf)}
    assert {name: (entry.kind, entry.state) for name, entry in listed.items()} == {
        "done": ("run", "complete"),
        "begun": ("run", "stopped"),
        "saved": ("run", "stopped"),
        "study": ("study", "complete"),
    }
    assert [(entry.recipe, entry.seed) for entry in (listed["done"], listed["begun"])] == [
        ("classic", 4),
        ("classic", 5),
    ]
    assert {entry.data for entry in listed.values()} == {small_data.name}
    for entry in listed.values():
        assert entry.changes == {"hidden_sizes": (16,), "epochs": 2}
    assert listed["done"].accuracy == tenfold.load_run(shelf / "done").accuracy
    assert listed["begun"].accuracy is None
    assert listed["study"].num_seeds == 2
    assert listed["study"].accuracy == pytest.approx(
        tenfold.load_study(shelf / "study").accuracies.mean()
    )
    assert [entry.has_checkpoint for entry in (listed["begun"], listed["saved"])] == [False, True]
    [own] = list_folder(shelf / "done")
    assert own == listed["done"]


def test_a_study_is_stopped_until_its_summary_has_all_its_seeds(
    shelf: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    shutil.copytree(shelf / "study", study)
    write_json(study / "summary.json", {"seeds": [0]})
    assert [entry.state for entry in list_folder(tmp_path)] == ["stopped"]
    (study / "summary.json").unlink()
    assert [entry.state for entry in list_folder(tmp_path)] == ["stopped"]
    with locking(study, RunError("busy")):
        assert [entry.state for entry in list_folder(tmp_path)] == ["running"]
    shutil.rmtree(study / "runs")  # a study.json that was shared
    assert [entry.state for entry in list_folder(tmp_path)] == ["complete"]
    values = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps(values | {"runs": []}))
    assert [entry.state for entry in list_folder(tmp_path)] == ["stopped"]


def test_data_and_hold_out_are_listed(shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(shelf / "done", tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    for changed, expected in (
        ({"data_folder": None, "holdout": True}, ("MNIST", True)),
        ({"data_folder": "/data/my digits"}, ("my digits", False)),
        ({"data_folder": 5, "holdout": 1}, (None, False)),
    ):
        (tmp_path / "run" / "config.json").write_text(json.dumps(config | changed))
        [entry] = list_folder(tmp_path)
        assert (entry.data, entry.holdout) == expected
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"recipe": {"name": "x"}}))
    [entry] = list_folder(tmp_path)
    assert (entry.recipe, entry.changes) == ("x", {})


def test_the_last_changed_is_listed_first(shelf: Path) -> None:
    for number, name in enumerate(("study/study.json", "begun/state.json", "done/state.json")):
        os.utime(shelf / name, (1e10 + number, 1e10 + number))
    names = [entry.path.name for entry in list_folder(shelf)]
    assert names == ["done", "begun", "study", "saved"]


def test_a_run_that_is_trained_is_running(shelf: Path) -> None:
    assert find_state(shelf / "saved") == "stopped"  # although it has had new losses just now
    with locking(shelf / "saved", RunError("busy")):
        assert find_state(shelf / "saved") == "running"


def test_without_locks_a_run_with_new_losses_is_running(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for path in (here, elsewhere):
        shutil.copytree(shelf / "saved", path)
        os.utime(path / "losses.jsonl")
    state = json.loads((here / "state.json").read_text())
    (elsewhere / "state.json").write_text(json.dumps(state | {"host": "of another name"}))
    assert [find_state(path) for path in (here, elsewhere)] == ["stopped", "running"]
    monkeypatch.setattr("tenfold.system.locks.fcntl", None)  # a system without locks
    assert [find_state(path) for path in (here, elsewhere)] == ["running", "running"]
    for path in (here, elsewhere):
        os.utime(path / "losses.jsonl", (0, 0))
    assert [find_state(path) for path in (here, elsewhere)] == ["stopped", "stopped"]


def test_a_run_that_has_just_begun_has_no_state(shelf: Path, tmp_path: Path) -> None:
    shutil.copy(shelf / "saved" / "config.json", tmp_path)
    with locking(tmp_path, RunError("busy")):
        assert find_state(tmp_path) == "running"
    os.utime(tmp_path, (0, 0))
    assert find_state(tmp_path) == "stopped"
    assert find_state(tmp_path / "removed") == "unreadable"


@pytest.mark.parametrize("text", ["", "[]", '{"state": 1}', '{"state": "complete"}', "{" * 100_000])
def test_invalid_files_are_listed_as_unreadable(text: str, shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(shelf / "done", tmp_path / "run")
    (tmp_path / "run" / "state.json").write_text(text)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text(text)
    assert [entry.state for entry in list_folder(tmp_path)] == ["unreadable"] * 2


def test_a_run_without_its_state_is_unreadable(shelf: Path, tmp_path: Path) -> None:
    """`tenfold train --resume` refuses such a folder."""
    shutil.copytree(shelf / "saved", tmp_path / "run")
    (tmp_path / "run" / "state.json").unlink()
    assert find_state(tmp_path / "run") == "unreadable"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`tenfold runs` on a wide terminal: what it prints, on stderr if it fails."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object, code: int = 0) -> str:
        assert main(["runs", *map(str, words)]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return call


def test_the_command_prints_a_table_and_json(
    shelf: Path, call: Callable[..., str], tmp_path: Path
) -> None:
    lines = dict(line.rstrip().split(None, 1) for line in call(shelf).splitlines())
    assert lines["saved"].startswith("classic (epochs=2, hidden_sizes=16)")
    assert lines["saved"].split()[-5:] == ["5", "stopped,", "can", "be", "resumed"]
    assert lines["begun"].endswith("stopped before a checkpoint")
    assert "2 seeds" in lines["study"]
    assert lines["done"].split()[2:] != []
    listed = json.loads(call(shelf, "--json"))
    assert {Path(entry["path"]).name for entry in listed} == {"begun", "done", "saved", "study"}
    assert call(tmp_path) == f"no runs yet in {tmp_path}; `tenfold train` makes one\n"
    assert f"{tmp_path}/nowhere: No such file or directory\n" in call(tmp_path / "nowhere", code=2)


def test_without_any_runs_the_command_says_so(
    call: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call() == "no runs yet; `tenfold train` makes one\n"
    assert call("--json") == "[]\n"


def test_several_runs_are_listed_and_validation_accuracy_is_marked(
    shelf: Path, call: Callable[..., str], tmp_path: Path
) -> None:
    shutil.copytree(shelf / "done", tmp_path / "held")
    config = json.loads((tmp_path / "held" / "config.json").read_text())
    (tmp_path / "held" / "config.json").write_text(json.dumps(config | {"holdout": True}))
    _, done, held = call(shelf / "done", tmp_path / "held").splitlines()
    assert "%, validation" in held
    assert "validation" not in done


@pytest.mark.parametrize("columns", ["20", "40", "80"])
def test_on_a_narrow_terminal_nothing_is_cropped(
    columns: str, shelf: Path, call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    printed = call(shelf / "done")
    assert max(map(len, printed.splitlines())) <= int(columns)
    assert "…" not in printed
    words = "".join(printed.split())
    assert "(epochs=2," in words
    assert "hidden_sizes=16)" in words


def test_names_are_escaped_for_the_terminal(
    shelf: Path, call: Callable[..., str], tmp_path: Path
) -> None:
    for name in ("[bold]a", ":smile:", "a\x1b[31m\n\u202e", os.fsdecode(b"\xff")):
        shutil.copytree(shelf / "done", tmp_path / name)
    printed = call(tmp_path)
    names = {line.split()[0] for line in printed.splitlines()[1:]}
    assert names == {"[bold]a", ":smile:", r"a\x1b[31m\n\u202e", r"\xff"}
    assert printed.replace("\n", "").isprintable()
    assert r"a\x1b[31m: No such file" in call(tmp_path / "a\x1b[31m", code=2)
