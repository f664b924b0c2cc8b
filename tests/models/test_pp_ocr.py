"""The line network's start from the weights of PP-OCR, from a file made here."""

from pathlib import Path

import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from tenfold.models.line_network import LineNetwork
from tenfold.models.pp_ocr import EPSILON, load_pp_ocr
from tenfold.reading.line_reader import LABELS, OTHER

CHARACTERS = ["x", *reversed(LABELS[:-2]), "Y", "界"]


def write_pp_ocr(network: LineNetwork, last: nn.Linear, path: Path) -> None:
    """A file with a network's weights in the form of PP-OCR's; `last` is for CHARACTERS."""
    tensors: dict[str, Tensor] = {}
    nodes = []
    modules = [m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    neck = [network.around, network.narrow, network.mix]
    for i, module in enumerate([m for m in modules if m not in neck] + neck):
        weight, bias = module.weight, module.bias
        assert bias is not None
        if module is network.stem1:
            weight = weight.expand(-1, 3, -1, -1) / 3
        if i % 2:
            tensors[f"b{i}"] = bias.reshape(1, -1, 1, 1)
            after = helper.make_node("Add", [f"c{i}", f"b{i}"], [f"o{i}"])
        else:
            mean, variance = torch.rand(2, len(bias)) + 0.5
            tensors |= {f"s{i}": 3 * (variance + EPSILON).sqrt(), f"b{i}": bias + 3 * mean}
            tensors |= {f"m{i}": mean, f"v{i}": variance}
            weight = weight / 3
            names = [f"{letter}{i}" for letter in "csbmv"]
            after = helper.make_node("BatchNormalization", names, [f"o{i}"])
        tensors[f"w{i}"] = weight
        nodes += [helper.make_node("Conv", ["x", f"w{i}"], [f"c{i}"]), after]
    blocks = list(network.attention)
    linear = [getattr(b, n) for b in blocks for n in ("project", "out", "widen", "narrow")]
    for i, layer in enumerate([*linear, last]):
        tensors |= {f"linear_{i}.w_0": layer.weight.T, f"linear_{i}.b_0": layer.bias}
    normalisations = [getattr(b, f"normalise{n}") for b in blocks for n in (1, 2)]
    for i, layer in enumerate([*normalisations, network.normalise]):
        tensors[f"helper.reshape.{2 * i}"] = layer.weight
        tensors[f"helper.reshape.{2 * i + 1}"] = layer.bias
    initialisers = [numpy_helper.from_array(t.detach().numpy(), n) for n, t in tensors.items()]
    model = helper.make_model(helper.make_graph(nodes, "made", [], [], initialisers))
    helper.set_model_props(model, {"character": "\n".join(CHARACTERS)})
    onnx.save(model, path)


@pytest.fixture
def networks(tmp_path: Path) -> tuple[LineNetwork, nn.Linear, LineNetwork]:
    """A network, its last layer for CHARACTERS, and a network that starts from both."""
    torch.manual_seed(0)
    source, started = LineNetwork(len(LABELS)), LineNetwork(len(LABELS))
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    last = nn.Linear(source.last.in_features, len(CHARACTERS) + 2)
    write_pp_ocr(source, last, tmp_path / "small.onnx")
    load_pp_ocr(started, tmp_path / "small.onnx", LABELS)
    return source, last, started


def test_all_weights_but_those_of_the_last_layer_are_the_file_s(
    networks: tuple[LineNetwork, nn.Linear, LineNetwork],
) -> None:
    source, _, started = networks
    for (name, expected), value in zip(
        source.named_parameters(), started.parameters(), strict=True
    ):
        if not name.startswith("last"):
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4, msg=name)


def test_labels_get_the_weights_of_their_characters(
    networks: tuple[LineNetwork, nn.Linear, LineNetwork],
) -> None:
    _, last, started = networks
    bias_K = started.last.bias
    for label, value in zip(LABELS[:-2], bias_K[:-2], strict=True):
        assert value == last.bias[1 + CHARACTERS.index(label)]
    assert bias_K[LABELS.index(OTHER)] == (last.bias[1] + last.bias[-3]) / 2  # x and Y
    assert bias_K[-1] == last.bias[0]
    torch.testing.assert_close(started.last.weight[-1], last.weight[0])
