"""Limits on time and memory: a worker that exceeds them is replaced while the server lives."""

import asyncio
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import psutil
import pytest

from servers import draw_dense_page, to_png
from tenfold.data.mnist import LabelledImages
from tenfold.reading.classifier import BUNDLED_MODEL
from tenfold.reading.model_file import load_model
from tenfold.reading.reader import Reader
from tenfold.serving.answering import Setup, prepare
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


def ask(service: ReadingService, data: bytes, *, stages: bool = False) -> dict[str, object]:
    answer: dict[str, object] = json.loads(
        asyncio.run(service.read(data, single=False, stages=stages))
    )
    return answer


def test_a_worker_that_takes_too_long_is_replaced(test_images: LabelledImages) -> None:
    data = to_png(cv2.resize(255 - test_images.images_NHW[0], (2000, 2000)))
    one = ReadingService(ServingConfig(worker_seconds=0.001), Metrics())
    with one.running():
        with pytest.raises(Problem, match=r"expected at most 0\.001 seconds of work, found more"):
            ask(one, data)
        assert ask(one, to_png(test_images.images_NHW[0]))["text"] == "7"
        wait_for(lambda: b"tenfold_replaced_workers_total 1.0" in one.metrics.dump())
        wait_for(lambda: one.is_ready)


def test_a_worker_that_takes_too_much_memory_says_so(test_images: LabelledImages) -> None:
    one = ReadingService(ServingConfig(worker_mib=16), Metrics())
    with one.running():
        data = to_png(cv2.resize(255 - test_images.images_NHW[0], (4000, 4000)))
        with pytest.raises(Problem, match="memory") as caught:
            ask(one, data)
        assert caught.value.kind.status == 422
        assert ask(one, to_png(test_images.images_NHW[0]))["text"] == "7"


def wait_for(is_so: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def list_workers() -> list[int]:
    """The processes of this one's services."""
    children = psutil.Process().children()
    return [child.pid for child in children if "spawn_main" in str(child.cmdline())]


def test_workers_that_are_killed_while_idle_are_replaced(
    service: ReadingService, test_images: LabelledImages
) -> None:
    data = to_png(test_images.images_NHW[0])
    large = to_png(cv2.resize(255 - test_images.images_NHW[0], (600, 600)))
    for _ in range(2):
        for pid in list_workers():
            os.kill(pid, signal.SIGKILL)
        assert ask(service, data)["text"] == "7"  # at once: by whoever takes their place
        assert ask(service, large)["text"] == "7"
        wait_for(lambda: service.is_ready)


def test_without_workers_a_service_is_not_ready(service: ReadingService) -> None:
    for pid in list_workers():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not service.is_ready)
    wait_for(lambda: service.is_ready)


def test_an_image_waits_for_so_long_in_all(test_images: LabelledImages) -> None:
    one = ReadingService(ServingConfig(waiting_seconds=0.5, small_seconds=0.4), Metrics())
    with one.running():
        for pid in list_workers():
            psutil.Process(pid).suspend()
        started = time.monotonic()
        for stages in (False, True):
            with pytest.raises(Problem, match="expected") as caught:
                ask(one, to_png(test_images.images_NHW[0]), stages=stages)
            assert caught.value.kind.code in ("busy", "too-costly")
        assert caught.value.kind.code == "busy"
        assert time.monotonic() - started < 5


def prepare_to_end_soon(setup: Setup) -> None:
    """With at most a second of processor time, after which the system ends the worker."""
    import resource

    prepare(setup)
    used = math.ceil(time.process_time() + 0.1)
    resource.setrlimit(resource.RLIMIT_CPU, (used, used))


def test_an_image_that_ends_its_worker_is_tried_again_and_told(
    test_images: LabelledImages,
) -> None:
    one = ReadingService(ServingConfig(worker_seconds=60), Metrics())
    one._large._prepare = prepare_to_end_soon
    with one.running():
        with pytest.raises(Problem, match="ended twice while it read the image, with") as caught:
            ask(one, to_png(draw_dense_page()), stages=True)
        assert (caught.value.kind.status, caught.value.kind.code) == (500, "worker-died")
        assert ask(one, to_png(test_images.images_NHW[0]))["text"] == "7"
        wait_for(lambda: b"tenfold_replaced_workers_total 2.0" in one.metrics.dump())


def test_a_worker_that_is_replaced_has_the_network_that_the_server_describes(
    tmp_path: Path, test_images: LabelledImages
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(BUNDLED_MODEL.read_bytes())
    one = ReadingService(ServingConfig(model=model), Metrics())
    with one.running():
        model.write_bytes(b"another")
        for pid in list_workers():
            os.kill(pid, signal.SIGKILL)
        assert ask(one, to_png(test_images.images_NHW[0]))["text"] == "7"


def test_a_small_image_does_not_wait_for_the_stages_of_others(
    service: ReadingService, test_images: LabelledImages
) -> None:
    dense = to_png(draw_dense_page())
    plain = to_png(test_images.images_NHW[0])

    async def ask_all() -> tuple[float, bytes]:
        asking = [
            asyncio.ensure_future(service.read(dense, single=False, stages=True)) for _ in range(4)
        ]
        await asyncio.sleep(0.2)
        started = time.perf_counter()
        answer = await service.read(plain, single=False, stages=False)
        seconds = time.perf_counter() - started
        assert not any(one.done() for one in asking[1:])
        for one in asking:
            one.cancel()
        return seconds, answer

    seconds, answer = asyncio.run(ask_all())
    assert json.loads(answer)["text"] == "7"
    assert seconds < 1


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
