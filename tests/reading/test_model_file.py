"""A model file is loaded, or refused with a ModelError that says why."""

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")

import onnx
import onnxruntime
from onnx import TensorProto, helper

from reading.models import (
    FLOAT,
    INT64,
    UINT8,
    WEIGHTS_PK,
    Shape,
    build_model,
    value,
    with_calibration,
)
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ModelError
from tenfold.reading import model_file
from tenfold.reading.digit_classifier import BUNDLED_MODEL, Classifier, load_classifier
from tenfold.reading.line_reader import BUNDLED_LINES, load_line_reader
from tenfold.reading.model_file import (
    MAX_BYTES,
    MAX_LOADED,
)
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status

IMAGES = ("images", UINT8, ("N", 28, 28))
LOGITS = ("logits", FLOAT, ("N", 10))


def refuse(data: bytes) -> str:
    """The message with which a model is refused, without its name."""
    with pytest.raises(ModelError) as raised:
        Classifier(data, "some/model.onnx")
    message = str(raised.value)
    assert message.startswith("some/model.onnx: ")
    assert "\n" not in message
    return message.removeprefix("some/model.onnx: ")


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(build_model())
    assert load_classifier(path) is load_classifier(path)


def test_a_changed_file_is_loaded_again(tmp_path: Path) -> None:
    path, other = tmp_path / "model.onnx", tmp_path / "other.onnx"
    for read in (0.25, 0.75):
        path.write_bytes(with_calibration(read=read))
        assert load_classifier(path).thresholds.read == read
    # Another file of the same size and time takes its place.
    other.write_bytes(with_calibration(read=0.25))
    for one in (path, other):
        os.utime(one, ns=(0, 10**18))
    assert load_classifier(path).thresholds.read == 0.75
    other.replace(path)
    assert load_classifier(path).thresholds.read == 0.25


def test_a_relative_path_depends_on_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, threshold in (("one", 0.25), ("two", 0.75)):
        path = tmp_path / name / "model.onnx"
        path.parent.mkdir()
        path.write_bytes(with_calibration(read=threshold))
        os.utime(path, ns=(0, 10**18))
        monkeypatch.chdir(path.parent)
        assert load_classifier(Path("model.onnx")).thresholds.read == threshold


def test_the_number_of_loaded_models_is_limited(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.onnx" for number in range(MAX_LOADED + 1)]
    for path in paths:
        path.write_bytes(build_model())
    first = load_classifier(paths[0])
    assert load_classifier(paths[0]) is first
    for path in paths[1:]:
        load_classifier(path)
    assert load_classifier(paths[0]) is not first


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing.onnx", "No such file or directory"),
        ("folder", "Is a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_opened_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for load in (load_classifier, load_line_reader, Reader, lambda path: Reader(lines=path)):
        with pytest.raises(ModelError) as raised:
            load(tmp_path / name)
        assert str(raised.value) == f"{tmp_path / name}: cannot read the model: {reason}"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for data in (b"", b"x", bytes(100), BUNDLED_MODEL.read_bytes()[:-200_000]):
        path.write_bytes(data)
        for load in (load_classifier, load_line_reader):
            with pytest.raises(ModelError) as raised:
                load(path)
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


def test_a_model_of_the_other_kind_is_refused_with_its_flag() -> None:
    for load, path, found, flag in (
        (load_line_reader, BUNDLED_MODEL, "digit images", "--model"),
        (load_classifier, BUNDLED_LINES, "lines", "--lines"),
    ):
        with pytest.raises(ModelError) as raised:
            load(path)
        assert str(raised.value).startswith(f"{path}: this is a model of {found}, ")
        assert str(raised.value).endswith(f"use {flag}")


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("MatMul", ["answers", "weights"], ["logits"]), {}),
        (helper.make_node("Identity", ["missing"], ["logits"]), {}),
        (helper.make_node("Add", ["answers", "one"], ["logits"]), {"one": np.array([1])}),
        (helper.make_node("NoOperation", ["answers"], ["logits"]), {}),
        (helper.make_node("Erf\nErf", ["answers"], ["logits"]), {}),
    ],
)
def test_an_invalid_graph_is_refused(
    node: onnx.NodeProto, constants: dict[str, npt.NDArray[Any]]
) -> None:
    message = refuse(build_model(node, constants=constants))
    assert message.startswith("not a valid ONNX model: ")
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
    """Even in the working directory, where ONNX Runtime would find them."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.onnx"
    for location in ("weights.bin", f"../{tmp_path.name}/weights.bin"):
        data, weights = move_weights_out(build_model(), location)
        path.write_bytes(data)
        (tmp_path / "weights.bin").write_bytes(weights)
        onnxruntime.InferenceSession(data)
        with pytest.raises(ModelError, match=r"model\.onnx: .* \(external data\); export it"):
            load_classifier(path)
    for location in ("/dev/zero", "../../../../../etc/passwd", "*/_ORT_MEM_ADDR_/*"):
        assert refuse(move_weights_out(build_model(), location)[0])


def test_a_changed_bundled_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (BUNDLED_MODEL, BUNDLED_LINES):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / path.name).write_bytes(data)
    load_classifier(tmp_path / BUNDLED_MODEL.name)  # a user's own model may be changed
    monkeypatch.setattr(model_file, "BUNDLED", tmp_path)
    for load, path in ((load_classifier, BUNDLED_MODEL), (load_line_reader, BUNDLED_LINES)):
        changed = tmp_path / path.name
        changed.touch()
        with pytest.raises(ModelError, match="damaged or replaced; install Tenfold again"):
            load(changed, 2)


@pytest.mark.parametrize("path", [BUNDLED_MODEL, BUNDLED_LINES], ids=["reader", "lines"])
def test_bundled_models_hold_no_paths_of_the_machine_that_made_them(path: Path) -> None:
    assert b".py" not in path.read_bytes()


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([], "none"),
        ([("pixels", UINT8, ("N", 28, 28))], "pixels tensor(uint8)"),
        ([("images", FLOAT, ("N", 28, 28))], "images tensor(float)"),
        ([IMAGES, ("more", UINT8, ("N",))], "images tensor(uint8), more tensor(uint8)"),
        ([("images", UINT8, ("N", 784))], "['N', 784]"),
        ([("images", UINT8, ("N", 28, 1, 28))], "['N', 28, 1, 28]"),
        ([("images", UINT8, ("N", "H", "W"))], "['N', 'H', 'W']"),
        ([("images", UINT8, (1, 28, 28))], "[1, 28, 28]"),
        ([("images", UINT8, ("N", 56, 14))], "['N', 56, 14]"),
    ],
)
def test_a_model_with_another_input_is_refused(
    inputs: list[tuple[str, int, Shape]], found: str
) -> None:
    constants = {} if inputs else {"constant": np.zeros((1, 28, 28), np.uint8)}
    outputs = (value(*LOGITS),) if inputs else (value("logits", FLOAT, (1, 10)),)
    data = build_model(
        inputs=tuple(value(*one) for one in inputs), constants=constants, outputs=outputs
    )
    assert refuse(data) == f"the input must be images, uint8 [N, 28, 28], not {found}"


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        ([], ""),
        ([("answers", FLOAT, ("N", 10))], "answers tensor(float) ['N', 10]"),
        ([("logits", FLOAT, ("N", 9))], "logits tensor(float) ['N', 9]"),
        ([LOGITS, ("answers", FLOAT, ("N", 10))], "tensor(float) ['N', 10], answers tensor(float)"),
        ([("answers", FLOAT, ("N", 10)), LOGITS], "answers tensor(float) ['N', 10], logits"),
    ],
)
def test_a_model_with_another_output_is_refused(
    outputs: list[tuple[str, int, Shape]], found: str
) -> None:
    num_classes = outputs[0][2][-1] if outputs else 10
    weights = {"weights": WEIGHTS_PK[:, : int(num_classes)]}
    message = refuse(build_model(constants=weights, outputs=tuple(value(*one) for one in outputs)))
    assert message.startswith("the output must be logits, float [N, 10 or 11], not ")
    assert found in message


@pytest.mark.parametrize("kind", ["BOOL", "INT64", "FLOAT16", "BFLOAT16", "DOUBLE", "STRING"])
def test_a_model_with_another_type_of_output_is_refused(kind: str) -> None:
    number = TensorProto.DataType.Value(kind)
    node = helper.make_node("Cast", ["answers"], ["logits"], to=number)
    data = build_model(node, outputs=(value("logits", number, ("N", 10)),))
    assert refuse(data).startswith("the output must be logits, float")


def test_an_output_with_more_axes_is_refused() -> None:
    node = helper.make_node("Unsqueeze", ["answers", "one"], ["logits"])
    outputs = (value("logits", FLOAT, ("N", 1, 10)),)
    data = build_model(node, constants={"one": np.array([1])}, outputs=outputs)
    assert refuse(data).endswith("not logits tensor(float) ['N', 1, 10]")


@pytest.mark.parametrize(
    ("text", "damaged"),
    [(b'"card"', b'"car\xff"'), (b"images", b"imag\xff\xff"), (b"logits", b"logi\xff\xff")],
)
def test_text_that_is_not_utf8_is_refused(text: bytes, damaged: bytes) -> None:
    assert "'utf-8' codec can't decode byte 0xff" in refuse(build_model().replace(text, damaged))


def test_nothing_is_printed_about_a_model_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    node = helper.make_node("Mul", ["answers", "one"], ["logits"], name="multiply")
    data = build_model(node, constants={"one": np.array([1])})
    assert "codec can't decode" in refuse(data.replace(b"multiply", b"multi\xff\xff\xff"))
    assert capfd.readouterr() == ("", "")


WRONG_WHEN_RUN = {
    "fewer rows": (
        [helper.make_node("ReduceMax", ["answers", "axes"], ["logits"])],
        {"axes": np.array([0])},
    ),
    "other width": (
        # A computed shape is known only when the graph runs.
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


@pytest.mark.parametrize("name", WRONG_WHEN_RUN)
def test_a_model_with_wrong_logits_is_refused_when_it_runs(name: str) -> None:
    nodes, constants = WRONG_WHEN_RUN[name]
    classifier = Classifier(build_model(*nodes, constants=constants), "it")
    with pytest.raises(ModelError, match=r"^it: the model "):
        classifier.classify(np.zeros((3, 28, 28), np.uint8))


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_logits_that_are_not_finite_are_not_relied_on(
    number: float, test_images: LabelledImages
) -> None:
    node = helper.make_node("Add", ["answers", "number"], ["logits"])
    data = build_model(node, constants={"number": np.array(number, np.float32)})
    try:
        reading = Reader(Classifier(data, "it")).read(255 - test_images.images_NHW[0])
    except ModelError:
        return
    assert reading.status != Status.READ
    assert all(0 <= digit.confidence <= 1 for digit in reading.digits)
