"""Functions that run in other processes are at module level, so that they can be pickled."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tenfold.errors import RunError, StudyError
from tenfold.studies.runner import run_seeds


def describe_process(seed: int) -> tuple[int, int, bool]:
    return seed, os.getpid(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def fail_at_1(seed: int) -> int:
    if seed == 1:
        error = RunError("training diverged")
        error.add_note("the unfinished run stays in runs/1")
        raise error
    return seed


def die(seed: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Sleep:
    """Write a file named after the process, and sleep for a minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, seed: int) -> None:
        (self.folder / str(os.getpid())).touch()
        time.sleep(60)


def list_children() -> set[int | None]:
    return {process.pid for process in multiprocessing.active_children()}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_seed_runs_once_in_one_of_two_processes() -> None:
    results = [result for result in run_seeds(describe_process, range(5), 2) if result is not None]
    assert sorted(seed for seed, _, _ in results) == [0, 1, 2, 3, 4]
    processes = {process for _, process, _ in results}
    assert 1 <= len(processes) <= 2
    assert os.getpid() not in processes
    # Ctrl-C reaches all processes of a terminal; only the parent handles it.
    assert all(is_ignoring for _, _, is_ignoring in results)
    assert list_children() == set()


def test_no_process_is_started_without_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.studies.runner.starting_pool", None)
    assert list(run_seeds(describe_process, [], 0)) == []


def test_an_error_is_raised_with_its_notes_and_ends_the_other_processes() -> None:
    results = run_seeds(fail_at_1, range(100), 1)
    assert next(result for result in results if result is not None) == 0
    with pytest.raises(RunError, match=r"^training diverged\n") as raised:
        list(results)
    assert raised.value.__notes__ == ["the unfinished run stays in runs/1"]
    assert list_children() == set()


def test_a_killed_worker_process_is_reported() -> None:
    with pytest.raises(StudyError, match=r"worker process was killed.* continues the study$"):
        list(run_seeds(die, range(3), 1))
    assert list_children() == set()


@pytest.fixture
def other_process() -> Iterator[BaseProcess]:
    """A child process that `run_seeds` did not start."""
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    process.start()
    yield process
    process.kill()
    process.join()


def test_closing_the_iterator_stops_its_processes_only(
    tmp_path: Path, other_process: BaseProcess
) -> None:
    results = run_seeds(Sleep(tmp_path), range(9), 2)
    while len(list(tmp_path.iterdir())) < 2:
        assert next(results) is None  # about once a second
    begun = {int(path.name) for path in tmp_path.iterdir()}
    assert begun | {other_process.pid} == list_children()
    results.close()  # type: ignore[attr-defined]
    assert not any(map(is_alive, begun))
    assert list_children() == {other_process.pid}
