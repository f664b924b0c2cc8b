"""Small ONNX models for tests: a linear classifier of digit images, whole or damaged."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

METADATA: dict[str, Any] = {
    "format": 1,
    "labels": [*"0123456789"],
    "calibration": {"temperature": 2.0, "read": 0.7, "not_digit": 0.8},
    "card": {"recipe": "none"},
}
WEIGHTS_PK = np.random.default_rng(0).normal(0, 0.3, (784, 11)).astype(np.float32)
FLOAT, UINT8, INT64 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64

Shape = tuple[int | str, ...]


def value(name: str, kind: int, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def build_model(
    *nodes: onnx.NodeProto,
    constants: dict[str, npt.NDArray[Any]] | None = None,
    inputs: tuple[onnx.ValueInfoProto, ...] = (value("images", UINT8, ("N", 28, 28)),),
    outputs: tuple[onnx.ValueInfoProto, ...] = (value("logits", FLOAT, ("N", 10)),),
    metadata: object = METADATA,
) -> bytes:
    """A linear classifier of ten classes; `nodes` make the logits of its `answers`."""
    pixels = inputs[0].name if inputs else "constant"
    whole = [
        helper.make_node("Cast", [pixels], ["floats"], to=FLOAT),
        helper.make_node("Div", ["floats", "white"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["answers"]),
        *(nodes or [helper.make_node("Identity", ["answers"], ["logits"])]),
    ]
    arrays = {"white": np.array(255, np.float32), "weights": WEIGHTS_PK[:, :10]}
    return dump_graph(whole, inputs, outputs, arrays | (constants or {}), metadata)


def dump_graph(
    nodes: list[onnx.NodeProto],
    inputs: tuple[onnx.ValueInfoProto, ...],
    outputs: tuple[onnx.ValueInfoProto, ...],
    constants: dict[str, npt.NDArray[Any]],
    metadata: object,
) -> bytes:
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        helper.set_model_props(model, {"tenfold": text})
    return bytes(model.SerializeToString())


def with_metadata(**changes: object) -> bytes:
    return build_model(metadata={**METADATA, **changes})


def with_calibration(**changes: object) -> bytes:
    return with_metadata(calibration={**METADATA["calibration"], **changes})
