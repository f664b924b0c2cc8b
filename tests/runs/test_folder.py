import dataclasses
import datetime
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
from made_studies import build_evaluation
from run_errors import catch_error
from tenfold.cli import main
from tenfold.errors import RunError
from tenfold.recipes.catalogue import RECIPES
from tenfold.runs.config import RunConfig
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
from tenfold.system.files import hash_file, write_file, write_json
from tenfold.system.json_types import from_json, to_json

CONFIG_OF_A_RUN = RunConfig(
    recipe=RECIPES["classic"],
    seed=3,
    holdout=False,
    data_folder=None,
    checksums={"train": ("a", "b"), "test": ("c", "d")},
    threads=2,
    device="cpu",
    versions={"python": "3.11.7"},
    machine={"cpu": "a processor", "cores": 2, "system": "Linux"},
    started="2026-11-22T13:14:15+00:00",
)
WEIGHTS_OF_A_RUN = b"the weights of a run"
TRAINING_OF_A_RUN = {
    "seconds": 3.0,
    "other_cores": None,
    "num_images": 1000,
    "images_per_second": 2000,
    "num_parameters": 500,
    "weights_sha256": hashlib.sha256(WEIGHTS_OF_A_RUN).hexdigest(),
}
LABELS_N = np.arange(40).astype(np.uint8) % 10
PREDICTED_N = np.where(np.arange(40) == 7, 2, LABELS_N)
EVALUATION_OF_A_RUN = {
    **to_json(build_evaluation(LABELS_N, PREDICTED_N, np.full(40, 0.5))),
    "training": TRAINING_OF_A_RUN,
    "headline": "97.5 % & <more>",
}


def write_run(folder: Path) -> Path:
    """A folder as a finished run leaves it, as far as `run` looks into it."""
    write_file(folder / WEIGHTS, WEIGHTS_OF_A_RUN)
    write_json(folder / CONFIG, to_json(CONFIG_OF_A_RUN))
    sha256 = hashlib.sha256(WEIGHTS_OF_A_RUN).hexdigest()
    state = {
        "state": "complete",
        "config_sha256": hash_file(folder / CONFIG),
        "weights_sha256": sha256,
        "training": TRAINING_OF_A_RUN,
    }
    write_json(folder / STATE, state)
    write_json(folder / EVALUATION, EVALUATION_OF_A_RUN)
    for file in FIGURES.values():
        write_file(folder / file, b"png")
    return folder


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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


def test_a_file_in_the_way_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("work")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        message = catch_error(lambda out=out: create_run_folder(out, "classic", 0))  # type: ignore[misc]
        assert message.startswith(f"{out}: ")
    assert (tmp_path / "file").read_text() == "work"


def test_a_file_named_runs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").write_text("work")
    assert "runs" in catch_error(lambda: create_run_folder(None, "classic", 0))
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


def test_a_notebook_shows_headline_and_figures(tmp_path: Path) -> None:
    shown = load_run(write_run(tmp_path))._repr_html_()
    assert "<strong>97.5 % &amp; &lt;more&gt;</strong>" in shown
    assert re.findall(r'alt="(\w+)"', shown) == list(FIGURES)
    assert shown.count("data:image/png;base64,cG5n") == 3


def test_a_notebook_shows_a_run_without_figures_too(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path))
    for path in run.figures.values():
        path.unlink()
    shown = run._repr_html_()
    assert "<strong>97.5 % &amp; &lt;more&gt;</strong>" in shown
    assert "<img" not in shown


OF_TRAINING = {"train": ("a", "b")}


def test_configs_survive_json() -> None:
    for config in (
        CONFIG_OF_A_RUN,
        dataclasses.replace(
            CONFIG_OF_A_RUN, holdout=True, data_folder="a/b", checksums=OF_TRAINING
        ),
    ):
        assert from_json(RunConfig, json.loads(json.dumps(to_json(config)))) == config


def test_a_config_without_the_optional_fields_is_loaded() -> None:
    values = to_json(CONFIG_OF_A_RUN)
    wishes = {"by_epoch", "report", "tensorboard", "checkpoint_every"}
    assert from_json(RunConfig, {k: v for k, v in values.items() if k not in wishes}) == (
        CONFIG_OF_A_RUN
    )


def test_the_fingerprint_ignores_cores_kernel_and_matplotlib() -> None:
    system = "Linux-6.1.0-x86_64-with-glibc2.36"
    machine: dict[str, str | int] = {"cpu": "a", "gpu": "b", "cores": 2, "system": system}
    versions = {"torch": "2.6", "python": "3.11.7", "matplotlib": "3.9"}
    config = dataclasses.replace(CONFIG_OF_A_RUN, machine=machine, versions=versions)
    assert config.fingerprint == {
        "threads": config.threads,
        "device": "cpu",
        "cpu": "a",
        "gpu": "b",
        "system": "Linux",
        "torch": "2.6",
        "python": "3.11.7",
    }
    assert config.describe_changes(config) == []
    other = dataclasses.replace(config, machine=machine | {"cpu": "c", "cores": 8}, versions={})
    assert config.describe_changes(other) == [
        "cpu c instead of a",
        "torch none instead of 2.6",
        "python none instead of 3.11.7",
    ]


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
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert refused_run(folder) == ": not a run folder: it has no config.json"


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


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    (write_run(tmp_path) / WEIGHTS).write_bytes(b"other weights")
    expected = hashlib.sha256(WEIGHTS_OF_A_RUN).hexdigest()
    found = hashlib.sha256(b"other weights").hexdigest()
    assert refused_run(tmp_path) == (
        "/model.safetensors: changed after training wrote it: "
        f"its SHA-256 is {found}, not {expected}"
    )


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    (write_run(tmp_path) / WEIGHTS).unlink()
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


def test_a_missing_evaluation_is_refused(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path))
    (tmp_path / EVALUATION).unlink()
    assert catch_error(lambda: run.accuracy) == (
        f"{tmp_path / EVALUATION}: cannot be read: No such file or directory"
    )


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
        (
            {"misclassified": [{"index": 7.5}]},
            "misclassified[0].confidence: missing",
        ),
        ({"epochs": {}}, "epochs must be an array, not {}"),
        ({"training": {}}, "training.images_per_second: missing"),
        ({"findings": [{"name": 3}]}, "findings[0].answer: missing"),
    ],
)
def test_an_invalid_evaluation_is_refused(
    changed: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    write_json(write_run(tmp_path) / EVALUATION, {**EVALUATION_OF_A_RUN, **changed})
    run = load_run(tmp_path)
    assert catch_error(lambda: run.evaluation) == (
        f"{tmp_path / EVALUATION}: not valid in this version of Tenfold: {reason}"
    )


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({}, "not_digit: missing"),
        (
            {"temperature": "x", "read": 0.5, "not_digit": 0.5},
            "temperature must be a number, not 'x'",
        ),
        (
            {"temperature": 1.0, "read": float("nan"), "not_digit": 0.5},
            "read must be a number, not nan",
        ),
    ],
)
def test_an_invalid_calibration_is_refused(
    found: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    run = load_run(write_run(tmp_path))
    (tmp_path / CALIBRATION).write_text(json.dumps(found))
    assert catch_error(lambda: run.calibration) == (
        f"{tmp_path / CALIBRATION}: not valid in this version of Tenfold: {reason}"
    )


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
