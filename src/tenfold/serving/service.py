"""Bytes of images to answers, for many who ask at once, with limits.

Small images are read by threads of this process, whose digit images are classified together; large
ones, which may take seconds and hundreds of megabytes, by worker processes that are ended and
replaced when they exceed their limits. How many images wait is bounded.
"""

import asyncio
import io
import json
import multiprocessing
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor, TimeoutError
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool
from PIL import Image

from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.answers import Reading, Status
from tenfold.reading.bulk import count_cores
from tenfold.reading.classifier import load_classifier
from tenfold.reading.decoding import FORMATS, decode
from tenfold.reading.lines import load_lines
from tenfold.reading.reader import Reader
from tenfold.serving.batching import load_batching_classifier
from tenfold.serving.explaining import explain
from tenfold.serving.metrics import Metrics
from tenfold.serving.problems import BUSY, STOPPING, TOO_COSTLY, UNREADABLE, Problem
from tenfold.serving.settings import MIB, ServingConfig

NUM_THREADS = 4  # they wait for one another's networks; more would wait for Python
# An image that may take more than some milliseconds goes to a worker.
MAX_SMALL_PIXELS, MAX_SMALL_BYTES = 320 * 320, 256 * 1024
WORKER_SECONDS = 8.0
WORKER_MIB = 768  # of address space, beside what a worker has when it begins

_reader: Reader | None = None  # a worker's own


class ReadingService:
    """Reads images for a server; `start` before, `stop` after."""

    def __init__(self, config: ServingConfig, metrics: Metrics) -> None:
        self.config, self.metrics = config, metrics
        self.classifier = load_batching_classifier(config.model)
        self.classifier.on_batch = metrics.batch_requests.observe
        self.lines = load_lines(config.lines, threads=1)
        self.reader = Reader(self.classifier, lines=self.lines)
        self.is_stopping = False
        self.num_reading = self.num_large = 0
        self._threads: ThreadPoolExecutor | None = None
        self._workers: ProcessPool | None = None

    def start(self) -> None:
        """Start threads and the first worker, and use the networks once: they are slow at first."""
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="reading")
        self._workers = ProcessPool(
            max_workers=count_cores(),
            initializer=_start_worker,
            initargs=(self.config.model, self.config.lines),
            context=multiprocessing.get_context("spawn"),
        )
        self._workers.schedule(_warm_up, timeout=60)
        _warm_up(self.reader)

    def stop(self) -> None:
        """End threads and workers; whatever was being read is answered by now."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._workers is not None:
            self._workers.stop()  # type: ignore[no-untyped-call]
            self._workers.join(timeout=2)

    async def read(self, data: bytes, *, single: bool, stages: bool) -> bytes:
        """The answer's JSON. Raises Problem where there is none."""
        if self.num_reading >= self.config.queue:
            raise self.refuse(f"{self.num_reading} images are waiting")
        self.num_reading += 1
        self.metrics.waiting.set(self.num_reading)
        started = time.perf_counter()
        try:
            answer = await self._read_small(data, single, stages)
            size = "small"
            if answer is None:
                answer, size = await self._read_large(data, single, stages), "large"
            self.metrics.seconds.labels(size).observe(time.perf_counter() - started)
        finally:
            self.num_reading -= 1
            self.metrics.waiting.set(self.num_reading)
        self.metrics.readings.labels(answer["status"]).inc()
        if answer["status"] == Status.ERROR:
            raise Problem(UNREADABLE, answer["message"], members={"reading": answer})
        return json.dumps(answer).encode()

    def refuse(self, why: str) -> Problem:
        """What to raise where there is too much to do; it is counted."""
        self.metrics.refused.inc()
        return Problem(BUSY, f"{why}; come back in a second")

    async def _read_small(self, data: bytes, single: bool, stages: bool) -> dict[str, Any] | None:
        """The answer, or None for an image that is not small."""
        if len(data) > MAX_SMALL_BYTES:
            return None
        assert self._threads is not None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read_here, data, single, stages)

    def _read_here(self, data: bytes, single: bool, stages: bool) -> dict[str, Any] | None:
        if not _is_small(data):
            return None
        with self.classifier.reading():
            return answer(self.reader, data, single=single, stages=stages)

    async def _read_large(self, data: bytes, single: bool, stages: bool) -> dict[str, Any]:
        if self.num_large >= self.config.large_queue:
            raise self.refuse(f"{self.num_large} large images are waiting")
        assert self._workers is not None
        self.num_large += 1
        try:
            future = self._workers.schedule(
                _answer_in_worker, (data, single, stages), timeout=WORKER_SECONDS
            )
            return await asyncio.wrap_future(future)
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
        finally:
            self.num_large -= 1


def answer(reader: Reader, data: bytes, *, single: bool, stages: bool) -> dict[str, Any]:
    """A reading as JSON values, as `tenfold read --json` prints it but for the file's name."""
    try:
        decoded = decode(data)
    except (ImageError, MissingExtraError) as error:
        return Reading(Status.ERROR, message=str(error)).to_json()
    reading = reader.read_decoded(decoded, single=single)
    explained = explain(decoded, reading, reader) if stages else {}
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

    global _reader
    # Whoever stops the server, by Ctrl-C as well, stops its workers when they are done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    _reader = Reader(load_classifier(model), lines=load_lines(lines))
    _warm_up(_reader)
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


def _warm_up(reader: Reader | None = None) -> None:
    import numpy as np

    one = reader or _reader
    assert one is not None
    page = np.full((40, 60), 255, np.uint8)
    page[10:30, 15:18] = page[10:30, 40:43] = 0
    one.read(page)
    one.read(page, single=True)


def _answer_in_worker(data: bytes, single: bool, stages: bool) -> dict[str, Any]:
    assert _reader is not None
    return answer(_reader, data, single=single, stages=stages)
