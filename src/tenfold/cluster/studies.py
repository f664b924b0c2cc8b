"""Many seeds over the cores of a Ray cluster: each seed is one task.

In: a function that trains a seed into a folder, and the seeds. Out: each seed as its run's folder
lies in the study. A worker may be on another machine, without a disk in common with this one. So it
trains in a temporary folder of its own and returns the files' bytes; this process writes them. The
temporary folders lie below that of Ray's session, which is removed with a Ray of this machine; on a
cluster the next task removes what workers that died have left.
"""

import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenfold.cluster.connecting import reporting_cluster_errors, stop_quietly
from tenfold.errors import ClusterError, TenfoldError
from tenfold.system.files import flush_folder, make_folder, reporting_disk_errors, write_file

MAX_RETRIES = 3  # of a seed whose worker died; another may find what it found
SECONDS_BETWEEN_LOOKS = 1.0

TrainInto = Callable[[Path, int], object]


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """A file of a run's folder: its name there, its bytes, and their SHA-256."""

    name: str
    content: bytes
    sha256: str


def run_seeds_on_ray(
    train_into: TrainInto,
    seeds: Sequence[int],
    num_jobs: int,
    *,
    num_cores: int,
    folder: Path,
    make_room: Callable[[Path], object] = lambda _: None,
) -> Iterator[int | None]:
    """Call `train_into` with a folder for each seed on the cluster that is connected to.

    Yields each seed when folder/SEED is there, complete; `num_jobs` go on at a time, each with
    `num_cores`. Yields None about once a second in which there is none. Whoever stops asking
    for more stops the tasks. Just before a run lands in its folder, `make_room` is called with
    that. A seed whose worker died is trained again, up to MAX_RETRIES times.

    Raises what a call raised, or ClusterError if workers died again and again.
    """
    import ray

    with reporting_disk_errors(folder):
        make_folder(folder)
        for left in folder.glob(".*.tmp"):  # by a call that was killed
            shutil.rmtree(left)
    remote = ray.remote(_train_and_pack).options(
        num_cpus=num_cores, max_retries=MAX_RETRIES, name="tenfold study"
    )
    waiting = list(seeds)
    running: dict[object, int] = {}
    try:
        with reporting_cluster_errors("train on"):
            while waiting or running:
                while waiting and len(running) < num_jobs:
                    seed = waiting.pop(0)
                    running[remote.remote(train_into, seed, str(folder / str(seed)))] = seed
                done, _ = ray.wait(list(running), num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
                for reference in done:
                    files = ray.get(reference)
                    seed = running.pop(reference)
                    _unpack(files, folder / str(seed), make_room)
                    yield seed
                if not done:
                    yield None
    finally:
        for reference in running:
            stop_quietly(reference)


def _train_and_pack(train_into: TrainInto, seed: int, name: str) -> list[PackedFile]:
    """Train in a temporary folder, on a worker, and return its files; an error speaks of `name`."""
    with _making_room(_find_session_folder() / "tenfold") as temporary:
        out = temporary / str(seed)
        try:
            train_into(out, seed)
        except TenfoldError as error:
            # Its notes tell of a folder that will be gone.
            told = type(error)(str(error).replace(str(out), name))
            told.add_note(f"seed {seed}, on {socket.gethostname()}")
            raise told from None
        return [
            PackedFile(
                name=path.relative_to(out).as_posix(),
                content=(content := path.read_bytes()),
                sha256=hashlib.sha256(content).hexdigest(),
            )
            for path in sorted(out.rglob("*"))
            if path.is_file()
        ]


def _find_session_folder() -> Path:
    """Where Ray keeps, on a worker's machine, what it needs while it runs."""
    import ray

    context = ray.get_runtime_context()
    return Path(context.get_temp_dir()) / context.get_session_name()


@contextmanager
def _making_room(folder: Path) -> Iterator[Path]:
    """A folder of this process's own in one, without those of processes that are gone."""
    import psutil  # Ray brings it

    own = folder / str(os.getpid())
    with reporting_disk_errors(own):
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if path == own or not psutil.pid_exists(int(path.name)):
                shutil.rmtree(path, ignore_errors=True)
        own.mkdir()
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _unpack(
    files: list[PackedFile], path: Path, make_room: Callable[[Path], object] = lambda _: None
) -> None:
    """Write a run's folder so that it is complete or absent.

    Raises ClusterError if a file is not what the worker sent.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with reporting_disk_errors(path):
        temporary.mkdir()
        try:
            for file in files:
                if hashlib.sha256(file.content).hexdigest() != file.sha256:
                    raise ClusterError(
                        f"{path / file.name}: expected what the worker sent (SHA-256 "
                        f"{file.sha256}), found other bytes. Try again."
                    )
                write_file(temporary / file.name, file.content)
            make_room(path)
            temporary.rename(path)
            flush_folder(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
