"""The metadata of an exported model: labels, calibration, and a card that says where it is from."""

from dataclasses import dataclass
from typing import Any

from tenfold._version import __version__
from tenfold.models.onnx import OPSET, list_labels
from tenfold.recipes.recipe import Recipe
from tenfold.runs.results import Calibration
from tenfold.runs.run import Run
from tenfold.system.json_types import to_json


def build_metadata(run: Run, calibration: Calibration | None) -> dict[str, Any]:
    """What the file says beside the graph: labels, calibration, card."""
    return {
        "labels": list_labels(run.config.recipe),
        "calibration": to_json(calibration),
        "card": to_json(build_card(run, calibration)),
    }


@dataclass(frozen=True, kw_only=True)
class Card:
    """The model card in a model file: where the model is from and what was measured."""

    tenfold: str
    recipe: Recipe
    seed: int
    holdout: bool
    checksums: dict[str, tuple[str, str]]
    versions: dict[str, str]
    weights_sha256: str
    trained: str
    training_seconds: float
    num_parameters: int
    part: str
    num_images: int
    accuracy: float
    calibration: Calibration | str
    opset: int


def build_card(run: Run, calibration: Calibration | None) -> Card:
    """The model card of a run's model."""
    config, evaluation, training = run.config, run.evaluation, run.training
    return Card(
        tenfold=__version__,
        recipe=config.recipe,
        seed=config.seed,
        holdout=config.holdout,
        checksums=config.checksums,
        versions=config.versions,
        weights_sha256=training.weights_sha256,
        trained=config.started,
        training_seconds=training.seconds,
        num_parameters=training.num_parameters,
        part=evaluation.part,
        num_images=evaluation.num_images,
        accuracy=evaluation.accuracy,
        calibration=calibration or "none: this model's probabilities are as training left them",
        opset=OPSET,
    )
