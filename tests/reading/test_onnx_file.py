"""What a model file may ask for, and ways to ask for more, some of them well hidden."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper, numpy_helper

from tenfold.errors import ModelError
from tenfold.reading import onnx_file
from tenfold.reading.classifier import BUNDLED_MODEL
from tenfold.reading.onnx_file import (
    LARGEST_NUMBER,
    MAX_BYTES,
    MAX_FIELDS,
    MAX_OPERATIONS,
    OPERATIONS,
    check_onnx_file,
)

INT64_MAX = 2**63 - 1
# Kinds of fields of the format: a number, eight bytes, a length and bytes, four bytes.
NUMBER, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
# Field numbers, from onnx.proto.
GRAPH, FUNCTIONS, NODE, INITIALIZER, OPERATION, ATTRIBUTE = 7, 25, 1, 5, 4, 5
TENSOR_EXTERNAL, TENSOR_LOCATION, ATTRIBUTE_INT, ATTRIBUTE_INTS = 13, 14, 3, 8
DESCRIPTION, VALUE, VALUE_TYPE, TENSOR_KIND, SHAPE, DIMENSION = 6, 13, 2, 1, 2, 1


def build_model(
    *nodes: onnx.NodeProto, constants: tuple[onnx.TensorProto, ...] = ()
) -> onnx.ModelProto:
    """The mean of an image times ten weights; `nodes` may do what they want before that."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ("N", 28, 28))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("N", 10))
    whole = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        *nodes,
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Unsqueeze", ["means", "one"], ["column"]),
        helper.make_node("Mul", ["column", "weights"], ["logits"]),
    ]
    initializers = [
        numpy_helper.from_array(np.array([1, 2]), "axes"),
        numpy_helper.from_array(np.array([1]), "one"),
        numpy_helper.from_array(np.linspace(0, 1, 10, dtype=np.float32)[None], "weights"),
        *constants,
    ]
    graph = helper.make_graph(whole, "graph", [images], [logits], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    return model


def with_attribute(**attributes: Any) -> bytes:
    """A model with an operation that is allowed and an attribute."""
    return dump(build_model(helper.make_node("Relu", ["floats"], ["more"], **attributes)))


def dump(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString())


def refuse(data: bytes) -> str:
    """The message with which a file is refused."""
    with pytest.raises(ModelError) as raised:
        check_onnx_file(data)
    return str(raised.value)


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def field(number: int, content: bytes, kind: int = BYTES, *, is_hidden: bool = False) -> bytes:
    """A field of a message. A hidden one has a bit set that ONNX Runtime's parser leaves out."""
    key = varint(number << 3 | kind | is_hidden << 32)
    return key + (varint(len(content)) if kind == BYTES else b"") + content


def replace_graph(model: onnx.ModelProto, graph: bytes) -> bytes:
    rest = onnx.ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    return dump(rest) + field(GRAPH, graph)


def extend_node(operation: str, extra: bytes) -> bytes:
    """A model that has one more operation, with more bytes in its message."""
    model = build_model()
    node = helper.make_node(operation, ["floats"], ["more"]).SerializeToString()
    return replace_graph(model, model.graph.SerializeToString() + field(NODE, node + extra))


def test_the_bundled_model_passes() -> None:
    check_onnx_file(BUNDLED_MODEL.read_bytes())


def test_a_model_of_all_that_is_allowed_passes() -> None:
    nodes = [helper.make_node(name, ["floats"], [f"of {name}"]) for name in sorted(OPERATIONS)]
    check_onnx_file(dump(build_model(*nodes)))


@pytest.mark.parametrize(
    "operation",
    [
        "If", "Loop", "Scan", "SequenceMap",  # run other graphs
        "ConstantOfShape", "Expand", "Pad", "Range", "Resize", "Tile", "Upsample",  # make much
        "OneHot", "EyeLike", "Scatter", "NonZero", "RandomNormal", "Einsum", "Erf", "relu", "",
    ],
)  # fmt: skip
def test_an_operation_that_is_not_on_the_list(operation: str) -> None:
    node = helper.make_node(operation, ["floats"], ["more"])
    message = refuse(dump(build_model(node)))
    assert message == f"expected operations of a classifier, found {operation}"


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "ai.onnx.training", "x"])
def test_an_operation_of_another_domain(domain: str) -> None:
    node = helper.make_node("Relu", ["floats"], ["more"], domain=domain)
    message = refuse(dump(build_model(node)))
    assert message == f"expected operations of a classifier, found {domain}.Relu"
    check_onnx_file(dump(build_model(helper.make_node("Relu", ["a"], ["b"], domain="ai.onnx"))))


def test_a_subgraph_is_refused_even_where_it_is_not_run() -> None:
    body = build_model().graph
    message = "expected one graph, found others within it"
    assert refuse(with_attribute(body=body)) == message
    assert refuse(with_attribute(bodies=[body])) == message
    assert refuse(with_attribute(body=onnx.GraphProto())) == message


def test_weights_that_lie_in_another_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(build_model(), path, save_as_external_data=True, location="beside", size_threshold=0)
    assert (tmp_path / "beside").is_file()
    message = "expected all weights in the file, found external data"
    assert refuse(path.read_bytes()) == message
    for key in ("location", "offset"):
        tensor = numpy_helper.from_array(np.zeros(3, np.float32), "x")
        tensor.external_data.add(key=key, value="/etc/passwd")
        assert refuse(dump(build_model(constants=(tensor,)))) == message
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "x")
    tensor.data_location = TensorProto.EXTERNAL
    assert refuse(dump(build_model(constants=(tensor,)))) == message
    assert refuse(with_attribute(value=tensor)) == message


def test_a_location_in_the_file_is_no_other_file() -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "x")
    tensor.data_location = TensorProto.DEFAULT
    check_onnx_file(dump(build_model(constants=(tensor,))))


def test_functions_beside_the_graph() -> None:
    body = [helper.make_node("Relu", ["x"], ["y"])]
    opset = helper.make_opsetid("", 18)
    model = build_model(helper.make_node("Relu", ["floats"], ["more"]))
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], body, [opset]))
    assert refuse(dump(model)) == "expected a graph alone, found functions beside it"


def test_a_graph_for_training() -> None:
    model = build_model()
    model.training_info.add()
    assert refuse(dump(model)) == "expected a graph alone, found functions beside it"


def test_sparse_weights() -> None:
    model = build_model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    sparse = helper.make_sparse_tensor(values, indices, [2**40])
    model.graph.sparse_initializer.append(sparse)
    assert refuse(dump(model)) == "expected weights, found sparse ones"
    assert refuse(with_attribute(sparse_value=sparse)) == (
        "expected one graph, found others within it"
    )


@pytest.mark.parametrize("number", [LARGEST_NUMBER + 1, -LARGEST_NUMBER - 1, 2**40, -(2**40)])
def test_huge_numbers_in_operations(number: int) -> None:
    message = f"expected small numbers in operations, found {number}"
    assert refuse(with_attribute(axis=number)) == message
    # Several numbers are as many fields, or one field with all of them.
    assert refuse(with_attribute(pads=[0, 0, number, 0])) == message
    packed = field(ATTRIBUTE_INTS, varint(0) + varint(number % 2**64) + varint(0))
    data = extend_node("Relu", field(ATTRIBUTE, packed))
    assert [*onnx.load_from_string(data).graph.node[-1].attribute[0].ints] == [0, number, 0]
    assert refuse(data) == message


@pytest.mark.parametrize("number", [0, -1, LARGEST_NUMBER, -LARGEST_NUMBER, INT64_MAX])
def test_small_numbers_and_the_end_of_slices_pass(number: int) -> None:
    check_onnx_file(with_attribute(axis=number))
    check_onnx_file(with_attribute(pads=[0, 0, number]))


def test_too_many_operations() -> None:
    most = [helper.make_node("Relu", ["floats"], [f"r{i}"]) for i in range(MAX_OPERATIONS - 4)]
    check_onnx_file(dump(build_model(*most)))
    one_more = dump(build_model(*most, helper.make_node("Relu", ["floats"], ["last"])))
    assert refuse(one_more) == "expected at most 2000 operations, found 2001"


def test_too_many_bytes() -> None:
    model = dump(build_model())
    content = bytes(MAX_BYTES - len(model) - 5)
    data = model + field(DESCRIPTION, content)
    assert len(data) == MAX_BYTES
    check_onnx_file(data)
    assert refuse(data + b"\0") == "expected at most 64 MiB, found more"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no graph in it"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "field 1281 of it"),
        (b"PK\x03\x04" + bytes(9), "field 10 of it"),
        (b"\x0b", "a field of kind 3"),
        (b"\xff" * 20, "a number of more than 64 bits"),
        (b"\x08", "it ends too early"),
        (b"\x08\xff", "it ends too early"),
        (field(GRAPH, b"")[:-1], "it ends too early"),
        (field(GRAPH, b"123")[:-1], "it ends too early"),
        (field(GRAPH, b"\x05", NUMBER), "a number where a message belongs"),
        (field(GRAPH, field(NODE, b"\x05", NUMBER)), "a number where a message belongs"),
        (field(GRAPH, field(NODE, field(OPERATION, b"\xff\xfe"))), "'utf-8' codec can't decode"),
        (2 * field(GRAPH, b""), "no graph in it"),
    ],
    ids=range(13),
)
def test_what_is_no_onnx_file(data: bytes, message: str) -> None:
    assert refuse(data).startswith("expected an ONNX file, found none: ")
    assert message in refuse(data)


def test_a_second_graph_is_refused_for_parsers_would_join_the_two() -> None:
    loop = helper.make_graph([helper.make_node("Loop", ["a"], ["b"])], "loop", [], [])
    other = field(GRAPH, loop.SerializeToString())
    model = dump(build_model())
    assert "expected" in refuse(model + other)
    assert "expected" in refuse(other + model)
    assert "expected" in refuse(model + field(GRAPH, b""))


def test_a_later_name_of_an_operation_counts_as_it_does_for_parsers() -> None:
    erf = extend_node("Relu", field(OPERATION, b"Erf"))
    assert onnx.load_from_string(erf).graph.node[-1].op_type == "Erf"
    assert refuse(erf) == "expected operations of a classifier, found Erf"
    check_onnx_file(extend_node("Erf", field(OPERATION, b"Relu")))


def test_a_model_cut_off_anywhere_but_between_its_parts_is_none() -> None:
    model = build_model()
    data = dump(model)
    graph_only = onnx.ModelProto(graph=model.graph)
    assert data.endswith(dump(onnx.ModelProto(opset_import=model.opset_import)))
    end_of_graph = data.index(dump(graph_only)) + len(dump(graph_only))
    for length in range(len(data)):
        if length == end_of_graph:  # what is cut off is the opset, which others ask for
            check_onnx_file(data[:length])
        else:
            assert refuse(data[:length]).startswith("expected an ONNX file, found none: ")


def test_the_bundled_model_cut_off_is_none() -> None:
    data = BUNDLED_MODEL.read_bytes()
    for length in random.Random(0).sample(range(len(data)), 200):
        try:
            check_onnx_file(data[:length])
        except ModelError:
            continue
        # Cut between two fields of the model, behind its graph.
        assert len(onnx.load_from_string(data[:length]).graph.node)


def test_random_bytes_are_none() -> None:
    source = random.Random(0)
    for _ in range(2000):
        assert refuse(source.randbytes(source.randrange(200))).startswith("expected")


def test_damage_raises_nothing_else() -> None:
    """Flipped bits, changed, lost and added bytes: a file passes or is refused, no more."""
    whole = dump(build_model(helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2])))
    num_refused = 0
    for seed in range(4000):
        try:
            check_onnx_file(damage(whole, seed))
        except ModelError:
            num_refused += 1
    assert 1000 < num_refused < 3900


def damage(whole: bytes, seed: int) -> bytes:
    source, data = random.Random(seed), bytearray(whole)
    start = source.randrange(len(data))
    kind = seed % 4
    if kind == 0:
        for _ in range(source.randint(1, 4)):
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    elif kind == 1:
        data[start] = source.choice([0, 1, 0x7F, 0x80, 0xFF])
    elif kind == 2:
        del data[start : start + source.randint(1, 8)]
    else:
        data[start:start] = source.randbytes(source.randint(1, 8))
    return bytes(data)


def test_messages_in_messages_in_messages_are_not_followed() -> None:
    deep = b""
    for _ in range(5000):
        deep = field(GRAPH, deep)
    message = "expected fields that a classifier needs, found field 7 of a graph"
    assert refuse(field(GRAPH, deep)) == message


def describe_value(num_dimensions: int) -> bytes:
    """What a graph says of a value of so many dimensions, each of which it says nothing of."""
    shape = field(SHAPE, field(DIMENSION, b"") * num_dimensions)
    return field(VALUE, field(VALUE_TYPE, field(TENSOR_KIND, shape)))


@pytest.mark.parametrize(
    "graph",
    [
        field(INITIALIZER, b"") * MAX_FIELDS,
        field(VALUE, b"") * MAX_FIELDS,
        field(NODE, b"\x0a\0" * MAX_FIELDS),
        field(INITIALIZER, field(1, bytes(MAX_FIELDS))),
        field(NODE, field(ATTRIBUTE, field(ATTRIBUTE_INTS, bytes(MAX_FIELDS)))),
        describe_value(MAX_FIELDS),
        field(NODE, field(OPERATION, bytes(4), FOUR_BYTES) * MAX_FIELDS),
    ],
    ids=["weights", "values", "inputs", "sizes", "numbers", "dimensions", "left out by parsers"],
)
def test_too_many_fields_that_say_nothing(graph: bytes) -> None:
    assert refuse(field(GRAPH, graph)) == "expected at most 100,000 fields, found more"


def test_many_fields_pass() -> None:
    check_onnx_file(field(GRAPH, describe_value(MAX_FIELDS - 5)))
    assert "found more" in refuse(field(GRAPH, describe_value(MAX_FIELDS - 3)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (field(1000, b""), "expected an ONNX file, found none: field 1000 of it"),
        (field(GRAPH, field(14, b"")), "found field 14 of a graph"),
        (field(GRAPH, field(NODE, field(8, b""))), "found field 8 of a node"),
        (field(GRAPH, field(NODE, field(ATTRIBUTE, field(9, b"")))), "field 9 of an attribute"),
        (field(GRAPH, field(VALUE, field(VALUE_TYPE, field(4, b"")))), "found field 4 of a type"),
    ],
)
def test_fields_that_no_classifier_needs(data: bytes, message: str) -> None:
    assert refuse(data).endswith(message)


def test_weights_that_are_written_one_by_one() -> None:
    message = "expected weights as bytes, found them one by one"
    for kind in ("FLOAT", "DOUBLE", "INT64", "INT32", "UINT64", "STRING"):
        number = TensorProto.DataType.Value(kind)
        values: Any = [b"1", b"2"] if kind == "STRING" else [1, 2]
        tensor = helper.make_tensor("x", number, [2], values)
        assert not tensor.raw_data
        assert refuse(dump(build_model(constants=(tensor,)))) == message
        assert refuse(with_attribute(value=tensor)) == message


HIDING = "the check and ONNX Runtime's parser read the same bytes differently"


@pytest.mark.parametrize(
    "data",
    [
        extend_node("Relu", field(OPERATION, b"Loop", is_hidden=True)),
        extend_node("Relu", field(ATTRIBUTE, field(6, b"", is_hidden=True))),
        dump(build_model()) + field(FUNCTIONS, b"", is_hidden=True),
        field(GRAPH, field(INITIALIZER, field(TENSOR_EXTERNAL, b"", is_hidden=True))),
        field(GRAPH, field(INITIALIZER, field(TENSOR_LOCATION, b"\x01", NUMBER, is_hidden=True))),
    ],
    ids=["operation", "subgraph", "functions", "external data", "location"],
)
def test_a_field_is_not_hidden_by_a_long_key(data: bytes) -> None:
    assert refuse(data).startswith("expected")


def test_a_huge_number_is_not_hidden_by_bits_above_64() -> None:
    ten_bytes = varint(1 << 65 | 1_000_000_000)
    assert len(ten_bytes) == 10
    attribute = field(ATTRIBUTE, field(ATTRIBUTE_INT, ten_bytes, NUMBER))
    assert "found" in refuse(extend_node("Relu", attribute))
    attribute = field(ATTRIBUTE, field(ATTRIBUTE_INTS, ten_bytes))
    assert "found" in refuse(extend_node("Relu", attribute))


@pytest.mark.parametrize(("name", "kind"), [(b"Relu", FOUR_BYTES), (b"Identity", EIGHT_BYTES)])
def test_an_operation_is_not_hidden_by_a_field_of_another_kind(name: bytes, kind: int) -> None:
    data = extend_node("Tile", field(OPERATION, name, kind))
    assert onnx.load_from_string(data).graph.node[-1].op_type == "Tile"
    assert refuse(data) == "expected operations of a classifier, found Tile"


def test_a_file_in_the_format_of_onnx_runtime_is_refused() -> None:
    # The file is two in one: fields 1, 0 and 10 of an ONNX file, then the graph of that; and the
    # other format's first 8 bytes, which say where in field 11 that begins.
    head = b"\x08\x80\x01\x00ORTM" + bytes(0x53) + field(11, bytes(70_000))
    data = head + dump(build_model())
    assert data[4:8] == b"ORTM"
    assert refuse(data).startswith("expected an ONNX file")


def test_what_is_hidden_is_seen_without_hiding() -> None:
    """The tests above fail for the reason that they give."""
    assert onnx_file.OPERATIONS.isdisjoint(["Loop", "Tile"])
    assert "found Loop" in refuse(extend_node("Relu", field(OPERATION, b"Loop")))
    assert "found others" in refuse(extend_node("Relu", field(ATTRIBUTE, field(6, b""))))
    assert "found functions" in refuse(dump(build_model()) + field(FUNCTIONS, b""))
    for content in (field(TENSOR_EXTERNAL, b""), field(TENSOR_LOCATION, b"\x01", NUMBER)):
        assert "external" in refuse(field(GRAPH, field(INITIALIZER, content)))
    number = field(ATTRIBUTE_INT, varint(1_000_000_000), NUMBER)
    assert "found 1000000000" in refuse(extend_node("Relu", field(ATTRIBUTE, number)))
