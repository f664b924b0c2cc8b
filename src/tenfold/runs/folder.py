"""The run folder: its files, written atomically and checked when they are read. No torch.

config.json         the run's options: recipe, seed, data, versions, machine
losses.jsonl        one line for each optimizer step, readable while it grows
model.safetensors   the weights
evaluation.json     every number in figures, findings and report
calibration.json    of a hold-out run: temperature and thresholds for an exported model
figures/            loss_per_batch.png, confusion_matrix.png, misclassified.png
report.html         one file that opens offline
predictions.csv     the prediction of every evaluated image; written with the report
checkpoint.safetensors   during training: everything needed to resume
state.json          running, then complete: written last
"""

import base64
import datetime
import html
import os
import platform
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenfold.errors import MissingExtraError, RecipeError, RunError, describe_install
from tenfold.recipes.fields import flag_name
from tenfold.runs.config import RunConfig
from tenfold.runs.losses import read_losses
from tenfold.runs.results import Calibration, Evaluation, Training
from tenfold.system.files import (
    flush_folder,
    hash_file,
    make_folder,
    read_json,
    reporting_disk_errors,
    write_json,
)
from tenfold.system.json_types import OMIT_DEFAULT, Value, check_keys, from_json
from tenfold.system.locks import locking

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CONFIG, STATE, WEIGHTS = "config.json", "state.json", "model.safetensors"
EVALUATION, REPORT, CALIBRATION = "evaluation.json", "report.html", "calibration.json"
PREDICTIONS = "predictions.csv"
CHECKPOINT = "checkpoint.safetensors"
HUB_FILES = ("model.onnx", "README.md")  # of `tenfold export --hub`, beside config.json
FIGURES = {
    "loss_per_batch": "figures/loss_per_batch.png",
    "confusion_matrix": "figures/confusion_matrix.png",
    "misclassified": "figures/misclassified.png",
}
FORMER_FIELDS = {"processes", "members_from", "num_members"}  # of version 0.1


@dataclass(frozen=True, kw_only=True)
class RunningState:
    """The content of state.json while a run is trained."""

    state: Literal["running"]
    host: str | None = field(default=None, metadata=OMIT_DEFAULT)
    config_sha256: str | None = field(default=None, metadata=OMIT_DEFAULT)
    resumed_with: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)


@dataclass(frozen=True, kw_only=True)
class CompleteState:
    """The content of state.json once a run is complete."""

    state: Literal["complete"]
    config_sha256: str
    weights_sha256: str
    training: Training


@dataclass(frozen=True)
class Run:
    """A finished run; a notebook shows its headline and figures.

    `path` is its folder. `training` says how training went: seconds, images a second, parameters.
    """

    path: Path
    config: RunConfig
    training: Training

    @cached_property
    def evaluation(self) -> Evaluation:
        """Every number in figures, findings and report. Raises RunError if it cannot be read."""
        self.check_evaluated()
        return _load(self.path / EVALUATION, Evaluation)

    def check_evaluated(self) -> None:
        """Raise RunError if the run was not evaluated, as an estimator's is not."""
        if not self.config.is_evaluated:
            raise RunError(
                f"{self.path}: the run was trained without test images; "
                "tenfold.sklearn.DigitClassifier.load(PATH).score(images, labels) measures it"
            )

    @property
    def accuracy(self) -> float:
        """The share of test (or held-out validation) images classified as labelled, 0 to 1."""
        return self.evaluation.accuracy

    @property
    def figures(self) -> dict[str, Path]:
        """The paths of the figures, PNG files, by name.

        They are written with the report: not with report=False, nor for a saved classifier.
        """
        return {name: self.path / file for name, file in FIGURES.items()}

    @property
    def report(self) -> Path:
        """The path of the report, one HTML file.

        There is none with report=False, until `tenfold.evaluate`, nor for a saved classifier.
        """
        return self.path / REPORT

    @property
    def predictions(self) -> Path:
        """The path of a CSV file: index, label, predicted, confidence of each evaluated image.

        It is written with the report.
        """
        return self.path / PREDICTIONS

    @property
    def weights_path(self) -> Path:
        """The path of the weights, in the safetensors format."""
        return self.path / WEIGHTS

    @property
    def is_calibrated(self) -> bool:
        """Whether the run kept images aside to calibrate on, as a hold-out run does."""
        config = self.config
        return config.is_evaluated and (config.holdout or config.recipe.calibrates)

    @property
    def calibration(self) -> Calibration:
        """The temperature and thresholds fitted on the images that were kept aside.

        Raises RunError if the run is not calibrated or the file cannot be read.
        """
        return _load(self.path / CALIBRATION, Calibration)

    def predict(self, images: Any) -> "npt.NDArray[np.int64]":  # noqa: ANN401 - as NumPy has them
        """The digit on each image, int64 [N]; `images` are as in `predict_proba`."""
        labels_N: npt.NDArray[np.int64] = self.predict_proba(images).argmax(axis=1)
        return labels_N

    def predict_proba(self, images: Any) -> "npt.NDArray[np.float32]":  # noqa: ANN401
        """The probability of each digit, float32 [N, 10], as training left it: not calibrated.

        `images` are [N, 28, 28] or [N, 784], white on black, framed as MNIST's: whole numbers 0 to
        255, booleans, or floats, 0 to 1 if none is above 1, otherwise 0 to 255
        (`tenfold.data.pixels.convert_images`). The type and the range of the whole array decide
        that, so pass bytes where a batch of floats from 0 to 255 may be black. The model is loaded
        once; a model of your own is imported. Photos and scans need `tenfold.Reader` and an
        exported model.

        Raises ArrayError for other images, MissingExtraError without PyTorch.
        """
        from tenfold.data.arrays import read_images

        images_NHW, model = read_images(images), self._model
        from tenfold.models.predict import compute_probabilities

        return compute_probabilities(model, images_NHW)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - a module of PyTorch, which is not imported here
        try:
            from tenfold.models.weights import load_model
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"{error}: {describe_install('train')}") from error
        config = self.config
        return load_model(config.recipe.model, config.seed, self.weights_path, config.versions)

    def read_losses(self) -> list[list[float]]:
        """The training loss of every batch, a list for each epoch."""
        return read_losses(self.path)

    def __repr__(self) -> str:
        is_evaluated = self.config.is_evaluated
        headline = self.evaluation.headline if is_evaluated else "not evaluated"
        return f"<Run {self.path}: {headline}>"

    def _repr_html_(self) -> str:
        if not self.config.is_evaluated:
            return html.escape(repr(self))
        figures = "".join(
            f'<img alt="{name}" style="max-width: min(100%, 46em); display: block" '
            f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
            for name, path in self.figures.items()
            if path.exists()  # a study's runs have no figures until they are evaluated again
        )
        headline = html.escape(self.evaluation.headline)
        return f"<p><strong>{headline}</strong><br>{html.escape(str(self.report))}</p>{figures}"


def load_run(path: str | Path) -> Run:
    """Open the folder of a finished run.

    Raises RunError if it is not a run folder, the run is not finished, or its weights have changed.
    """
    path = Path(path)
    state = read_state(path)
    config = load_config(path, state)
    if isinstance(state, RunningState):
        raise RunError(
            f"{path}: the run is not finished: it was interrupted or is still being trained. "
            f"`{describe_resuming(path, config)}` continues it."
        )
    _check_hash(path / WEIGHTS, state.weights_sha256)
    return Run(path, config, state.training)


def read_state(path: Path) -> RunningState | CompleteState:
    """The state of the run in a folder. Raises RunError if there is no run or it is unreadable."""
    if not os.path.lexists(path):
        raise RunError(f"{path}: no such folder; name the folder of a run")
    if not os.path.isfile(path / CONFIG):  # noqa: PTH113 - Path.is_file may raise
        raise RunError(f"{path}: not a run folder: it has no {CONFIG}")
    if has_only_config(path):
        return RunningState(state="running")
    if {*HUB_FILES} <= {*_list_names(path)} and not (path / STATE).exists():
        raise RunError(
            f"{path}: is a folder for the Hugging Face Hub, not a run; use {path / HUB_FILES[0]}, "
            "or the run that was exported"
        )
    with _naming(path / STATE):
        return parse_state(read_json(path / STATE))


def has_only_config(path: Path) -> bool:
    """Whether a run stopped between writing its first two files, config.json and state.json."""
    return _list_names(path) == [CONFIG]


def _list_names(path: Path) -> list[str]:
    """The files in a folder, without temporary files of an interrupted write."""
    return [file.name for file in path.iterdir() if file.name[0] != "."]


def parse_state(values: dict[str, Any]) -> RunningState | CompleteState:
    """The state in the values of state.json. Raises ValueError if they are not valid."""
    if values.get("state") == "complete":
        return from_json(CompleteState, values)
    return from_json(RunningState, values)


def _load(path: Path, kind: type[Value]) -> Value:
    values = {name: value for name, value in read_json(path).items() if name not in FORMER_FIELDS}
    if values.pop("tensorboard", False) is True:  # of version 0.2
        values["log"] = ["tensorboard"]
    with _naming(path):
        return from_json(kind, values)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in the error if its values are not valid."""
    try:
        yield
    except (ValueError, RecipeError) as error:
        raise RunError(f"{path}: not valid in this version of Tenfold: {error}") from error


def load_config(path: Path, state: RunningState | CompleteState) -> RunConfig:
    """The config of a run with that state. Raises RunError if it is invalid or has changed."""
    config = _load(path / CONFIG, RunConfig)
    with _naming(path / CONFIG):
        has_test = config.is_evaluated and not config.holdout
        check_keys(config.checksums, "checksums", ["train", "test"] if has_test else ["train"])
    if state.config_sha256 is not None:
        _check_hash(path / CONFIG, state.config_sha256)
    return config


def _check_hash(path: Path, expected: str) -> None:
    found = hash_file(path)
    if found != expected:
        raise RunError(
            f"{path}: changed after training wrote it: its SHA-256 is {found}, not {expected}"
        )


def is_unfinished(path: Path) -> bool:
    """Whether a folder holds an unfinished run, or is empty as at the very start of one."""
    if path.is_dir() and not _list_names(path):
        return True
    try:
        return isinstance(read_state(path), RunningState)
    except RunError:
        return False


def lock_run(path: Path) -> AbstractContextManager[None]:
    """Lock a run's folder for this process. Raises RunError if another one has locked it."""
    return locking(path, RunError(f"{path}: the run is locked: another process is training it"))


def describe_resuming(path: Path, config: RunConfig, **flags: object) -> str:
    """How to resume a stopped run: by a command, or from Python if its data were arrays."""
    if config.from_arrays:
        return f"tenfold.resume({str(path)!r}, data=...)"
    return build_resume_command(path, **flags)


def build_resume_command(path: Path, **flags: object) -> str:
    """The command that resumes a stopped run; flags without a value are left out."""
    words = ["tenfold", "train", "--resume", str(path)]
    for name, value in flags.items():
        if value is not None:
            words += [flag_name(name), str(value)]
    return shlex.join(words)


def create_run_folder(out: Path | None, recipe_name: str, seed: int) -> Path:
    """Make a new folder for a run: `out`, or the first free name in ./runs.

    Raises RunError if `out` is not empty or the folder cannot be made.
    """
    if out is not None:
        with reporting_disk_errors(out):
            _make_folder(out)
            if _list_names(out):
                raise RunError(f"{out}: the folder is not empty; use a new or empty one")
        return out
    name = f"{datetime.date.today().isoformat()}-{recipe_name}-{seed}"
    number = 1
    while True:
        path = Path("runs") / (name if number == 1 else f"{name}-{number}")
        with reporting_disk_errors(path), suppress(FileExistsError):
            _make_folder(path.parent)
            path.mkdir()
            flush_folder(path.parent)
            return path
        number += 1


def _make_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: is a file, not a folder")
    make_folder(path)


def write_running_state(path: Path, resumed_with: tuple[str, ...] = ()) -> None:
    """Mark a run as being trained on this machine; `resumed_with` says what differs since then."""
    state = RunningState(
        state="running",
        host=platform.node(),
        config_sha256=hash_file(path / CONFIG),
        resumed_with=resumed_with,
    )
    write_json(path / STATE, state)


def write_complete_state(path: Path, training: Training) -> None:
    """Mark a run as complete."""
    state = CompleteState(
        state="complete",
        config_sha256=hash_file(path / CONFIG),
        weights_sha256=training.weights_sha256,
        training=training,
    )
    write_json(path / STATE, state)


def remove_temporary_files(path: Path) -> None:
    """Remove the temporary files of interrupted writes from a run's folder."""
    with reporting_disk_errors(path):
        for leftover in _find_temporary_files(path):
            leftover.unlink(missing_ok=True)


def clean_up_complete_run(path: Path) -> None:
    """Remove the checkpoint and temporary files; those that cannot be removed do no harm."""
    with suppress(OSError):
        for leftover in (path / CHECKPOINT, *_find_temporary_files(path)):
            leftover.unlink(missing_ok=True)


def _find_temporary_files(path: Path) -> list[Path]:
    return [*path.glob(".*.tmp"), *path.glob("figures/.*.tmp")]
