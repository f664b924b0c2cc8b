"""The line reader gives as many columns as a line image has, and the bundled one reads lines."""

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper

from reading.models import FLOAT, UINT8, dump_graph, value
from reading.pages import enlarge, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ModelError
from tenfold.reading.ctc import decode_greedy
from tenfold.reading.digit_classifier import BUNDLED_MODEL
from tenfold.reading.line_image import HEIGHT_PX, normalise_line
from tenfold.reading.line_reader import BUNDLED_LINES, LABELS, LineReader, load_line_reader
from tenfold.reading.page_segmenter import BUNDLED_PAGE


def test_the_bundled_model_reads_lines_of_digits(test_images: LabelledImages) -> None:
    reader, num_right = load_line_reader(), [0, 0]
    for first in range(0, 200, 5):
        chosen = slice(first, first + 5)
        line_HW, _ = lay_out(
            [[enlarge(image, 2) for image in test_images.images_NHW[chosen]]], gap=3, margin=0
        )
        found = reader.read(normalise_line(line_HW))
        assert len(found) == 2
        for network, log_probs_TK in enumerate(found):
            assert np.exp(log_probs_TK).sum(axis=1) == pytest.approx(1)
            read = [span.label for span in decode_greedy(log_probs_TK)]
            num_right[network] += read == test_images.labels_N[chosen].tolist()
    assert min(num_right) >= 34  # of 40


def test_the_bundled_models_are_small_and_know_how_they_were_trained() -> None:
    reader = load_line_reader()
    assert reader.card["start"] == "PP-OCRv6_rec_small.onnx"
    assert "PP-OCRv6_rec_small.onnx" in reader.card["coarse_mean_of"]
    assert reader.calibration.is_fitted
    assert 0 < reader.thresholds.read < 1
    files = (BUNDLED_LINES, BUNDLED_MODEL, BUNDLED_PAGE)
    assert sum(path.stat().st_size for path in files) < 16_000_000


def build_line_model(node: onnx.NodeProto, second: onnx.NodeProto | None = None) -> bytes:
    """A model of lines that gives a column for each pixel of `columns`, which a node makes.

    A second node makes those of a second output, `coarse_columns`.
    """
    nodes = [helper.make_node("Cast", ["strips"], ["floats"], to=FLOAT), node]
    if second is not None:
        nodes.append(second)
    prefixes = ("", "coarse_")[: len(nodes) - 1]
    for prefix in prefixes:
        columns, turned, logits = (f"{prefix}{name}" for name in ("columns", "turned", "logits"))
        nodes.append(helper.make_node("Transpose", [columns], [turned], perm=[0, 2, 1]))
        nodes.append(helper.make_node("MatMul", [turned, "weights"], [logits]))
    constants = {
        "weights": np.zeros((HEIGHT_PX, len(LABELS)), np.float32),
        "axis": np.array([2]),
        "first": np.array([0]),
        "few": np.array([8]),
        "end": np.array([1024]),
        "step": np.array([4]),
    }
    inputs = (value("strips", UINT8, ("N", HEIGHT_PX, "W")),)
    outputs = tuple(
        value(f"{prefix}logits", FLOAT, ("N", f"{prefix}T", len(LABELS))) for prefix in prefixes
    )
    metadata = {"format": 1, "labels": LABELS, "calibration": None, "card": {}}
    return dump_graph(nodes, inputs, outputs, constants, metadata)


@pytest.mark.parametrize(
    ("node", "num_columns"),
    [
        (helper.make_node("Slice", ["floats", "first", "end", "axis", "step"], ["columns"]), 25),
        (helper.make_node("Identity", ["floats"], ["columns"]), 100),
        (helper.make_node("ReduceMean", ["floats", "axis"], ["columns"]), 1),
        (helper.make_node("Slice", ["floats", "first", "few", "axis"], ["columns"]), 8),
    ],
    ids=["right", "too many", "one", "always eight"],
)
def test_a_model_with_a_wrong_number_of_columns_is_refused(
    node: onnx.NodeProto, num_columns: int
) -> None:
    reader = LineReader(build_line_model(node), "some.onnx")
    image_HW = np.zeros((HEIGHT_PX, 100), np.uint8)
    if num_columns == 25:
        assert [each_TK.shape for each_TK in reader.read(image_HW)] == [(25, len(LABELS))]
        return
    with pytest.raises(ModelError, match=rf"^some\.onnx: .* {num_columns} columns .* not 25$"):
        reader.read(image_HW)


EVERY_FOURTH, FIRST_EIGHT, EVERY_PIXEL = (
    ("Slice", ["floats", "first", "end", "axis", "step"]),
    ("Slice", ["floats", "first", "few", "axis"]),
    ("Identity", ["floats"]),
)


@pytest.mark.parametrize(("second", "num_columns"), [(FIRST_EIGHT, 8), (EVERY_PIXEL, 100)])
def test_a_second_network_may_have_fewer_columns(
    second: tuple[str, list[str]], num_columns: int
) -> None:
    nodes = [
        helper.make_node(kind, inputs, [f"{prefix}columns"])
        for (kind, inputs), prefix in ((EVERY_FOURTH, ""), (second, "coarse_"))
    ]
    reader = LineReader(build_line_model(*nodes), "some.onnx")
    image_HW = np.zeros((HEIGHT_PX, 100), np.uint8)
    if num_columns == 8:
        assert [len(each_TK) for each_TK in reader.read(image_HW)] == [25, 8]
        return
    with pytest.raises(ModelError, match=r"^some\.onnx: .* 100 columns .* not 25$"):
        reader.read(image_HW)
