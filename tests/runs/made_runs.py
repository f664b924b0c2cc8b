"""The folder of a finished run, made without training."""

import hashlib
from pathlib import Path

import numpy as np

from made_studies import build_evaluation
from tenfold.recipes.catalogue import RECIPES
from tenfold.runs.config import RunConfig
from tenfold.runs.folder import CONFIG, EVALUATION, FIGURES, WEIGHTS, write_complete_state
from tenfold.runs.results import Training
from tenfold.system.files import write_file, write_json
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
    write_json(folder / CONFIG, CONFIG_OF_A_RUN)
    write_complete_state(folder, from_json(Training, TRAINING_OF_A_RUN))
    write_json(folder / EVALUATION, EVALUATION_OF_A_RUN)
    for file in FIGURES.values():
        write_file(folder / file, b"png")
    return folder
