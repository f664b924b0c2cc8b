"""`tenfold.export_hub` and `tenfold.load_hub`: a run's model as a folder for the Hugging Face Hub.

Torch is imported when a call needs it.
"""

import dataclasses
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tenfold._version import __version__
from tenfold.data.arrays import read_images
from tenfold.digits import WHITE
from tenfold.errors import RunError
from tenfold.recipes.configs import MODEL_KINDS
from tenfold.recipes.own_model import ModuleConfig
from tenfold.runs.config import RunConfig
from tenfold.runs.folder import CONFIG, WEIGHTS, Run, load_run
from tenfold.runs.hub import (
    CARD,
    MODEL,
    HubConfig,
    SeedStatistics,
    check_hub_folder,
    load_hub_config,
)
from tenfold.runs.results import Calibration
from tenfold.studies.study import RUNS, STUDY, load_study
from tenfold.system.escaping import escape
from tenfold.system.files import (
    hash_file,
    make_folder,
    read_file,
    reporting_disk_errors,
    write_file,
    write_json,
)
from tenfold.workflow.arguments import get_run_path, require_train_extra
from tenfold.workflow.evaluate import load_model
from tenfold.workflow.export import Exported, convert_run, find_calibration
from tenfold.workflow.images import Data

if TYPE_CHECKING:
    from torch import nn

UNKNOWN_LICENSE = "unknown"  # the Hub's name
OWN_KINDS = MODEL_KINDS.keys() - {ModuleConfig.kind}  # built by Tenfold's own code


def export_hub(
    run: str | Path | Run,
    folder: str | Path,
    *,
    license_id: str | None = None,
    calibration: str | Path | Run | None = None,
    data: Data | None = None,
) -> Exported:
    """Write a run's model as a folder for the Hugging Face Hub.

    The folder gets model.safetensors, model.onnx, config.json and README.md, the model card. If the
    run is one of a study, in its folder, the card also has the mean and deviation of the study's
    accuracies. The folder must be new, empty, or written by this function before and unchanged.

    `license_id` is the Hub's name of the licence that you give the weights, such as "mit"; by
    default the card says that none has been chosen. `calibration` and `data` are those of
    `export_run`. The result's path is the folder, and its size that of all files.

    Raises RunError like `export_run`, and if the folder has other files; DataError if the data
    cannot be read; StudyError if the study cannot be read.
    """
    require_train_extra()
    from tenfold.reports.model_card import build_model_card

    run, folder = load_run(get_run_path(run)), Path(folder)
    check_hub_folder(folder)
    license_id = _check_license(license_id)
    exported = convert_run(run, folder / MODEL, find_calibration(run, calibration), data)
    config = _build_config(run, exported.calibration)
    contents = {
        WEIGHTS: read_file(run.weights_path),
        MODEL: exported.content,
        CARD: build_model_card(config, license_id).encode(),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    with reporting_disk_errors(folder):
        make_folder(folder)
    for name, content in contents.items():
        write_file(folder / name, content)
    write_json(folder / CONFIG, dataclasses.replace(config, files=hashes))
    return dataclasses.replace(
        exported.describe(folder),
        num_bytes=sum((folder / name).stat().st_size for name in (*contents, CONFIG)),
    )


def _check_license(license_id: str | None) -> str:
    if license_id is None:
        return UNKNOWN_LICENSE
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", license_id):
        raise RunError(
            "--license takes the Hub's name of a licence, such as mit or cc-by-4.0, not "
            f"{license_id}"
        )
    return license_id


def _build_config(run: Run, calibration: Calibration | None) -> HubConfig:
    """What config.json says, without the checksums of the files."""
    from tenfold.models.onnx import list_labels

    config, evaluation, training = run.config, run.evaluation, run.training
    labels = list_labels(config.recipe)
    return HubConfig(
        tenfold=__version__,
        recipe=config.recipe,
        seed=config.seed,
        labels=(*config.class_names, *labels[len(config.class_names) :]),
        scale=float(WHITE),
        calibration=calibration,
        part=evaluation.part,
        accuracy=evaluation.get_accuracy(),
        corrected_accuracy=evaluation.corrected.accuracy if evaluation.corrected else None,
        study=_measure_study(run),
        # Not the whole path, which says how this machine's folders are called.
        data=_name_data(config),
        is_mnist=evaluation.is_mnist,
        checksums=config.checksums,
        num_parameters=training.num_parameters,
        trained=config.started,
        training_seconds=training.seconds,
        threads=config.threads,
        machine=config.machine,
        versions=config.versions,
        files={},
    )


def _name_data(config: RunConfig) -> str:
    if config.from_arrays:
        return "arrays"
    return "MNIST" if config.data_folder is None else escape(Path(config.data_folder).name)


def _measure_study(run: Run) -> SeedStatistics | None:
    """The accuracies of all seeds of the study that a run is in; None if it is in none."""
    runs = run.path.resolve().parent
    if runs.name != RUNS or not (runs.parent / STUDY).is_file():
        return None
    study = load_study(runs.parent)
    is_listed = any(one.weights_sha256 == run.training.weights_sha256 for one in study.runs)
    if not is_listed or len(study.runs) < 2:
        return None
    return SeedStatistics(
        num_seeds=len(study.runs),
        mean_accuracy=float(study.accuracies.mean()),
        standard_deviation=float(study.accuracies.std(ddof=1)),
    )


@dataclass(frozen=True, kw_only=True)
class HubModel:
    """A model from a folder for the Hugging Face Hub.

    `config` is the content of its config.json, `network` a PyTorch module.
    """

    path: Path
    config: HubConfig
    network: "nn.Module" = field(repr=False)

    def predict_proba(self, images: Any) -> npt.NDArray[np.float32]:  # noqa: ANN401
        """The probability of each digit, float32 [N, 10], for images as `Run.predict` takes them.

        The probabilities are as training left them; the calibration in `config` is not applied.

        Raises ArrayError for other arrays.
        """
        from tenfold.models.predict import compute_probabilities

        return compute_probabilities(self.network, read_images(images))


def load_hub(folder: str | Path) -> HubModel:
    """Load the model of a folder that `export_hub` wrote, such as one downloaded from the Hub.

    Raises RunError if the folder or a file in it is missing, damaged or from another program.
    """
    require_train_extra()
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(
            f"{folder}: no such folder; `hf download USER/NAME --local-dir {folder}` downloads one"
        )
    config, weights = load_hub_config(folder), folder / WEIGHTS
    if config.recipe.model.kind not in OWN_KINDS:  # a downloaded file must not name code to run
        raise RunError(
            f"{folder / CONFIG}: the network is not one of Tenfold's; use {folder / MODEL} instead"
        )
    if hash_file(weights) != config.files[WEIGHTS]:
        raise RunError(f"{weights}: not the file that {CONFIG} names; download or export it again")
    network = load_model(config.recipe, config.seed, weights)
    return HubModel(path=folder, config=config, network=network.eval())
