"""Exporting a model to ONNX, with its input normalisation in the graph."""

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES, WHITE
from tenfold.errors import RecipeError
from tenfold.models.own_model import OwnModel, describe_error
from tenfold.models.predict import compute_logits
from tenfold.reading.digit_classifier import INPUT, OUTPUT, Classifier
from tenfold.reading.model_file import FORMAT, METADATA_KEY
from tenfold.reading.probabilities import softmax
from tenfold.recipes.recipe import Recipe

OPSET = 18
GUARDS = "torch.fx.experimental.symbolic_shapes"  # logs what the exporter's error says
MIN_HALVED = 256  # values of an array of weights that is stored as float16
MAX_DIFFERENCE = 1e-4  # between the probabilities of the file and of the PyTorch model


class Normalised(nn.Module):
    """A model for uint8 images, [N, 28, 28]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits [N, K]."""
        logits: Tensor = self.model(images.to(torch.float32) / WHITE)
        return logits


def list_labels(recipe: Recipe) -> list[str]:
    """The labels of a recipe's model, in the order of its logits."""
    return [*map(str, range(NUM_CLASSES)), *["none"] * recipe.model.rejects]


def dump_onnx(model: nn.Module, metadata: dict[str, Any]) -> bytes:
    """The bytes of an ONNX file with a model of digit images and its metadata.

    Raises RecipeError for a model of one's own that cannot be exported.
    """
    images = torch.zeros(2, IMAGE_SIZE_PX, IMAGE_SIZE_PX, dtype=torch.uint8)
    sizes = {0: torch.export.Dim("num_images", min=1)}
    network = Normalised(model).eval()
    try:
        return dump_network(network, images, (INPUT, OUTPUT), sizes, metadata)
    except Exception as error:  # whatever the exporter does not understand
        if not isinstance(model, OwnModel):
            raise
        reason = describe_error(error.__cause__ or error)
        raise RecipeError(f"{model.name} cannot be exported to ONNX: {reason}") from error


def dump_network(
    network: nn.Module,
    example: Tensor,
    names: tuple[str, ...],
    sizes: dict[int, Any],
    metadata: dict[str, Any],
) -> bytes:
    """The bytes of an ONNX file with a network of one input.

    `names` are those of its input and its outputs; `sizes` are the axes of the input that may have
    other sizes than those of the example.
    """
    with (
        warnings.catch_warnings(action="ignore"),
        redirect_stderr(io.StringIO()),  # to which a failing exporter prints the whole graph
        _quiet("torch.onnx"),
        _quiet(GUARDS),
    ):
        program = torch.onnx.export(
            network,
            (example,),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_shapes=(sizes,),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    # The exporter adds the source file of each node, a path of this machine.
    program.model.graph.metadata_props.clear()
    for node in program.model.graph:
        node.metadata_props.clear()
    program.model.metadata_props[METADATA_KEY] = json.dumps({"format": FORMAT, **metadata})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        program.save(path, external_data=False)
        return path.read_bytes()


def halve_weights(data: bytes) -> bytes:
    """An ONNX file with its larger weights rounded to float16; they are float32 once it is loaded.

    Raises ValueError for weights beyond the range of float16.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(data)
    tensors, casts = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= MIN_HALVED:
            if np.abs(values).max() > np.finfo(np.float16).max:
                raise ValueError(f"{tensor.name} has weights beyond the range of float16")
            stored = f"{tensor.name}_half"
            tensors.append(numpy_helper.from_array(values.astype(np.float16), stored))
            casts.append(
                helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT)
            )
        else:
            tensors.append(tensor)
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(tensors)
    model.graph.node.extend(nodes)
    halved: bytes = model.SerializeToString()
    return halved


def measure_difference(
    model: nn.Module, exported: bytes, images_NHW: npt.NDArray[np.uint8], name: str
) -> float:
    """The largest difference between the probabilities of an exported file and of its model."""
    classifier = Classifier(exported, name)
    expected_NK = softmax(
        compute_logits(model, images_NHW).astype(np.float64), classifier.calibration.temperature
    )
    return float(np.abs(classifier.classify(images_NHW) - expected_NK).max())


@contextmanager
def _quiet(logger_name: str) -> Iterator[None]:
    """Suppress the exporter's warnings, such as of packages that it does not need."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
