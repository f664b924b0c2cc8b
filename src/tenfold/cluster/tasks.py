"""Ray tasks: a limited number at a time, and their errors in one line."""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from tenfold.errors import ClusterError, TenfoldError

SECONDS_BETWEEN_REPORTS = 1.0

Item = TypeVar("Item")


def run_tasks(
    submit: Callable[[Item], Any], items: Iterable[Item], *, max_running: int
) -> Generator[tuple[Item, Any] | None, None, None]:
    """Submit a Ray task for each item, with at most `max_running` unfinished at a time.

    Yields each item with the reference of its finished task, in the order in which they finish, and
    None about once a second meanwhile. Closing the iterator cancels the unfinished tasks.
    """
    import ray

    waiting = iter(items)
    running = {submit(item): item for item in itertools.islice(waiting, max_running)}
    try:
        while running:
            finished, _ = ray.wait(list(running), timeout=SECONDS_BETWEEN_REPORTS)
            if not finished:
                yield None
            for reference in finished:
                item = running.pop(reference)
                running |= {submit(one): one for one in itertools.islice(waiting, 1)}
                yield item, reference
    finally:
        for reference in running:
            with suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(reference, force=True)


@contextmanager
def translating_ray_errors() -> Iterator[None]:
    """Raise a task's TenfoldError as it is, and ClusterError for an OSError or a dead worker."""
    import ray

    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, TenfoldError):
            raise error.cause from None
        if not isinstance(error.cause, OSError):
            raise  # a bug, with the worker's traceback
        raise ClusterError(f"a worker failed: {' '.join(str(error.cause).split())}") from error
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"a worker died on every attempt, probably out of memory ({type(error).__name__}); run "
            "the same command again to continue"
        ) from error
