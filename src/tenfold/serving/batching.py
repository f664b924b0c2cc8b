"""One network for many threads: digit images that come together are classified together.

Array names carry their axes: N images, H rows, W columns, K answers.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tenfold.reading.classifier import Classifier

MAX_WAIT_SECONDS = 0.002  # for others who are on their way


@dataclass
class _Job:
    """What one thread wants to know; `answers_NK` or `error` is there when `is_done`."""

    images_NHW: npt.NDArray[np.uint8]
    is_taken: bool = False
    is_done: threading.Event = field(default_factory=threading.Event)
    answers_NK: npt.NDArray[np.float32] | None = None
    error: BaseException | None = None


class BatchingClassifier(Classifier):
    """A classifier whose `classify` waits shortly for other threads that read, and joins them.

    A thread says with `reading()` that it reads. Who comes last, or has waited long enough, runs
    the network for all.
    """

    def __init__(self, data: bytes, name: str, threads: int = 1) -> None:
        super().__init__(data, name, threads)
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._num_reading = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """For as long as a thread reads an image."""
        with self._changed:
            self._num_reading += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_reading -= 1
                self._changed.notify_all()

    def classify(self, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """As Classifier's, together with what other threads ask for at the same time."""
        job = _Job(images_NHW)
        with self._changed:
            self._waiting.append(job)
            if not self._is_everybody_here():
                # Whoever makes the batch complete wakes the first who waits.
                self._changed.wait_for(
                    lambda: job.is_taken or self._is_everybody_here(), MAX_WAIT_SECONDS
                )
            batch = [] if job.is_taken else self._waiting
            if batch:
                self._waiting = []
                for one in batch:
                    one.is_taken = True
                self._changed.notify_all()
        if batch:
            self._run(batch)
        job.is_done.wait()
        if job.error is not None:
            raise job.error
        assert job.answers_NK is not None
        return job.answers_NK

    def _is_everybody_here(self) -> bool:
        return len(self._waiting) >= self._num_reading

    def _run(self, batch: list[_Job]) -> None:
        try:
            answers_NK = super().classify(np.concatenate([one.images_NHW for one in batch]))
            ends = np.cumsum([len(one.images_NHW) for one in batch])[:-1]
            for one, its_NK in zip(batch, np.split(answers_NK, ends), strict=True):
                one.answers_NK = its_NK
        except BaseException as error:
            for one in batch:
                one.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            for one in batch:
                one.is_done.set()
