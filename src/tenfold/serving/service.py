"""Reading images for concurrent requests, with limits.

Worker processes decode and read; one that exceeds its limits on time or memory is killed and
replaced. Small images have their own workers and are read in batches. Large images, and those whose
stages are requested, may take seconds and hundreds of megabytes, and are read one by one. The
number of waiting images and their waiting time are limited.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tenfold.reading.digit_classifier import BUNDLED_MODEL, Classifier
from tenfold.reading.line_reader import BUNDLED_LINES, LineReader
from tenfold.reading.model_file import read_model_bytes
from tenfold.reading.result import Status
from tenfold.serving.answering import (
    MAX_SMALL_BYTES,
    MAX_SMALL_PIXELS,
    MAX_TOGETHER,
    Answer,
    Question,
    Setup,
    answer_large,
    answer_small,
    prepare,
)
from tenfold.serving.metrics import Metrics
from tenfold.serving.problems import (
    BUSY,
    NOT_READY,
    STOPPING,
    TOO_COSTLY,
    UNREADABLE,
    WORKER_DIED,
    Problem,
)
from tenfold.serving.settings import ServingConfig
from tenfold.serving.sizes import find_size, is_heif
from tenfold.serving.workers import WorkerDiedError, WorkerPool, WorkerTimeoutError
from tenfold.system.machine import count_cores


@dataclass
class _Small:
    """A queued small image; retried alone if its batch failed."""

    question: Question
    future: "asyncio.Future[Answer | None]"
    is_alone: bool = False
    num_deaths: int = 0


@dataclass
class _Limit:
    """The deadline of an image, and the problem if it passes."""

    timeout: asyncio.Timeout
    problem: Problem


class ReadingService:
    """Reads images for a server; used between `start` and `stop`.

    Raises ModelError for a model that cannot be used.
    """

    def __init__(self, config: ServingConfig, metrics: Metrics) -> None:
        self.config, self.metrics = config, metrics
        # Read once: a worker that is started later has the networks that are described here,
        # whatever lies at their place by then.
        model, lines = config.model or BUNDLED_MODEL, config.lines or BUNDLED_LINES
        setup = Setup(read_model_bytes(model), read_model_bytes(lines), config.worker_mib)
        self.classifier = Classifier(setup.model, str(model))
        self.lines = LineReader(setup.lines, str(lines))
        self.is_stopping = self._is_abandoned = False
        self.num_reading = self.num_large = 0
        self._waiting: deque[_Small] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: dict[int, _Limit] = {}
        self._num_busy, num_cores = 0, count_cores()
        replaced = self.metrics.replaced.inc
        self._small = WorkerPool(num_cores, prepare, setup, replaced)
        self._large = WorkerPool(max(1, num_cores // 2), prepare, setup, replaced)

    def start(self) -> None:
        """Start the workers, which takes seconds. Raises ServingError if one cannot be started."""
        for pool in (self._small, self._large):
            pool.start()
        for pool in (self._small, self._large):
            pool.wait()

    def stop(self) -> None:
        """Stop the workers, after all images have been answered."""
        for pool in (self._small, self._large):
            pool.stop()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Between start and stop."""
        try:
            self.start()
            yield
        finally:
            self.stop()

    @property
    def is_ready(self) -> bool:
        """Whether there are workers for small and for large images."""
        return self._small.is_working and self._large.is_working

    def find_refusal(self, num_coming: int = 0) -> Problem | None:
        """Why no image is admitted now, or None; a refusal is counted.

        `num_coming` images are still being received, and have places.
        """
        if self.num_reading + num_coming < self.config.queue:
            return None
        return self.refuse(f"{self.config.queue} images are waiting")

    @contextmanager
    def taking_place(self) -> Iterator[None]:
        """Hold a place in the queue for an image. Raises Problem if the queue is full."""
        problem = self.find_refusal()
        if problem is not None:
            raise problem
        self.num_reading += 1
        self.metrics.waiting.set(self.num_reading)
        try:
            yield
        finally:
            self.num_reading -= 1
            self.metrics.waiting.set(self.num_reading)

    async def read(self, data: bytes, *, single: bool, stages: bool) -> bytes:
        """The answer's JSON, for an admitted image. Raises Problem if it cannot be read."""
        if self._is_abandoned:
            raise _stopping()
        if self._small.is_failing or self._large.is_failing:
            raise Problem(NOT_READY, "the workers cannot be started; the server keeps trying")
        started = time.perf_counter()
        found, size = await self._read_in_time(Question(data, single, stages))
        self.metrics.seconds.labels(size).observe(time.perf_counter() - started)
        self.metrics.readings.labels(found["status"]).inc()
        if found["status"] == Status.ERROR:
            raise Problem(UNREADABLE, found["message"], members={"reading": found})
        return json.dumps(found).encode()

    def abandon(self) -> None:
        """Answer all unfinished images that the server shuts down."""
        self._is_abandoned = True
        for limit in self._in_flight.values():
            limit.problem = _stopping()
            limit.timeout.reschedule(asyncio.get_running_loop().time())

    def refuse(self, why: str) -> Problem:
        """Count a refusal, and return the problem to raise."""
        self.metrics.refused.inc()
        return Problem(BUSY, f"{why}; try again in a second")

    async def _read_in_time(self, question: Question) -> tuple[Answer, str]:
        """The answer, and whether the image was small or large."""
        seconds = self.config.waiting_seconds
        late = Problem(BUSY, f"no answer within {seconds:g} seconds")
        limit = _Limit(asyncio.timeout(seconds), late)
        try:
            async with limit.timeout:
                self._in_flight[id(limit)] = limit
                if _may_be_small(question):
                    found = await self._read_small(question)
                    if found is not None:
                        return found, "small"
                return await self._read_large(question), "large"
        except TimeoutError as error:
            raise limit.problem from error
        finally:
            self._in_flight.pop(id(limit), None)

    async def _read_small(self, question: Question) -> Answer | None:
        """The answer, or None for an image that is not small."""
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Small(question, future))
        self._hand_out()
        return await future

    def _hand_out(self) -> None:
        """Give waiting images to free workers, without waiting for larger batches."""
        while self._num_busy < self._small.num_workers and (batch := self._take_batch()):
            self._num_busy += 1
            self.metrics.batch_requests.observe(len(batch))
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take_batch(self) -> list[_Small]:
        """The next images for a worker, without those whose clients have left."""
        # As many as leave the other free workers something to do.
        num_free = self._small.num_workers - self._num_busy
        num = min(MAX_TOGETHER, -(-len(self._waiting) // num_free))
        batch: list[_Small] = []
        while self._waiting and len(batch) < num:
            if self._waiting[0].future.done():
                self._waiting.popleft()
            elif not self._waiting[0].is_alone:
                batch.append(self._waiting.popleft())
            elif batch:
                break
            else:
                return [self._waiting.popleft()]
        return batch

    async def _answer(self, batch: list[_Small]) -> None:
        questions = [one.question for one in batch]
        seconds = self.config.small_seconds
        found: list[Answer | Exception | None]
        try:
            found = await self._small.ask(answer_small, questions, seconds)
        except (WorkerTimeoutError, WorkerDiedError, MemoryError) as error:
            found = [self._blame(one, len(batch), error, seconds) for one in batch]
        except Exception as error:
            found = [_Again() if len(batch) > 1 else error for _ in batch]
        finally:
            self._num_busy -= 1
        again = []
        for one, outcome in zip(batch, found, strict=True):
            if one.future.done():
                continue
            if isinstance(outcome, _Again):
                one.is_alone = True
                again.append(one)
            elif isinstance(outcome, Exception):
                one.future.set_exception(outcome)
            else:
                one.future.set_result(outcome)
        self._waiting.extendleft(reversed(again))
        self._hand_out()

    def _blame(self, one: _Small, num: int, error: Exception, seconds: float) -> Exception:
        """The problem of an image whose batch failed, or that it must be read again."""
        is_death = isinstance(error, WorkerDiedError)
        one.num_deaths += is_death
        # One of several may be to blame for all, and a process may end of what is no image's fault.
        if num > 1 or (is_death and one.num_deaths < 2):
            return _Again()
        return self._explain(error, seconds)

    async def _read_large(self, question: Question) -> Answer:
        if self.num_large >= self.config.large_queue:
            raise self.refuse(f"{self.num_large} large images are waiting")
        self.num_large += 1
        seconds = self.config.worker_seconds
        try:
            try:
                return await self._ask_large(question, seconds)
            except WorkerDiedError:  # a process may end of what is no image's fault
                return await self._ask_large(question, seconds)
        except (WorkerTimeoutError, WorkerDiedError, MemoryError) as error:
            raise self._explain(error, seconds) from error
        finally:
            self.num_large -= 1

    async def _ask_large(self, question: Question, seconds: float) -> Answer:
        found: Answer = await self._large.ask(answer_large, question, seconds)
        return found

    def _explain(self, error: Exception, seconds: float) -> Problem:
        """The problem of an image whose worker failed."""
        if isinstance(error, WorkerTimeoutError):
            return Problem(TOO_COSTLY, f"reading took longer than {seconds:g} seconds")
        if isinstance(error, MemoryError):
            detail = f"reading took more than {self.config.worker_mib} MiB of memory"
            return Problem(TOO_COSTLY, detail)
        return Problem(WORKER_DIED, f"the worker died twice while reading the image, with {error}")


class _Again(Exception):  # noqa: N818 - no error: an outcome beside errors and answers
    """An image must be read again, alone."""


def _stopping() -> Problem:
    return Problem(STOPPING, "the server is shutting down")


def _may_be_small(question: Question) -> bool:
    """Whether an image is probably small; the worker decides."""
    if question.stages or len(question.data) > MAX_SMALL_BYTES or is_heif(question.data):
        return False
    size = find_size(question.data)
    return size is None or size[0] * size[1] <= MAX_SMALL_PIXELS
