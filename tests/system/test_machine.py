import json
import os
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

import tenfold
from tenfold.system import machine
from tenfold.system.machine import (
    CpuLoadMonitor,
    count_cores,
    describe_machine,
    find_cpu_name,
    list_versions,
)


class NoSuchFile:
    def __init__(self, _: str) -> None:
        raise FileNotFoundError


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= count_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="sets the cores of a process")
def test_excluded_cores_are_not_counted() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert count_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_machine_description_is_json() -> None:
    described = describe_machine()
    assert json.loads(json.dumps(described)) == described
    assert find_cpu_name()
    assert described["cpu"] == find_cpu_name().strip()
    assert described["cores"] == count_cores()
    assert str(described["system"]).startswith(platform.system())


def measure(
    monkeypatch: pytest.MonkeyPatch, *clocks: tuple[float, float, float | None]
) -> float | None:
    readings = iter(clocks)
    monkeypatch.setattr(machine, "_read_clocks", lambda: next(readings))
    return CpuLoadMonitor().measure_cores()


@pytest.mark.parametrize(
    ("own_seconds", "all_seconds", "expected"),
    [(6.0, 10.0, 1.0), (0.0, 8.0, 2.0), (8.0, 9.0, 0.25), (8.0, 8.0, 0.0), (4.004, 4.0, 0.0)],
)
def test_load_is_the_cpu_time_of_other_processes(
    own_seconds: float, all_seconds: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within four seconds; a clock of lower resolution must not make the load negative.
    after = (104.0, 7 + own_seconds, 3000 + all_seconds)
    assert measure(monkeypatch, (100.0, 7.0, 3000.0), after) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("seconds", "before", "after"),
    [(1.0, None, None), (1.0, 0.0, None), (1.0, None, 5.0), (0.0, 0.0, 0.0)],
)
def test_load_is_unknown_without_clocks_or_time(
    seconds: float, before: float | None, after: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measure(monkeypatch, (0.0, 0.0, before), (seconds, 1.0, after)) is None


def test_cpu_time_of_all_processes_is_read_from_proc_stat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice, and a line for each core.
    text = "cpu  1000 200 30 99999 88888 4 5 600 77 66\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
    (tmp_path / "stat").write_text(text)
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "stat")
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.get)
    _, own, everything = machine._read_clocks()
    assert everything == pytest.approx(18.39)
    assert own > 0


def test_other_systems_have_pythons_processor_name_and_no_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "Path", NoSuchFile)
    name = find_cpu_name.__wrapped__()
    assert name == (platform.processor() or platform.machine())
    assert CpuLoadMonitor().measure_cores() is None


def test_versions_are_those_of_the_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = list_versions()
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == np.__version__
    assert versions["torch"] == torch.__version__
    assert versions["tenfold"] == tenfold.__version__
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package-of-tenfold"))
    assert list_versions().keys() == {"tenfold", "python", "numpy"}
