"""How much work a model is, found out from shapes before anything of it is run.

In: a parsed ONNX file; the shape of what goes into it. Out: how many steps it takes. Models whose
shapes depend on what is computed are refused: none that `tenfold export` writes is such a one.

ONNX Runtime cannot be stopped within an operation, and one convolution may take hours. Two things
that end the process are refused here too: text takes memory that nobody counts, and a division of
whole numbers may trap. Operators are meant as of opset 18, which the exporter writes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tenfold.errors import ModelError
from tenfold.reading.onnx_file import (
    ATTRIBUTE_INT,
    ATTRIBUTE_INTS,
    ATTRIBUTE_NAME,
    ATTRIBUTE_TENSOR,
    ATTRIBUTE_TEXT,
    ATTRIBUTE_TYPE,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_GRAPH,
    MODEL_OPSET,
    NODE_ATTRIBUTE,
    NODE_INPUT,
    NODE_OPERATION,
    NODE_OUTPUT,
    OPSET_DOMAIN,
    OPSET_VERSION,
    TENSOR_DIMENSIONS,
    TENSOR_NAME,
    TENSOR_RAW,
    TENSOR_TYPE,
    Message,
    read_signed,
    read_text,
)

OPSET = 18
FLOAT, UINT8, INT64, TEXT = 1, 2, 7, 8  # types of a tensor
MOST_AXES = 8  # of a value; what says a shape or axes has as many numbers at most
# A step is a multiplication with an addition in a matrix product or a convolution. What is done
# to one value elsewhere takes about as long as so many, for it is fetched, and not in such rows.
STEPS_PER_VALUE = 16
STEPS_PER_SOFTMAX = 200  # for each value of one, in rows as short as one likes
# The kinds of attributes, by the field that they lie in.
ATTRIBUTE_KINDS = {
    ATTRIBUTE_INT: 2,
    ATTRIBUTE_TEXT: 3,
    ATTRIBUTE_TENSOR: 4,
    ATTRIBUTE_INTS: 7,
}
FLOAT_ATTRIBUTE = 1

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """What is known of a value: its type, its shape, and its numbers if they are few whole ones."""

    kind: int
    shape: Shape
    numbers: Shape | None = None

    @property
    def size(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Operation:
    """One operation: names of what goes in and comes out, and its attributes."""

    name: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


class Workload:
    """A model's operations, ready to be counted for an input of any shape.

    Raises ModelError for a model whose operations are not what they seem.
    """

    def __init__(self, model: Message, input_name: str) -> None:
        opsets = [
            (read_text(one, OPSET_DOMAIN), one.get(OPSET_VERSION, [0])[-1])
            for one in model.get(MODEL_OPSET, [])
        ]
        if opsets not in ([("", OPSET)], [("ai.onnx", OPSET)]):
            found = ", ".join(
                f"{domain}{' ' * bool(domain)}{version}" for domain, version in opsets
            )
            raise ModelError(f"expected operations of opset {OPSET}, found {found or 'none'}")
        [graph] = model[MODEL_GRAPH]
        self.input_name = input_name
        self.operations = [_parse_operation(one) for one in graph.get(GRAPH_NODE, [])]
        initializers = graph.get(GRAPH_INITIALIZER, [])
        self.weights = {read_text(one, TENSOR_NAME): _parse_tensor(one) for one in initializers}
        names = [input_name, *(operation.output for operation in self.operations)]
        if len({*names, *self.weights}) != len(names) + len(initializers):
            raise ModelError("expected a name of its own for each value, found one twice")

    def count(self, shape: Shape) -> int:
        """How many steps the model takes for an input of that shape; raises what `follow` does."""
        return self.follow(shape)[1]

    def follow(self, shape: Shape) -> tuple[dict[str, Tensor], int]:
        """Every value for an input of that shape, by name, and the steps that all of them take.

        Raises ModelError if shapes do not fit or are not known before the model is run.
        """
        known = {**self.weights, self.input_name: Tensor(UINT8, shape)}
        steps = 0
        for operation in self.operations:
            try:
                inputs = [known[name] if name else None for name in operation.inputs]
                found, its_steps = RULES[operation.name](operation.attributes, *inputs)
                # What it gives is of the type of what it takes, if its rule says nothing else.
                if not isinstance(found, Tensor):
                    found = Tensor(_find_kind(inputs), found)
                given = [one.size for one in (*inputs, found) if one is not None]
                _require(min(given) > 0 and len(found.shape) <= MOST_AXES)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
                raise ModelError(
                    f"expected shapes that are known before a model runs, "
                    f"found an operation {operation.name} of others"
                ) from error
            known[operation.output] = found
            steps += its_steps + STEPS_PER_VALUE * sum(given)
        return known, steps


def _parse_operation(node: Message) -> Operation:
    attributes: dict[str, Any] = {}
    name = read_text(node, NODE_OPERATION)
    for attribute in node.get(NODE_ATTRIBUTE, []):
        key = read_text(attribute, ATTRIBUTE_NAME)
        fields = [field for field in ATTRIBUTE_KINDS if field in attribute]
        kind = attribute.get(ATTRIBUTE_TYPE, [0])[-1]
        # Others may take what is in doubt otherwise than it is taken here.
        is_clear = key not in attributes and (
            (not fields and kind in (FLOAT_ATTRIBUTE, ATTRIBUTE_KINDS[ATTRIBUTE_INTS]))
            or (len(fields) == 1 and kind == ATTRIBUTE_KINDS[fields[0]])
        )
        if not is_clear or len(attribute.get(ATTRIBUTE_TENSOR, [])) > 1:
            raise ModelError(f"expected clear attributes, found {key} of {name}")
        attributes[key] = _parse_attribute(attribute, fields[0] if fields else ATTRIBUTE_INTS)
    inputs = tuple(bytes(one).decode("utf-8") for one in node.get(NODE_INPUT, []))
    outputs = [bytes(one).decode("utf-8") for one in node.get(NODE_OUTPUT, [])]
    if len(outputs) != 1 or not outputs[0]:
        raise ModelError(f"expected operations with one result, found {name} with {len(outputs)}")
    return Operation(name, inputs, outputs[0], attributes)


def _parse_attribute(attribute: Message, field: int) -> int | Shape | bytes | Tensor:
    if field == ATTRIBUTE_TENSOR:
        return _parse_tensor(attribute[ATTRIBUTE_TENSOR][0])
    if field == ATTRIBUTE_TEXT:
        return bytes(attribute[ATTRIBUTE_TEXT][-1])
    if field == ATTRIBUTE_INT:
        return read_signed(attribute[ATTRIBUTE_INT][-1])
    return tuple(map(read_signed, attribute.get(ATTRIBUTE_INTS, [])))


def _parse_tensor(tensor: Message) -> Tensor:
    shape = tuple(map(read_signed, tensor.get(TENSOR_DIMENSIONS, [])))
    if min(shape, default=0) < 0 or len(shape) > MOST_AXES:
        raise ModelError(
            f"expected weights of some size and at most {MOST_AXES} axes, found {shape[:MOST_AXES]}"
        )
    kind, raw = tensor.get(TENSOR_TYPE, [0])[-1], tensor.get(TENSOR_RAW, [b""])[-1]
    size = math.prod(shape)
    if kind == INT64 and len(shape) < 2 and size <= MOST_AXES and len(raw) == 8 * size:
        return Tensor(kind, shape, tuple(np.frombuffer(raw, "<i8").tolist()))
    return Tensor(kind, shape)


# What follows are the rules of operators: attributes and inputs to the result's shape and the steps
# that it takes beside fetching values. Any error in them is one of shapes that are not known.

Attributes = dict[str, Any]
Result = tuple[Shape | Tensor, int]
Rule = Callable[..., Result]


def _require(is_good: bool) -> None:
    if not is_good:
        raise ValueError


def _find_kind(inputs: Sequence[Tensor | None]) -> int:
    """The type of what an operator takes first."""
    first = inputs[0]
    if first is None:
        raise ValueError
    return first.kind


def _find_numbers(tensor: Tensor | None) -> Shape:
    """The numbers that an operator takes its axes or sizes from."""
    if tensor is None or tensor.numbers is None:
        raise ValueError
    return tensor.numbers


def _find_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Axes from the front, each at most once."""
    _require(all(-rank <= axis < rank for axis in axes))
    found = [axis % rank for axis in axes]
    _require(len(set(found)) == len(found))
    return found


def _keep(_: Attributes, first: Tensor, *__: Tensor | None) -> Result:
    return first.shape, 0


def _cast(attributes: Attributes, one: Tensor) -> Result:
    kind = attributes["to"]
    if kind == TEXT:
        raise ModelError("expected numbers, found text")
    return Tensor(kind, one.shape), 0


def _soften(_: Attributes, one: Tensor) -> Result:
    return one.shape, STEPS_PER_SOFTMAX * one.size


def _divide(attributes: Attributes, one: Tensor, other: Tensor) -> Result:
    if (one.kind, other.kind) != (FLOAT, FLOAT):
        raise ModelError("expected divisions of real numbers, found one of others")
    return _broadcast(attributes, one, other)


def _broadcast(_: Attributes, one: Tensor, other: Tensor) -> Result:
    return _join(one.shape, other.shape), 0


def _join(one: Shape, other: Shape) -> Shape:
    """The shape of two that are stretched to each other's."""
    rank = max(len(one), len(other))
    pairs = zip((1,) * (rank - len(one)) + one, (1,) * (rank - len(other)) + other, strict=True)
    joined = []
    for first, second in pairs:
        _require(first == second or 1 in (first, second))
        joined.append(second if first == 1 else first)
    return tuple(joined)


def _multiply(_: Attributes, one: Tensor, other: Tensor) -> Result:
    rows = one.shape if len(one.shape) > 1 else (1, *one.shape)
    columns = other.shape if len(other.shape) > 1 else (*other.shape, 1)
    _require(rows[-1] == columns[-2])
    whole = (*_join(rows[:-2], columns[:-2]), rows[-2], columns[-1])
    steps = math.prod(whole) * rows[-1]
    if len(one.shape) == 1:
        whole = (*whole[:-2], whole[-1])
    return whole[:-1] if len(other.shape) == 1 else whole, steps


def _multiply_and_add(
    attributes: Attributes, one: Tensor, other: Tensor, added: Tensor | None = None
) -> Result:
    rows, inner = one.shape[::-1] if attributes.get("transA", 0) else one.shape
    same, columns = other.shape[::-1] if attributes.get("transB", 0) else other.shape
    _require(inner == same)
    if added is not None:
        _require(_join((rows, columns), added.shape) == (rows, columns))
    return (rows, columns), rows * inner * columns


def _slide(attributes: Attributes, sizes: Shape, kernel: Shape) -> Shape:
    """In how many places a kernel is laid on something of these sizes."""
    rank = len(kernel)
    _require(len(sizes) == rank > 0)
    _require(attributes.get("auto_pad", b"NOTSET") == b"NOTSET")
    _require(attributes.get("ceil_mode", 0) == 0)
    strides = attributes.get("strides", (1,) * rank)
    dilations = attributes.get("dilations", (1,) * rank)
    pads = attributes.get("pads", (0,) * 2 * rank)
    _require(min(*kernel, *strides, *dilations) >= 1 and min(pads) >= 0)
    _require(len(strides) == len(dilations) == rank and len(pads) == 2 * rank)
    places = []
    for axis, size in enumerate(sizes):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        left = size + pads[axis] + pads[axis + rank] - reach
        _require(left >= 0)
        places.append(left // strides[axis] + 1)
    return tuple(places)


def _convolve(
    attributes: Attributes, images: Tensor, weights: Tensor, _: Tensor | None = None
) -> Result:
    count, channels, *sizes = images.shape
    num_outputs, its_channels, *kernel = weights.shape
    groups = attributes.get("group", 1)
    _require(groups >= 1 and its_channels * groups == channels and num_outputs % groups == 0)
    _require(attributes.get("kernel_shape", tuple(kernel)) == tuple(kernel))
    shape = (count, num_outputs, *_slide(attributes, tuple(sizes), tuple(kernel)))
    return shape, math.prod(shape) * math.prod(weights.shape[1:])


def _pool(attributes: Attributes, images: Tensor) -> Result:
    kernel = attributes["kernel_shape"]
    shape = (*images.shape[:2], *_slide(attributes, images.shape[2:], kernel))
    return shape, STEPS_PER_VALUE * math.prod(shape) * math.prod(kernel)


def _pool_all(_: Attributes, images: Tensor) -> Result:
    _require(len(images.shape) > 2)
    return (*images.shape[:2], *(1 for _ in images.shape[2:])), 0


def _concatenate(attributes: Attributes, *parts: Tensor) -> Result:
    rank = len(parts[0].shape)
    [axis] = _find_axes([attributes["axis"]], rank)
    for one, other in pairwise(part.shape for part in parts):
        _require(one[:axis] + one[axis + 1 :] == other[:axis] + other[axis + 1 :])
        _require(len(one) == len(other))
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return tuple(shape), 0


def _give(attributes: Attributes) -> Result:
    value = attributes["value"]
    _require(isinstance(value, Tensor) and len(attributes) == 1)
    return value, 0


def _flatten(attributes: Attributes, one: Tensor) -> Result:
    rank, axis = len(one.shape), attributes.get("axis", 1)
    _require(-rank <= axis <= rank)
    axis += rank * (axis < 0)
    return (math.prod(one.shape[:axis]), math.prod(one.shape[axis:])), 0


def _reduce(attributes: Attributes, one: Tensor, axes: Tensor | None = None) -> Result:
    rank = len(one.shape)
    if axes is None and attributes.get("noop_with_empty_axes", 0):
        return one.shape, 0
    chosen = range(rank) if axes is None else _find_axes(_find_numbers(axes), rank)
    if attributes.get("keepdims", 1):
        return tuple(1 if axis in chosen else size for axis, size in enumerate(one.shape)), 0
    return tuple(size for axis, size in enumerate(one.shape) if axis not in chosen), 0


def _reshape(attributes: Attributes, one: Tensor, sizes: Tensor) -> Result:
    allows_zero = attributes.get("allowzero", 0)
    wanted = [
        one.shape[axis] if size == 0 and not allows_zero else size
        for axis, size in enumerate(_find_numbers(sizes))
    ]
    if -1 in wanted:
        others = math.prod(size for size in wanted if size != -1)
        wanted[wanted.index(-1)] = one.size // others if others else 0
    _require(min(wanted, default=1) >= 0 and math.prod(wanted) == one.size)
    return tuple(wanted), 0


def _tell_shape(attributes: Attributes, one: Tensor) -> Result:
    _require(not attributes)
    return Tensor(INT64, (len(one.shape),), one.shape), 0


def _slice(
    _: Attributes,
    one: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Result:
    first, last = _find_numbers(starts), _find_numbers(ends)
    chosen = _find_axes(range(len(first)) if axes is None else _find_numbers(axes), len(one.shape))
    strides = (1,) * len(first) if steps is None else _find_numbers(steps)
    _require(min(strides, default=1) >= 1)
    shape = list(one.shape)
    for axis, start, end, stride in zip(chosen, first, last, strides, strict=True):
        shape[axis] = len(range(*slice(start, end, stride).indices(shape[axis])))
    return tuple(shape), 0


def _squeeze(_: Attributes, one: Tensor, axes: Tensor) -> Result:
    chosen = _find_axes(_find_numbers(axes), len(one.shape))
    _require(all(one.shape[axis] == 1 for axis in chosen))
    return tuple(size for axis, size in enumerate(one.shape) if axis not in chosen), 0


def _unsqueeze(_: Attributes, one: Tensor, axes: Tensor) -> Result:
    numbers = _find_numbers(axes)
    rank = len(one.shape) + len(numbers)
    chosen, rest = _find_axes(numbers, rank), iter(one.shape)
    return tuple(1 if axis in chosen else next(rest) for axis in range(rank)), 0


def _transpose(attributes: Attributes, one: Tensor) -> Result:
    order = attributes.get("perm", tuple(reversed(range(len(one.shape)))))
    _require(sorted(order) == [*range(len(one.shape))])
    return tuple(one.shape[axis] for axis in order), 0


RULES: dict[str, Rule] = {
    **dict.fromkeys(["Add", "Mul", "Sub"], _broadcast),
    **dict.fromkeys(
        [
            *("BatchNormalization", "Exp", "Identity", "Log", "Neg", "Relu"),
        ],
        _keep,
    ),
    **dict.fromkeys(["ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceSum"], _reduce),
    **dict.fromkeys(["AveragePool", "MaxPool"], _pool),
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool"], _pool_all),
    **dict.fromkeys(["LogSoftmax", "Softmax"], _soften),
    "Cast": _cast,
    "Concat": _concatenate,
    "Constant": _give,
    "Conv": _convolve,
    "Div": _divide,
    "Flatten": _flatten,
    "Gemm": _multiply_and_add,
    "MatMul": _multiply,
    "Reshape": _reshape,
    "Shape": _tell_shape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
