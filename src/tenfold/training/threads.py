"""The threads that compute training steps: their number and their state.

On some processors the last bits of a matrix product depend on the number of threads. So the number
follows from the call alone (`--threads`, or two), not from the machine's cores or load, from runs
beside this one, or from OMP_NUM_THREADS.

Training flushes denormal numbers to zero. The optimizer's moments of a weight without gradient
decay to denormals within a few hundred steps, and Intel's processors then take up to a hundred
times as long. Flushing is a state of a thread; on Linux, threads that it starts inherit it,
OpenMP's too. So training runs in its own thread, and the caller's state is left alone.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from tenfold.errors import RunError

# How many times a thread of GNU OpenMP polls for work before it sleeps. The default spins for about
# a millisecond; if another program occupies one core, all threads wait that long at the end of each
# operation, and a step of `classic` takes 70 times as long as alone, with this value 4 times. It
# costs nothing alone; 1,000 would (docs/benchmarks.md).
#
# If more threads are managed than there are cores, it polls only 100 times, or 1,000 with the
# policy "active". That is so in training, whose thread is not the caller's: as soon as both have
# started helpers, `sprint` took 5.0 s with 100, and takes 3.4 s with 1,000.
SPIN_COUNT, WAIT_POLICY = "3000", "active"

Arguments = ParamSpec("Arguments")
Item = TypeVar("Item")


def limit_spinning() -> None:
    """Let waiting threads of OpenMP sleep early; call it before torch is imported.

    It does nothing if torch is already imported or if the environment configures waiting.
    """
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = WAIT_POLICY
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def check_environment(num_threads: int) -> None:
    """Raise RunError if the environment lets OpenMP use fewer threads than requested."""
    if os.environ.get("OMP_DYNAMIC", "").strip().lower() in ("true", "1"):
        raise RunError(
            "OMP_DYNAMIC lets OpenMP change the number of threads, and with it the results of a "
            "run; unset it"
        )
    limit = os.environ.get("OMP_THREAD_LIMIT", "").strip()
    if limit.isdecimal() and int(limit) < num_threads:
        raise RunError(
            f"OMP_THREAD_LIMIT is {limit}, but the run has {num_threads} threads; unset it, or "
            f"use --threads {limit}"
        )


@contextmanager
def setting_threads(num_threads: int) -> Iterator[None]:
    """Let PyTorch use this number of threads in the context."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_own_thread(
    generate: Callable[Arguments, Iterator[Item]],
) -> Callable[Arguments, Iterator[Item]]:
    """Compute a generator's items in a separate thread that flushes denormal numbers.

    PyTorch uses as many threads there as in the caller when the first item is requested. Nothing
    runs between two items, so the caller may use shared objects.
    """

    @functools.wraps(generate)
    def iterate(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Iterator[Item]:
        import torch

        def prepare(num_threads: int) -> None:
            torch.set_flush_denormal(True)  # before OpenMP starts threads for this one
            torch.set_num_threads(num_threads)

        items, end = generate(*args, **kwargs), object()
        num_threads = torch.get_num_threads()
        with ThreadPoolExecutor(1, "tenfold-training", prepare, (num_threads,)) as executor:
            try:
                while (item := executor.submit(next, items, end).result()) is not end:
                    yield item  # type: ignore[misc]  # not `end`
            finally:
                with suppress(RuntimeError):  # the interpreter is exiting
                    wait([executor.submit(items.close)])  # type: ignore[attr-defined]

    return iterate
