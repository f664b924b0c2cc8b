import hashlib
from pathlib import Path

import pytest

from reports.test_model_card import CONFIG
from runs.made_runs import write_run
from tenfold.errors import RunError
from tenfold.runs.hub import CARD, MODEL, check_hub_folder
from tenfold.system.files import write_json
from tenfold.system.json_types import to_json

FILES = {"model.safetensors": b"weights", MODEL: b"model", CARD: b"card"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as `tenfold export --hub` leaves it, in a clone of a repository."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    write_json(tmp_path / "config.json", {**to_json(CONFIG), "files": files})
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_new_empty_and_own_folders_may_be_written(folder: Path) -> None:
    check_hub_folder(folder / "new")
    (folder / "empty").mkdir()
    (folder / "empty/.gitattributes").touch()
    check_hub_folder(folder / "empty")
    check_hub_folder(folder)
    (folder / MODEL).unlink()
    (folder / "picture.png").touch()
    check_hub_folder(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_changed_is_not_replaced(name: str, folder: Path) -> None:
    (folder / name).write_text("mine")
    with pytest.raises(RunError, match=f"{name}: was changed after Tenfold wrote it"):
        check_hub_folder(folder)


def test_folders_of_others_are_not_written(folder: Path) -> None:
    run, other = write_run(folder / "run"), folder / "other"
    other.mkdir()
    (other / "notes.txt").touch()
    for taken in (run, other):
        with pytest.raises(RunError, match="has files that `tenfold export --hub` did not write"):
            check_hub_folder(taken)
    with pytest.raises(RunError, match=r"notes\.txt: cannot be used as a folder: "):
        check_hub_folder(other / "notes.txt")
