"""What this machine is: recorded with every run and every measurement. No torch."""

import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

import tenfold

PACKAGES = ("numpy", "torch", "matplotlib")


@cache
def find_cpu_name() -> str:
    """The processor's name, such as "AMD EPYC 9B14", as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: Python's own answer has to do
    return platform.processor() or platform.machine()


def count_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, str | int]:
    """Processor, cores and system, as JSON values."""
    return {"cpu": find_cpu_name(), "cores": count_cores(), "system": platform.platform(terse=True)}


def list_versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide a run's numbers."""
    versions = {"tenfold": tenfold.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
