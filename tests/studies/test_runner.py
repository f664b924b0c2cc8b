"""The functions that run in other processes stand at the top: there they are found by name."""

import multiprocessing
import os
import re
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
    """Leaves a file with the name of its process in a folder, and sleeps for a minute."""

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
    results = [one for one in run_seeds(describe_process, range(5), 2) if one is not None]
    assert sorted(seed for seed, _, _ in results) == [0, 1, 2, 3, 4]
    processes = {process for _, process, _ in results}
    assert 1 <= len(processes) <= 2
    assert os.getpid() not in processes
    # Ctrl-C reaches every process of a terminal; the one that began them all answers it.
    assert all(is_ignoring for _, _, is_ignoring in results)
    assert list_children() == set()


def test_without_seeds_no_process_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.studies.runner.starting_pool", None)
    assert list(run_seeds(describe_process, [], 0)) == []


def test_an_error_is_passed_on_with_its_notes_and_ends_the_rest() -> None:
    results = run_seeds(fail_at_1, range(100), 1)
    assert next(one for one in results if one is not None) == 0
    with pytest.raises(RunError, match=r"^training diverged\n") as raised:
        list(results)
    assert raised.value.__notes__ == ["the unfinished run stays in runs/1"]
    assert list_children() == set()


def test_a_process_that_ends_without_a_word_is_named() -> None:
    message = (
        "a worker process was killed, probably out of memory; the same call again continues the "
        "study"
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        list(run_seeds(die, range(3), 1))
    assert list_children() == set()


@pytest.fixture
def stranger() -> Iterator[BaseProcess]:
    """A process of somebody else's."""
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    process.start()
    yield process
    process.kill()
    process.join()


def test_who_stops_asking_stops_the_processes(tmp_path: Path, stranger: BaseProcess) -> None:
    results = run_seeds(Sleep(tmp_path), range(9), 2)
    while len(list(tmp_path.iterdir())) < 2:
        assert next(results) is None  # about once a second, so that progress can be shown
    begun = {int(path.name) for path in tmp_path.iterdir()}
    assert begun | {stranger.pid} == list_children()
    results.close()  # type: ignore[attr-defined]
    assert not any(map(is_alive, begun))
    # Processes that others began are none of its business.
    assert list_children() == {stranger.pid}
