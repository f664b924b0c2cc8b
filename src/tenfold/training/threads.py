"""The threads that compute a step: how many, and in which state.

On some processors the last bits of a matrix product depend on how many threads share it. So their
number follows from the call alone, `--threads` or two: not from the machine's cores, what else it
does, how many runs go on beside this one, or OMP_NUM_THREADS.

Training flushes denormal numbers to zero. The optimizer's moments of a weight that gets no gradient
decay into them within some hundred steps, and Intel's processors take up to a hundred times as long
for each. Whether they are flushed is a state of each thread, which on Linux the threads that it
starts inherit, those of OpenMP too. So training has a thread of its own, and what the caller set
stays.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from tenfold.errors import RunError

# How often GNU's OpenMP looks whether there is work before a thread sleeps. By itself it looks for
# about a millisecond, and where another program is on a thread's core, all others wait so long at
# the end of each operation: a step of `classic` beside one busy program takes 70 times as long as
# alone, with this 4 times. Alone it costs nothing; with 1,000 it would (docs/benchmarks.md).
SPIN_COUNT = "3000"

Arguments = ParamSpec("Arguments")
Item = TypeVar("Item")


def limit_spinning() -> None:
    """Let OpenMP's threads sleep soon when they wait; to be called before torch is imported.

    It does nothing if torch was imported before, or the environment says how threads wait.
    """
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def check_environment(num_threads: int) -> None:
    """Raise RunError where the environment lets OpenMP use fewer threads than it is told to."""
    if os.environ.get("OMP_DYNAMIC", "").strip().lower() in ("true", "1"):
        raise RunError(
            "OMP_DYNAMIC lets OpenMP change the number of threads, on which a run's bits may "
            "depend. Unset it."
        )
    limit = os.environ.get("OMP_THREAD_LIMIT", "").strip()
    if limit.isdecimal() and int(limit) < num_threads:
        raise RunError(
            f"OMP_THREAD_LIMIT is {limit}, and the run has {num_threads} threads. Unset it, or "
            f"use --threads {limit}."
        )


@contextmanager
def setting_threads(num_threads: int) -> Iterator[None]:
    """Let PyTorch use so many threads in this context, and as many as before after it."""
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
    """Compute a generator's items in a thread of its own that flushes denormal numbers.

    PyTorch has as many threads there as the caller has when the first item is asked for. Between
    two items nothing is computed, and the caller may use what both share.
    """

    @functools.wraps(generate)
    def iterate(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Iterator[Item]:
        import torch

        def prepare(num_threads: int) -> None:
            torch.set_flush_denormal(True)  # before OpenMP starts threads for this one
            torch.set_num_threads(num_threads)

        items, end = generate(*args, **kwargs), object()
        with ThreadPoolExecutor(1, "tenfold-training", prepare, (torch.get_num_threads(),)) as one:
            try:
                while (item := one.submit(next, items, end).result()) is not end:
                    yield item  # type: ignore[misc]  # it is no `end`
            finally:
                with suppress(RuntimeError):  # it takes on nothing any more when Python ends
                    closing = one.submit(items.close)  # type: ignore[attr-defined]  # a generator's
                    wait([closing])

    return iterate
