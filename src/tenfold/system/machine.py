"""The machine, as recorded with every run and measurement."""

import os
import platform
import time
from functools import cache
from importlib import metadata
from pathlib import Path

import tenfold

PACKAGES = ("numpy", "torch", "matplotlib")


@cache
def find_cpu_name() -> str:
    """The processor's name, such as "AMD EPYC 9B14"."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def count_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, str | int]:
    """Processor, cores and system, as JSON values."""
    return {"cpu": find_cpu_name(), "cores": count_cores(), "system": platform.platform(terse=True)}


def list_versions() -> dict[str, str]:
    """The versions of Python and of the packages that a run's numbers depend on."""
    versions = {"tenfold": tenfold.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


class CpuLoadMonitor:
    """Measures how many cores other programs keep busy, from its creation on."""

    def __init__(self) -> None:
        self.wall, self.own, self.all = _read_clocks()

    def measure_cores(self) -> float | None:
        """Cores that other programs kept busy on average; None if the system does not tell."""
        wall, own, everything = _read_clocks()
        if everything is None or self.all is None or wall <= self.wall:
            return None
        return max(0.0, (everything - self.all - own + self.own) / (wall - self.wall))


def _read_clocks() -> tuple[float, float, float | None]:
    """Wall time, and CPU time of this process and of all processes, in seconds."""
    wall, own = time.perf_counter(), time.process_time()
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]  # Linux only
    except OSError:
        return wall, own, None
    # user nice system idle iowait irq softirq steal guest guest_nice; guest is part of user.
    user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    # Some sandboxes show only zeros.
    return wall, own, ticks / os.sysconf("SC_CLK_TCK") if ticks else None
