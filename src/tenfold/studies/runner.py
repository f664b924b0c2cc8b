"""Train many seeds in parallel, in worker processes of one machine."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tenfold.errors import StudyError
from tenfold.system.processes import KILLED, starting_pool

POLL_SECONDS = 1.0

Result = TypeVar("Result")


def run_seeds(
    train_seed: Callable[[int], Result], seeds: Sequence[int], num_jobs: int
) -> Iterator[Result | None]:
    """Call `train_seed` for each seed in `num_jobs` processes; yield results as they arrive.

    Yields None about once a second while there is no result, so that callers can show progress.
    Closing the iterator stops the processes. Raises what a call raised, or StudyError if a worker
    process was killed.
    """
    if not seeds:
        return
    try:
        with starting_pool(num_jobs) as pool:
            # At most one task per process: a queued one would start even after an error.
            waiting = list(seeds)
            running: set[Future[Result]] = set()
            while waiting or running:
                while waiting and len(running) < num_jobs:
                    running.add(pool.submit(train_seed, waiting.pop(0)))
                done, running = wait(running, POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                if not done:
                    yield None
    except BrokenProcessPool as error:
        raise StudyError(f"{KILLED}; the same call again continues the study") from error
