"""Worker processes that end when this process ends, however it ends. No torch.

In: how many, and what prepares each. Out: an executor of concurrent.futures.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
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


def explain_broken_pool() -> str:
    """Why a worker process has ended, in one line: most often a script without a main guard.

    Each worker imports the script that started it. Without the guard the worker runs all of it.
    """
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if script is not None and getattr(main, "__spec__", None) is None:
        try:
            is_guarded = "__main__" in Path(script).read_text(errors="replace")
        except OSError:
            is_guarded = True
        if not is_guarded:
            return (
                f'{script}: put the calls of Tenfold below `if __name__ == "__main__":`, as each '
                "worker process imports the script and would run them again"
            )
    return "a worker process was killed, probably out of memory"


def _start(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    watch_process(parent.sentinel, lambda: os._exit(1))
    if prepare is not None:
        prepare(*arguments)


def watch_process(sentinel: int, act: Callable[[], object]) -> None:
    """Call `act`, in a thread, when a process has ended; `sentinel` is a handle that tells it."""

    def wait_and_act() -> None:
        wait([sentinel])
        act()

    threading.Thread(target=wait_and_act, daemon=True).start()
