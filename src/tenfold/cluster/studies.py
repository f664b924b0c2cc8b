"""Many seeds on a Ray cluster: each seed is one task.

In: a function that trains a seed into a folder, and the seeds. Out: each seed with the files of its
run. A worker may share no disk with this machine, so it trains in a temporary folder and returns
the files' bytes; the caller writes them.
"""

import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tenfold.cluster.connecting import translating_ray_errors
from tenfold.errors import TenfoldError

MAX_RETRIES = 3  # of a seed whose worker died
SECONDS_BETWEEN_REPORTS = 1.0

TrainInto = Callable[[Path, int], object]
Files = dict[str, bytes]  # of a run's folder, by their names there


def run_seeds_on_ray(
    train_into: TrainInto, seeds: Sequence[int], num_jobs: int, *, num_cores: int, folder: Path
) -> Iterator[tuple[int, Files] | None]:
    """Call `train_into` with a folder and each seed on the cluster that is connected.

    Yields each seed with its run's files as it is done, and None about once a second meanwhile.
    `num_jobs` run at a time, each with `num_cores`. Tasks stop when the iterator is closed. A
    worker's error speaks of folder/SEED, where the run would be.

    Raises what a call raised, or ClusterError if a seed's workers died again and again.
    """
    import ray

    task = ray.remote(_train_on_worker).options(
        num_cpus=num_cores, max_retries=MAX_RETRIES, name="tenfold study"
    )
    waiting = list(seeds)
    running: dict[object, int] = {}
    try:
        with translating_ray_errors():
            while waiting or running:
                while waiting and len(running) < num_jobs:
                    seed = waiting.pop(0)
                    running[task.remote(train_into, seed, str(folder / str(seed)))] = seed
                done, _ = ray.wait(list(running), timeout=SECONDS_BETWEEN_REPORTS)
                if not done:
                    yield None
                for reference in done:
                    files = ray.get(reference)
                    yield running.pop(reference), files
    finally:
        for reference in running:
            with suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(reference, force=True)


def _train_on_worker(train_into: TrainInto, seed: int, path: str) -> Files:
    """Train in a temporary folder and return its files; an error speaks of `path` instead."""
    import ray

    context = ray.get_runtime_context()
    # What a killed worker leaves there goes with Ray's session.
    session = Path(context.get_temp_dir()) / context.get_session_name()
    with tempfile.TemporaryDirectory(dir=session, prefix="tenfold-") as temporary:
        out = Path(temporary, str(seed))
        try:
            train_into(out, seed)
        except TenfoldError as error:
            # Without its notes, which tell of a folder that will be gone.
            moved = type(error)(str(error).replace(str(out), path))
            moved.add_note(f"seed {seed}, on {socket.gethostname()}")
            raise moved from None
        return {
            file.relative_to(out).as_posix(): file.read_bytes()
            for file in sorted(out.rglob("*"))
            if file.is_file()
        }
