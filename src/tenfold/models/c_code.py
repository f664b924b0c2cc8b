"""A network of integers as a C file for microcontrollers."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.models.integer_network import Convolution, IntegerNetwork, Summary
from tenfold.system.escaping import escape

TEMPLATE = "digit_classify.c.j2"
WIDTH = 96
LAYER_BYTES = 28  # of a `struct layer` with pointers of 32 bits
BUFFERS = ("activations_a", "activations_b")


@dataclass(frozen=True, kw_only=True)
class CCode:
    """The text of a C file, and what it takes: bytes of constants and of static memory."""

    text: str
    num_constant_bytes: int
    num_memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class _Array:
    name: str
    type: str
    values: list[int]
    num_bytes: int

    @property
    def line_length(self) -> int:
        """How many numbers are on a line of up to 100 characters."""
        return 16 if self.type == "int8_t" else 7


def build_c_code(network: IntegerNetwork, facts: Mapping[str, str]) -> CCode:
    """A C file with the function digit_classify; `facts` are names and values for its comment."""
    arrays: dict[tuple[str, bytes], _Array] = {}
    calls, layers = [], []
    sizes = dict.fromkeys(BUFFERS, 0)
    inputs = "pixels"
    for number, layer in enumerate(network.layers):
        outputs = BUFFERS[number % 2]
        num_channels, size_px = layer.output_shape
        sizes[outputs] = max(sizes[outputs], num_channels * size_px**2)
        if isinstance(layer, Summary):
            calls.append(_format_summary(layer, inputs, outputs))
        else:
            layers.append((f"layer_{number}", _list_fields(layer, arrays)))
            calls.append(f"convolve(&layer_{number}, {inputs}, {outputs})")
        inputs = outputs
    layers.append(("last", _list_fields(network.last, arrays)))
    calls.append(f"return score(&last, {inputs}, scores)")
    num_constant_bytes = sum(array.num_bytes for array in arrays.values())
    num_constant_bytes += LAYER_BYTES * len(layers)
    num_memory_bytes = sum(sizes.values())
    facts = {
        **facts,
        "constants": f"{num_constant_bytes:,} bytes",
        "memory": f"{num_memory_bytes:,} bytes, static",
    }
    text = _load_template().render(
        network=network,
        comment=_format_comment(network, facts),
        arrays=arrays.values(),
        layers=layers,
        buffers=[(name, size) for name, size in sizes.items() if size],
        calls=calls,
        has_summary=any(isinstance(layer, Summary) for layer in network.layers),
    )
    return CCode(
        text=text, num_constant_bytes=num_constant_bytes, num_memory_bytes=num_memory_bytes
    )


def _load_template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tenfold.models", ""),
        autoescape=False,  # it is C, not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE)


def _list_fields(layer: Convolution, arrays: dict[tuple[str, bytes], _Array]) -> list[str]:
    """The initialiser of a layer; its arrays are added to those that there are."""
    num_outputs, output_size_px = layer.output_shape
    fields: dict[str, str | int] = {
        "weights": _add_array("weights", layer.weights_OIHW.transpose(0, 2, 3, 1), arrays),
        "biases": _add_array("biases", layer.biases_O, arrays),
    }
    if layer.rescaling is not None:
        fields["multipliers"] = _add_array("multipliers", layer.rescaling.multipliers_O, arrays)
        fields |= {"shift": layer.rescaling.shift, "zero": layer.rescaling.zero}
    fields |= {
        "size": layer.size_px,
        "output_size": output_size_px,
        "groups": layer.num_groups,
        "inputs": layer.num_inputs // layer.num_groups,
        "outputs": num_outputs // layer.num_groups,
        "kernel": layer.weights_OIHW.shape[2],
        "stride": layer.stride_px,
        "padding": layer.padding_px,
        "pool": layer.pool_px,
    }
    return textwrap.wrap(" ".join(f".{name}={value}," for name, value in fields.items()), WIDTH)


def _add_array(
    kind: str, values: npt.NDArray[np.integer[Any]], arrays: dict[tuple[str, bytes], _Array]
) -> str:
    """The name of an array. The same numbers are written once, as of weights that are shared."""
    values = values.flatten()
    number = sum(other == kind for other, _ in arrays)
    array = _Array(
        name=f"{kind}_{number}",
        type=f"{values.dtype}_t",
        values=values.tolist(),
        num_bytes=values.nbytes,
    )
    return arrays.setdefault((kind, values.tobytes()), array).name


def _format_summary(layer: Summary, inputs: str, outputs: str) -> str:
    [multiplier], shift = layer.rescaling.multipliers_O, layer.rescaling.shift
    arguments = f"{layer.size_px**2}, {layer.num_inputs}, {multiplier}, {shift}"
    return f"summarise({inputs}, {arguments}, {int(layer.has_maximum)}, {outputs})"


def _format_comment(network: IntegerNetwork, facts: Mapping[str, str]) -> list[str]:
    """The lines of the comment at the top."""
    num_answers = network.num_answers
    returned = f"0 to {NUM_CLASSES - 1}"
    if num_answers > NUM_CLASSES:
        returned += f", or {NUM_CLASSES} if the image shows no digit"
    paragraph = (
        "pixels are 28 rows of 28, from 0 (paper) to 255 (ink), centred and scaled as MNIST's. The "
        f"function returns the class, {returned}, which is that with the largest score. A score "
        f"times {network.unit:.6g} is a logit of the network. The memory for activations is "
        "static, so that the linker counts it: do not call the function while another call of it "
        "runs."
    )
    width = max(map(len, facts))
    rows = [f"{name:<{width}}  {_clean(value)}" for name, value in facts.items()]
    return [
        "A network that classifies images of 28x28 pixels, in integers. It needs a C99 compiler",
        "and no library but the compiler's own. Declare its function where you call it:",
        "",
        f"    int digit_classify(const uint8_t pixels[784], int32_t scores[{num_answers}]);",
        "",
        *textwrap.wrap(paragraph, WIDTH),
        "",
        *(line for row in rows for line in _wrap(row, width + 2)),
    ]


def _clean(text: str) -> str:
    """A text without what C reads in comments: their ends and beginnings, and trigraphs."""
    return escape(text).replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def _wrap(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent)
