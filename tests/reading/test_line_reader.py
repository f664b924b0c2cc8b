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
    reader, num_right = load_line_reader(), 0
    for first in range(0, 200, 5):
        chosen = slice(first, first + 5)
        line_HW, _ = lay_out(
            [[enlarge(image, 2) for image in test_images.images_NHW[chosen]]], gap=3, margin=0
        )
        log_probs_TK = reader.read(normalise_line(line_HW))
        assert np.exp(log_probs_TK).sum(axis=1) == pytest.approx(1)
        read = [span.label for span in decode_greedy(log_probs_TK)]
        num_right += read == test_images.labels_N[chosen].tolist()
    assert num_right >= 34  # of 40


def test_the_bundled_models_are_small_and_know_how_they_were_trained() -> None:
    reader = load_line_reader()
    assert reader.card["start"] == "PP-OCRv6_rec_small.onnx"
    assert reader.calibration.is_fitted
    assert 0 < reader.thresholds.read < 1
    files = (BUNDLED_LINES, BUNDLED_MODEL, BUNDLED_PAGE)
    assert sum(path.stat().st_size for path in files) < 16_000_000


def build_line_model(node: onnx.NodeProto) -> bytes:
    """A model of lines that gives a column for each pixel of `columns`, which a node makes."""
    nodes = [
        helper.make_node("Cast", ["strips"], ["floats"], to=FLOAT),
        node,
        helper.make_node("Transpose", ["columns"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["turned", "weights"], ["logits"]),
    ]
    constants = {
        "weights": np.zeros((HEIGHT_PX, len(LABELS)), np.float32),
        "axis": np.array([2]),
        "first": np.array([0]),
        "few": np.array([8]),
        "end": np.array([1024]),
        "step": np.array([4]),
    }
    inputs = (value("strips", UINT8, ("N", HEIGHT_PX, "W")),)
    outputs = (value("logits", FLOAT, ("N", "T", len(LABELS))),)
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
        assert reader.read(image_HW).shape == (25, len(LABELS))
        return
    with pytest.raises(ModelError, match=rf"^some\.onnx: .* {num_columns} columns .* not 25$"):
        reader.read(image_HW)
