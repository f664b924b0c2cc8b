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
MANY = 100_000  # numbers, so that every thread of PyTorch's gets some


def flushes_denormals() -> list[bool]:
    """Of MANY denormal numbers that all threads multiply by one, which are 0 then."""
    return (torch.full((MANY,), DENORMAL).mul(1.0) == 0).tolist()


@in_own_thread
def look(times: int) -> Iterator[tuple[int, int, list[bool]]]:
    for _ in range(times):
        yield threading.get_ident(), torch.get_num_threads(), flushes_denormals()


@ON_LINUX
def test_every_thread_that_computes_flushes_denormals_and_no_other() -> None:
    with setting_threads(2):
        assert not any(flushes_denormals())  # and OpenMP has threads now that do not
        for _, num_threads, flushed in look(2):
            assert num_threads == 2
            assert all(flushed)
            assert not any(flushes_denormals())
        assert not any(flushes_denormals())


def test_what_the_caller_set_stays() -> None:
    assert torch.set_flush_denormal(True)
    try:
        list(look(1))
        assert all(flushes_denormals()[:100])
    finally:
        torch.set_flush_denormal(False)


def test_one_thread_computes_all_items_and_ends_with_them() -> None:
    before = threading.active_count()
    idents = {ident for ident, _, _ in look(3)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    assert threading.active_count() == before


def test_who_stops_asking_closes_the_generator() -> None:
    closed = []

    @in_own_thread
    def count() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(threading.get_ident())

    before = threading.active_count()
    items = count()
    assert next(items) == 0
    assert not closed
    del items
    assert len(closed) == 1
    assert threading.active_count() == before


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    begun = []

    @in_own_thread
    def count() -> Iterator[int]:
        begun.append(True)
        yield 1

    items = count()
    assert not begun
    assert list(items) == [1]


def test_what_goes_wrong_is_raised_where_it_was_asked_for() -> None:
    @in_own_thread
    def fail() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    items = fail()
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_threads_are_set_back_also_after_a_mistake() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        with setting_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before


def test_a_program_may_end_before_all_items_are_computed() -> None:
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
def test_an_environment_that_takes_threads_away_is_refused(
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
        ({}, SPIN_COUNT),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_threads_spin_as_the_environment_says_or_little(
    given: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    limit_spinning()
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_where_torch_is_there_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    limit_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_training_limits_spinning_before_it_imports_torch() -> None:
    program = """
import os, sys
import tenfold
class Stop(Exception): pass
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"))
            raise Stop
sys.meta_path.insert(0, Finder())
import importlib.util
found = {"tenfold_training_data": None}  # PyTorch is said to be there
importlib.util.find_spec = lambda name: found.get(name, name)
try:
    tenfold.train(epochs=1)
except Stop:
    pass
"""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{SPIN_COUNT}\n"
