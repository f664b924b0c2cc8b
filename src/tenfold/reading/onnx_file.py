"""What an ONNX file asks of the machine, found out before anything of it is run.

In: the bytes of a file from an untrusted hand. Out: an error, or nothing: the graph has only
operations that compute with what the file itself holds, in modest sizes. No loops, no files beside
it, no code of others.

An ONNX file is a protocol-buffer message (onnx.proto, IR version 10) of messages; those that a
classifier needs are parsed here, for the package `onnx` is large and only needed to write such
files. Others are refused, and so are too many: ONNX Runtime gives each some hundred bytes.
"""

from collections.abc import Iterator
from typing import Any

from tenfold.errors import ModelError

MAX_BYTES = 64 * 1024**2
OPERATIONS = frozenset(
    [
        "Add",
        "AveragePool",
        "BatchNormalization",
        "Cast",
        "Concat",
        "Constant",
        "Conv",
        "Div",
        "Exp",
        "Flatten",
        "Gemm",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Identity",
        "Log",
        "MatMul",
        "MaxPool",
        "Mul",
        "Neg",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Relu",
        "Reshape",
        "Shape",
        "Slice",
        "Softmax",
        "LogSoftmax",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    ]
)
MAX_OPERATIONS = 2000
# In all messages together, each of several numbers counted; the bundled models have 1,300.
MAX_FIELDS = 100_000
LARGEST_NUMBER = 4096  # in an operation's attributes: kernels, strides, padding, axes
# Field numbers of onnx.proto.
MODEL_GRAPH, MODEL_OPSET, MODEL_FUNCTIONS, MODEL_TRAINING = 7, 8, 25, 20
OPSET_DOMAIN, OPSET_VERSION = 1, 2
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_SPARSE = 1, 5, 11, 15
VALUE_NAME, VALUE_TYPE, TYPE_TENSOR, TENSOR_TYPE_KIND, TENSOR_TYPE_SHAPE = 1, 2, 1, 1, 2
SHAPE_DIMENSION, DIMENSION_NUMBER, DIMENSION_NAME = 1, 1, 2
NODE_INPUT, NODE_OUTPUT, NODE_OPERATION, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_NAME, ATTRIBUTE_TYPE = 1, 20
ATTRIBUTE_INT, ATTRIBUTE_TEXT, ATTRIBUTE_TENSOR, ATTRIBUTE_INTS = 3, 4, 5, 8
ATTRIBUTE_GRAPHS = (6, 11, 22, 23)
TENSOR_DIMENSIONS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14
TENSOR_TYPED = (4, 5, 6, 7, 10, 11)
# What is in a field: a number, some, bytes, or a message.
NUMBER, NUMBERS, BYTES = "number", "numbers", "bytes"
# The fields of each kind of message that a classifier needs.
MESSAGES: dict[str, dict[int, str]] = {
    "model": {
        **dict.fromkeys([1, 5], NUMBER),
        **dict.fromkeys([2, 3, 4, 6], BYTES),
        MODEL_GRAPH: "graph",
        MODEL_OPSET: "opset",
        14: "entry",
    },
    "opset": {OPSET_DOMAIN: BYTES, OPSET_VERSION: NUMBER},
    "entry": {1: BYTES, 2: BYTES},
    "graph": {
        GRAPH_NODE: "node",
        GRAPH_INITIALIZER: "tensor",
        **dict.fromkeys([2, 10], BYTES),
        **dict.fromkeys([GRAPH_INPUT, 12, 13], "value"),
        16: "entry",
    },
    "node": {
        **dict.fromkeys([NODE_INPUT, NODE_OUTPUT, NODE_OPERATION, NODE_DOMAIN, 3, 6], BYTES),
        NODE_ATTRIBUTE: "attribute",
        9: "entry",
    },
    "attribute": {
        **dict.fromkeys([ATTRIBUTE_NAME, ATTRIBUTE_TEXT, 13], BYTES),
        **dict.fromkeys([ATTRIBUTE_TYPE, ATTRIBUTE_INT, 2], NUMBER),
        ATTRIBUTE_INTS: NUMBERS,
        ATTRIBUTE_TENSOR: "tensor",
    },
    "tensor": {
        TENSOR_DIMENSIONS: NUMBERS,
        **dict.fromkeys([TENSOR_TYPE, TENSOR_LOCATION], NUMBER),
        **dict.fromkeys([TENSOR_NAME, TENSOR_RAW, 12], BYTES),
        16: "entry",
    },
    "value": {**dict.fromkeys([VALUE_NAME, 3], BYTES), VALUE_TYPE: "type", 4: "entry"},
    "type": {TYPE_TENSOR: "tensor type", 6: BYTES},
    "tensor type": {TENSOR_TYPE_KIND: NUMBER, TENSOR_TYPE_SHAPE: "shape"},
    "shape": {SHAPE_DIMENSION: "dimension"},
    "dimension": {DIMENSION_NUMBER: NUMBER, **dict.fromkeys([DIMENSION_NAME, 3], BYTES)},
}
# Fields that are refused with a reason of their own.
REFUSED = {
    **dict.fromkeys(
        [("model", MODEL_FUNCTIONS), ("model", MODEL_TRAINING)],
        "expected a graph alone, found functions beside it",
    ),
    ("graph", GRAPH_SPARSE): "expected weights, found sparse ones",
    **{
        ("attribute", number): "expected one graph, found others within it"
        for number in ATTRIBUTE_GRAPHS
    },
    ("tensor", TENSOR_EXTERNAL): "expected all weights in the file, found external data",
    **{
        ("tensor", number): "expected weights as bytes, found them one by one"
        for number in TENSOR_TYPED
    },
}

# A message's fields, each with all its values in order: numbers, bytes or messages.
Message = dict[int, list[Any]]


def check_onnx_file(data: bytes) -> Message:
    """The model that is in a file.

    Raises ModelError if the file is too large, broken, or asks for more than arithmetic.
    """
    if len(data) > MAX_BYTES:
        raise ModelError(f"expected at most {MAX_BYTES // 1024**2} MiB, found more")
    if data[4:8] == b"ORTM":
        raise ModelError("expected an ONNX file, found one in ONNX Runtime's own format")
    try:
        model = _Parser().parse(memoryview(data), "model")
        graphs = model.get(MODEL_GRAPH, [])
        if len(graphs) != 1:
            raise ValueError("no graph in it")
        _check_graph(graphs[0])
    except IndexError as error:
        raise ModelError("expected an ONNX file, found none: it ends too early") from error
    except ValueError as error:
        raise ModelError(f"expected an ONNX file, found none: {error}") from error
    return model


def read_text(message: Message, number: int) -> str:
    """The text in a field; of several the last counts, as it does for other parsers."""
    return bytes(message.get(number, [b""])[-1]).decode("utf-8")


def read_signed(number: int) -> int:
    """A number as it is meant: negative ones are written as large ones."""
    return number - 2**64 if number >= 2**63 else number


def list_inputs(model: Message) -> list[tuple[str, int, list[int | str]]]:
    """What goes into a model beside its weights: names, types, and sizes or their names."""
    [graph] = model[MODEL_GRAPH]
    weights = {read_text(one, TENSOR_NAME) for one in graph.get(GRAPH_INITIALIZER, [])}
    inputs = []
    for value in graph.get(GRAPH_INPUT, []):
        name, tensor = read_text(value, VALUE_NAME), value
        for field in (VALUE_TYPE, TYPE_TENSOR):
            [tensor] = tensor.get(field, [{}])
        [shape] = tensor.get(TENSOR_TYPE_SHAPE, [{}])
        sizes = [
            read_signed(one[DIMENSION_NUMBER][-1])
            if DIMENSION_NUMBER in one
            else read_text(one, DIMENSION_NAME)
            for one in shape.get(SHAPE_DIMENSION, [])
        ]
        if name not in weights:
            inputs.append((name, tensor.get(TENSOR_TYPE_KIND, [0])[-1], sizes))
    return inputs


def _check_graph(graph: Message) -> None:
    for tensor in graph.get(GRAPH_INITIALIZER, []):
        _check_tensor(tensor)
    operations = graph.get(GRAPH_NODE, [])
    for operation in operations:
        _check_operation(operation)
    if len(operations) > MAX_OPERATIONS:
        raise ModelError(f"expected at most {MAX_OPERATIONS} operations, found {len(operations)}")


def _check_operation(operation: Message) -> None:
    name, domain = read_text(operation, NODE_OPERATION), read_text(operation, NODE_DOMAIN)
    for attribute in operation.get(NODE_ATTRIBUTE, []):
        for tensor in attribute.get(ATTRIBUTE_TENSOR, []):
            _check_tensor(tensor)
        numbers = attribute.get(ATTRIBUTE_INT, []) + attribute.get(ATTRIBUTE_INTS, [])
        for number in map(read_signed, numbers):
            # The end of a slice that has none is the largest integer there is.
            if abs(number) > LARGEST_NUMBER and abs(number) < 2**62:
                raise ModelError(f"expected small numbers in operations, found {number}")
    if domain not in ("", "ai.onnx") or name not in OPERATIONS:
        raise ModelError(
            f"expected operations of a classifier, found {domain}{'.' * bool(domain)}{name}"
        )


def _check_tensor(tensor: Message) -> None:
    if any(tensor.get(TENSOR_LOCATION, [])):
        raise ModelError(REFUSED["tensor", TENSOR_EXTERNAL])


class _Parser:
    """Parses one file: messages of all kinds, until they have too many fields."""

    def __init__(self) -> None:
        self.fields_left = MAX_FIELDS

    def parse(self, data: memoryview, kind: str) -> Message:
        """A message of a kind. Raises ModelError for what no classifier needs."""
        fields, message = MESSAGES[kind], Message()
        for number, value in self._read_fields(data):
            if (kind, number) in REFUSED:
                raise ModelError(REFUSED[kind, number])
            if number not in fields and kind == "model":
                raise ValueError(f"field {number} of it")
            if number not in fields:
                raise ModelError(
                    f"expected fields that a classifier needs, found field {number} of "
                    f"{'an' if kind[0] in 'aeo' else 'a'} {kind}"
                )
            what, values = fields[number], list[Any]()
            if value is None or (what == NUMBER and not isinstance(value, int)):
                continue  # parsers leave out what is of another kind
            if what in (NUMBER, NUMBERS):
                values = [value] if isinstance(value, int) else [*self._read_packed(value)]
            elif isinstance(value, int):
                raise ValueError("a number where a message belongs")
            else:
                values = [value if what == BYTES else self.parse(value, what)]
            message.setdefault(number, []).extend(values)
        return message

    def _count(self) -> None:
        self.fields_left -= 1
        if self.fields_left < 0:
            raise ModelError(f"expected at most {MAX_FIELDS:,} fields, found more")

    def _read_packed(self, data: memoryview) -> Iterator[int]:
        at = 0
        while at < len(data):
            self._count()
            value, at = _read_varint(data, at)
            yield value

    def _read_fields(self, data: memoryview) -> Iterator[tuple[int, int | memoryview | None]]:
        """The fields of a message: number, and value as an integer or bytes, None if neither."""
        at = 0
        while at < len(data):
            self._count()
            key, at = _read_varint(data, at)
            number, kind = key >> 3, key & 7
            if not 0 < key < 2**32:
                raise ValueError("a field with a number that is none")
            if kind == 0:
                value, at = _read_varint(data, at)
                yield number, value
                continue
            if kind == 2:
                length, at = _read_varint(data, at)
            elif kind in (1, 5):
                length = 8 if kind == 1 else 4
            else:
                raise ValueError(f"a field of kind {kind}")
            if length > len(data) - at:
                raise ValueError("it ends too early")
            yield number, data[at : at + length] if kind == 2 else None
            at += length


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            if value >= 2**64:
                raise ValueError("a number of more than 64 bits")
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
