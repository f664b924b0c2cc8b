"""Worker processes that exit, fail or take too long, and their replacements."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tenfold.errors import ServingError
from tenfold.serving.workers import (
    WorkerDiedError,
    WorkerFailedError,
    WorkerPool,
    WorkerTimeoutError,
)


def do_nothing(_: object) -> None:
    pass


def repeat(argument: object) -> object:
    return argument


def end_with_code(code: int) -> None:
    os._exit(code)


def end_with_signal(number: int) -> None:
    os.kill(os.getpid(), number)


def fail(_: object) -> None:
    raise ValueError("broken")


def take_all_memory(_: object) -> None:
    raise MemoryError


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    one = WorkerPool(1, do_nothing, None, lambda: None)
    one.start()
    one.wait()
    yield one
    one.stop()


def ask(
    pool: WorkerPool, function: Callable[[Any], Any], argument: Any, seconds: float = 30
) -> Any:
    return asyncio.run(pool.ask(function, argument, seconds))


@pytest.mark.parametrize(
    ("function", "argument", "error", "message"),
    [
        (end_with_code, 3, WorkerDiedError, "exit code 3"),
        (end_with_code, 0, WorkerDiedError, "exit code 0"),
        (end_with_signal, signal.SIGKILL, WorkerDiedError, "signal 9"),
        (fail, None, WorkerFailedError, "ValueError: broken"),
        (take_all_memory, None, MemoryError, "^$"),
        (time.sleep, 60, WorkerTimeoutError, "^$"),
    ],
)
def test_a_failed_worker_is_reported_and_replaced(
    pool: WorkerPool,
    function: Callable[[Any], Any],
    argument: Any,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        ask(pool, function, argument, 0.2 if function is time.sleep else 30)
    assert ask(pool, repeat, "text") == "text"


def test_workers_ignore_the_signals_that_stop_the_server(pool: WorkerPool) -> None:
    before = ask(pool, eval, "__import__('os').getpid()")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(before, number)
    time.sleep(0.2)
    assert ask(pool, eval, "__import__('os').getpid()") == before


def test_a_cancelled_request_is_not_started(pool: WorkerPool) -> None:
    async def leave() -> object:
        first = asyncio.ensure_future(pool.ask(time.sleep, 0.5, 30))
        second = asyncio.ensure_future(pool.ask(end_with_code, 1, 30))
        await asyncio.sleep(0.1)
        second.cancel()
        await first
        return await pool.ask(repeat, "text", 30)

    before = ask(pool, eval, "__import__('os').getpid()")
    assert asyncio.run(leave()) == "text"
    assert ask(pool, eval, "__import__('os').getpid()") == before


def test_a_worker_that_cannot_start_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    one = WorkerPool(1, end_with_code, 7, lambda: None)
    one.start()
    try:
        with pytest.raises(
            ServingError, match="cannot start 1 worker processes: it ended with exit code 7"
        ):
            one.wait()
        assert one.is_failing
        assert not one.is_working
    finally:
        one.stop()
    assert capfd.readouterr().err == ""


def test_killed_workers_leave_no_open_connections(pool: WorkerPool) -> None:
    process = int(ask(pool, eval, "__import__('os').getpid()"))
    for _ in range(3):
        os.kill(process, signal.SIGKILL)
        end = time.monotonic() + 30
        while pool.is_working or psutil.pid_exists(process):
            assert time.monotonic() < end
            time.sleep(0.001)
        while not pool.is_working:  # without any request
            assert time.monotonic() < end
            time.sleep(0.01)
        [process] = [one.process.pid for one in pool._workers if one.process.pid]
    assert len(pool._idle) == 1  # one connection per worker


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_a_worker_survives_an_event_loop_that_ends_early(pool: WorkerPool, seconds: float) -> None:
    async def leave() -> None:
        asking = asyncio.ensure_future(pool.ask(time.sleep, 30, 60))
        while not pool._exchanges:
            await asyncio.sleep(0)
        await asyncio.sleep(seconds) if seconds else None
        assert not asking.done()

    asyncio.run(leave())
    assert ask(pool, repeat, "text", 20) == "text"
