"""The run folder: what is in it, written atomically, checked when it is read. No torch.

    config.json         what was asked for: recipe, seed, data, versions, machine
    losses.jsonl        one line an optimizer step, readable while it grows
    model.safetensors   the weights
    evaluation.json     every number that figures, findings and report show
    calibration.json    of a hold-out run: temperature and thresholds for an exported model
    figures/            loss_per_batch.png, confusion_matrix.png, misclassified.png
    report.html         one file that opens offline
    checkpoint.safetensors   while it is trained: all that it takes to go on
    state.json          running, then complete: written last

What the numbers mean is `evaluation`'s affair, what the weights are `training`'s.
"""

import base64
import datetime
import html
import os
import platform
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from tenfold.errors import RecipeError, RunError
from tenfold.recipes.fields import flag_name
from tenfold.recipes.recipe import Recipe
from tenfold.runs.results import Calibration, Evaluation, Training
from tenfold.system.files import (
    append_to_file,
    flush_folder,
    hash_file,
    make_folder,
    parse_json,
    read_json,
    reporting_disk_errors,
    write_json,
)
from tenfold.system.json_types import OPTIONAL, Value, check_keys, from_json, to_json
from tenfold.system.locks import (
    locking,
)

CONFIG, STATE, LOSSES, WEIGHTS = "config.json", "state.json", "losses.jsonl", "model.safetensors"
EVALUATION, REPORT, CALIBRATION = "evaluation.json", "report.html", "calibration.json"
CHECKPOINT = "checkpoint.safetensors"
RUNNING, COMPLETE = "running", "complete"
FIGURES = {
    "loss_per_batch": "figures/loss_per_batch.png",
    "confusion_matrix": "figures/confusion_matrix.png",
    "misclassified": "figures/misclassified.png",
}

SEEDS, THREADS = range(2**32), range(1, 1025)
EPOCHS = range(10_001)  # of a recipe, at most
# On every machine, for a weight's last bits may depend on it (training/threads.py). A batch of the
# small networks here is soon computed: two threads take 0.57 of the time of one.
DEFAULT_THREADS = 2
FORMER_FIELDS = {"processes", "members_from"}  # of a RunConfig of version 0.1


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run was asked to do, and where: the content of config.json.

    `data_folder` is None for the embedded MNIST. `checksums` are the SHA-256 of the unpacked data
    files, by part ("train", and "test" unless held out), images first.

    The rest decides no weight, but what is kept beside them: a checkpoint after every
    `checkpoint_every` epochs, if that is not 0, and the last; the accuracy after each epoch
    (`by_epoch`); figures and report; event files for TensorBoard.
    """

    recipe: Recipe
    seed: Annotated[int, SEEDS]
    holdout: bool
    data_folder: str | None
    checksums: dict[str, tuple[str, str]]
    threads: Annotated[int, THREADS]
    device: str
    versions: dict[str, str]
    machine: Annotated[dict[str, str | int], {"cpu", "cores", "system"}]
    started: str
    checkpoint_every: Annotated[int, EPOCHS] = 1
    by_epoch: bool = False
    report: bool = True
    tensorboard: bool = False

    @property
    def fingerprint(self) -> dict[str, str | int]:
        """Where and with what the run is trained, as far as a weight's last bits may depend on it.

        They do not depend on the number of cores, the release of the system, or what draws figures.
        """
        values = {
            "threads": self.threads,
            "device": self.device,
            **self.machine,
            "system": str(self.machine["system"]).partition("-")[0],
            **self.versions,
        }
        return {name: one for name, one in values.items() if name not in ("cores", "matplotlib")}

    def describe_changes(self, now: "RunConfig") -> list[str]:
        """What another config's fingerprint has instead of this one's, in words."""
        mine, others = self.fingerprint, now.fingerprint
        return [
            f"{name} {others.get(name, 'none')} instead of {mine.get(name, 'none')}"
            for name in {**mine, **others}
            if mine.get(name) != others.get(name)
        ]


@dataclass(frozen=True, kw_only=True)
class RunningState:
    """The content of state.json while a run is trained."""

    state: Literal["running"]
    host: str | None = field(default=None, metadata=OPTIONAL)
    config_sha256: str | None = field(default=None, metadata=OPTIONAL)
    resumed_with: tuple[str, ...] = field(default=(), metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class CompleteState:
    """The content of state.json once a run is complete."""

    state: Literal["complete"]
    config_sha256: str
    weights_sha256: str
    training: Training


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """How far training is: steps done and in all, the epoch (from 1), its mean loss so far."""

    step: int
    num_steps: int
    epoch: int
    num_epochs: int
    mean_loss: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class DrawingProgress:
    """How many of a recipe's scenes are drawn, before training begins."""

    num_drawn: int
    num_scenes: int
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class StageProgress:
    """What a run does after its training; told when it begins."""

    stage: Literal["evaluating", "calibrating"]


OnProgress = Callable[[TrainingProgress | DrawingProgress | StageProgress], None]


@dataclass(frozen=True)
class Run:
    """A finished run, as its folder has it.

    In a notebook it shows its headline and figures. `run.accuracy` is a share from 0 to 1;
    `run.figures` maps names to the paths of PNG files; `run.report` is the path of the report.
    """

    path: Path
    config: RunConfig
    state: dict[str, Any]

    @cached_property
    def evaluation(self) -> Evaluation:
        """Every number that figures, findings and report show: the content of evaluation.json.

        Raises RunError if it cannot be read.
        """
        return _load(self.path / EVALUATION, Evaluation, "the evaluation of a run")

    @property
    def training(self) -> Training:
        """How training went: seconds, images a second, parameters."""
        return from_json(Training, self.state["training"])

    @property
    def accuracy(self) -> float:
        """The share of test (or held-out validation) images classified as labelled."""
        return self.evaluation.accuracy

    @property
    def figures(self) -> dict[str, Path]:
        """The paths of the figures by name."""
        return {name: self.path / file for name, file in FIGURES.items()}

    @property
    def report(self) -> Path:
        """The path of the report, one HTML file."""
        return self.path / REPORT

    @property
    def weights_path(self) -> Path:
        """The path of the weights, in the safetensors format."""
        return self.path / WEIGHTS

    @property
    def is_calibrated(self) -> bool:
        """Whether the run kept images aside to calibrate on: a hold-out run does."""
        return self.config.holdout or self.config.recipe.calibrates

    @property
    def calibration(self) -> Calibration:
        """Temperature and thresholds found on the images that were kept aside.

        Raises RunError for a run that kept none, and for a file that lacks a number.
        """
        return _load(self.path / CALIBRATION, Calibration, "the calibration of a run")

    def read_losses(self) -> list[list[float]]:
        """The training loss of every batch, a list for each epoch."""
        return read_losses(self.path)

    def __repr__(self) -> str:
        return f"<Run {self.path}: {self.evaluation.headline}>"

    def _repr_html_(self) -> str:
        figures = "".join(
            f'<img alt="{name}" style="max-width: min(100%, 46em); display: block" '
            f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
            for name, path in self.figures.items()
            if path.exists()  # a study's runs have none until they are evaluated again
        )
        headline = html.escape(self.evaluation.headline)
        return f"<p><strong>{headline}</strong><br>{html.escape(str(self.report))}</p>{figures}"


def load_run(path: str | Path) -> Run:
    """Open the folder of a finished run.

    Raises RunError if it is no run folder, if its run did not finish, or if its weights are not
    those that training wrote.
    """
    path = Path(path)
    state = read_state(path)
    config = load_config(path, state)
    if state["state"] != COMPLETE:
        raise RunError(
            f"{path}: expected a finished run, found one that is '{state['state']}': it was "
            f"interrupted or is still going on. `{write_resume_command(path)}` "
            "goes on with it."
        )
    _check_hash(path / WEIGHTS, "weights", state["weights_sha256"])
    return Run(path, config, state)


def read_state(path: Path) -> dict[str, Any]:
    """The state of the run in a folder: running from the moment its config is there, or complete.

    Raises RunError if there is no run, or its state cannot be read.
    """
    if not os.path.isfile(path / CONFIG):  # noqa: PTH113 - Path's raises where this says no
        raise RunError(f"{path}: expected a run folder with {CONFIG}, found none")
    if has_just_begun(path):
        return {"state": RUNNING}
    state = read_json(path / STATE)
    with _naming(path / STATE, "the state of a run"):
        return fit_state(state)


def has_just_begun(path: Path) -> bool:
    """Whether a run has a config and nothing else, as between its first two files."""
    return [file.name for file in path.iterdir() if file.name[0] != "."] == [CONFIG]


def fit_state(values: dict[str, Any]) -> dict[str, Any]:
    """The values of state.json as this version writes them. Raises ValueError for others."""
    kind = CompleteState if values.get("state") == COMPLETE else RunningState
    from_json(kind, values)
    return values


def _load(path: Path, kind: type[Value], what: str) -> Value:
    values = read_json(path)
    with _naming(path, what):
        return from_json(kind, values)


@contextmanager
def _naming(path: Path, what: str) -> Iterator[None]:
    """Say of what does not fit in which file it stands, and what the file should be."""
    try:
        yield
    except (ValueError, RecipeError) as error:
        raise RunError(f"{path}: expected {what} of this version of Tenfold: {error}") from error


def load_config(path: Path, state: dict[str, Any]) -> RunConfig:
    """The config of a run with that state. Raises RunError if it is not what training wrote."""
    values = read_json(path / CONFIG)
    values = {name: value for name, value in values.items() if name not in FORMER_FIELDS}
    with _naming(path / CONFIG, "the config of a run"):
        config = from_json(RunConfig, values)
        parts = ["train"] if config.holdout else ["train", "test"]
        check_keys(config.checksums, "checksums", parts)
    if "config_sha256" in state:
        _check_hash(path / CONFIG, "config", state["config_sha256"])
    return config


def is_unfinished(path: Path) -> bool:
    """Whether a folder holds a run that began and did not end, or one that did not even begin."""
    if _is_empty(path):
        return True
    try:
        return bool(read_state(path)["state"] == RUNNING)
    except RunError:
        return False


def locking_run(path: Path) -> AbstractContextManager[None]:
    """Hold a run's folder for this process. Raises RunError if another one has it."""
    return locking(
        path,
        RunError(
            f"{path}: expected a run that nothing else trains, found that another program is at it"
        ),
    )


def write_resume_command(path: Path, **flags: object) -> str:
    """The command that goes on with a run that was stopped; a flag without value is left out."""
    words = ["tenfold", "train", "--resume", str(path)]
    for name, value in flags.items():
        words += [] if value is None else [flag_name(name), str(value)]
    return shlex.join(words)


def _is_empty(path: Path) -> bool:
    """Whether a folder is empty, but for what a write that was cut off has left."""
    return path.is_dir() and all(file.name[0] == "." for file in path.iterdir())


def _check_hash(path: Path, name: str, expected: str) -> None:
    found = hash_file(path)
    if found != expected:
        raise RunError(
            f"{path}: expected the {name} that training wrote (SHA-256 {expected}), found {found}"
        )


def create_run_folder(out: Path | None, recipe_name: str, seed: int) -> Path:
    """Make a new folder for a run: `out`, or the first free name in ./runs.

    Raises RunError if `out` is there and not empty, or no folder can be made.
    """
    if out is not None:
        with reporting_disk_errors(out):
            _make_folder(out)
            if not _is_empty(out):
                raise RunError(f"{out}: expected a new or empty folder, found files in it")
        return out
    name = f"{datetime.date.today().isoformat()}-{recipe_name}-{seed}"
    for number in range(1, 100_000):
        path = Path("runs") / (name if number == 1 else f"{name}-{number}")
        with reporting_disk_errors(path):
            _make_folder(path.parent)
            try:
                path.mkdir()
            except FileExistsError:
                continue
            flush_folder(path.parent)
        return path
    raise RunError(f"runs/{name}: expected a free name, found 99,999 runs. Use --out.")


def write_start(path: Path, config: RunConfig) -> None:
    """Write what makes a new folder a run that has begun, and can be resumed from then on."""
    write_json(path / CONFIG, config)
    write_running(path, [])


def write_running(path: Path, resumed_with: list[str]) -> None:
    """Write that a run is being trained, on which machine, and what it was resumed with."""
    state = {"state": RUNNING, "host": platform.node(), "config_sha256": hash_file(path / CONFIG)}
    write_json(path / STATE, state | ({"resumed_with": resumed_with} if resumed_with else {}))


def write_complete(path: Path, training: Training) -> dict[str, Any]:
    """Write that a run is complete, and return that state; the last file of a run."""
    state = {
        "state": COMPLETE,
        "config_sha256": hash_file(path / CONFIG),
        "weights_sha256": training.weights_sha256,
        "training": to_json(training),
    }
    write_json(path / STATE, state)
    return state


def remove_leftovers(path: Path) -> None:
    """Remove what writes that were cut off have left in a run's folder."""
    with reporting_disk_errors(path):
        for leftover in _find_leftovers(path):
            leftover.unlink(missing_ok=True)


def tidy_complete_run(path: Path) -> None:
    """Remove what a complete run needs no more; what cannot be removed takes room, no more."""
    with suppress(OSError):
        for leftover in (path / CHECKPOINT, *_find_leftovers(path)):
            leftover.unlink(missing_ok=True)


def _find_leftovers(path: Path) -> list[Path]:
    return [*path.glob(".*.tmp"), *path.glob("figures/.*.tmp")]


def _make_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: expected a folder, found a file")
    make_folder(path)


def append_losses(path: Path, epoch: int, first_batch: int, losses: list[float]) -> None:
    """Append the losses of some batches to a run's losses.jsonl, one line an optimizer step.

    `epoch` and `first_batch` count from 0. Raises RunError if the disk does not take them.
    """
    append_to_file(path / LOSSES, _format_losses(epoch, first_batch, losses))


def format_losses(epochs: list[list[float]]) -> str:
    """The whole losses.jsonl of these losses, a list for each epoch."""
    return "".join(_format_losses(epoch, 0, losses) for epoch, losses in enumerate(epochs))


def _format_losses(epoch: int, first_batch: int, losses: list[float]) -> str:
    return "".join(
        f'{{"epoch": {epoch}, "batch": {first_batch + i}, "loss": {loss!r}}}\n'
        for i, loss in enumerate(losses)
    )


def read_losses(path: Path) -> list[list[float]]:
    """The losses in a run folder, a list for each epoch. Raises RunError if they are not there."""
    epochs: list[list[float]] = []
    try:
        for line in (path / LOSSES).read_text().splitlines():
            step = parse_json(line)
            if step["epoch"] == len(epochs):
                epochs.append([])
            epochs[step["epoch"]].append(float(step["loss"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise RunError(f"{path / LOSSES}: expected the losses of a run, found: {error}") from error
    if not epochs:
        raise RunError(f"{path / LOSSES}: expected the losses of a run, found none")
    return epochs
