"""Worker processes that are replaced when they end, whatever they ended of.

A worker has a pipe of its own and does one thing at a time, so the death of one, idle or busy,
leaves nothing locked or half written that others use. A thread of the serving process keeps each
of them: starts it, gives it work, and starts another one when it is gone.
"""

import asyncio
import atexit
import multiprocessing
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tenfold.errors import ServingError

START_SECONDS = 120  # on a machine that does much else
IDLE_CHECK_SECONDS = 0.5  # how long it may stay unnoticed that an idle worker is gone
ENDING_SECONDS = 1.0  # for one that has closed its pipe
MAX_LOST = 5  # workers that were gone before they began, for one thing to do
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0  # before a start that failed is tried again


class WorkerTimeoutError(Exception):
    """A worker took longer than it may, and was ended."""


class WorkerDiedError(Exception):
    """A worker ended while it worked, by a signal or by itself."""


class WorkerFailedError(Exception):
    """What a worker did raised an error; the message is its traceback."""


@dataclass
class _Job:
    function: Callable[[Any], Any]
    argument: Any
    seconds: float
    future: "Future[Any]" = field(default_factory=Future)
    num_lost: int = 0


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection

    def receive(self, seconds: float) -> tuple[bool, Any]:
        """What it says. Raises TimeoutError if it says nothing, EOFError or OSError if it ended."""
        if not self.connection.poll(seconds):
            raise TimeoutError
        found: tuple[bool, Any] = self.connection.recv()
        return found

    def end(self, wait_seconds: float = 0) -> int | None:
        """End it, whatever it does; its exit code, if it is known.

        One that is ending by itself has so many seconds to do so, or its exit code would be lost.
        """
        self.process.join(wait_seconds)
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


class WorkerPool:
    """So many worker processes; `start` before, `stop` after.

    `prepare` is what each does first, with `setup`; both must be picklable. `on_replaced` is called
    from another thread for each worker that ended.
    """

    def __init__(
        self,
        num_workers: int,
        prepare: Callable[[Any], None],
        setup: Any,  # noqa: ANN401 - what `prepare` takes
        on_replaced: Callable[[], None],
    ) -> None:
        self.num_workers, self._prepare, self._setup = num_workers, prepare, setup
        self._on_replaced = on_replaced
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of the next three
        self._workers: set[_Worker] = set()
        self._num_ready = 0
        self._failure: str | None = None
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_one, name=f"worker-{number}", daemon=True)
            for number in range(num_workers)
        ]

    @property
    def is_working(self) -> bool:
        """Whether there is a worker that is ready or at work."""
        return self._num_ready > 0

    @property
    def is_failing(self) -> bool:
        """Whether there is no worker, and the last start of one failed."""
        return self._num_ready == 0 and self._failure is not None

    def start(self) -> None:
        """Begin to start the workers."""
        # Whatever ends this process in order ends them; they do not listen to signals.
        atexit.register(self.stop)
        if hasattr(signal, "pthread_sigmask"):
            # Or the first worker's thread would start it, which undoes what it does with signals.
            resource_tracker.ensure_running()
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Wait until all workers are ready. Raises ServingError if one cannot be started."""
        while self._num_ready < self.num_workers:
            if self._failure is not None:
                raise ServingError(
                    f"expected {self.num_workers} worker processes, found that one cannot be "
                    f"started: {self._failure}"
                )
            self._stopped.wait(0.02)

    def stop(self) -> None:
        """End the workers, whatever they do."""
        atexit.unregister(self.stop)
        self._stopped.set()
        with self._lock:
            for worker in self._workers:
                worker.process.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=5)

    async def ask(self, function: Callable[[Any], Any], argument: Any, seconds: float) -> Any:  # noqa: ANN401
        """What a worker answers, which has so many seconds once it begins.

        Raises WorkerTimeoutError if it takes longer, WorkerDiedError if the process ended,
        MemoryError, and WorkerFailedError for any other error. Who is cancelled before a worker
        began is forgotten.
        """
        job = _Job(function, argument, seconds)
        self._jobs.put(job)
        return await asyncio.wrap_future(job.future)

    def _keep_one(self) -> None:
        """One worker after another, each for as long as it lives."""
        # Whoever stops the server stops its workers when they are done; Ctrl-C, and what ends a
        # service, reach all its processes. A process is started with its thread's mask.
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        pause = FIRST_PAUSE_SECONDS
        while not self._stopped.is_set():
            worker = self._start_one()
            if worker is None:
                self._stopped.wait(pause)
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
                continue
            pause = FIRST_PAUSE_SECONDS
            with self._lock:
                self._num_ready += 1
                self._failure = None
            self._feed(worker)
            with self._lock:
                self._num_ready -= 1
            self._end(worker)
            if not self._stopped.is_set():
                self._on_replaced()

    def _start_one(self) -> _Worker | None:
        """A worker that is ready, None if it could not be started."""
        context = multiprocessing.get_context("spawn")
        worker = None
        try:
            connection, others = context.Pipe()
            with others:
                process = context.Process(target=_work, args=(others,), daemon=True)
                worker = _Worker(process, connection)
                process.start()
            with self._lock:
                self._workers.add(worker)
            connection.send((self._prepare, self._setup))
            end = time.monotonic() + START_SECONDS
            while not connection.poll(IDLE_CHECK_SECONDS):
                if self._stopped.is_set() or time.monotonic() > end:
                    process.kill()
            connection.recv()
        except Exception as error:  # whatever it is, a thread that ends of it would keep nobody
            reason = str(error) or type(error).__name__
            if worker is not None and worker.process.pid is not None:
                reason = f"it ended with {_say_exit(self._end(worker, ENDING_SECONDS))}"
            with self._lock:
                self._failure = reason
            return None
        return worker

    def _end(self, worker: _Worker, wait_seconds: float = 0) -> int | None:
        with self._lock:
            self._workers.discard(worker)
        return worker.end(wait_seconds)

    def _feed(self, worker: _Worker) -> None:
        """Give a worker what there is to do, until it ends or everything does."""
        while not self._stopped.is_set():
            try:
                job = self._jobs.get(timeout=IDLE_CHECK_SECONDS)
            except queue.Empty:
                if not worker.process.is_alive():
                    return
                continue
            if job is None:
                return
            # Who is cancelled is not asked any more.
            is_wanted = job.future.running() or job.future.set_running_or_notify_cancel()
            if is_wanted and not self._do(worker, job):
                return

    def _do(self, worker: _Worker, job: _Job) -> bool:
        """Have a worker do something; whether it goes on after it."""
        has_begun = False
        try:
            worker.connection.send((job.function, job.argument))
            worker.receive(job.seconds)
            has_begun = True
            is_done, found = worker.receive(job.seconds)
        except TimeoutError:
            worker.process.kill()
            job.future.set_exception(WorkerTimeoutError())
            return False
        except (OSError, EOFError):
            code = worker.end(ENDING_SECONDS)
            job.num_lost += not has_begun
            if not has_begun and job.num_lost < MAX_LOST:
                self._jobs.put(job)  # it was gone already, which is not the job's fault
                return False
            job.future.set_exception(WorkerDiedError(_say_exit(code)))
            return False
        except BaseException as error:
            job.future.set_exception(error)
            return False
        if is_done:
            job.future.set_result(found)
        else:
            job.future.set_exception(found)
        return True


def _say_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit code {'unknown' if code is None else code}"


def _work(connection: Connection) -> None:
    """What a worker process does: prepare, say so, then what it is told, as long as it is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The serving process is gone, in whatever way: then so is this one.
    with suppress(OSError, EOFError):
        prepare, setup = connection.recv()
        prepare(setup)
        connection.send(None)
        while True:
            function, argument = connection.recv()
            connection.send((True, None))  # that it has begun
            connection.send(_try(function, argument))


def _try(function: Callable[[Any], Any], argument: Any) -> tuple[bool, Any]:  # noqa: ANN401
    try:
        return True, function(argument)
    except MemoryError:
        return False, MemoryError()
    except Exception:
        return False, WorkerFailedError(traceback.format_exc())
