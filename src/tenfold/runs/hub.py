"""A folder for the Hugging Face Hub: its files, and the content of its config.json. No torch."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tenfold.digits import NUM_CLASSES
from tenfold.errors import RecipeError, RunError
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import SEEDS
from tenfold.runs.folder import CONFIG, WEIGHTS
from tenfold.runs.results import Accuracy, Calibration
from tenfold.system.files import hash_file, read_json
from tenfold.system.json_types import OMIT_DEFAULT, from_json

MODEL, CARD = "model.onnx", "README.md"


@dataclass(frozen=True, kw_only=True)
class SeedStatistics:
    """The accuracy over all seeds of a study: mean, and standard deviation (n - 1)."""

    num_seeds: int
    mean_accuracy: float
    standard_deviation: float


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """What a model is, where it comes from and how good it is: the content of config.json.

    `labels` are those of the logits, in order: names of classes if the run has them. Pixel values,
    0 to 255, are divided by `scale` before the first layer; `model.onnx` does that itself.
    `calibration` is None for a model whose probabilities are as training left them.

    `accuracy` and `corrected_accuracy`, on MNIST's corrected test labels, are those of this run on
    the `part` of the data; `study` has those of all seeds if the run is one of a study.

    `data` is "MNIST" or the name of the data folder, `checksums` are as in the run's config.json,
    and `files` are the SHA-256 of the other files.
    """

    format: Literal[1] = 1
    tenfold: str
    recipe: Recipe
    seed: Annotated[int, SEEDS]
    labels: tuple[str, ...]
    scale: float
    calibration: Calibration | None
    part: Literal["test", "validation"]
    accuracy: Accuracy
    corrected_accuracy: float | None
    study: SeedStatistics | None = field(default=None, metadata=OMIT_DEFAULT)
    data: str
    is_mnist: bool
    checksums: dict[str, tuple[str, str]]
    num_parameters: int
    trained: str
    training_seconds: float
    threads: int
    machine: dict[str, str | int]
    versions: dict[str, str]
    files: Annotated[dict[str, str], {WEIGHTS, MODEL, CARD}]

    @property
    def has_names(self) -> bool:
        """Whether the classes have names, and so are not digits."""
        return self.labels[:NUM_CLASSES] != tuple(map(str, range(NUM_CLASSES)))


def load_hub_config(folder: Path) -> HubConfig:
    """The config.json of a folder that `tenfold export --hub` wrote.

    Raises RunError if it cannot be read or is another program's.
    """
    path = folder / CONFIG
    try:
        return from_json(HubConfig, read_json(path))
    except (ValueError, RecipeError) as error:
        raise RunError(f"{path}: not from `tenfold export --hub`: {error}") from error


def check_hub_folder(folder: Path) -> None:
    """Raise RunError if files would be replaced that Tenfold did not write or that have changed.

    Hidden files, such as those of Git, and other files beside the model's do not matter.
    """
    try:
        names = [path.name for path in folder.iterdir() if path.name[0] != "."]
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{folder}: cannot be used as a folder: {error.strerror}") from error
    if not names:
        return
    try:
        config = load_hub_config(folder)
    except RunError as error:
        raise RunError(
            f"{folder}: has files that `tenfold export --hub` did not write; use a new or empty "
            "folder"
        ) from error
    for name, expected in config.files.items():
        path = folder / name
        if os.path.lexists(path) and hash_file(path) != expected:
            raise RunError(
                f"{path}: was changed after Tenfold wrote it; move it away, or use another folder"
            )
