"""Trackers: they log the metrics of a run where other programs show them.

One that cannot be opened ends the command before training. One that fails later, or when a run is
resumed, is reported once and left out from then on.
"""

import csv
import dataclasses
import importlib.util
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, get_args

from tenfold.errors import MissingExtraError, RunError, TenfoldError, describe_install
from tenfold.runs.config import RunConfig, TrackerName
from tenfold.runs.folder import CONFIG, Run
from tenfold.system.escaping import escape
from tenfold.system.files import append_to_file, write_file

TENSORBOARD, METRICS, MLFLOW_RUN = "tensorboard", "metrics.csv", "mlflow.txt"  # in a run's folder
EXPERIMENT, SQLITE = "tenfold", "sqlite:///"
MOST_METRICS = 1000  # that MLflow takes at once

logger = logging.getLogger("tenfold")


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What was measured at an optimizer step of an epoch, both from 0; None if it was not.

    `images_per_second` and `accuracy` are those after the step. The last metrics of a run, of the
    step and epoch that would come next, are from its evaluation; `nll` is the mean negative
    log-likelihood of the labels, in nats.
    """

    step: int
    epoch: int
    loss: float | None = None
    images_per_second: float | None = None
    accuracy: float | None = None
    nll: float | None = None

    def list_measured(self) -> list[tuple[str, float]]:
        """The names and values of what was measured."""
        values = dataclasses.asdict(self)
        del values["step"], values["epoch"]
        return [(name, value) for name, value in values.items() if value is not None]


class Tracker(Protocol):
    """Logs one run. Whatever a method raises is reported as a warning."""

    def start(self, path: Path, config: RunConfig, earlier: Sequence[Metrics]) -> None:
        """Begin the log of the run in a folder, or continue it after the steps of `earlier`.

        `earlier` is what the checkpoint knows of each step. Afterwards the log has these steps, and
        those after them, which will be logged again, count once.
        """

    def log(self, metrics: Sequence[Metrics]) -> None:
        """Log the metrics of steps that follow one another, so that a killed process keeps them."""

    def finish(self, run: Run | None) -> None:
        """End the log of a run that is evaluated, or, with None, of one that was stopped."""


class CsvTracker:
    """Writes metrics.csv to the run's folder, a row for each step."""

    def start(self, path: Path, config: RunConfig, earlier: Sequence[Metrics]) -> None:
        """Write the rows of the earlier steps again, with their speed, which only the file has."""
        self.file = path / METRICS
        speeds = self._read_speeds() if self.file.exists() else {}
        rows = [
            dataclasses.replace(one, images_per_second=speeds.get((one.step, one.loss)))
            for one in earlier
        ]
        names = [field.name for field in dataclasses.fields(Metrics)]
        write_file(self.file, ",".join(names) + "\n" + "".join(map(self._format, rows)))

    def _read_speeds(self) -> dict[tuple[int, float | None], float]:
        """The speed after each step with its loss; a row that a full disk cut off has none."""
        speeds: dict[tuple[int, float | None], float] = {}
        with self.file.open(errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                is_whole = row.get("nll") is not None  # the last column
                if is_whole and row["images_per_second"]:
                    with suppress(ValueError):  # a row that was edited
                        step, loss = int(row["step"]), float(row["loss"])
                        speeds[step, loss] = float(row["images_per_second"])
        return speeds

    def log(self, metrics: Sequence[Metrics]) -> None:
        """Append rows."""
        append_to_file(self.file, "".join(map(self._format, metrics)))

    def finish(self, run: Run | None) -> None:
        """Do nothing: no file is open."""

    @staticmethod
    def _format(metrics: Metrics) -> str:
        values = dataclasses.astuple(metrics)
        return ",".join("" if value is None else repr(value) for value in values) + "\n"


class TensorBoardTracker:
    """Writes event files to the folder tensorboard of the run."""

    def __init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer_type: Any = SummaryWriter

    def start(self, path: Path, config: RunConfig, earlier: Sequence[Metrics]) -> None:
        """Start another event file, which hides the later events of those before it."""
        self.writer = self.writer_type(str(path / TENSORBOARD), purge_step=len(earlier))

    def log(self, metrics: Sequence[Metrics]) -> None:
        """Write events, to the disk at once."""
        for one in metrics:
            for name, value in one.list_measured():
                self.writer.add_scalar(name, value, one.step)
        self.writer.flush()

    def finish(self, run: Run | None) -> None:
        """Close the file."""
        self.writer.close()


class MlflowTracker:
    """Logs to where MLflow is set up to log, by default mlflow.db and mlruns in this folder.

    mlflow.txt in the run's folder has the id of the run in MLflow, so the folder may move.
    """

    def __init__(self) -> None:
        # MLflow sends usage data over the network; it reads this when it is imported.
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        from mlflow import MlflowClient, get_tracking_uri

        _check_database(get_tracking_uri())
        self.client: Any = MlflowClient()
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        self.experiment: str = (
            self.client.create_experiment(EXPERIMENT)
            if experiment is None
            else experiment.experiment_id
        )

    def start(self, path: Path, config: RunConfig, earlier: Sequence[Metrics]) -> None:
        """Find the run or create it, and log the earlier steps that it lacks."""
        from mlflow.entities import Param

        file, found = path / MLFLOW_RUN, []
        if file.exists():
            wanted = f"attributes.run_id = '{file.read_text().strip()}'"
            found = self.client.search_runs([self.experiment], wanted)
        self.last_steps: dict[str, int] = {}
        if found:
            self.run = found[0].info.run_id
            self.client.update_run(self.run, "RUNNING")
            for name in found[0].data.metrics:
                history = self.client.get_metric_history(self.run, name)
                self.last_steps[name] = max(metric.step for metric in history)
        else:
            tags = {"tenfold.run": str(path.resolve())}
            run = self.client.create_run(self.experiment, tags=tags, run_name=path.name)
            self.run = run.info.run_id
            write_file(file, f"{self.run}\n")
            params = [Param(name, str(value)) for name, value in list_parameters(config).items()]
            self.client.log_batch(self.run, params=params)
        self.log(earlier)

    def log(self, metrics: Sequence[Metrics]) -> None:
        """Log what the run does not have yet; MLflow cannot remove anything."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        new = [
            Metric(name, value, now, one.step)
            for one in metrics
            for name, value in one.list_measured()
            if one.step > self.last_steps.get(name, -1)
        ]
        for start in range(0, len(new), MOST_METRICS):
            self.client.log_batch(self.run, metrics=new[start : start + MOST_METRICS])

    def finish(self, run: Run | None) -> None:
        """Copy config, figures and report to the run's artifacts, and say how it ended."""
        if run is None:
            self.client.set_terminated(self.run, "KILLED")
            return
        for file in (run.path / CONFIG, run.report, *run.figures.values()):
            if file.exists():
                folder = file.parent.relative_to(run.path).as_posix()
                self.client.log_artifact(self.run, str(file), None if folder == "." else folder)
        self.client.set_terminated(self.run, "FINISHED")


def _check_database(uri: str) -> None:
    """Raise RunError if MLflow's SQLite file cannot be opened, which MLflow tries for 100 s."""
    file = Path(uri.removeprefix(SQLITE).partition("?")[0])
    if uri.startswith(SQLITE) and file.parent.is_dir():  # which MLflow makes
        try:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA schema_version")
        except sqlite3.Error as error:
            raise RunError(
                f"{file}: cannot be opened: {error}; MLFLOW_TRACKING_URI can name another place"
            ) from error


def list_parameters(config: RunConfig) -> dict[str, Any]:
    """The parameters of a run: recipe and its fields, seed, data, threads, device and versions.

    The source of a model of one's own counts as a version.
    """
    checksums = {
        f"{part}_{kind}_sha256": checksum
        for part, pair in config.checksums.items()
        for kind, checksum in zip(("images", "labels"), pair, strict=True)
    }
    return {
        "recipe": config.recipe.name,
        **dataclasses.asdict(config.recipe.model),  # also what no flag can change
        **config.recipe.flatten(),
        "seed": config.seed,
        "holdout": config.holdout,
        "data": config.data_folder or ("arrays" if config.from_arrays else "MNIST"),
        **checksums,
        "threads": config.threads,
        "device": config.device,
        **{f"version.{name}": version for name, version in config.versions.items()},
    }


KINDS: dict[TrackerName, Callable[[], Tracker]] = {
    "csv": CsvTracker,
    "mlflow": MlflowTracker,
    "tensorboard": TensorBoardTracker,
}


class Trackers:
    """The trackers of one run, as one; it is left when the run is complete or stopped."""

    def __init__(self, trackers: dict[TrackerName, Tracker]) -> None:
        self.trackers = trackers

    def __bool__(self) -> bool:
        return bool(self.trackers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.finish(None)

    def start(self, path: Path, config: RunConfig, earlier: Sequence[Metrics]) -> None:
        """Start each tracker."""
        self._call(lambda tracker: tracker.start(path, config, earlier))

    def log(self, metrics: Sequence[Metrics]) -> None:
        """Log to each tracker."""
        self._call(lambda tracker: tracker.log(metrics))

    def finish(self, run: Run | None) -> None:
        """End each tracker's log."""
        self._call(lambda tracker: tracker.finish(run))
        self.trackers = {}

    def _call(self, function: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                function(tracker)
            except Exception as error:  # of any library, on any disk
                del self.trackers[name]
                warn(name, error)


def check_names(names: str | Iterable[str] | None) -> tuple[TrackerName, ...]:
    """The names of trackers, each once. Raises RunError for others."""
    known: dict[str, TrackerName] = {name: name for name in get_args(TrackerName)}
    names = [names] if isinstance(names, str) else list(names or ())
    for name in names:
        if name not in known:
            raise RunError(f"--log must be {', '.join(known)}, not {name}")
    return tuple(dict.fromkeys(known[name] for name in names))


def open_trackers(names: Sequence[TrackerName], *, is_resumed: bool = False) -> Trackers:
    """The trackers of a run.

    Raises MissingExtraError or RunError for one that cannot be used; a resumed run continues
    without it, with a warning.
    """
    trackers = {}
    for name in names:
        try:
            trackers[name] = _open_tracker(name)
        except TenfoldError as error:
            if not is_resumed:
                raise
            warn(name, error)
    return Trackers(trackers)


def _open_tracker(name: TrackerName) -> Tracker:
    try:
        return KINDS[name]()
    except Exception as error:
        # Without SQLAlchemy MLflow only says that it does not know where it logs by default.
        is_incomplete = name == "mlflow" and importlib.util.find_spec("sqlalchemy") is None
        if isinstance(error, ImportError) or is_incomplete:
            raise MissingExtraError(
                f"--log {name} needs the extra '{name}': {describe_install(name)}"
            ) from error
        raise RunError(f"--log {name}: {_describe(error)}") from error


def warn(name: TrackerName, error: Exception) -> None:
    """Warn of a tracker that training continues without."""
    logger.warning("tenfold: --log %s failed, training continues: %s", name, _describe(error))


def _describe(error: Exception) -> str:
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return escape(first)


def list_earlier(
    losses: Sequence[float], accuracies: Sequence[float], num_batches: int
) -> list[Metrics]:
    """The metrics of all steps so far, from their losses and the accuracy after each epoch."""
    metrics = [
        Metrics(step=step, epoch=step // num_batches, loss=loss) for step, loss in enumerate(losses)
    ]
    for num_epochs, accuracy in enumerate(accuracies, 1):
        last = num_epochs * num_batches - 1
        metrics[last] = dataclasses.replace(metrics[last], accuracy=accuracy)
    return metrics
