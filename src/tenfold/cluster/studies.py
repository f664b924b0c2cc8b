"""Training many seeds on a Ray cluster, one task for each.

A worker may share no disk with this machine, so it trains in a temporary folder and returns the
content of the run's files.
"""

import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tenfold.cluster.tasks import run_tasks, translating_ray_errors
from tenfold.errors import TenfoldError

TrainInto = Callable[[Path, int], object]
Files = dict[str, bytes]  # the files of a run's folder by their relative paths


def run_seeds_on_ray(
    train_into: TrainInto, seeds: Sequence[int], num_jobs: int, *, num_cores: int, folder: Path
) -> Iterator[tuple[int, Files] | None]:
    """Call `train_into(folder, seed)` for each seed on the connected cluster.

    Yields each finished seed with its run's files, and None about once a second meanwhile.
    `num_jobs` run at a time, each with `num_cores`. Closing the iterator stops them. A worker's
    error names folder/SEED, where the caller puts the run, instead of the temporary folder.

    Raises what a call raised, or ClusterError if the workers of a seed died on every attempt.
    """
    import ray

    # Ray retries a task whose worker died three times.
    task = ray.remote(_train_on_worker).options(num_cpus=num_cores, name="tenfold study")

    def submit(seed: int) -> object:
        return task.remote(train_into, seed, str(folder / str(seed)))

    with closing(run_tasks(submit, seeds, max_running=num_jobs)) as tasks, translating_ray_errors():
        for finished in tasks:
            yield None if finished is None else (finished[0], ray.get(finished[1]))


def _train_on_worker(train_into: TrainInto, seed: int, path: str) -> Files:
    import ray

    context = ray.get_runtime_context()
    # Ray removes its session's folder at the end, with what a killed worker has left there.
    session = Path(context.get_temp_dir()) / context.get_session_name()
    with tempfile.TemporaryDirectory(dir=session, prefix="tenfold-") as temporary:
        out = Path(temporary, str(seed))
        try:
            train_into(out, seed)
        except TenfoldError as error:
            # The notes are dropped: they are about the temporary folder.
            moved = type(error)(str(error).replace(str(out), path))
            moved.add_note(f"seed {seed}, on {socket.gethostname()}")
            raise moved from None
        return {
            file.relative_to(out).as_posix(): file.read_bytes()
            for file in sorted(out.rglob("*"))
            if file.is_file()
        }
