"""Weights of PP-OCRv6's small recogniser (PaddleOCR, Apache-2.0) as a line network's start."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from tenfold.models.line_network import LineNetwork

EPSILON = 1e-5  # of its batch normalisations


def load_pp_ocr(network: LineNetwork, path: Path, labels: Sequence[str]) -> None:
    """Copy the weights from the ONNX file in rapidocr's wheel, the last layer's for `labels`.

    Batch normalisation becomes part of the convolution before it, and the three equal colours of
    grey become one. The last two labels are OTHER, which gets the mean of the letters' weights, and
    CTC's blank.
    """
    model = onnx.load(path)
    tensors = {
        tensor.name: torch.tensor(numpy_helper.to_array(tensor))
        for tensor in model.graph.initializer
    }
    convolutions = list(_list_convolutions(network))
    for module, (weight, bias) in zip(
        convolutions, _find_convolutions(model, tensors), strict=True
    ):
        if module is network.stem1:
            weight = weight.sum(1, keepdim=True)
        _copy(module, weight, bias)
    _copy_attention(network, tensors)
    [characters] = (p.value for p in model.metadata_props if p.key == "character")
    known = ["", *characters.split("\n"), " "]  # the first is CTC's blank
    rows = [known.index(label) for label in labels[:-2]]
    letters = [
        row for row, character in enumerate(known) if character.isascii() and character.isalpha()
    ]
    weight, bias = (
        torch.cat([rows_K[rows], rows_K[letters].mean(0, keepdim=True), rows_K[:1]])
        for rows_K in (tensors["linear_8.w_0"].T, tensors["linear_8.b_0"])
    )
    _copy(network.last, weight, bias)


def _copy_attention(network: LineNetwork, tensors: dict[str, Tensor]) -> None:
    """The file numbers linear layers and normalisations in the order of use."""
    blocks: Any = network.attention
    linear = [
        layer for block in blocks for layer in (block.project, block.out, block.widen, block.narrow)
    ]
    for i, layer in enumerate(linear):
        _copy(layer, tensors[f"linear_{i}.w_0"].T, tensors[f"linear_{i}.b_0"])
    normalisations = [layer for block in blocks for layer in (block.normalise1, block.normalise2)]
    for i, layer in enumerate([*normalisations, network.normalise]):
        _copy(layer, *(tensors[f"helper.reshape.{2 * i + j}"] for j in range(2)))


def _list_convolutions(network: LineNetwork) -> Iterator[nn.Module]:
    """The convolutions in the order of the file."""
    for name, module in network.named_modules():
        is_neck = name in ("around", "narrow", "mix")
        if isinstance(module, nn.Conv2d) and not is_neck:
            yield module
    yield from (network.around, network.narrow, network.mix)


def _find_convolutions(
    model: onnx.ModelProto, tensors: dict[str, Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution."""
    nodes = list(model.graph.node)
    for node, after in itertools.pairwise(nodes):
        if node.op_type != "Conv":
            continue
        weight = tensors[node.input[1]]
        if after.op_type == "Add":
            yield weight, tensors[after.input[1]].flatten()
        else:
            scale, bias, mean, variance = (tensors[name] for name in after.input[1:5])
            scale = scale / (variance + EPSILON).sqrt()
            yield weight * scale[:, None, None, None], bias - mean * scale


def _copy(module: nn.Module, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        module.weight.copy_(weight)  # type: ignore[operator]
        module.bias.copy_(bias)  # type: ignore[operator]
