"""Worker processes that end with their parent, even if it is killed."""

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

from tenfold.errors import TenfoldError

KILLED = "a worker process was killed, probably out of memory"


@contextmanager
def starting_pool(
    num_processes: int,
    prepare: Callable[..., None] | None = None,
    *arguments: Any,  # noqa: ANN401 - of `prepare`
    finish: bool = False,
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that ignore Ctrl-C, each initialised by `prepare(*arguments)`.

    At the end of the context, running calls are terminated, or completed with `finish`, which calls
    with large arguments need: Python 3.11 hangs if no process is left to receive the rest of one.

    Raises TenfoldError in a script without a main guard.
    """
    other_children = multiprocessing.active_children()
    _check_main_guard()
    # Not forked: the threads of torch and ONNX Runtime do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_processes, context, _start, (prepare, arguments))
    try:
        yield pool
    finally:
        for process in multiprocessing.active_children():
            if process not in other_children and not finish:
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _check_main_guard() -> None:
    """Raise TenfoldError for a script without a main guard.

    A spawned process imports the script and would fail there, and this process would hang.
    """
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if script is None or getattr(main, "__spec__", None) is not None:
        return  # not a script: it is not imported
    try:
        text = Path(script).read_text(errors="replace")
    except OSError:
        return
    if not any(word in text for word in ("__main__", "parent_process", "current_process")):
        raise TenfoldError(
            f'{script}: put the calls of Tenfold below `if __name__ == "__main__":`, as each '
            "worker process imports the script and would run them again"
        )


def _start(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _exit_after(sentinel: int) -> None:
    """Exit when the process of a sentinel has ended."""
    wait([sentinel])
    os._exit(1)
