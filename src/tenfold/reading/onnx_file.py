"""What an ONNX file asks of the machine, found out before anything of it is run.

In: the bytes of a file from an untrusted hand. Out: an error, or nothing: the graph has only
operations that compute with what the file itself holds, in modest sizes. No loops, no files beside
it, no code of others.

An ONNX file is a protocol-buffer message (onnx.proto, IR version 10); the few fields that matter
are read here, for the package `onnx` is large and only needed to write such files.
"""

from collections.abc import Iterator

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
LARGEST_NUMBER = 4096  # in an operation's attributes: kernels, strides, padding, axes
# Field numbers of onnx.proto.
MODEL_GRAPH, MODEL_FUNCTIONS, MODEL_TRAINING = 7, 25, 20
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_OPERATION, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_INT, ATTRIBUTE_INTS, ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPHS = 3, 8, 5, (6, 11, 22, 23)
TENSOR_DIMENSIONS, TENSOR_LOCATION, TENSOR_EXTERNAL = 1, 14, 13

Field = tuple[int, int | bytes]


def check_onnx_file(data: bytes) -> None:
    """Raise ModelError if the file is too large, broken, or asks for more than arithmetic."""
    if len(data) > MAX_BYTES:
        raise ModelError(f"expected at most {MAX_BYTES // 1024**2} MiB, found more")
    if data[4:8] == b"ORTM":
        raise ModelError("expected an ONNX file, found one in ONNX Runtime's own format")
    try:
        _check_model(data)
    except (ValueError, IndexError) as error:
        raise ModelError(f"expected an ONNX file, found none: {error}") from error


def _check_model(data: bytes) -> None:
    graphs = 0
    for number, value in _read_fields(data):
        if number in (MODEL_FUNCTIONS, MODEL_TRAINING):
            raise ModelError("expected a graph alone, found functions beside it")
        if number == MODEL_GRAPH:
            graphs += 1
            _check_graph(_expect_bytes(value))
    if graphs != 1:
        raise ValueError("no graph in it")


def _check_graph(data: bytes) -> None:
    operations = 0
    for number, value in _read_fields(data):
        if number == GRAPH_SPARSE:
            raise ModelError("expected weights, found sparse ones")
        if number == GRAPH_INITIALIZER:
            _check_tensor(_expect_bytes(value))
        if number == GRAPH_NODE:
            operations += 1
            _check_node(_expect_bytes(value))
    if operations > MAX_OPERATIONS:
        raise ModelError(f"expected at most {MAX_OPERATIONS} operations, found {operations}")


def _check_node(data: bytes) -> None:
    name = domain = ""
    for number, value in _read_fields(data):
        if number == NODE_OPERATION:
            name = _expect_bytes(value).decode("utf-8")
        elif number == NODE_DOMAIN:
            domain = _expect_bytes(value).decode("utf-8")
        elif number == NODE_ATTRIBUTE:
            _check_attribute(_expect_bytes(value))
    if domain not in ("", "ai.onnx") or name not in OPERATIONS:
        raise ModelError(
            f"expected operations of a classifier, found {domain}{'.' * bool(domain)}{name}"
        )


def _check_attribute(data: bytes) -> None:
    for number, value in _read_fields(data):
        if number in ATTRIBUTE_GRAPHS:
            raise ModelError("expected one graph, found others within it")
        if number == ATTRIBUTE_TENSOR:
            _check_tensor(_expect_bytes(value))
        numbers = []
        if number == ATTRIBUTE_INT and isinstance(value, int):
            numbers = [value]
        elif number == ATTRIBUTE_INTS:
            numbers = [value] if isinstance(value, int) else list(_read_packed(value))
        for one in numbers:
            signed = one - 2**64 if one >= 2**63 else one
            # The end of a slice that has none is the largest integer there is.
            if abs(signed) > LARGEST_NUMBER and abs(signed) < 2**62:
                raise ModelError(f"expected small numbers in operations, found {signed}")


def _check_tensor(data: bytes) -> None:
    for number, value in _read_fields(data):
        if number == TENSOR_EXTERNAL or (number == TENSOR_LOCATION and value != 0):
            raise ModelError("expected all weights in the file, found external data")


def _expect_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _read_packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _read_varint(data, at)
        yield value


def _read_fields(data: bytes) -> Iterator[Field]:
    """The fields of a protocol-buffer message: number, and value as an integer or as bytes."""
    at = 0
    while at < len(data):
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
        if kind == 2:
            yield number, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
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
