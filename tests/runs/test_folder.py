import datetime
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import tenfold
from run_errors import catch_error
from runs.made_runs import (
    CONFIG_OF_A_RUN,
    EVALUATION_OF_A_RUN,
    TRAINING_OF_A_RUN,
    WEIGHTS_OF_A_RUN,
    write_run,
)
from tenfold.cli import main
from tenfold.errors import RunError
from tenfold.recipes.catalogue import RECIPES
from tenfold.runs.folder import (
    CALIBRATION,
    CONFIG,
    EVALUATION,
    FIGURES,
    STATE,
    WEIGHTS,
    RunningState,
    build_resume_command,
    create_run_folder,
    load_config,
    load_run,
)
from tenfold.runs.listing import find_state
from tenfold.runs.losses import LOSSES
from tenfold.system.files import write_json
from tenfold.system.json_types import to_json


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_configs_of_earlier_versions_with_tensorboard_are_loaded(tmp_path: Path) -> None:
    for tensorboard, log in ((True, ("tensorboard",)), (False, ())):
        write_json(tmp_path / CONFIG, {**to_json(CONFIG_OF_A_RUN), "tensorboard": tensorboard})
        assert load_config(tmp_path, RunningState(state="running")).log == log


def test_a_new_folder_is_named_after_date_recipe_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = datetime.date.today()
    path = create_run_folder(None, "classic", 7)
    dates = {before.isoformat(), datetime.date.today().isoformat()}
    assert path in {Path("runs") / f"{date}-classic-7" for date in dates}
    assert path.is_dir()
    assert list_names(path) == []


def test_a_taken_name_gets_the_next_free_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second, third = (create_run_folder(None, "classic", 0) for _ in range(3))
    assert second.name == f"{first.name}-2"
    assert third.name == f"{first.name}-3"
    second.rmdir()
    second.touch()  # a file takes a name too
    assert create_run_folder(None, "classic", 0).name == f"{first.name}-4"
    assert create_run_folder(None, "classic", 1).name == first.name[:-1] + "1"


def test_a_folder_named_by_the_user_is_made_with_its_parents(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    assert create_run_folder(out, "classic", 0) == out
    assert out.is_dir()
    assert create_run_folder(out, "classic", 0) == out  # there, but empty


def test_a_folder_with_files_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("work")
    assert catch_error(lambda: create_run_folder(tmp_path, "classic", 0)) == (
        f"{tmp_path}: the folder is not empty; use a new or empty one"
    )
    assert list_names(tmp_path) == ["precious"]


@pytest.mark.parametrize(
    ("out", "named"),
    [(None, "runs"), (Path("runs"), "runs: "), (Path("runs/below"), "runs/below: ")],
)
def test_a_file_in_the_way_of_the_folder_is_refused(
    out: Path | None, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").write_text("work")
    assert catch_error(lambda: create_run_folder(out, "classic", 0)).startswith(named)
    assert Path("runs").read_text() == "work"


def test_a_finished_run_is_loaded(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path))
    assert run.path == tmp_path
    assert run.config == CONFIG_OF_A_RUN
    assert run.training.seconds == 3.0
    assert run.accuracy == 0.975
    assert run.weights_path == tmp_path / "model.safetensors"
    assert run.report == tmp_path / "report.html"
    assert set(run.figures) == {"loss_per_batch", "confusion_matrix", "misclassified"}
    assert all(path.is_file() for path in run.figures.values())
    assert repr(run) == f"<Run {tmp_path}: 97.5 % & <more>>"


@pytest.mark.parametrize("has_figures", [True, False])
def test_a_notebook_shows_headline_and_figures(has_figures: bool, tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path))
    if not has_figures:
        shutil.rmtree(tmp_path / "figures")
    shown = run._repr_html_()
    assert "<strong>97.5 % &amp; &lt;more&gt;</strong>" in shown
    assert re.findall(r'alt="(\w+)"', shown) == list(FIGURES) * has_figures
    assert shown.count("data:image/png;base64,cG5n") == 3 * has_figures


def test_fields_of_version_0_1_are_ignored(tmp_path: Path) -> None:
    values = to_json(CONFIG_OF_A_RUN) | {"processes": 1, "members_from": None}
    write_json(tmp_path / CONFIG, values)
    assert load_config(tmp_path, RunningState(state="running")) == CONFIG_OF_A_RUN
    write_json(tmp_path / CONFIG, values | {"other": 1})
    with pytest.raises(RunError, match="other: unknown field"):
        load_config(tmp_path, RunningState(state="running"))


def test_the_resume_command_is_quoted_for_a_shell() -> None:
    assert build_resume_command(Path("runs/a b")) == "tenfold train --resume 'runs/a b'"
    assert build_resume_command(Path("a"), data=Path("d d"), threads=None, device="cpu") == (
        "tenfold train --resume a --data 'd d' --device cpu"
    )


def refused_run(folder: Path) -> str:
    message = catch_error(lambda: load_run(folder))
    assert message.startswith(str(folder))
    return message.removeprefix(str(folder))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    assert refused_run(tmp_path) == ": not a run folder: it has no config.json"
    assert refused_run(tmp_path / "nowhere") == ": no such folder; name the folder of a run"


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    write_json(write_run(tmp_path) / STATE, {"state": "running"})
    assert refused_run(tmp_path) == (
        ": the run is not finished: it was interrupted or is still being trained. "
        f"`tenfold train --resume {tmp_path}` continues it."
    )


def test_a_run_without_state_is_refused(tmp_path: Path) -> None:
    (write_run(tmp_path) / STATE).unlink()
    assert refused_run(tmp_path) == ("/state.json: cannot be read: No such file or directory")
    for name in (LOSSES, WEIGHTS, EVALUATION):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.rmtree(tmp_path / "figures")
    assert "the run is not finished" in refused_run(tmp_path)  # it has just begun


def test_changed_or_missing_weights_are_refused(tmp_path: Path) -> None:
    (write_run(tmp_path) / WEIGHTS).write_bytes(b"other weights")
    expected = hashlib.sha256(WEIGHTS_OF_A_RUN).hexdigest()
    found = hashlib.sha256(b"other weights").hexdigest()
    assert refused_run(tmp_path) == (
        "/model.safetensors: changed after training wrote it: "
        f"its SHA-256 is {found}, not {expected}"
    )
    (tmp_path / WEIGHTS).unlink()
    assert refused_run(tmp_path) == (
        "/model.safetensors: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("file", [CONFIG, STATE])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON: Expecting property name"),
        (b"", "not JSON: Expecting value"),
        (b"\xff\xfe\x00", "not JSON: 'utf-8' codec can't decode"),
        (b"[1]", "must be a JSON object, not list"),
        (b"null", "must be a JSON object, not NoneType"),
        (20_000 * b"[", "not JSON: nested too deeply"),
    ],
)
def test_broken_json_is_refused(file: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (write_run(tmp_path) / file).write_bytes(content)
    assert refused_run(tmp_path).startswith(f"/{file}: {reason}")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"recipe": {"name": "x"}},
            "not a recipe of this version of Tenfold: augmentation: missing",
        ),
        ({"recipe": 3}, "not a recipe of this version of Tenfold: must be an object, not 3"),
        ({"recipe": {**RECIPES["classic"].to_json(), "epochs": 0}}, "--epochs must be"),
        ({"checksums": {"train": ["a"]}}, "checksums.train must be an array of 2, not ['a']"),
        ({"checksums": 3}, "checksums must be an object, not 3"),
        ({"checksums": {}}, "checksums.test: missing"),
        ({"precision": "bf16"}, "precision: unknown field"),
        ({"data_folder": 5}, "data_folder must be text or null, not 5"),
        ({"data_folder": []}, "data_folder must be text or null, not []"),
        ({"data_folder": {}}, "data_folder must be text or null, not {}"),
        ({"seed": 2**64}, "seed must be a whole number from 0 to 4,294,967,295, not 18446744"),
        ({"seed": "x"}, "seed must be a whole number, not 'x'"),
        ({"seed": None}, "seed must be a whole number, not None"),
        ({"seed": True}, "seed must be a whole number, not True"),
        ({"seed": 1.0}, "seed must be a whole number, not 1.0"),
        ({"machine": {}}, "machine.cores: missing"),
        ({"machine": None}, "machine must be an object, not None"),
        ({"machine": {"cpu": {}}}, "machine.cpu must be text or a whole number, not {}"),
        ({"versions": None}, "versions must be an object, not None"),
        ({"versions": {"torch": 2}}, "versions.torch must be text, not 2"),
        ({"threads": 10**30}, "threads must be a whole number from 1 to 1,024, not 1000"),
        ({"checkpoint_every": -1}, "checkpoint_every must be a whole number from 0 to 10,000"),
        ({"device": 5}, "device must be text, not 5"),
        ({"holdout": "no"}, "holdout must be true or false, not 'no'"),
        ({"started": 3}, "started must be text, not 3"),
    ],
)
def test_an_invalid_config_is_refused(changed: dict[str, Any], reason: str, tmp_path: Path) -> None:
    write_run(tmp_path)
    write_json(tmp_path / CONFIG, {**to_json(CONFIG_OF_A_RUN), **changed})
    assert refused_run(tmp_path).startswith(
        f"/config.json: not valid in this version of Tenfold: {reason}"
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"state": 1}, "state must be running, not 1"),
        ({"state": "done"}, "state must be running, not 'done'"),
        ({"config_sha256": None}, "config_sha256 must be text, not None"),
        ({"training": None}, "training must be an object, not None"),
        ({"training": []}, "training must be an object, not []"),
        ({"training": 5}, "training must be an object, not 5"),
        ({"training": "x"}, "training must be an object, not 'x'"),
        ({"training": {}}, "training.images_per_second: missing"),
        (
            {"training": {**TRAINING_OF_A_RUN, "seconds": "long"}},
            "training.seconds must be a number, not 'long'",
        ),
        (
            {"training": {**TRAINING_OF_A_RUN, "seconds": 10**400}},
            "training.seconds must be a number, not 1000000",
        ),
        (
            {"training": {**TRAINING_OF_A_RUN, "resumed_with": "x"}},
            "training.resumed_with must be an array, not 'x'",
        ),
    ],
)
def test_an_invalid_state_is_refused(changed: dict[str, Any], reason: str, tmp_path: Path) -> None:
    state = json.loads((write_run(tmp_path) / STATE).read_text())
    write_json(tmp_path / STATE, {**state, **changed})
    assert refused_run(tmp_path).startswith(
        f"/state.json: not valid in this version of Tenfold: {reason}"
    )
    assert find_state(tmp_path) == "unreadable"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"accuracy": None}, "accuracy must be a number, not None"),
        ({"headline": []}, "headline must be text, not []"),
        ({"part": "all"}, "part must be test or validation, not 'all'"),
        ({"misclassified": [7]}, "misclassified[0] must be an object, not 7"),
        ({"misclassified": [{"index": 7.5}]}, "misclassified[0].confidence: missing"),
        ({"epochs": {}}, "epochs must be an array, not {}"),
        ({"training": {}}, "training.images_per_second: missing"),
        ({"findings": [{"name": 3}]}, "findings[0].answer: missing"),
    ],
)
def test_an_invalid_evaluation_is_refused(
    changed: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    run, file = load_run(write_run(tmp_path)), tmp_path / EVALUATION
    write_json(file, {**EVALUATION_OF_A_RUN, **changed})
    assert catch_error(lambda: run.evaluation) == (
        f"{file}: not valid in this version of Tenfold: {reason}"
    )
    file.unlink()
    assert catch_error(lambda: run.accuracy) == (
        f"{file}: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"not_digit": None}, "not_digit must be a number, not None"),
        ({"temperature": "x"}, "temperature must be a number, not 'x'"),
        ({"read": float("nan")}, "read must be a number, not nan"),
    ],
)
def test_an_invalid_calibration_is_refused(
    changed: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    run, file = load_run(write_run(tmp_path)), tmp_path / CALIBRATION
    file.write_text(json.dumps({"temperature": 1.0, "read": 0.5, "not_digit": 0.5} | changed))
    assert catch_error(lambda: run.calibration) == (
        f"{file}: not valid in this version of Tenfold: {reason}"
    )
    file.write_text("{}")
    assert catch_error(lambda: run.calibration).endswith(": not_digit: missing")


@pytest.mark.parametrize("verb", ["evaluate", "export", "train --resume", "runs"])
@pytest.mark.parametrize(
    ("file", "changed"),
    [
        (CONFIG, {"data_folder": 5}),
        (CONFIG, {"seed": 2**64}),
        (CONFIG, {"machine": None}),
        (CONFIG, {"device": {}}),
        (CONFIG, {"recipe": {"name": []}}),
        (STATE, {"training": None}),
    ],
)
def test_every_command_checks_the_files_of_a_run(
    verb: str,
    file: str,
    changed: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = json.loads((write_run(tmp_path) / file).read_text())
    write_json(tmp_path / file, {**values, **changed})
    code = main([*verb.split(), str(tmp_path)])
    printed = capsys.readouterr()
    if verb == "runs":  # which shows what it can
        assert code == 0
        return
    assert (code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    if "device" not in changed or verb != "train --resume":
        assert f"{file}: not valid in" in printed.err
        assert f": {next(iter(changed))}" in printed.err or "recipe" in changed


def test_a_run_is_opened_by_its_name_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_run(tmp_path).parent)
    run = tenfold.load_run(tmp_path.name)
    assert run.path == Path(tmp_path.name)
    assert run == tenfold.load_run(Path(tmp_path.name))
