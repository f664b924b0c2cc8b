"""A model file becomes a classifier, or a ModelError that says what is wrong with it."""

import json
import os
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tenfold.data.mnist import LabelledImages
from tenfold.errors import ModelError
from tenfold.reading import model_file
from tenfold.reading.digit_classifier import BATCH_SIZE, BUNDLED_MODEL, Classifier, load_classifier
from tenfold.reading.line_reader import BUNDLED_LINES, load_lines
from tenfold.reading.model_file import (
    MAX_BYTES,
    MAX_LOADED,
    MAX_MESSAGE,
    MAX_METADATA,
    Calibration,
    Thresholds,
)
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status

METADATA: dict[str, Any] = {
    "format": 1,
    "labels": [*"0123456789"],
    "calibration": {"temperature": 2.0, "read": 0.7, "not_digit": 0.8},
    "card": {"recipe": "none"},
}
WEIGHTS_PK = np.random.default_rng(0).normal(0, 0.3, (784, 11)).astype(np.float32)
FLOAT, UINT8, INT64 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64


def value(name: str, kind: int, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def build_model(
    *nodes: onnx.NodeProto,
    constants: dict[str, npt.NDArray[Any]] | None = None,
    inputs: tuple[onnx.ValueInfoProto, ...] = (value("images", UINT8, ("N", 28, 28)),),
    outputs: tuple[onnx.ValueInfoProto, ...] = (value("logits", FLOAT, ("N", 10)),),
    metadata: object = METADATA,
) -> bytes:
    """A linear classifier of ten answers; with nodes, what they make of its `answers`."""
    pixels = inputs[0].name if inputs else "constant"
    whole = [
        helper.make_node("Cast", [pixels], ["floats"], to=FLOAT),
        helper.make_node("Div", ["floats", "white"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["answers"]),
        *(nodes or [helper.make_node("Identity", ["answers"], ["logits"])]),
    ]
    arrays = {"white": np.array(255, np.float32), "weights": WEIGHTS_PK[:, :10]}
    initializers = [
        numpy_helper.from_array(array, name) for name, array in (arrays | (constants or {})).items()
    ]
    graph = helper.make_graph(whole, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        helper.set_model_props(model, {"tenfold": text})
    return bytes(model.SerializeToString())


def refuse(data: bytes) -> str:
    """The message with which a model is refused, less its name."""
    with pytest.raises(ModelError) as raised:
        Classifier(data, "some/model.onnx")
    message = str(raised.value)
    assert message.startswith("some/model.onnx: ")
    return message.removeprefix("some/model.onnx: ")


def with_metadata(**changes: object) -> bytes:
    return build_model(metadata={**METADATA, **changes})


def with_calibration(**changes: object) -> bytes:
    return with_metadata(calibration={**METADATA["calibration"], **changes})


def soften(logits_NK: npt.NDArray[Any], temperature: float) -> npt.NDArray[np.float64]:
    exponentials_NK = np.exp(logits_NK.astype(np.float64) / temperature)
    total_N1: npt.NDArray[np.float64] = exponentials_NK.sum(axis=1, keepdims=True)
    return exponentials_NK / total_N1


@pytest.fixture(scope="module")
def digits(test_images: LabelledImages) -> npt.NDArray[np.uint8]:
    """150 digits: two whole batches and a part of one."""
    assert 2 * BATCH_SIZE < 150 < 3 * BATCH_SIZE
    return test_images.images_NHW[:150]


def test_the_bundled_model_knows_digits(test_images: LabelledImages) -> None:
    classifier = load_classifier()
    answers_NK = classifier.classify(test_images.images_NHW[:500])
    assert classifier.num_answers == 11
    assert answers_NK.shape == (500, 11)
    assert answers_NK.dtype == np.float32
    np.testing.assert_allclose(answers_NK.sum(axis=1), 1, atol=1e-5)
    assert (answers_NK.argmax(axis=1) == test_images.labels_N[:500]).mean() > 0.95


def test_probabilities_are_those_of_the_graph(digits: npt.NDArray[np.uint8]) -> None:
    classifier = Classifier(with_calibration(temperature=1.0), "it")
    logits_NK = (digits.reshape(-1, 784) / 255) @ WEIGHTS_PK[:, :10]
    np.testing.assert_allclose(classifier.classify(digits), soften(logits_NK, 1), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_logits_are_divided_by_the_temperature(
    temperature: float, digits: npt.NDArray[np.uint8]
) -> None:
    data = with_calibration(temperature=temperature)
    classifier = Classifier(data, "it")
    [logits_NK] = onnxruntime.InferenceSession(data).run(None, {"images": digits})
    expected_NK = soften(logits_NK, temperature)
    np.testing.assert_allclose(classifier.classify(digits), expected_NK, atol=1e-5)
    assert classifier.calibration == Calibration(temperature, Thresholds(0.7, 0.8), True)
    assert classifier.thresholds == Thresholds(0.7, 0.8)


def test_large_logits_do_not_overflow() -> None:
    scaling = helper.make_node("Mul", ["answers", "factor"], ["logits"])
    data = build_model(scaling, constants={"factor": np.array(1e6, np.float32)})
    answers_NK = Classifier(data, "it").classify(np.full((3, 28, 28), 255, np.uint8))
    np.testing.assert_allclose(answers_NK.max(axis=1), 1)
    np.testing.assert_allclose(answers_NK.sum(axis=1), 1)


@pytest.mark.parametrize("model", ["bundled", "linear"])
def test_batches_of_any_size_answer_as_one_by_one(
    model: str, digits: npt.NDArray[np.uint8]
) -> None:
    classifier = load_classifier() if model == "bundled" else Classifier(build_model(), "it")
    single_NK = np.concatenate([classifier.classify(one[None]) for one in digits])
    for count in (0, 1, 2, 63, 64, 65, 128, 150):
        answers_NK = classifier.classify(digits[:count])
        assert answers_NK.shape == (count, classifier.num_answers)
        assert answers_NK.dtype == np.float32
        np.testing.assert_allclose(answers_NK, single_NK[:count], atol=1e-5)


def test_images_need_not_lie_in_order(digits: npt.NDArray[np.uint8]) -> None:
    classifier = Classifier(build_model(), "it")
    turned_NHW = digits.transpose(0, 2, 1)
    assert not turned_NHW.flags.c_contiguous
    np.testing.assert_array_equal(
        classifier.classify(turned_NHW), classifier.classify(np.ascontiguousarray(turned_NHW))
    )


def test_threads_do_not_change_answers(digits: npt.NDArray[np.uint8]) -> None:
    two = load_classifier(None, 2).classify(digits)
    np.testing.assert_allclose(two, load_classifier(None, 1).classify(digits), atol=1e-5)


def test_a_model_of_eleven_answers() -> None:
    data = build_model(
        constants={"weights": WEIGHTS_PK},
        outputs=(value("logits", FLOAT, ("N", 11)),),
        metadata={**METADATA, "labels": [*"0123456789", "none"]},
    )
    classifier = Classifier(data, "it")
    assert classifier.num_answers == 11
    assert classifier.classify(np.zeros((2, 28, 28), np.uint8)).shape == (2, 11)
    assert classifier.classify(np.zeros((0, 28, 28), np.uint8)).shape == (0, 11)


def test_a_model_without_calibration_has_usual_thresholds() -> None:
    classifier = Classifier(with_metadata(calibration=None), "it")
    assert classifier.calibration == Calibration(1.0, Thresholds(0.9, 0.9), False)
    assert classifier.card == {"recipe": "none"}


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(build_model())
    assert load_classifier(path) is load_classifier(path)
    assert load_classifier(path).card == {"recipe": "none"}


def test_a_reader_uses_the_model_that_it_is_given(
    tmp_path: Path, test_images: LabelledImages
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(with_calibration(read=0.0))
    reader = Reader(model=path)
    assert reader.classifier.thresholds.read == 0
    reading = reader.read(255 - test_images.images_NHW[0], single=True)
    assert reading.status == Status.READ
    assert Reader(model=str(path)).classifier is reader.classifier
    assert Reader().classifier is not reader.classifier


@pytest.mark.parametrize("name", ["nothing.onnx", "folder", "x" * 300])
def test_a_file_that_cannot_be_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError) as raised:
        load_classifier(tmp_path / name)
    reason = {"nothing.onnx": "No such file or directory", "folder": "Is a directory"}
    assert str(raised.value) == (
        f"{tmp_path / name}: expected a model file, found: {reason.get(name, 'File name too long')}"
    )


def test_what_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for data in (b"", b"x", bytes(100), BUNDLED_MODEL.read_bytes()[:-200_000]):
        path.write_bytes(data)
        with pytest.raises(ModelError) as raised:
            load_classifier(path)
        assert str(raised.value).startswith(f"{path}: not a valid ONNX model: ")


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES * 4)  # a hole: it takes no disk
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"model\.onnx: the model is larger than 64 MiB"):
        load_classifier(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * MAX_BYTES


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("MatMul", ["answers", "weights"], ["logits"]), {}),
        (helper.make_node("Identity", ["missing"], ["logits"]), {}),
        (helper.make_node("Add", ["answers", "one"], ["logits"]), {"one": np.array([1])}),
        (helper.make_node("NoOperation", ["answers"], ["logits"]), {}),
    ],
)
def test_a_graph_that_makes_no_sense(
    node: onnx.NodeProto, constants: dict[str, npt.NDArray[Any]]
) -> None:
    message = refuse(build_model(node, constants=constants))
    assert message.startswith("not a valid ONNX model: ")
    assert "\n" not in message
    assert "ONNXRuntimeError" not in message


def move_weights_out(data: bytes, location: str) -> tuple[bytes, bytes]:
    """The model with its weights in another file, and that file's bytes."""
    model = onnx.load_from_string(data)
    [weights] = [one for one in model.graph.initializer if one.name == "weights"]
    moved = weights.raw_data
    onnx.external_data_helper.set_external_data(weights, location)
    weights.ClearField("raw_data")
    return bytes(model.SerializeToString()), moved


def test_weights_in_another_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where ONNX Runtime would find them: in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.onnx"
    for location in ("weights.bin", f"../{tmp_path.name}/weights.bin"):
        data, weights = move_weights_out(build_model(), location)
        path.write_bytes(data)
        (tmp_path / "weights.bin").write_bytes(weights)
        onnxruntime.InferenceSession(data)
        with pytest.raises(ModelError, match=r"model\.onnx: .* \(external data\); export it"):
            load_classifier(path)


def test_weights_anywhere_else_are_refused() -> None:
    for location in ("/dev/zero", "../../../../../etc/passwd", "*/_ORT_MEM_ADDR_/*"):
        data, _ = move_weights_out(build_model(), location)
        assert refuse(data)


def test_a_bundled_model_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (BUNDLED_MODEL, BUNDLED_LINES):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / path.name).write_bytes(data)
    load_classifier(tmp_path / BUNDLED_MODEL.name)  # as a model of the user's own it would do
    monkeypatch.setattr(model_file, "BUNDLED", tmp_path)
    for load, path in ((load_classifier, BUNDLED_MODEL), (load_lines, BUNDLED_LINES)):
        changed = tmp_path / path.name
        changed.touch()
        with pytest.raises(ModelError, match="damaged or replaced; install Tenfold again"):
            load(changed, 2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([("pixels", UINT8, ("N", 28, 28))], "found pixels tensor(uint8)"),
        ([("images", FLOAT, ("N", 28, 28))], "found images tensor(float)"),
        (
            [("images", UINT8, ("N", 28, 28)), ("more", UINT8, ("N",))],
            "found images tensor(uint8), more tensor(uint8)",
        ),
        ([("images", UINT8, ("N", 784))], "found ['N', 784]"),
        ([("images", UINT8, ("N", 28, 1, 28))], "found ['N', 28, 1, 28]"),
        ([("images", UINT8, ("N", "H", "W"))], "found ['N', 'H', 'W']"),
        ([("images", UINT8, (1, 28, 28))], "found [1, 28, 28]"),
        ([("images", UINT8, ("N", 56, 14))], "found ['N', 56, 14]"),
    ],
)
def test_the_input_is_not_images(
    inputs: list[tuple[str, int, tuple[int | str, ...]]], message: str
) -> None:
    found = refuse(build_model(inputs=tuple(value(*one) for one in inputs)))
    assert found == f"input: expected images, uint8 [N, 28, 28], {message}"


def test_a_model_without_an_input() -> None:
    constants = {"constant": np.zeros((1, 28, 28), np.uint8)}
    data = build_model(inputs=(), constants=constants, outputs=(value("logits", FLOAT, (1, 10)),))
    assert refuse(data) == "input: expected images, uint8 [N, 28, 28], found none"


@pytest.mark.parametrize(
    ("outputs", "num_answers", "message"),
    [
        ([("answers", FLOAT, ("N", 10))], 10, "found answers tensor(float) ['N', 10]"),
        ([("logits", FLOAT, ("N", 9))], 9, "found logits tensor(float) ['N', 9]"),
        ([("logits", FLOAT, ("N", 8))], 8, "found logits tensor(float) ['N', 8]"),
        (
            [("logits", FLOAT, ("N", 10)), ("answers", FLOAT, ("N", 10))],
            10,
            "found logits tensor(float) ['N', 10], answers tensor(float) ['N', 10]",
        ),
        (
            [("answers", FLOAT, ("N", 10)), ("logits", FLOAT, ("N", 10))],
            10,
            "found answers tensor(float) ['N', 10], logits tensor(float) ['N', 10]",
        ),
    ],
)
def test_the_output_is_not_logits(
    outputs: list[tuple[str, int, tuple[int | str, ...]]], num_answers: int, message: str
) -> None:
    weights = {"weights": WEIGHTS_PK[:, :num_answers]}
    found = refuse(build_model(constants=weights, outputs=tuple(value(*one) for one in outputs)))
    assert found == f"output: expected logits, float [N, 10 or 11], {message}"


def test_the_output_has_other_axes() -> None:
    node = helper.make_node("Unsqueeze", ["answers", "one"], ["logits"])
    outputs = (value("logits", FLOAT, ("N", 1, 10)),)
    found = refuse(build_model(node, constants={"one": np.array([1])}, outputs=outputs))
    assert (
        found
        == "output: expected logits, float [N, 10 or 11], found logits tensor(float) ['N', 1, 10]"
    )


def test_a_model_that_tenfold_did_not_export() -> None:
    expected = "metadata: expected an entry 'tenfold', as `tenfold export` writes it, found none"
    assert refuse(build_model(metadata=None)) == expected


@pytest.mark.parametrize("key", METADATA)
def test_metadata_without_a_key(key: str) -> None:
    values = {name: METADATA[name] for name in METADATA if name != key}
    assert refuse(build_model(metadata=values)) == f"metadata: expected {key}, found none"


def test_metadata_without_any_key() -> None:
    for text in ("{}", "[]"):
        assert refuse(build_model(metadata=text)) == (
            "metadata: expected format, labels, calibration, card, found none"
        )


@pytest.mark.parametrize(
    "text",
    ["", "{", "not JSON", "null", "5", "true", '"format labels calibration card"', "[1, {}", "\0"],
)
def test_metadata_that_are_no_json_of_a_model(text: str) -> None:
    assert refuse(build_model(metadata=text)).startswith(
        "metadata: expected JSON of an exported model: "
    )


@pytest.mark.parametrize("number", [0, 2, "1", None, 1.5])
def test_another_format(number: object) -> None:
    assert refuse(with_metadata(format=number)) == (
        f"metadata: expected format 1, found {number}. "
        "Export the run again with this version of Tenfold."
    )


@pytest.mark.parametrize(
    "labels", [[], [*range(10)], [*"1234567890"], [*"012345678"], "0123456789", ["none"] * 10]
)
def test_other_labels(labels: object) -> None:
    assert refuse(with_metadata(labels=labels)) == (
        f"metadata: labels: expected 0 to 9, found {labels}"
    )


@pytest.mark.parametrize("labels", [[*"0123456789", "none"], [*"0123456789"] * 2])
def test_labels_that_are_not_as_many_as_answers(labels: list[str]) -> None:
    assert refuse(with_metadata(labels=labels)) == (
        f"metadata: labels: expected one for each of 10 answers, found {len(labels)}"
    )


@pytest.mark.parametrize("card", [None, 5, "a card", ["recipe"]])
def test_a_card_that_is_none(card: object) -> None:
    expected = f"metadata: card: expected names and values, found {card}"
    assert refuse(with_metadata(card=card)) == expected


def test_metadata_that_are_long() -> None:
    text = json.dumps(METADATA)
    assert Classifier(build_model(metadata=text.ljust(MAX_METADATA)), "it").card
    message = "metadata: expected at most 262,144 characters, found 262,145"
    assert refuse(build_model(metadata=text.ljust(MAX_METADATA + 1))) == message
    model = onnx.load_from_string(build_model())
    model.metadata_props.add(key="other", value=" " * (MAX_METADATA + 1))
    assert refuse(bytes(model.SerializeToString())) == message


def test_a_message_does_not_repeat_all_that_was_found() -> None:
    message = refuse(with_metadata(labels=["x" * 1000]))
    assert re.fullmatch(r"metadata: labels: expected 0 to 9, found \['x+\.\.\.", message)
    assert len(message) == MAX_MESSAGE + len("...")
    node = helper.make_node("Erf\nErf", ["answers"], ["logits"])
    assert "\n" not in refuse(build_model(node))


@pytest.mark.parametrize("labels", [None, 5, {"0": 0}])
def test_labels_that_are_no_list(labels: object) -> None:
    assert refuse(with_metadata(labels=labels)).startswith("metadata: expected JSON of an exported")


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.0},
        {"temperature": 0.0099},
        {"temperature": 100.1},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"read": -0.01},
        {"read": 1.01},
        {"read": float("nan")},
        {"not_digit": -0.01},
        {"not_digit": 1.01},
        {"not_digit": float("-inf")},
    ],
)
def test_a_calibration_out_of_range(changes: dict[str, float]) -> None:
    numbers = {**METADATA["calibration"], **changes}
    expected = f"metadata: calibration out of range: {numbers}"
    assert refuse(with_calibration(**changes)) == expected


@pytest.mark.parametrize(
    "changes",
    [{"temperature": 0.01}, {"temperature": 100}, {"read": 0}, {"read": 1}, {"not_digit": 1}],
)
def test_a_calibration_at_the_ends_of_its_range(changes: dict[str, float]) -> None:
    assert Classifier(with_calibration(**changes), "it").calibration.is_fitted


@pytest.mark.parametrize("key", ["temperature", "read", "not_digit"])
def test_a_calibration_without_a_number(key: str) -> None:
    calibration = {name: 0.5 for name in ("temperature", "read", "not_digit") if name != key}
    expected = f"metadata: expected JSON of an exported model: '{key}'"
    assert refuse(with_metadata(calibration=calibration)) == expected
    others: list[object] = [None, "much", [1], {}]
    for other in others:
        assert refuse(with_calibration(**{key: other})).startswith("metadata: expected JSON")


@pytest.mark.parametrize("calibration", [5, "none", [], True])
def test_a_calibration_that_is_none(calibration: object) -> None:
    assert refuse(with_metadata(calibration=calibration)).startswith("metadata: expected JSON")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("metadata", build_model().replace(b'"card"', b'"car\xff"')),
        ("input", build_model().replace(b"images", b"imag\xff\xff")),
        ("output", build_model().replace(b"logits", b"logi\xff\xff")),
    ],
)
def test_text_that_is_not_utf8(name: str, data: bytes) -> None:
    assert "'utf-8' codec can't decode byte 0xff" in refuse(data), name


def test_nothing_is_printed_of_a_model_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    node = helper.make_node("Mul", ["answers", "one"], ["logits"], name="multiply")
    data = build_model(node, constants={"one": np.array([1])})
    assert "codec can't decode" in refuse(data.replace(b"multiply", b"multi\xff\xff\xff"))
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


@pytest.mark.parametrize("text", ["[" * 100_000, '{"card":' * 50_000])
def test_metadata_that_are_deep(text: str) -> None:
    assert refuse(build_model(metadata=text)).startswith("metadata: ")


def test_a_calibration_that_is_no_float() -> None:
    assert refuse(with_calibration(temperature=10**400)).startswith("metadata: ")


def test_a_model_without_an_output() -> None:
    assert refuse(build_model(outputs=())).startswith("output: expected logits, float")


@pytest.mark.parametrize("kind", ["BOOL", "INT64", "FLOAT16", "BFLOAT16", "DOUBLE"])
def test_the_output_is_of_another_type(kind: str) -> None:
    number = TensorProto.DataType.Value(kind)
    node = helper.make_node("Cast", ["answers"], ["logits"], to=number)
    data = build_model(node, outputs=(value("logits", number, ("N", 10)),))
    assert refuse(data).startswith("output: expected logits, float")


def test_the_output_is_text() -> None:
    node = helper.make_node("Cast", ["answers"], ["logits"], to=TensorProto.STRING)
    outputs = (value("logits", TensorProto.STRING, ("N", 10)),)
    assert refuse(build_model(node, outputs=outputs)) == (
        "output: expected logits, float [N, 10 or 11], found logits tensor(string) ['N', 10]"
    )


NONSENSE = {
    "fewer rows": (
        [helper.make_node("ReduceMax", ["answers", "axes"], ["logits"])],
        {"axes": np.array([0])},
    ),
    "other width": (
        # A shape that is computed is known only when the graph runs.
        [
            helper.make_node("Cast", ["answers"], ["whole"], to=INT64),
            helper.make_node("ReduceMax", ["whole", "axes"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "zeros"], ["nothing"]),
            helper.make_node("Add", ["nothing", "shape"], ["computed"]),
            helper.make_node("Reshape", ["answers", "computed"], ["logits"]),
        ],
        {"axes": np.array([0, 1]), "zeros": np.array([0, 0]), "shape": np.array([-1, 5])},
    ),
    "fails": (
        [helper.make_node("Reshape", ["answers", "shape"], ["logits"])],
        {"shape": np.array([7, 10])},
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_model_that_gives_something_else_when_it_runs(name: str, tmp_path: Path) -> None:
    nodes, constants = NONSENSE[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(build_model(*nodes, constants=constants))
    with pytest.raises(ModelError):
        load_classifier(path).classify(np.zeros((3, 28, 28), np.uint8))


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_a_model_gives_that_is_no_number_is_not_relied_on(
    number: float, tmp_path: Path, test_images: LabelledImages
) -> None:
    node = helper.make_node("Add", ["answers", "number"], ["logits"])
    path = tmp_path / "model.onnx"
    path.write_bytes(build_model(node, constants={"number": np.array(number, np.float32)}))
    try:
        reading = Reader(path).read(255 - test_images.images_NHW[0])
    except ModelError:
        return
    assert reading.status != Status.READ
    assert all(0 <= digit.confidence <= 1 for digit in reading.digits)


def test_a_file_that_was_written_again_is_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(with_calibration(read=0.25))
    assert Reader(path).classifier.thresholds.read == 0.25
    path.write_bytes(with_calibration(read=0.75))
    assert Reader(path).classifier.thresholds.read == 0.75


def test_two_files_of_one_relative_path_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, threshold in (("one", 0.25), ("two", 0.75)):
        path = tmp_path / name / "model.onnx"
        path.parent.mkdir()
        path.write_bytes(with_calibration(read=threshold))
        os.utime(path, ns=(0, 10**18))
    assert len({path.stat().st_size for path in tmp_path.glob("*/model.onnx")}) == 1
    for name, threshold in (("one", 0.25), ("two", 0.75)):
        monkeypatch.chdir(tmp_path / name)
        assert load_classifier(Path("model.onnx")).thresholds.read == threshold


def test_a_file_that_takes_the_place_of_another_is_loaded(tmp_path: Path) -> None:
    path, other = tmp_path / "model.onnx", tmp_path / "other.onnx"
    path.write_bytes(with_calibration(read=0.25))
    other.write_bytes(with_calibration(read=0.75))
    for one in (path, other):
        os.utime(one, ns=(0, 10**18))
    assert load_classifier(path).thresholds.read == 0.25
    other.replace(path)
    assert load_classifier(path).thresholds.read == 0.75


def test_not_every_model_is_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.onnx" for number in range(MAX_LOADED + 1)]
    for path in paths:
        path.write_bytes(build_model())
    first = load_classifier(paths[0])
    assert load_classifier(paths[0]) is first
    for path in paths[1:]:
        load_classifier(path)
    assert load_classifier(paths[0]) is not first


@pytest.mark.parametrize("path", [BUNDLED_MODEL, BUNDLED_LINES], ids=["reader", "lines"])
def test_the_bundled_files_do_not_tell_where_they_were_made(path: Path) -> None:
    assert b".py" not in path.read_bytes()
