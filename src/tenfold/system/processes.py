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

from tenfold.errors import TenfoldError

KILLED = "a worker process was killed, probably out of memory"


@contextmanager
def starting_pool(
    num_processes: int,
    prepare: Callable[..., None] | None = None,
    *arguments: Any,  # noqa: ANN401 - of `prepare`
    finish: bool = False,
) -> Iterator[ProcessPoolExecutor]:
    """Processes that leave Ctrl-C to this one, each prepared by `prepare(*arguments)`.

    When the context is left, calls that still run are stopped, or finished first with `finish`,
    which is for calls with large arguments: an executor hands one over in pieces, and if no process
    is left to take the rest, Python 3.11 waits for ever.

    Raises TenfoldError in a script without a main guard.
    """
    strangers = multiprocessing.active_children()
    _check_main_guard()
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


def _check_main_guard() -> None:
    """Raise TenfoldError for a script that each worker process would run again.

    A spawned process imports the script. Without a main guard it fails there, and this process
    may wait for it for ever.
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
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _end_with(sentinel: int) -> None:
    """End this process when the one whose handle this is has ended."""
    wait([sentinel])
    os._exit(1)
