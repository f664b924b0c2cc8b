"""Limits on time and memory: a worker that exceeds them is replaced, and the server goes on."""

import asyncio
import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

import tenfold.serving.answering
import tenfold.serving.service
from images import to_png
from servers import draw_dense_page
from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_classifier import BUNDLED_MODEL
from tenfold.reading.reader import Reader
from tenfold.serving.answering import NICENESS, Setup, prepare
from tenfold.serving.metrics import Metrics
from tenfold.serving.problems import Problem
from tenfold.serving.service import ReadingService
from tenfold.serving.settings import ServingConfig
from tenfold.serving.workers import WorkerFailedError


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


def test_a_worker_over_its_time_limit_is_replaced(test_images: LabelledImages) -> None:
    data = to_png(cv2.resize(255 - test_images.images_NHW[0], (2000, 2000)))
    one = ReadingService(ServingConfig(worker_seconds=0.001), Metrics())
    with one.running():
        with pytest.raises(Problem, match=r"longer than 0\.001 seconds"):
            ask(one, data)
        assert ask(one, to_png(test_images.images_NHW[0]))["text"] == "7"
        wait_for(lambda: b"tenfold_replaced_workers_total 1.0" in one.metrics.dump())
        wait_for(lambda: one.is_ready)


def test_an_image_over_the_memory_limit_is_refused(test_images: LabelledImages) -> None:
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
    """The process ids of the workers of this process."""
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
        assert ask(service, data)["text"] == "7"  # by their replacements
        assert ask(service, large)["text"] == "7"
        wait_for(lambda: service.is_ready)


def test_a_service_without_workers_is_not_ready(service: ReadingService) -> None:
    for pid in list_workers():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not service.is_ready)
    wait_for(lambda: service.is_ready)


def test_workers_have_a_lower_priority_than_the_server(service: ReadingService) -> None:
    expected = min(19, psutil.Process().nice() + NICENESS)
    assert [psutil.Process(pid).nice() for pid in list_workers()] == [expected] * len(
        list_workers()
    )


def test_the_time_that_an_image_waits_is_limited(test_images: LabelledImages) -> None:
    one = ReadingService(ServingConfig(waiting_seconds=0.5, small_seconds=0.4), Metrics())
    with one.running():
        for pid in list_workers():
            psutil.Process(pid).suspend()
        started = time.monotonic()
        for stages in (False, True):
            with pytest.raises(Problem, match=r"no answer within|took longer than") as caught:
                ask(one, to_png(test_images.images_NHW[0]), stages=stages)
            assert caught.value.kind.code in ("busy", "too-costly")
        assert caught.value.kind.code == "busy"
        assert time.monotonic() - started < 5


def prepare_to_end_soon(setup: Setup) -> None:
    """Prepare a worker that the system kills after a tenth to 1.1 seconds of processor time."""
    import resource

    prepare(setup)
    used = math.ceil(time.process_time() + 0.1)
    resource.setrlimit(resource.RLIMIT_CPU, (used, used))


def test_an_image_that_kills_its_worker_is_retried_once(
    test_images: LabelledImages,
) -> None:
    one = ReadingService(ServingConfig(worker_seconds=60), Metrics())
    one._large._prepare = prepare_to_end_soon
    with one.running():
        with pytest.raises(Problem, match="died twice while reading the image, with") as caught:
            ask(one, to_png(draw_dense_page()), stages=True)
        assert (caught.value.kind.status, caught.value.kind.code) == (500, "worker-died")
        assert ask(one, to_png(test_images.images_NHW[0]))["text"] == "7"
        wait_for(lambda: b"tenfold_replaced_workers_total 2.0" in one.metrics.dump())


def test_a_new_worker_has_the_model_that_was_loaded_at_startup(
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


def test_a_small_image_does_not_wait_for_slow_requests(
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


BROKEN = b"an image that the reader fails at"


def prepare_to_fail(setup: Setup) -> None:
    """Prepare a worker that fails at one image."""
    prepare(setup)
    is_small = tenfold.serving.answering._is_small

    def fail(data: bytes) -> bool:
        if data == BROKEN:
            raise ValueError("broken")
        return is_small(data)

    tenfold.serving.answering._is_small = fail


def test_a_failing_image_does_not_fail_the_others_in_its_batch(
    test_images: LabelledImages,
) -> None:
    one = ReadingService(ServingConfig(), Metrics())
    one._small._prepare = prepare_to_fail
    images = [to_png(image) for image in test_images.images_NHW[:6]]

    async def ask_all() -> list[object]:
        return await asyncio.gather(
            *(
                one.read(data, single=False, stages=False)
                for data in [*images[:3], BROKEN, *images[3:]]
            ),
            return_exceptions=True,
        )

    with one.running():
        found = asyncio.run(ask_all())
    fault = found.pop(3)
    assert isinstance(fault, WorkerFailedError)
    assert "ValueError: broken" in str(fault)
    texts = [json.loads(answer)["text"] for answer in found if isinstance(answer, bytes)]
    assert texts == list("721041")


def test_images_in_a_batch_get_the_same_readings_as_alone(
    service: ReadingService, test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [to_png(image) for image in test_images.images_NHW[:60]]
    images[7] = to_png(np.full((40, 40), 255, np.uint8))
    images[11] = b"no image"
    images[13] = to_png(np.hstack([test_images.images_NHW[number] for number in range(3)]))
    images[17] = to_png(cv2.resize(255 - test_images.images_NHW[0], (600, 600)))
    # As for a file whose size is not in its first bytes, so that the worker finds it.
    monkeypatch.setattr(tenfold.serving.service, "_may_be_small", lambda _: True)
    sizes: list[int] = []
    monkeypatch.setattr(service.metrics.batch_requests, "observe", sizes.append)
    reader = Reader()

    async def ask_some(numbers: list[int]) -> list[object]:
        return await asyncio.gather(
            *(
                service.read(images[number], single=number % 3 == 0, stages=False)
                for number in numbers
            ),
            return_exceptions=True,
        )

    for first in range(0, len(images), 6):
        numbers = list(range(first, first + 6))
        for number, found in zip(numbers, asyncio.run(ask_some(numbers)), strict=True):
            alone = reader.read(images[number], single=number % 3 == 0).to_json()
            if isinstance(found, Problem):
                assert found.members == {"reading": alone}
                continue
            assert isinstance(found, bytes)
            answer = json.loads(found)
            for mine, its in zip(answer["digits"], alone["digits"], strict=True):
                assert mine.pop("confidence") == pytest.approx(its.pop("confidence"), abs=1e-5)
            assert answer == alone
    assert max(sizes) > 1
