import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tenfold
from runs.made_runs import CONFIG_OF_A_RUN
from tenfold.errors import MissingExtraError, RunError
from tenfold.runs.folder import CONFIG
from tenfold.runs.progress import StageProgress, TrainingProgress
from tenfold.system.files import write_json
from tenfold.training.trackers import check_names, list_parameters, open_trackers

SHORT: dict[str, Any] = {"hidden_sizes": [16], "threads": 1, "report": False}  # 12 steps an epoch


def stop_at(step: int) -> Any:
    """A progress callback that stops training at a step that ends an epoch."""

    def stop(progress: TrainingProgress | StageProgress) -> None:
        if isinstance(progress, TrainingProgress) and progress.step == step:
            raise KeyboardInterrupt

    return stop


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow logs to files here, which takes no SQLAlchemy, and believes that it is not tested."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    for name in ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    return lambda: pytest.importorskip("mlflow").MlflowClient()


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulators.EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def read_rows(path: Path) -> dict[str, list[tuple[int, float]]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("step", "epoch")]
    assert [int(row["epoch"]) for row in rows] == [int(row["step"]) // 12 for row in rows]
    return {
        name: [(int(row["step"]), float(row[name])) for row in rows if row[name]] for name in names
    }


def read_mlflow(client: Any) -> tuple[Any, dict[str, list[tuple[int, float]]]]:
    [run] = client.search_runs([client.get_experiment_by_name("tenfold").experiment_id])
    return run, {
        name: [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }


def test_each_step_is_logged_once_after_a_stop_behind_a_checkpoint(
    small_data: Path, tmp_path: Path, client: Any
) -> None:
    out, asked = tmp_path / "run", {"epochs": 4, "by_epoch": True, "checkpoint_every": 2, **SHORT}
    log = ("csv", "mlflow", "tensorboard", "csv")
    with pytest.raises(KeyboardInterrupt):  # 12 steps after the checkpoint
        tenfold.train(data=small_data, out=out, log=log, on_progress=stop_at(36), **asked)
    stopped, before = read_mlflow(client())
    assert stopped.info.status == "KILLED"
    assert [step for step, _ in before["loss"]] == [*range(36)]
    (out / "metrics.csv").write_text((out / "metrics.csv").read_text()[:-5])  # as a full disk would

    run = tenfold.resume(out)
    losses = [*enumerate(loss for epoch in run.read_losses() for loss in epoch)]
    [*by_epoch] = run.training.epoch_accuracies
    accuracies = [*zip((11, 23, 35, 47, 48), [*by_epoch, run.accuracy], strict=True)]
    shown, in_mlflow = read_mlflow(client())
    in_csv, in_events = read_rows(out / "metrics.csv"), read_events(out / "tensorboard")
    assert in_csv["images_per_second"][0] == before["images_per_second"][0]
    for logged in (in_csv, in_mlflow, in_events):
        assert [step for step, _ in logged["loss"]] == [*range(48)]
        assert [loss for _, loss in logged["loss"]] == pytest.approx([loss for _, loss in losses])
        assert [step for step, _ in logged["accuracy"]] == [step for step, _ in accuracies]
        assert [share for _, share in logged["accuracy"]] == pytest.approx(
            [share for _, share in accuracies]
        )
        [(step, nll)] = logged["nll"]
        assert step == 48
        assert 0.1 < nll < 2.4
    assert in_csv["loss"] == losses  # to the last bit

    params = shown.data.params
    assert (params["recipe"], params["seed"], params["hidden_sizes"]) == ("classic", "0", "(16,)")
    assert params["train_images_sha256"] == run.config.checksums["train"][0]
    assert (shown.info.status, shown.info.run_name) == ("FINISHED", "run")
    assert [one.path for one in client().list_artifacts(shown.info.run_id)] == ["config.json"]
    from mlflow.telemetry import get_telemetry_client

    assert get_telemetry_client() is None  # so it sends nothing


def test_mlflow_knows_a_run_by_its_folder_which_may_move(tmp_path: Path, client: Any) -> None:
    """Not by its config, which two runs that start in the same second have in common."""
    client()
    folders = [tmp_path / place for place in ("a", "b", "moved")]
    for folder in folders[:2]:
        folder.mkdir(parents=True)
        write_json(folder / CONFIG, CONFIG_OF_A_RUN)
    open_trackers(["mlflow"]).start(folders[0], CONFIG_OF_A_RUN, [])
    open_trackers(["mlflow"]).start(folders[1], CONFIG_OF_A_RUN, [])
    folders[0].rename(folders[2])
    open_trackers(["mlflow"]).start(folders[2], CONFIG_OF_A_RUN, [])
    found = client().search_runs([client().get_experiment_by_name("tenfold").experiment_id])
    assert {run.data.tags["tenfold.run"] for run in found} == {str(one) for one in folders[:2]}
    assert len(found) == 2


def test_a_file_that_is_no_database_is_named_at_once(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client()
    file = tmp_path / "mlflow.db"
    file.write_text("something else " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file.as_posix()}")
    with pytest.raises(RunError) as raised:  # without MLflow's own attempts, 100 s long
        open_trackers(["mlflow"])
    assert str(raised.value).startswith(f"--log mlflow: {file}: cannot be opened: ")


def test_the_parameters_name_arrays_and_a_model_of_ones_own() -> None:
    model = tenfold.ModuleConfig("own_models:Net", {"width": 4})
    recipe = dataclasses.replace(CONFIG_OF_A_RUN.recipe, name="mine", model=model)
    versions = {**CONFIG_OF_A_RUN.versions, "own_models": "SHA-256 ab"}
    config = dataclasses.replace(CONFIG_OF_A_RUN, recipe=recipe, versions=versions)
    found = list_parameters(dataclasses.replace(config, from_arrays=True))
    assert (found["factory"], found["arguments"]) == ("own_models:Net", {"width": 4})
    assert (found["version.own_models"], found["data"]) == ("SHA-256 ab", "arrays")
    assert list_parameters(config)["data"] == "MNIST"


def test_a_tracker_that_fails_ends_no_training(
    small_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "run" / "metrics.csv"

    def replace(progress: object) -> None:
        if log.is_file():
            log.unlink()
            log.mkdir()

    run = tenfold.train(
        data=small_data, out=log.parent, log="csv", epochs=3, on_progress=replace, **SHORT
    )
    assert len(run.read_losses()) == 3
    [message] = caplog.messages
    assert message.startswith(f"tenfold: --log csv failed, training continues: {log}: ")


def test_a_missing_extra_is_named_before_training_and_ends_no_run_that_has_begun(
    small_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = {"data": small_data, "epochs": 2, "tensorboard": True, **SHORT}
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(out=tmp_path / "begun", on_progress=stop_at(12), **asked)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError) as raised:
        tenfold.train("reader", out=tmp_path / "run", tensorboard=True)
    needed = "--log tensorboard needs the extra 'tensorboard': pip install"
    assert str(raised.value).startswith(needed)
    assert not (tmp_path / "run").exists()  # and no images were drawn
    assert len(tenfold.resume(tmp_path / "begun").read_losses()) == 2
    [message] = caplog.messages
    assert "--log tensorboard failed, training continues: " + needed in message


def test_none_is_no_tracker_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    assert check_names(None) == ()
    with pytest.raises(RunError, match="--log must be csv, mlflow, tensorboard, not wandb"):
        tenfold.train(out=tmp_path / "run", log=["csv", "wandb"])


ALONE = """
import json, sys, threading, tenfold
sent = []
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        sent.append([event, repr(arguments)])
sys.addaudithook(note)
tenfold.train(data=sys.argv[1], epochs=1, threads=1, log="mlflow")
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)
from mlflow import MlflowClient
[run] = MlflowClient().search_runs(["1"])
print(json.dumps([sent, run.data.metrics, [one.path for one in
    MlflowClient().list_artifacts(run.info.run_id)]]))
"""


@pytest.mark.heavy
def test_by_default_mlflow_logs_to_the_current_folder_and_sends_nothing(
    small_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sqlalchemy")
    # In continuous integration MLflow sends nothing anyway.
    hidden = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "MLFLOW_TRACKING_URI")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", ALONE, str(small_data)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sent, metrics, artifacts = json.loads(done.stdout)
    assert sent == []
    assert {"loss", "accuracy", "nll", "images_per_second"} == set(metrics)
    assert sorted(artifacts) == ["config.json", "figures", "report.html"]
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlruns", "runs"}
