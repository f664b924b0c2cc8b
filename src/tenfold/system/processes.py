"""Processes that work for this one, and end when it does, however it does. No torch.

In: how many, and what prepares each. Out: an executor of concurrent.futures.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any


@contextmanager
def starting_pool(
    num_processes: int,
    prepare: Callable[..., None] | None = None,
    *arguments: Any,  # noqa: ANN401 - of `prepare`
    finish: bool = False,
) -> Iterator[ProcessPoolExecutor]:
    """Processes that leave Ctrl-C to this one, each prepared by `prepare(*arguments)`.

    When the context is left, what they still do is stopped, or finished first with `finish`: that
    is for calls with large arguments. An executor hands one over in pieces, and where no process is
    left that takes the rest, Python 3.11 waits for ever.
    """
    strangers = multiprocessing.active_children()
    # Spawned: the threads of torch and of ONNX Runtime do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_processes, context, _start, (prepare, arguments))
    try:
        yield pool
    finally:
        for process in multiprocessing.active_children():
            if process not in strangers and not finish:
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _start(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _end_with(sentinel: int) -> None:
    """End this process when the one whose handle this is has ended."""
    wait([sentinel])
    os._exit(1)
