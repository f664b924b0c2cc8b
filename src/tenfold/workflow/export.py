"""`tenfold.export_run`: a run's model as one ONNX file, with its metadata.

Torch is imported when a call needs it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold._version import __version__
from tenfold.errors import RunError
from tenfold.evaluation.text import join_words
from tenfold.runs.folder import Run, load_run
from tenfold.runs.results import Calibration
from tenfold.system.files import write_file
from tenfold.system.json_types import to_json
from tenfold.workflow.arguments import get_run_path, require_train_extra
from tenfold.workflow.evaluate import load_model
from tenfold.workflow.images import Data, reload_evaluated


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The file, how many images it was compared on, and how much probabilities differed at most."""

    path: Path
    num_bytes: int
    num_compared: int
    largest_difference: float
    is_calibrated: bool


def export_run(
    run: str | Path | Run,
    out: str | Path | None = None,
    *,
    calibration: str | Path | Run | None = None,
    data: Data | None = None,
) -> Exported:
    """Write a run's model as one ONNX file, by default `model.onnx` in the run's folder.

    The file gets the run's own calibration, if it has one, or that of `calibration`, a hold-out run
    of the same recipe; otherwise it says that it is not calibrated. `data` is the folder of the
    run's data, if it has moved, or its arrays: the probabilities of file and model are compared on
    the images that the run was evaluated on.

    Raises RunError if a folder holds no finished run, the two runs do not match, or the file and
    the model disagree; DataError if the data cannot be read.
    """
    require_train_extra()
    run = load_run(get_run_path(run))
    path = run.path / "model.onnx" if out is None else Path(out)
    check_path(path, run, ".onnx")
    exported = convert_run(run, path, find_calibration(run, calibration), data)
    write_file(path, exported.content)
    return exported.describe(path)


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The bytes of an ONNX file, its calibration, and how it compares with the run's model."""

    content: bytes
    calibration: Calibration | None
    num_compared: int
    largest_difference: float

    def describe(self, path: Path) -> Exported:
        """What a call returns that has written the file."""
        return Exported(
            path=path,
            num_bytes=len(self.content),
            num_compared=self.num_compared,
            largest_difference=self.largest_difference,
            is_calibrated=self.calibration is not None,
        )


def convert_run(
    run: Run, path: Path, calibration: Calibration | None, data: Data | None
) -> Converted:
    """A run's model as the bytes of the ONNX file `path`; raises like `export_run`."""
    evaluated = reload_evaluated(run.config, f"the run {run.path}", data)

    from tenfold.models.onnx import MAX_DIFFERENCE, dump_onnx, measure_difference

    config = run.config
    model = load_model(config.recipe, config.seed, run.weights_path, config.versions)
    content = dump_onnx(model, build_metadata(run, calibration))
    difference = measure_difference(model, content, evaluated.images_NHW, str(path))
    if difference > MAX_DIFFERENCE:
        raise RunError(
            f"{run.path}: the exported model's probabilities differ by {difference:g} from the "
            f"run's; at most {MAX_DIFFERENCE:g} is allowed"
        )
    return Converted(
        content=content,
        calibration=calibration,
        num_compared=len(evaluated),
        largest_difference=difference,
    )


def check_path(path: Path, run: Run, suffix: str) -> None:
    """Raise RunError for a folder, and for a file of the run without the suffix of models."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir may raise
        raise RunError(
            f"{path} is a folder, and not the file to write; export several runs one by one"
        )
    is_file = os.path.isfile(path)  # noqa: PTH113 - Path.is_file may raise
    if is_file and path.suffix != suffix and path.resolve().parent == run.path.resolve():
        raise RunError(f"{path}: is a file of the run; name another one, such as model{suffix}")


def find_calibration(run: Run, calibration: str | Path | Run | None) -> Calibration | None:
    """The calibration of a matching hold-out run, by default the run's own."""
    if calibration is None:
        return run.calibration if run.is_calibrated else None
    other = load_run(get_run_path(calibration))
    if not other.is_calibrated:
        raise RunError(f"{other.path}: the run has no calibration; use a hold-out run")
    reason = None
    if other.config.recipe != run.config.recipe:
        reason = f"its recipe differs in {_list_differences(other, run)}"
    elif other.config.checksums["train"] != run.config.checksums["train"]:
        reason = "the training data differ"
    if reason:
        raise RunError(f"{other.path}: its calibration does not fit {run.path}: {reason}")
    return other.calibration


def _list_differences(other: Run, run: Run) -> str:
    """What differs in the recipes of two runs."""
    theirs, ours = (
        {"name": recipe.name, "model": recipe.model.kind, **recipe.flatten()}
        for recipe in (other.config.recipe, run.config.recipe)
    )
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if "model" in names:  # its fields differ, too
        names = [name for name in names if name in theirs and name in ours]
    texts = [f"{name} ({theirs.get(name)}, not {ours.get(name)})" for name in names]
    return join_words(texts) if texts else "its summary"


def build_metadata(run: Run, calibration: Calibration | None) -> dict[str, Any]:
    """The metadata of the file: labels, calibration, and a card of origin and measurements."""
    from tenfold.models.onnx import OPSET, list_labels

    config, training, measured = run.config, run.training, {}
    if config.is_evaluated:
        evaluation = run.evaluation
        measured = {
            "part": evaluation.part,
            "num_images": evaluation.num_images,
            "accuracy": evaluation.accuracy,
        }
    card = {
        "tenfold": __version__,
        "recipe": config.recipe,
        "seed": config.seed,
        "holdout": config.holdout,
        "checksums": config.checksums,
        "versions": config.versions,
        "weights_sha256": training.weights_sha256,
        "trained": config.started,
        "training_seconds": training.seconds,
        "num_parameters": training.num_parameters,
        **measured,
        # `labels` stay digits, which readers of the file expect.
        **({"class_names": config.class_names} if config.class_names else {}),
        "calibration": calibration or "none: this model's probabilities are as training left them",
        "opset": OPSET,
    }
    labels = list_labels(config.recipe)
    metadata: dict[str, Any] = to_json({"labels": labels, "calibration": calibration, "card": card})
    return metadata
