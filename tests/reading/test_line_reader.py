"""What columns of a strip spell, against every way to spell it, and models of lines."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper, numpy_helper

from reading.pages import enlarge, lay_out
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ModelError
from tenfold.reading.digit_classifier import BUNDLED_MODEL, load_classifier
from tenfold.reading.line_image import COLUMN_PX, frame_strip
from tenfold.reading.line_reader import (
    BUNDLED_LINES,
    NOTHING,
    LineReader,
    Stretch,
    load_lines,
    measure_evidence,
    measure_single_digits,
    spell,
)


def draw_columns(num_columns: int, seed: int) -> npt.NDArray[np.float64]:
    logits_TK = np.random.default_rng(seed).normal(0, 2, (num_columns, NOTHING + 1))
    columns_TK: npt.NDArray[np.float64] = logits_TK - np.log(
        np.exp(logits_TK).sum(axis=1, keepdims=True)
    )
    return columns_TK


def write_columns(answers: list[int]) -> npt.NDArray[np.float64]:
    """Columns that are nearly sure of these answers."""
    columns_TK = np.full((len(answers), NOTHING + 1), np.log(0.001))
    columns_TK[np.arange(len(answers)), answers] = np.log(0.99)
    return columns_TK


def test_neighbours_of_one_answer_are_one_digit() -> None:
    answers = [NOTHING, 3, 3, NOTHING, 3, 7, 7, 7, NOTHING, 0]
    assert spell(write_columns(answers)) == [
        Stretch(3, 1, 3),
        Stretch(3, 4, 5),
        Stretch(7, 5, 8),
        Stretch(0, 9, 10),
    ]
    assert Stretch(7, 5, 8).middle_px == 6.5 * COLUMN_PX


def test_columns_of_nothing_spell_nothing() -> None:
    columns_TK = write_columns([NOTHING] * 5)
    assert spell(columns_TK) == []
    assert np.exp(measure_evidence(columns_TK, [])) == pytest.approx(0.99**5)


@pytest.mark.parametrize("seed", range(4))
def test_the_evidence_is_the_sum_over_every_way_to_spell_the_digits(seed: int) -> None:
    columns_TK = draw_columns(4, seed)
    sums: dict[tuple[int, ...], float] = {}
    for answers in itertools.product(range(NOTHING + 1), repeat=4):
        digits = tuple(answer for answer, _ in itertools.groupby(answers) if answer != NOTHING)
        weight = float(np.exp(columns_TK[np.arange(4), list(answers)].sum()))
        sums[digits] = sums.get(digits, 0.0) + weight
    assert sum(sums.values()) == pytest.approx(1)
    for digits in [(), (5,), (0, 1), (2, 2), (1, 2, 1), (3, 4, 5, 6), (7, 7, 8)]:
        if digits in sums:
            assert np.exp(measure_evidence(columns_TK, digits)) == pytest.approx(sums[digits])
    # Two of one digit need a column between them.
    assert measure_evidence(columns_TK, (7, 7, 7)) == -np.inf


@pytest.mark.parametrize("num_columns", [1, 2, 10])
def test_single_digits_are_lines_of_one_digit(num_columns: int) -> None:
    columns_TK = draw_columns(num_columns, 3)
    expected = [np.exp(measure_evidence(columns_TK, [digit])) for digit in range(10)]
    np.testing.assert_allclose(measure_single_digits(columns_TK), expected)


@pytest.mark.parametrize("num_columns", [10, 64])
def test_the_evidence_is_what_pytorch_computes(num_columns: int) -> None:
    torch = pytest.importorskip("torch")
    for seed in range(5):
        columns_TK = draw_columns(num_columns, seed)
        digits = np.random.default_rng(seed).integers(0, 10, 4)
        expected = torch.nn.functional.ctc_loss(
            torch.from_numpy(columns_TK)[:, None],
            torch.from_numpy(digits)[None],
            torch.tensor([num_columns]),
            torch.tensor([len(digits)]),
            blank=NOTHING,
            reduction="sum",
        )
        assert measure_evidence(columns_TK, digits.tolist()) == pytest.approx(-float(expected))


def test_the_bundled_model_reads_lines_of_digits(test_images: LabelledImages) -> None:
    lines, num_right = load_lines(), 0
    for first in range(0, 200, 5):
        chosen = slice(first, first + 5)
        line_HW, _ = lay_out(
            [[enlarge(image, 2) for image in test_images.images_NHW[chosen]]], gap=3, margin=0
        )
        columns_TK = lines.read(frame_strip(line_HW))
        assert np.exp(columns_TK).sum(axis=1) == pytest.approx(1)
        read = [stretch.digit for stretch in spell(columns_TK)]
        num_right += read == test_images.labels_N[chosen].tolist()
    assert num_right >= 34  # of 40


def test_the_bundled_model_says_where_it_is_from() -> None:
    lines = load_lines()
    assert lines.card["recipe"]["name"] == "lines"
    assert lines.calibration.is_fitted
    assert 0 < lines.thresholds.read < 1
    assert BUNDLED_LINES.stat().st_size + BUNDLED_MODEL.stat().st_size < 4_000_000


def test_a_model_of_digit_images_is_no_model_of_lines() -> None:
    with pytest.raises(ModelError) as raised:
        load_lines(BUNDLED_MODEL)
    assert str(raised.value) == (
        f"{BUNDLED_MODEL}: expected a model of lines, found one of digit images, for --model"
    )
    with pytest.raises(ModelError) as raised:
        load_classifier(BUNDLED_LINES)
    assert str(raised.value) == (
        f"{BUNDLED_LINES}: expected a model of digit images, found one of lines, for --lines"
    )


def build_lines(*nodes: onnx.NodeProto) -> bytes:
    """A model of lines that answers, beside other nodes, for each pixel of `columns`."""
    strips = helper.make_tensor_value_info("strips", TensorProto.UINT8, ("N", 32, "W"))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("N", "T", 11))
    whole = [
        helper.make_node("Cast", ["strips"], ["floats"], to=TensorProto.FLOAT),
        *nodes,
        helper.make_node("Transpose", ["columns"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["turned", "weights"], ["logits"]),
    ]
    weights = {
        "weights": np.zeros((32, 11), np.float32),
        "axis": np.array([2]),
        "first": np.array([0]),
        "few": np.array([8]),
        "end": np.array([1024]),
        "step": np.array([4]),
    }
    graph = helper.make_graph(
        whole,
        "graph",
        [strips],
        [logits],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    metadata = {"format": 1, "labels": [*"0123456789", "none"], "calibration": None, "card": {}}
    helper.set_model_props(model, {"tenfold": json.dumps(metadata)})
    return bytes(model.SerializeToString())


def test_as_many_columns_as_a_strip_has_are_read() -> None:
    node = helper.make_node("Slice", ["floats", "first", "end", "axis", "step"], ["columns"])
    reader = LineReader(build_lines(node), "it")
    assert reader.read(np.zeros((32, 100), np.uint8)).shape == (25, 11)


@pytest.mark.parametrize(
    ("node", "num_columns"),
    [
        (helper.make_node("Identity", ["floats"], ["columns"]), 100),
        (helper.make_node("ReduceMean", ["floats", "axis"], ["columns"]), 1),
        (helper.make_node("Slice", ["floats", "first", "few", "axis"], ["columns"]), 8),
    ],
    ids=["too many", "one", "always eight"],
)
def test_a_model_of_other_columns_than_a_strip_has_is_told(
    node: onnx.NodeProto, num_columns: int
) -> None:
    reader = LineReader(build_lines(node), "some.onnx")
    with pytest.raises(ModelError) as raised:
        reader.read(np.zeros((32, 100), np.uint8))
    assert str(raised.value) == (
        f"some.onnx: expected 25 columns of a strip of 100 pixels, found {num_columns}"
    )


def test_a_file_that_is_not_there_or_broken_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lines.onnx"
    with pytest.raises(ModelError, match="expected a model file, found: No such file"):
        load_lines(path)
    shutil.copy(BUNDLED_LINES, path)
    assert isinstance(load_lines(path), LineReader)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="not a valid ONNX model"):
        load_lines(path)
