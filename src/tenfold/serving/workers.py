"""Worker processes that are replaced when they end, whatever they ended of.

A worker has a connection of its own and does one thing at a time, so the death of one, idle or
busy, leaves nothing locked or half written that others use. The event loop sends it what there is
to do and takes what it says; threads that did so took half of the loop's time from it. A thread of
the serving process keeps each worker: starts it, and starts another one when it is gone.
"""

import asyncio
import atexit
import ctypes
import multiprocessing
import pickle
import signal
import socket
import struct
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any, BinaryIO

from tenfold.errors import ServingError

START_SECONDS = 120  # on a machine that does much else
START_CHECK_SECONDS = 0.5  # how long it may stay unnoticed that a start takes too long
ENDING_SECONDS = 1.0  # for one that has closed its connection
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0  # before a start that failed is tried again
LENGTH = struct.Struct("!Q")  # of a message, before it
RECEIVED_BYTES = 64 * 1024  # at once, at most
MAX_LOST = 5  # workers that were gone before they began, for one thing to do


class WorkerTimeoutError(Exception):
    """A worker took longer than it may, and was ended."""


class WorkerDiedError(Exception):
    """A worker ended while it worked, by a signal or by itself."""


class _WorkerLostError(WorkerDiedError):
    """A worker had ended before it began."""


class WorkerFailedError(Exception):
    """What a worker did raised an error; the message is its traceback."""


@dataclass(eq=False)
class _Worker:
    """A process and the serving process' end of its connection."""

    process: BaseProcess
    socket: socket.socket
    taken: ctypes.c_uint64  # how many messages it has taken, in memory that it shares
    num_sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


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
        self._lock = threading.Lock()  # of the next three
        self._workers: set[_Worker] = set()
        self._num_ready = 0
        self._failure: str | None = None
        self._idle: deque[_Worker] = deque()  # some may be gone
        self._loop: asyncio.AbstractEventLoop | None = None  # which asked last
        self._waiting: deque[asyncio.Future[None]] = deque()  # for a worker, in that loop
        self._exchanges: set[asyncio.Task[Any]] = set()
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
                    f"cannot start {self.num_workers} worker processes: {self._failure}"
                )
            self._stopped.wait(0.02)

    def stop(self) -> None:
        """End the workers, whatever they do."""
        atexit.unregister(self.stop)
        self._stopped.set()
        with self._lock:
            for worker in self._workers:
                worker.process.kill()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=5)
        for worker in self._idle:
            worker.socket.close()

    async def ask(self, function: Callable[[Any], Any], argument: Any, seconds: float) -> Any:  # noqa: ANN401
        """What a worker answers, which has so many seconds once it is free.

        Raises WorkerTimeoutError if it takes longer, WorkerDiedError if the process ended,
        MemoryError, and WorkerFailedError for any other error. Who is cancelled before a worker
        was free is forgotten; what a worker has begun, it ends.
        """
        self._loop = asyncio.get_running_loop()
        for _ in range(MAX_LOST - 1):
            with suppress(_WorkerLostError):  # which is not the fault of what it was to do
                return await self._ask_next((function, argument), seconds)
        return await self._ask_next((function, argument), seconds)

    async def _ask_next(self, message: object, seconds: float) -> Any:  # noqa: ANN401
        """What the next worker answers that is free."""
        worker = await self._take_idle()
        exchange = asyncio.get_running_loop().create_task(self._exchange(worker, message, seconds))
        self._exchanges.add(exchange)
        exchange.add_done_callback(partial(self._forget, worker))
        return await asyncio.shield(exchange)

    def _forget(self, worker: _Worker, exchange: "asyncio.Task[Any]") -> None:
        self._exchanges.discard(exchange)
        if exchange.cancelled():  # the loop ends: nobody knows what the worker says next
            worker.process.kill()
            worker.socket.close()
        else:
            exchange.exception()  # or asyncio complains of one that nobody waits for any more

    async def _take_idle(self) -> _Worker:
        wait = self._waiting.append
        while True:
            while self._idle:
                worker = self._idle.popleft()
                if not worker.ended.is_set():
                    return worker
                worker.socket.close()
            free = asyncio.get_running_loop().create_future()
            wait(free)
            wait = self._waiting.appendleft  # if somebody else was faster
            try:
                await free
            except asyncio.CancelledError:
                if free.done() and not free.cancelled():
                    self._call_next()
                raise

    def _put_idle(self, worker: _Worker) -> None:
        """Let a worker be taken; called by whatever thread."""
        self._idle.append(worker)
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._call_next)

    def _call_next(self) -> None:
        while self._waiting:
            free = self._waiting.popleft()
            if not free.done():
                free.set_result(None)
                return

    async def _exchange(self, worker: _Worker, message: object, seconds: float) -> Any:  # noqa: ANN401
        """Send a worker what it is to do, and receive what it says."""
        loop = asyncio.get_running_loop()
        try:
            worker.num_sent += 1
            async with asyncio.timeout(seconds):
                await loop.sock_sendall(worker.socket, _pack(message))
                is_done, found = await _receive(loop, worker.socket)
        except TimeoutError:
            worker.process.kill()
            worker.socket.close()
            raise WorkerTimeoutError from None
        except (OSError, EOFError):
            worker.socket.close()
            has_begun = worker.taken.value == worker.num_sent
            kind = WorkerDiedError if has_begun else _WorkerLostError
            raise kind(await asyncio.to_thread(_find_exit, worker)) from None
        except Exception:
            worker.process.kill()
            worker.socket.close()
            raise
        self._idle.append(worker)
        self._call_next()
        if is_done:
            return found
        raise found

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
            self._put_idle(worker)
            worker.process.join()
            with self._lock:
                self._num_ready -= 1
                self._workers.discard(worker)
            worker.ended.set()
            with suppress(ValueError):  # it was at work, or somebody has found out
                self._idle.remove(worker)
                worker.socket.close()
            if not self._stopped.is_set():
                self._on_replaced()

    def _start_one(self) -> _Worker | None:
        """A worker that is ready, None if it could not be started."""
        context = multiprocessing.get_context("spawn")
        worker = None
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                taken = context.RawValue(ctypes.c_uint64)
                process = context.Process(target=_work, args=(theirs, taken), daemon=True)
                worker = _Worker(process, ours, taken)
                process.start()
            with self._lock:
                self._workers.add(worker)
            if self._stopped.is_set():  # and whoever stopped the others knew nothing of it
                process.kill()
            ours.settimeout(START_SECONDS)
            ours.sendall(_pack((self._prepare, self._setup)))
            ours.settimeout(START_CHECK_SECONDS)
            end = time.monotonic() + START_SECONDS
            while not _has_said_something(ours):
                if time.monotonic() > end:
                    process.kill()
            ours.setblocking(False)
        except Exception as error:  # whatever it is, a thread that ends of it would keep nobody
            reason = str(error) or type(error).__name__
            if worker is not None:
                if worker.process.pid is not None:
                    # One that ends by itself has a moment, or its exit code would be lost.
                    worker.process.join(ENDING_SECONDS)
                    worker.process.kill()
                    worker.process.join()
                    reason = f"it ended with {_say_exit(worker.process.exitcode)}"
                worker.socket.close()
            with self._lock:
                self._failure = reason
                if worker is not None:
                    self._workers.discard(worker)
            return None
        return worker


def _find_exit(worker: _Worker) -> str:
    """With what a worker ended that has closed its connection."""
    if not worker.ended.wait(ENDING_SECONDS):
        worker.process.kill()
        worker.ended.wait(ENDING_SECONDS)
    return _say_exit(worker.process.exitcode)


def _has_said_something(ours: socket.socket) -> bool:
    """Whether a worker that starts is ready; waits a moment. Raises EOFError if it ended."""
    try:
        if not ours.recv(1):
            raise EOFError
    except TimeoutError:
        return False
    return True


def _pack(message: object) -> bytes:
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(content)) + content


async def _receive(loop: asyncio.AbstractEventLoop, ours: socket.socket) -> tuple[bool, Any]:
    """What a worker says. Raises EOFError or OSError if it ended."""
    received = bytearray()
    size = LENGTH.size
    while len(received) < size:
        part = await loop.sock_recv(ours, RECEIVED_BYTES)
        if not part:
            raise EOFError
        received += part
        if size == LENGTH.size <= len(received):
            size += LENGTH.unpack_from(received)[0]
    found: tuple[bool, Any] = pickle.loads(memoryview(received)[LENGTH.size :])
    return found


def _say_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit code {'unknown' if code is None else code}"


def _work(theirs: socket.socket, taken: ctypes.c_uint64) -> None:
    """What a worker process does: prepare, say so, then what it is told, as long as it is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The serving process is gone, in whatever way: then so is this one.
    with suppress(OSError, EOFError), theirs.makefile("rb") as stream:
        prepare, setup = _take(stream)
        prepare(setup)
        theirs.sendall(b"\0")
        while True:
            function, argument = _take(stream)
            taken.value += 1
            theirs.sendall(_pack(_try(function, argument)))


def _take(stream: BinaryIO) -> Any:  # noqa: ANN401
    """The next message. Raises EOFError if there will be none."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(head)
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return pickle.loads(content)


def _try(function: Callable[[Any], Any], argument: Any) -> tuple[bool, Any]:  # noqa: ANN401
    try:
        return True, function(argument)
    except MemoryError:
        return False, MemoryError()
    except Exception:
        return False, WorkerFailedError(traceback.format_exc())
