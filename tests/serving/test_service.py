"""Limits on time and memory: a worker that exceeds them is replaced while the server lives."""

import asyncio
import json
import threading
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from servers import to_png
from tenfold.data.mnist import LabelledImages
from tenfold.reading.classifier import BUNDLED_MODEL
from tenfold.reading.model_file import load_model
from tenfold.reading.reader import Reader
from tenfold.serving import service as service_module
from tenfold.serving.batching import BatchingClassifier
from tenfold.serving.metrics import Metrics
from tenfold.serving.problems import Problem
from tenfold.serving.service import ReadingService
from tenfold.serving.settings import ServingConfig


@pytest.fixture
def service() -> Iterator[ReadingService]:
    one = ReadingService(ServingConfig(), Metrics())
    one.start()
    yield one
    one.stop()


def ask(service: ReadingService, data: bytes) -> dict[str, object]:
    answer: dict[str, object] = json.loads(
        asyncio.run(service.read(data, single=False, stages=False))
    )
    return answer


def test_a_worker_that_takes_too_long_is_replaced(
    service: ReadingService, test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = to_png(cv2.resize(255 - test_images.images_NHW[0], (2000, 2000)))
    assert ask(service, data)["text"] == "7"
    monkeypatch.setattr(service_module, "WORKER_SECONDS", 0.001)
    with pytest.raises(Problem, match=r"expected at most 0\.001 seconds of work, found more"):
        ask(service, data)
    monkeypatch.undo()
    assert ask(service, data)["text"] == "7"
    assert b"tenfold_replaced_workers_total 1.0" in service.metrics.dump()


def test_a_worker_that_takes_too_much_memory_says_so(
    test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "_start_worker", start_worker_with_little_memory)
    one = ReadingService(ServingConfig(), Metrics())
    one.start()
    try:
        data = to_png(cv2.resize(255 - test_images.images_NHW[0], (4000, 4000)))
        with pytest.raises(Problem, match="memory") as caught:
            ask(one, data)
        assert caught.value.kind.status == 422
        assert ask(one, to_png(test_images.images_NHW[0]))["text"] == "7"
    finally:
        one.stop()


def start_worker_with_little_memory(model: None, lines: None) -> None:
    service_module.WORKER_MIB = 16
    service_module._start_worker(model, lines)


def test_together_digit_images_get_the_answers_that_they_get_alone(
    test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = load_model(BatchingClassifier, BUNDLED_MODEL, threads=1)
    sizes: list[int] = []
    run = classifier.run

    def run_counted(batch_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        sizes.append(len(batch_NHW))
        return run(batch_NHW)

    monkeypatch.setattr(classifier, "run", run_counted)
    images = test_images.images_NHW[:64]
    alone = [Reader().classifier.classify(image[None]) for image in images]
    found: list[object] = [None] * len(images)

    def ask_for(first: int) -> None:
        with classifier.reading():
            for number in range(first, len(images), 4):
                found[number] = classifier.classify(images[number][None])

    threads = [threading.Thread(target=ask_for, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(sizes) > 1
    assert sum(sizes) == len(images)
    np.testing.assert_allclose(np.array(found), np.array(alone), atol=1e-5)


def test_an_error_reaches_everybody_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load_model(BatchingClassifier, BUNDLED_MODEL, threads=1)

    def fail(_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(classifier, "run", fail)
    with classifier.reading(), pytest.raises(ValueError, match="broken"):
        classifier.classify(np.zeros((1, 28, 28), np.uint8))
