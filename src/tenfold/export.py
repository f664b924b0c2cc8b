"""A run to one ONNX file, which reading uses without PyTorch.

In: a finished run's model, and what a hold-out run found about its probabilities. Out: the file:
the model with its normalisation in the graph; labels, calibration, thresholds and card in its
metadata.
"""

import json
import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import tenfold
from tenfold.configs import NUM_CLASSES
from tenfold.evaluation.calibration import soften
from tenfold.evaluation.predictions import (
    WHITE,
    compute_columns,
    compute_logits,
    frame_as_strips,
)
from tenfold.models.sequence import SequenceNetwork
from tenfold.reading import lines
from tenfold.reading.classifier import INPUT, OUTPUT, Classifier
from tenfold.reading.model_file import FORMAT, METADATA_KEY
from tenfold.reading.strips import COLUMN_PX, HEIGHT_PX
from tenfold.recipes import Recipe
from tenfold.results import Calibration
from tenfold.run import Run
from tenfold.shapes import to_json

OPSET = 18
LARGEST_DIFFERENCE = 1e-4  # between probabilities of the file and of the PyTorch model


class Normalised(nn.Module):
    """A model that takes the bytes of images, uint8 [N, 28, 28]; of lines, of strips [N, 32, W]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K]; of lines [N, T, K]."""
        scaled = images.to(torch.float32) / WHITE
        if isinstance(self.model, SequenceNetwork):
            return self.model.read(scaled)
        logits: Tensor = self.model(scaled)
        return logits


def build_metadata(run: Run, calibration: Calibration | None) -> dict[str, Any]:
    """What the file says beside the graph: labels, calibration, card."""
    return {
        "labels": list_labels(run.config.recipe),
        "calibration": to_json(calibration),
        "card": to_json(build_card(run, calibration)),
    }


def list_labels(recipe: Recipe) -> list[str]:
    """What a recipe's model answers, in order."""
    rejects = getattr(recipe.model, "rejects", False)
    return [*map(str, range(NUM_CLASSES)), *["none"] * rejects]


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
        tenfold=tenfold.__version__,
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


def dump_onnx(model: nn.Module, metadata: dict[str, Any]) -> bytes:
    """The bytes of an ONNX file with the model and what it says of itself."""
    shape, names, sizes = (2, 28, 28), (INPUT, OUTPUT), {0: torch.export.Dim("num_images", min=1)}
    if isinstance(model, SequenceNetwork):
        shape, names = (2, HEIGHT_PX, 64), (lines.INPUT, lines.OUTPUT)
        sizes[2] = COLUMN_PX * torch.export.Dim("num_columns", min=2, max=4096)
    images = torch.zeros(*shape, dtype=torch.uint8)
    with warnings.catch_warnings(action="ignore"), _quiet("torch.onnx"):
        program = torch.onnx.export(
            Normalised(model).eval(),
            (images,),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_shapes=(sizes,),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    # The exporter notes at each node in which file of this machine it comes from.
    program.model.graph.metadata_props.clear()
    for node in program.model.graph:
        node.metadata_props.clear()
    program.model.metadata_props[METADATA_KEY] = json.dumps({"format": FORMAT, **metadata})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        program.save(path, external_data=False)
        return path.read_bytes()


def compare(
    model: nn.Module, exported: bytes, images_NHW: npt.NDArray[np.uint8], name: str
) -> float:
    """By how much the probabilities of an exported file differ at most from those of its model.

    Of a network that reads lines, those of each column of the images as strips.
    """
    if isinstance(model, SequenceNetwork):
        strips = frame_as_strips(images_NHW)
        reader = lines.LineReader(exported, name)
        pairs = (
            (np.exp(reader.read(strip)), soften(logits_TK, reader.calibration.temperature))
            for strip, logits_TK in zip(strips, compute_columns(model, strips), strict=True)
        )
        return max(float(np.abs(one - other).max()) for one, other in pairs)
    classifier = Classifier(exported, name)
    expected_NK = soften(compute_logits(model, images_NHW), classifier.calibration.temperature)
    return float(np.abs(classifier.classify(images_NHW) - expected_NK).max())


class _quiet:  # noqa: N801 - used like a function
    """Without a logger's warnings: the exporter speaks of packages that it does not need."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)

    def __enter__(self) -> None:
        self.level = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self.logger.setLevel(self.level)
