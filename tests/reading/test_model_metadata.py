"""The metadata of a model file: what is missing, wrong or out of range is refused."""

import json

import pytest

pytest.importorskip("onnx")

import onnx

from reading.models import (
    METADATA,
    build_model,
    with_calibration,
    with_metadata,
)
from tenfold.errors import ModelError
from tenfold.reading.digit_classifier import Classifier
from tenfold.reading.model_file import (
    MAX_MESSAGE,
    MAX_METADATA,
    Calibration,
    Thresholds,
)


def refuse(data: bytes) -> str:
    """The message with which a model is refused, without its name."""
    with pytest.raises(ModelError) as raised:
        Classifier(data, "some/model.onnx")
    message = str(raised.value)
    assert message.startswith("some/model.onnx: ")
    assert "\n" not in message
    return message.removeprefix("some/model.onnx: ")


def test_a_model_without_calibration_has_default_thresholds() -> None:
    classifier = Classifier(with_metadata(calibration=None), "it")
    assert classifier.calibration == Calibration(1.0, Thresholds(0.9, 0.9), False)
    assert classifier.card == {"recipe": "none"}


NOT_EXPORTED = "metadata: not those of an exported model: "


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "metadata: the entry 'tenfold' is missing; use a file from `tenfold export`"),
        ({}, "metadata: missing format, labels, calibration, card"),
        ([], "metadata: missing format, labels, calibration, card"),
        *((text, NOT_EXPORTED) for text in ("", "{", "not JSON", "null", "5", "true", "\0")),
        ('"format labels calibration card"', NOT_EXPORTED),
        ("[" * 100_000, "metadata: "),
        ('{"card":' * 50_000, "metadata: "),
    ],
)
def test_metadata_that_are_not_of_an_exported_model_are_refused(
    metadata: object, message: str
) -> None:
    assert refuse(build_model(metadata=metadata)).startswith(message)


@pytest.mark.parametrize("key", METADATA)
def test_metadata_without_a_key_are_refused(key: str) -> None:
    values = {name: METADATA[name] for name in METADATA if name != key}
    assert refuse(build_model(metadata=values)) == f"metadata: missing {key}"


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("format", [0, 2, "1", None, 1.5], "format {} is not supported"),
        (
            "labels",
            [[], [*range(10)], [*"1234567890"], [*"012345678"], "0123456789", ["none"] * 10],
            "labels must begin with 0 to 9, not {}",
        ),
        ("labels", [[*"0123456789", "none"]], "11 labels for 10 outputs"),
        ("labels", [[*"0123456789"] * 2], "20 labels for 10 outputs"),
        ("labels", [None, 5, {"0": 0}], "not those of an exported model"),
        ("card", [None, 5, "a card", ["recipe"]], "card must be a JSON object, not {}"),
        ("calibration", [5, "none", [], True], "not those of an exported model"),
    ],
)
def test_wrong_metadata_are_refused(key: str, values: list[object], message: str) -> None:
    for wrong in values:
        found = refuse(with_metadata(**{key: wrong}))
        assert found.startswith(f"metadata: {message.format(wrong)}")


def test_long_metadata_are_refused_and_long_messages_cut() -> None:
    text = json.dumps(METADATA)
    assert Classifier(build_model(metadata=text.ljust(MAX_METADATA)), "it").card
    message = "metadata: an entry has 262,145 characters; the limit is 262,144"
    assert refuse(build_model(metadata=text.ljust(MAX_METADATA + 1))) == message
    model = onnx.load_from_string(build_model())
    model.metadata_props.add(key="other", value=" " * (MAX_METADATA + 1))
    assert refuse(bytes(model.SerializeToString())) == message
    found = refuse(with_metadata(labels=["x" * 1000]))
    assert len(found) == MAX_MESSAGE + len("...")
    assert found.endswith("xxx...")


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("temperature", [0.0, 0.0099, 100.1, -1.0, float("nan"), float("inf")]),
        ("read", [-0.01, 1.01, float("nan")]),
        ("not_digit", [-0.01, 1.01, float("-inf")]),
    ],
)
def test_a_calibration_out_of_range_is_refused(key: str, numbers: list[float]) -> None:
    for number in numbers:
        message = refuse(with_calibration(**{key: number}))
        assert message.startswith("metadata: calibration out of range: ")
        assert f"'{key}': {number}" in message
    others: list[object] = [None, "much", [1], {}]
    for other in others:
        assert refuse(with_calibration(**{key: other})).startswith(NOT_EXPORTED)
    calibration = {name: one for name, one in METADATA["calibration"].items() if name != key}
    assert refuse(with_metadata(calibration=calibration)) == f"{NOT_EXPORTED}'{key}'"
    assert refuse(with_calibration(temperature=10**400)).startswith("metadata: ")


@pytest.mark.parametrize(
    "changes",
    [{"temperature": 0.01}, {"temperature": 100}, {"read": 0}, {"read": 1}, {"not_digit": 1}],
)
def test_a_calibration_may_be_at_the_ends_of_its_range(changes: dict[str, float]) -> None:
    assert Classifier(with_calibration(**changes), "it").calibration.is_fitted
