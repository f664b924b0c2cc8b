import json
import shutil
from pathlib import Path

import pytest

import tenfold
from tenfold.cli import main
from tenfold.disk import locking
from tenfold.errors import RunError
from tenfold.listing import find_state, list_folder


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
        patch.setattr("tenfold.studies.files.write_study_report", lambda *_: None)
        tenfold.study(seeds=2, alone=0, jobs=1, out=folder / "study", **short)  # type: ignore[arg-type]
    (folder / "empty").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "note.txt").touch()
    return folder


def test_runs_and_studies_are_listed_with_their_state(shelf: Path) -> None:
    listed = {one.path.name: one for one in list_folder(shelf)}
    assert {name: (one.kind, one.state) for name, one in listed.items()} == {
        "done": ("run", "complete"),
        "begun": ("run", "stopped"),
        "saved": ("run", "stopped"),
        "study": ("study", "complete"),
    }
    assert [(one.recipe, one.seed) for one in (listed["done"], listed["begun"])] == [
        ("classic", 4),
        ("classic", 5),
    ]
    assert listed["done"].accuracy == tenfold.load_run(shelf / "done").accuracy
    assert listed["begun"].accuracy is None
    assert listed["study"].num_seeds == 2
    assert listed["study"].accuracy == pytest.approx(
        tenfold.load_study(shelf / "study").accuracies.mean()
    )
    assert [one.has_checkpoint for one in (listed["begun"], listed["saved"])] == [False, True]
    [own] = list_folder(shelf / "done")
    assert own == listed["done"]


def test_the_latest_comes_first(shelf: Path) -> None:
    (shelf / "begun" / "touched").touch()
    assert list_folder(shelf)[0].path.name == "begun"
    (shelf / "begun" / "touched").unlink()


def test_a_run_that_is_trained_is_running(shelf: Path) -> None:
    assert find_state(shelf / "saved") == "stopped"
    with locking(shelf / "saved", RunError("busy")):
        assert find_state(shelf / "saved") == "running"


@pytest.mark.parametrize("text", ["", "[]", '{"state": 1}', "{" * 100_000])
def test_what_cannot_be_read_is_told(text: str, shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(shelf / "done", tmp_path / "run")
    (tmp_path / "run" / "state.json").write_text(text)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text(text)
    assert [one.state for one in list_folder(tmp_path)] == ["unreadable"] * 2


def test_a_state_that_is_gone_cannot_be_read(shelf: Path, tmp_path: Path) -> None:
    """`tenfold train --resume` refuses such a folder."""
    shutil.copytree(shelf / "saved", tmp_path / "run")
    (tmp_path / "run" / "state.json").unlink()
    assert find_state(tmp_path / "run") == "unreadable"


def test_the_command_prints_a_table_and_json(
    shelf: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["runs", str(shelf)]) == 0
    rows = [line.rstrip().split(None, 1) for line in capsys.readouterr().out.splitlines()]
    lines = dict(rows)
    assert lines["saved"].split() == ["classic", "5", "stopped,", "can", "be", "resumed"]
    assert lines["begun"].endswith("stopped before a checkpoint")
    assert "2 seeds" in lines["study"]
    assert lines["done"].split()[2:] != []
    assert main(["runs", str(shelf), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {Path(one["path"]).name for one in listed} == {"begun", "done", "saved", "study"}
    assert main(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no runs in {tmp_path}; `tenfold train` makes one\n"
    assert main(["runs", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == (
        f"tenfold: {tmp_path}/nowhere: expected a folder of runs or studies, found: No such file "
        "or directory\n"
    )
