"""A model as an ONNX file, with its input normalisation in the graph."""

import json
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tenfold.digits import NUM_CLASSES, WHITE
from tenfold.models.line_network import SequenceNetwork
from tenfold.models.predict import (
    compute_columns,
    compute_logits,
    frame_as_strips,
)
from tenfold.reading import line_reader as lines
from tenfold.reading.digit_classifier import INPUT, OUTPUT, Classifier
from tenfold.reading.line_image import COLUMN_PX, HEIGHT_PX
from tenfold.reading.model_file import FORMAT, METADATA_KEY
from tenfold.reading.probabilities import softmax
from tenfold.recipes.recipe import Recipe

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


def list_labels(recipe: Recipe) -> list[str]:
    """What a recipe's model answers, in order."""
    rejects = getattr(recipe.model, "rejects", False)
    return [*map(str, range(NUM_CLASSES)), *["none"] * rejects]


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
            (np.exp(reader.read(strip)), softmax(logits_TK, reader.calibration.temperature))
            for strip, logits_TK in zip(strips, compute_columns(model, strips), strict=True)
        )
        return max(float(np.abs(one - other).max()) for one, other in pairs)
    classifier = Classifier(exported, name)
    expected_NK = softmax(
        compute_logits(model, images_NHW).astype(np.float64), classifier.calibration.temperature
    )
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
