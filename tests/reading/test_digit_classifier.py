"""Digit images are classified with temperature scaling, in batches of any size."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")

import onnxruntime
from onnx import helper

from reading.models import FLOAT, METADATA, WEIGHTS_PK, build_model, value, with_calibration
from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_classifier import BATCH_SIZE, Classifier, load_classifier
from tenfold.reading.model_file import Calibration, Thresholds
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status


def scale(logits_NK: npt.NDArray[Any], temperature: float) -> npt.NDArray[np.float64]:
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
    probabilities_NK = classifier.classify(test_images.images_NHW[:500])
    assert classifier.num_answers == 11
    assert probabilities_NK.shape == (500, 11)
    np.testing.assert_allclose(probabilities_NK.sum(axis=1), 1, atol=1e-5)
    assert (probabilities_NK.argmax(axis=1) == test_images.labels_N[:500]).mean() > 0.95


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_logits_of_the_graph_are_divided_by_the_temperature(
    temperature: float, digits: npt.NDArray[np.uint8]
) -> None:
    data = with_calibration(temperature=temperature)
    classifier = Classifier(data, "it")
    [logits_NK] = onnxruntime.InferenceSession(data).run(None, {"images": digits})
    np.testing.assert_allclose(
        logits_NK, (digits.reshape(-1, 784) / 255) @ WEIGHTS_PK[:, :10], atol=1e-4
    )
    expected_NK = scale(logits_NK, temperature)
    np.testing.assert_allclose(classifier.classify(digits), expected_NK, atol=1e-5)
    assert classifier.calibration == Calibration(temperature, Thresholds(0.7, 0.8), True)


def test_large_logits_do_not_overflow() -> None:
    scaling = helper.make_node("Mul", ["answers", "factor"], ["logits"])
    data = build_model(scaling, constants={"factor": np.array(1e6, np.float32)})
    probabilities_NK = Classifier(data, "it").classify(np.full((3, 28, 28), 255, np.uint8))
    np.testing.assert_allclose(probabilities_NK.max(axis=1), 1)
    np.testing.assert_allclose(probabilities_NK.sum(axis=1), 1)


@pytest.mark.parametrize("model", ["bundled", "linear"])
def test_the_batch_size_does_not_change_probabilities(
    model: str, digits: npt.NDArray[np.uint8]
) -> None:
    classifier = load_classifier() if model == "bundled" else Classifier(build_model(), "it")
    single_NK = np.concatenate([classifier.classify(one[None]) for one in digits])
    for count in (0, 1, 2, 63, 64, 65, 128, 150):
        probabilities_NK = classifier.classify(digits[:count])
        assert probabilities_NK.shape == (count, classifier.num_answers)
        assert probabilities_NK.dtype == np.float32
        np.testing.assert_allclose(probabilities_NK, single_NK[:count], atol=1e-5)


def test_images_need_not_be_contiguous(digits: npt.NDArray[np.uint8]) -> None:
    classifier = Classifier(build_model(), "it")
    turned_NHW = digits.transpose(0, 2, 1)
    assert not turned_NHW.flags.c_contiguous
    np.testing.assert_array_equal(
        classifier.classify(turned_NHW), classifier.classify(np.ascontiguousarray(turned_NHW))
    )


def test_threads_do_not_change_probabilities(digits: npt.NDArray[np.uint8]) -> None:
    two = load_classifier(None, 2).classify(digits)
    np.testing.assert_allclose(two, load_classifier(None, 1).classify(digits), atol=1e-5)


def test_a_model_may_have_an_eleventh_class() -> None:
    data = build_model(
        constants={"weights": WEIGHTS_PK},
        outputs=(value("logits", FLOAT, ("N", 11)),),
        metadata={**METADATA, "labels": [*"0123456789", "none"]},
    )
    classifier = Classifier(data, "it")
    assert classifier.num_answers == 11
    assert classifier.classify(np.zeros((2, 28, 28), np.uint8)).shape == (2, 11)


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
