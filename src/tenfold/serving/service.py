"""Bytes of images to answers, for many who ask at once, with limits.

Whatever is decoded and read, worker processes do, which are ended and replaced when they exceed
their limits on time and memory. Small images go to workers of their own, a few together when they
come together, whose digit images are classified together; large ones, which may take seconds and
hundreds of megabytes, one by one. How many images wait is bounded.
"""

import asyncio
import io
import json
import multiprocessing
import sys
import time
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool
from PIL import Image

from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.answers import Reading, Status
from tenfold.reading.bulk import count_cores
from tenfold.reading.classifier import BUNDLED_MODEL, load_classifier
from tenfold.reading.decoding import FORMATS, decode
from tenfold.reading.lines import load_lines
from tenfold.reading.model_file import load_model
from tenfold.reading.reader import Reader
from tenfold.serving.batching import BatchingClassifier
from tenfold.serving.explaining import explain
from tenfold.serving.metrics import Metrics
from tenfold.serving.problems import BUSY, STOPPING, TOO_COSTLY, UNREADABLE, Problem
from tenfold.serving.settings import MIB, ServingConfig

MAX_TOGETHER = 4  # images that a worker gets at once
# An image that may take more than some milliseconds is large.
MAX_SMALL_PIXELS, MAX_SMALL_BYTES = 320 * 320, 256 * 1024
# The interpreter's default of 5 ms, after which another thread has its turn, is longer than reading
# a small image takes.
SWITCH_SECONDS = 0.001
WORKER_SECONDS = 8.0
WORKER_MIB = 768  # of address space, beside what a worker has when it begins

Answer = dict[str, Any]

# A worker's own.
_reader: Reader | None = None
_threads: ThreadPoolExecutor | None = None


@dataclass(frozen=True)
class Question:
    """An image's bytes, and what is asked of them."""

    data: bytes
    single: bool
    stages: bool


class ReadingService:
    """Reads images for a server; `start` before, `stop` after."""

    def __init__(self, config: ServingConfig, metrics: Metrics) -> None:
        self.config, self.metrics = config, metrics
        # The workers load them too; here they are checked and described.
        self.classifier = load_classifier(config.model)
        self.lines = load_lines(config.lines)
        self.is_stopping = False
        self.num_reading = self.num_large = 0
        self._num_busy, self._num_workers = 0, count_cores()
        self._waiting: deque[tuple[Question, asyncio.Future[Answer | None]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._small: ProcessPool | None = None
        self._large: ProcessPool | None = None

    def start(self) -> None:
        """Start the workers."""
        self._small = self._build_pool(self._num_workers)
        self._large = self._build_pool(max(1, self._num_workers // 2))
        started = [pool.schedule(_warm_up, timeout=60) for pool in (self._small, self._large)]
        for future in started:
            future.result()

    def stop(self) -> None:
        """End the workers; whatever was being read is answered by now."""
        pools = [pool for pool in (self._small, self._large) if pool is not None]
        for pool in pools:
            pool.stop()  # type: ignore[no-untyped-call]
        for pool in pools:
            pool.join(timeout=2)

    def _build_pool(self, num_workers: int) -> ProcessPool:
        return ProcessPool(
            max_workers=num_workers,
            initializer=_start_worker,
            initargs=(self.config.model, self.config.lines),
            context=multiprocessing.get_context("spawn"),
        )

    async def read(self, data: bytes, *, single: bool, stages: bool) -> bytes:
        """The answer's JSON. Raises Problem where there is none."""
        if self.is_full:
            raise self.refuse_next()
        question = Question(data, single, stages)
        self.num_reading += 1
        self.metrics.waiting.set(self.num_reading)
        started = time.perf_counter()
        try:
            found, size = await self._read_small(question), "small"
            if found is None:
                found, size = await self._read_large(question), "large"
            self.metrics.seconds.labels(size).observe(time.perf_counter() - started)
        finally:
            self.num_reading -= 1
            self.metrics.waiting.set(self.num_reading)
        self.metrics.readings.labels(found["status"]).inc()
        if found["status"] == Status.ERROR:
            raise Problem(UNREADABLE, found["message"], members={"reading": found})
        return json.dumps(found).encode()

    @property
    def is_full(self) -> bool:
        """Whether as many images wait as may."""
        return self.num_reading >= self.config.queue

    def refuse_next(self) -> Problem:
        """What to raise where `is_full`."""
        return self.refuse(f"{self.num_reading} images are waiting")

    def refuse(self, why: str) -> Problem:
        """What to raise where there is too much to do; it is counted."""
        self.metrics.refused.inc()
        return Problem(BUSY, f"{why}; come back in a second")

    async def _read_small(self, question: Question) -> Answer | None:
        """The answer, or None for an image that is not small."""
        if len(question.data) > MAX_SMALL_BYTES:
            return None
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        self._hand_out()
        return await future

    def _hand_out(self) -> None:
        """Give what waits to workers that are free: nobody waits for others to come."""
        while self._waiting and self._num_busy < self._num_workers:
            # As many as leave the other free workers something to do.
            num_free = self._num_workers - self._num_busy
            num = min(MAX_TOGETHER, -(-len(self._waiting) // num_free))
            batch = [self._waiting.popleft() for _ in range(num)]
            self._num_busy += 1
            self.metrics.batch_requests.observe(num)
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, batch: list[tuple[Question, "asyncio.Future[Answer | None]"]]) -> None:
        questions = [question for question, _ in batch]
        found: list[Answer | Exception | None]
        try:
            try:
                found = list(await self._ask(self._small, _answer_small, questions))
            except Problem as problem:
                found = [problem]
                if len(batch) > 1:  # one of them may be to blame for all
                    found = [await self._ask_alone(question) for question in questions]
        except Exception as error:
            found = [error] * len(batch)
        finally:
            self._num_busy -= 1
        for (_, future), one in zip(batch, found, strict=True):
            if future.done():
                continue
            if isinstance(one, Exception):
                future.set_exception(one)
            else:
                future.set_result(one)
        self._hand_out()

    async def _ask_alone(self, question: Question) -> Answer | Exception | None:
        try:
            [found] = await self._ask(self._small, _answer_small, [question])
        except Problem as problem:
            return problem
        return found  # type: ignore[no-any-return]

    async def _read_large(self, question: Question) -> Answer:
        if self.num_large >= self.config.large_queue:
            raise self.refuse(f"{self.num_large} large images are waiting")
        self.num_large += 1
        try:
            found: Answer = await self._ask(self._large, _answer_large, question)
        finally:
            self.num_large -= 1
        return found

    async def _ask(self, pool: ProcessPool | None, function: Any, argument: Any) -> Any:  # noqa: ANN401 - what the function takes and gives
        """What a worker answers. Raises Problem where it exceeds its limits."""
        assert pool is not None
        try:
            return await asyncio.wrap_future(
                pool.schedule(function, (argument,), timeout=WORKER_SECONDS)
            )
        except TimeoutError as error:
            self.metrics.replaced.inc()
            detail = f"expected at most {WORKER_SECONDS:g} seconds of work, found more"
            raise Problem(TOO_COSTLY, detail) from error
        except (MemoryError, ProcessExpired) as error:
            if isinstance(error, ProcessExpired):
                self.metrics.replaced.inc()
            detail = f"expected at most {WORKER_MIB} MiB of memory, found more"
            raise Problem(TOO_COSTLY, detail) from error
        except (CancelledError, RuntimeError) as error:
            if not self.is_stopping:
                raise
            raise Problem(STOPPING, "the server is being stopped") from error


def answer(reader: Reader, question: Question) -> Answer:
    """A reading as JSON values, as `tenfold read --json` prints it but for the file's name."""
    try:
        decoded = decode(question.data)
    except (ImageError, MissingExtraError) as error:
        return Reading(Status.ERROR, message=str(error)).to_json()
    reading = reader.read_decoded(decoded, single=question.single)
    explained = explain(decoded, reading, reader) if question.stages else {}
    return reading.to_json() | explained


def _is_small(data: bytes) -> bool:
    """Whether an image is decoded and read in some milliseconds, by what its header says."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height <= MAX_SMALL_PIXELS
    except Image.DecompressionBombError:
        return False
    except Exception:  # it is no such image: to be found out costs nothing, HEIC goes to a worker
        return data[4:8] != b"ftyp"


def _start_worker(model: Path | None, lines: Path | None) -> None:
    """What a worker process does first: load the networks, then bound its memory."""
    import signal

    import cv2

    global _reader, _threads
    # Whoever stops the server, by Ctrl-C as well, stops its workers when they are done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    sys.setswitchinterval(SWITCH_SECONDS)
    classifier = load_model(BatchingClassifier, model or BUNDLED_MODEL, threads=1)
    _reader = Reader(classifier, lines=load_lines(lines))
    _threads = ThreadPoolExecutor(MAX_TOGETHER)
    _warm_up()
    _limit_memory()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; time and pixels are bounded there, too
        return
    pages = Path("/proc/self/statm")
    if not pages.exists():
        return
    used = int(pages.read_text().split()[0]) * resource.getpagesize()
    limit = used + WORKER_MIB * MIB
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _warm_up() -> None:
    """Use the networks once: they are slow at first."""
    import numpy as np

    assert _reader is not None
    page = np.full((40, 60), 255, np.uint8)
    page[10:30, 15:18] = page[10:30, 40:43] = 0
    _reader.read(page)
    _reader.read(page, single=True)


def _answer_small(questions: list[Question]) -> list[Answer | None]:
    """The answers, None for images that are not small."""
    assert _threads is not None
    if len(questions) == 1:
        return [_answer_if_small(questions[0])]
    return list(_threads.map(_answer_if_small, questions))


def _answer_if_small(question: Question) -> Answer | None:
    assert _reader is not None
    assert isinstance(_reader.classifier, BatchingClassifier)
    if not _is_small(question.data):
        return None
    with _reader.classifier.reading():
        return answer(_reader, question)


def _answer_large(question: Question) -> Answer:
    assert _reader is not None
    return answer(_reader, question)
