import json
import os
import platform

import numpy as np
import pytest
import torch

import tenfold
from tenfold import machine
from tenfold.machine import count_cores, describe_machine, find_cpu_name, list_versions


def test_the_processor_has_a_name() -> None:
    assert find_cpu_name()
    assert find_cpu_name() == find_cpu_name().strip()


@pytest.mark.skipif(platform.system() != "Linux", reason="reads what Linux says of the processor")
def test_without_linux_python_names_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoSuchFile:
        def __init__(self, _: str) -> None:
            raise FileNotFoundError

    monkeypatch.setattr(machine, "Path", NoSuchFile)
    name = find_cpu_name.__wrapped__()
    assert name == (platform.processor() or platform.machine())


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= count_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="sets the cores of a process")
def test_cores_that_are_taken_away_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert count_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_description_goes_into_json() -> None:
    described = describe_machine()
    assert json.loads(json.dumps(described)) == described
    assert described["cpu"] == find_cpu_name()
    assert described["cores"] == count_cores()
    assert str(described["system"]).startswith(platform.system())


def test_versions_are_those_of_the_packages_in_use() -> None:
    versions = list_versions()
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == np.__version__
    assert versions["torch"] == torch.__version__
    assert versions["tenfold"] == tenfold.__version__


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package-of-tenfold"))
    assert list_versions().keys() == {"tenfold", "python", "numpy"}
