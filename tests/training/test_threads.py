import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from tenfold.errors import RunError
from tenfold.training.threads import (
    SPIN_COUNT,
    check_environment,
    in_own_thread,
    limit_spinning,
    setting_threads,
)

DENORMAL = 1e-40
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="threads inherit states on Linux")
MANY = 100_000  # enough for every thread of PyTorch to get some

VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def flushes_denormals() -> list[bool]:
    """Which of MANY denormal numbers become 0 when all threads multiply them by one."""
    return (torch.full((MANY,), DENORMAL).mul(1.0) == 0).tolist()


@in_own_thread
def look(times: int) -> Iterator[tuple[int, int, list[bool]]]:
    for _ in range(times):
        yield threading.get_ident(), torch.get_num_threads(), flushes_denormals()


@ON_LINUX
def test_only_computing_threads_flush_denormals() -> None:
    with setting_threads(2):
        assert not any(flushes_denormals())  # starts threads of OpenMP that do not flush
        for _, num_threads, flushed in look(2):
            assert num_threads == 2
            assert all(flushed)
            assert not any(flushes_denormals())
        assert not any(flushes_denormals())


def test_the_callers_flush_mode_is_kept() -> None:
    assert torch.set_flush_denormal(True)
    try:
        list(look(1))
        assert all(flushes_denormals()[:100])
    finally:
        torch.set_flush_denormal(False)


def test_one_thread_computes_all_items_and_then_ends() -> None:
    before = threading.active_count()
    idents = {ident for ident, _, _ in look(3)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    assert threading.active_count() == before


def test_the_generator_runs_from_the_first_request_until_its_iterator_is_deleted() -> None:
    closed = []

    @in_own_thread
    def count() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(threading.get_ident())

    before = threading.active_count()
    items = count()
    assert threading.active_count() == before  # it starts with the first request
    assert next(items) == 0
    assert not closed
    del items
    assert len(closed) == 1
    assert threading.active_count() == before


def test_an_exception_is_raised_in_the_caller() -> None:
    @in_own_thread
    def fail() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    items = fail()
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_the_number_of_threads_is_restored_after_an_exception() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        with setting_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before


def test_a_program_can_exit_before_all_items_are_computed() -> None:
    program = """
from tenfold.training.threads import in_own_thread
@in_own_thread
def count():
    yield from range(3)
items = count()
print(next(items))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize(
    ("name", "value", "is_refused"),
    [
        ("OMP_DYNAMIC", "TRUE", True),
        ("OMP_DYNAMIC", "false", False),
        ("OMP_THREAD_LIMIT", "1", True),
        ("OMP_THREAD_LIMIT", "2", False),
        ("OMP_NUM_THREADS", "1", False),
    ],
)
def test_an_environment_that_limits_threads_is_refused(
    name: str, value: str, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    if is_refused:
        with pytest.raises(RunError, match=f"^{name} "):
            check_environment(2)
    else:
        check_environment(2)
    monkeypatch.delenv(name)
    check_environment(2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (SPIN_COUNT, "active")),
        ({"GOMP_SPINCOUNT": "7"}, ("7", "active")),
        ({"OMP_WAIT_POLICY": "passive"}, (None, "passive")),
    ],
)
def test_waiting_respects_the_environment(
    given: dict[str, str],
    expected: tuple[str | None, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    limit_spinning()
    assert tuple(os.environ.get(name) for name in VARIABLES) == expected


def test_the_spin_count_is_not_set_after_importing_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    limit_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_training_sets_the_spin_count_before_importing_torch() -> None:
    program = """
import os, sys
import tenfold
class Stop(Exception): pass
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
            raise Stop
sys.meta_path.insert(0, Finder())
import importlib.util
found = {"tenfold_training_data": None}  # the training data are looked up without PyTorch
importlib.util.find_spec = lambda name: found.get(name, name)
try:
    tenfold.train(epochs=1)
except Stop:
    pass
"""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{SPIN_COUNT} active\n"
