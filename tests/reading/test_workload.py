"""How many steps models are: shapes against what ONNX Runtime gives, and ways to hide work."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tenfold.errors import ModelError
from tenfold.reading.classifier import BUNDLED_MODEL
from tenfold.reading.lines import BUNDLED_LINES
from tenfold.reading.onnx_file import OPERATIONS, check_onnx_file
from tenfold.reading.workload import RULES, STEPS_PER_VALUE, Workload

FLOAT = TensorProto.FLOAT
SHAPE = (2, 28, 28)
INT64_MIN = -(2**63)


def build(
    *nodes: onnx.NodeProto, constants: dict[str, Any] | None = None, opset: int = 18
) -> onnx.ModelProto:
    """A model that makes of `floats`, [N, 28, 28], a value `result` of any shape."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ("N", 28, 28))
    result = helper.make_empty_tensor_value_info("result")
    cast = helper.make_node("Cast", ["images"], ["floats"], to=FLOAT)
    weights = [
        numpy_helper.from_array(np.asarray(array), name)
        for name, array in (constants or {}).items()
    ]
    graph = helper.make_graph([cast, *nodes], "graph", [images], [result], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    return model


def parse(model: onnx.ModelProto) -> Workload:
    return Workload(check_onnx_file(bytes(model.SerializeToString())), "images")


def refuse(model: onnx.ModelProto, shape: tuple[int, ...] = SHAPE) -> str:
    """The message with which a model is refused."""
    with pytest.raises(ModelError) as raised:
        parse(model).count(shape)
    return str(raised.value)


def ones(*shape: int) -> npt.NDArray[np.float32]:
    return np.ones(shape, np.float32)


Case = tuple[str, list[str], dict[str, Any], dict[str, Any]]
# An operation, what goes in, its attributes, and constants. `planes` is [N, 4, 28, 28].
CASES: list[Case] = [
    *((name, ["floats"], {}, {}) for name in ("Exp", "Identity", "Log", "LogSoftmax", "Neg")),
    *((name, ["floats"], {}, {}) for name in ("Relu", "Softmax", "Transpose", "Flatten")),
    *((name, ["floats", "x"], {}, {"x": ones(5, 1, 1, 28)}) for name in ("Add", "Div", "Mul")),
    ("Sub", ["x", "floats"], {}, {"x": ones()}),
    ("Cast", ["floats"], {"to": TensorProto.INT64}, {}),
    ("BatchNormalization", ["planes", "x", "x", "x", "x"], {}, {"x": ones(4)}),
    ("Concat", ["floats", "floats", "floats"], {"axis": -1}, {}),
    ("Concat", ["floats", "x"], {"axis": 0}, {"x": ones(3, 28, 28)}),
    ("Constant", [], {"value": numpy_helper.from_array(ones(3, 5))}, {}),
    ("Flatten", ["planes"], {"axis": 2}, {}),
    ("Flatten", ["planes"], {"axis": -1}, {}),
    ("Flatten", ["planes"], {"axis": 0}, {}),
    ("GlobalAveragePool", ["planes"], {}, {}),
    ("GlobalMaxPool", ["planes"], {}, {}),
    ("Conv", ["planes", "x"], {"pads": [1, 2, 3, 4], "strides": [2, 3]}, {"x": ones(6, 4, 3, 5)}),
    ("Conv", ["planes", "x", "b"], {"group": 2, "dilations": [3, 1]},
     {"x": ones(6, 2, 3, 5), "b": ones(6)}),
    ("Conv", ["planes", "x"], {"kernel_shape": [1, 1]}, {"x": ones(2, 4, 1, 1)}),
    ("MaxPool", ["planes"], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}, {}),
    ("MaxPool", ["planes"], {"kernel_shape": [3, 3], "dilations": [2, 2], "ceil_mode": 0}, {}),
    ("AveragePool", ["planes"], {"kernel_shape": [28, 1]}, {}),
    ("MatMul", ["floats", "x"], {}, {"x": ones(28, 7)}),
    ("MatMul", ["planes", "x"], {}, {"x": ones(1, 4, 28, 7)}),
    ("MatMul", ["x", "floats"], {}, {"x": ones(28)}),
    ("MatMul", ["floats", "x"], {}, {"x": ones(28)}),
    ("Gemm", ["x", "y"], {}, {"x": ones(3, 5), "y": ones(5, 7)}),
    ("Gemm", ["x", "y", "b"], {"transA": 1, "transB": 1, "alpha": 0.5},
     {"x": ones(5, 3), "y": ones(7, 5), "b": ones(7)}),
    *(
        (name, ["floats", "axes"], {"keepdims": keeps}, {"axes": axes})
        for name in ("ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceSum")
        for keeps, axes in ((0, [1]), (1, [-1, 0]))
    ),
    ("ReduceSum", ["floats"], {}, {}),
    ("ReduceSum", ["floats"], {"keepdims": 0}, {}),
    ("ReduceSum", ["floats"], {"noop_with_empty_axes": 1}, {}),
    ("Reshape", ["floats", "x"], {}, {"x": [0, -1, 14]}),
    ("Reshape", ["floats", "x"], {"allowzero": 1}, {"x": [-1, 7]}),
    ("Reshape", ["floats", "x"], {}, {"x": [4, 392]}),
    ("Shape", ["planes"], {}, {}),
    ("Slice", ["floats", "a", "b"], {}, {"a": [1], "b": [2**63 - 1]}),
    ("Slice", ["floats", "a", "b", "axes", "s"], {},
     {"a": [-5, 3], "b": [-2, 40], "axes": [2, 1], "s": [2, 1]}),
    ("Squeeze", ["x", "axes"], {}, {"x": ones(1, 3, 1), "axes": [-1]}),
    ("Transpose", ["planes"], {"perm": [3, 0, 2, 1]}, {}),
    ("Unsqueeze", ["floats", "axes"], {}, {"axes": [-1, 0]}),
]  # fmt: skip


def build_case(case: Case) -> onnx.ModelProto:
    name, inputs, attributes, constants = case
    nodes = [helper.make_node(name, inputs, ["result"], **attributes)]
    constants = dict(constants)
    if "planes" in inputs:
        nodes = [
            helper.make_node("Unsqueeze", ["floats", "one"], ["plane"]),
            helper.make_node("Concat", ["plane"] * 4, ["planes"], axis=1),
            *nodes,
        ]
        constants["one"] = [1]
    return build(*nodes, constants=constants)


@pytest.mark.parametrize("case", CASES, ids=[f"{one[0]} {i}" for i, one in enumerate(CASES)])
def test_shapes_are_those_of_onnx_runtime(case: Case) -> None:
    model = build_case(case)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    [result] = session.run(None, {"images": np.ones(SHAPE, np.uint8)})
    known, steps = parse(model).follow(SHAPE)
    assert known["result"].shape == result.shape
    kind = helper.np_dtype_to_tensor_dtype(result.dtype)
    assert known["result"].kind == kind
    assert steps >= STEPS_PER_VALUE * result.size


def test_there_is_a_rule_and_a_case_for_every_operation() -> None:
    assert set(RULES) == OPERATIONS == {case[0] for case in CASES}


def test_a_matrix_product_is_so_many_multiplications() -> None:
    model = build(
        helper.make_node("MatMul", ["floats", "x"], ["result"]), constants={"x": ones(28, 7)}
    )
    values = 2 * 2 * 28 * 28 + 2 * 28 * 28 + 28 * 7 + 2 * 28 * 7
    assert parse(model).count(SHAPE) == 2 * 28 * 28 * 7 + STEPS_PER_VALUE * values


@pytest.mark.parametrize(
    ("path", "name", "shape"),
    [(BUNDLED_MODEL, "images", (1, 28, 28)), (BUNDLED_LINES, "strips", (1, 32, 1024))],
)
def test_the_bundled_models_are_a_hundredth_of_what_may_be(
    path: Any, name: str, shape: tuple[int, ...]
) -> None:
    workload = Workload(check_onnx_file(path.read_bytes()), name)
    assert 0 < workload.count(shape) < 5_000_000 * np.prod(shape) / 100
    # More images, or a longer strip, are so much more work, less what the weights are.
    more = workload.count((4, *shape[1:]))
    assert 3 * workload.count(shape) < more <= 4 * workload.count(shape)


def matrices(count: int) -> list[onnx.NodeProto]:
    return [helper.make_node("MatMul", [f"y{i}", "square"], [f"y{i + 1}"]) for i in range(count)]


def test_chained_matrices_are_counted() -> None:
    first = helper.make_node("MatMul", ["floats", "wide"], ["y0"])
    model = build(
        first, *matrices(150), constants={"wide": ones(28, 340), "square": ones(340, 340)}
    )
    assert parse(model).count(SHAPE) > 150 * 2 * 28 * 340**2


UNCLEAR = {
    "a shape that is computed": [
        helper.make_node("Cast", ["one"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["floats", "whole"], ["result"]),
    ],
    "a shape that is added": [
        helper.make_node("Add", ["one", "one"], ["two"]),
        helper.make_node("Unsqueeze", ["floats", "two"], ["result"]),
    ],
    "too many axes": [
        helper.make_node("Unsqueeze", ["floats", "six"], ["result"]),
    ],
    "no shape": [helper.make_node("Reshape", ["floats"], ["result"])],
    "an unknown value": [helper.make_node("Relu", ["other"], ["result"])],
    "a later value": [
        helper.make_node("Relu", ["later"], ["result"]),
        helper.make_node("Relu", ["floats"], ["later"]),
    ],
    "backward slices": [
        helper.make_node("Slice", ["floats", "one", "one", "one", "minus"], ["result"])
    ],
    "an empty slice": [helper.make_node("Slice", ["floats", "one", "one"], ["result"])],
    "an axis too many": [helper.make_node("Squeeze", ["floats", "three"], ["result"])],
    "an axis twice": [helper.make_node("ReduceMax", ["floats", "same"], ["result"])],
    "squeezing what is wide": [helper.make_node("Squeeze", ["floats", "one"], ["result"])],
    "stretching": [helper.make_node("Add", ["floats", "few"], ["result"])],
    "padding by itself": [
        helper.make_node("Conv", ["x", "kernel"], ["result"], auto_pad="SAME_UPPER")
    ],
    "rounding up": [
        helper.make_node("MaxPool", ["x"], ["result"], kernel_shape=[2, 2], ceil_mode=1)
    ],
    "a kernel of another size": [
        helper.make_node("Conv", ["x", "kernel"], ["result"], kernel_shape=[1, 1])
    ],
    "negative padding": [helper.make_node("Conv", ["x", "kernel"], ["result"], pads=[-1, 0, 0, 0])],
    "no strides": [
        helper.make_node("MaxPool", ["x"], ["result"], kernel_shape=[2, 2], strides=[0, 1])
    ],
    "matrices that do not fit": [helper.make_node("MatMul", ["floats", "few"], ["result"])],
    "a number as a constant": [helper.make_node("Constant", [], ["result"], value_int=3)],
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_shapes_that_are_not_known_are_refused(name: str) -> None:
    constants = {
        "one": [1],
        "three": [3],
        "minus": [-1],
        "same": [1, -2],
        "six": [0, 1, 2, 3, 4, 5],
        "few": ones(3),
        "x": ones(1, 1, 8, 8),
        "kernel": ones(1, 1, 3, 3),
    }
    nodes = UNCLEAR[name]
    message = refuse(build(*nodes, constants=constants))
    assert message.startswith("expected shapes that are known before a model runs, ")
    assert message.endswith(" of others")
    assert any(f"an operation {node.op_type} " in message for node in nodes)


def test_another_opset_means_other_operators() -> None:
    node = helper.make_node("Relu", ["floats"], ["result"])
    for opset in (12, 17, 19):
        message = f"expected operations of opset 18, found {opset}"
        assert refuse(build(node, opset=opset)) == message
    model = build(node)
    del model.opset_import[:]
    assert refuse(model) == "expected operations of opset 18, found none"
    model.opset_import.extend([helper.make_opsetid("", 18), helper.make_opsetid("x", 1)])
    assert refuse(model) == "expected operations of opset 18, found 18, x 1"
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("ai.onnx", 18))
    assert parse(model).count(SHAPE) > 0


def test_one_name_for_two_values() -> None:
    message = "expected a name of its own for each value, found one twice"
    node = helper.make_node("Relu", ["floats"], ["result"])
    assert refuse(build(node, constants={"floats": ones(3)})) == message
    assert refuse(build(node, constants={"images": ones(3)})) == message
    assert refuse(build(node, node)) == message
    model = build(node, constants={"x": ones(3)})
    model.graph.initializer.append(numpy_helper.from_array(ones(5), "x"))
    assert refuse(model) == message


def test_more_than_one_result() -> None:
    node = helper.make_node("MaxPool", ["floats"], ["result", "places"], kernel_shape=[2])
    message = "expected operations with one result, found MaxPool with 2"
    assert refuse(build(node)) == message
    assert refuse(build(helper.make_node("Relu", ["floats"], []))).endswith("found Relu with 0")


def test_attributes_that_others_may_understand_otherwise() -> None:
    node = helper.make_node("MaxPool", ["floats"], ["result"], kernel_shape=[2], strides=[2])
    message = "expected clear attributes, found strides of MaxPool"
    twice = onnx.NodeProto()
    twice.CopyFrom(node)
    twice.attribute.append(helper.make_attribute("strides", [1]))
    assert refuse(build(twice)) == message
    other_type = onnx.NodeProto()
    other_type.CopyFrom(node)
    other_type.attribute[1].type = onnx.AttributeProto.FLOATS
    assert refuse(build(other_type)) == message
    both = onnx.NodeProto()
    both.CopyFrom(node)
    both.attribute[1].i = 1
    assert refuse(build(both)) == message


def test_text_is_refused_for_nobody_counts_its_memory() -> None:
    node = helper.make_node("Cast", ["floats"], ["result"], to=TensorProto.STRING)
    assert refuse(build(node)) == "expected numbers, found text"


def test_a_division_that_would_end_the_process_is_refused() -> None:
    # The least whole number by minus one traps.
    node = helper.make_node("Div", ["least", "minus"], ["result"])
    constants = {"least": [INT64_MIN], "minus": [-1]}
    message = "expected divisions of real numbers, found one of others"
    assert refuse(build(node, constants=constants)) == message
    cast = helper.make_node("Cast", ["floats"], ["whole"], to=TensorProto.INT32)
    node = helper.make_node("Div", ["whole", "whole"], ["result"])
    assert refuse(build(cast, node)) == message


def test_weights_of_no_size() -> None:
    model = build(helper.make_node("Add", ["floats", "x"], ["result"]), constants={"x": ones(1)})
    model.graph.initializer[0].dims[0] = -1
    assert refuse(model) == "expected weights of some size and at most 8 axes, found (-1,)"
    node = helper.make_node("Relu", ["x"], ["result"])
    assert refuse(build(node, constants={"x": ones(0)})).endswith("an operation Relu of others")


def test_weights_of_many_axes() -> None:
    node = helper.make_node("Relu", ["x"], ["result"])
    model = build(node, constants={"x": ones(1, 1, 1, 1, 1, 1, 1, 2)})
    assert parse(model).count(SHAPE) > 0
    model.graph.initializer[0].dims.extend([1] * 90_000)
    message = refuse(model)
    assert message.startswith("expected weights of some size and at most 8 axes, found (1, 1, ")
    assert len(message) < 100
