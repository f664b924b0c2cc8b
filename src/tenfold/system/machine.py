"""What this machine is: recorded with every run and every measurement. No torch."""

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


class CpuLoadMonitor:
    """Measures how many cores other programs keep busy, from when it is made."""

    def __init__(self) -> None:
        self.wall, self.own, self.all = _read_clocks()

    def measure_cores(self) -> float | None:
        """Cores that others kept busy on average since; None where the system does not tell."""
        wall, own, everything = _read_clocks()
        if everything is None or self.all is None or wall <= self.wall:
            return None
        return max(0.0, (everything - self.all - own + self.own) / (wall - self.wall))


def _read_clocks() -> tuple[float, float, float | None]:
    """Seconds of the wall, of this process on cores, and of all processes on all cores."""
    wall, own = time.perf_counter(), time.process_time()
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]  # Linux only
    except OSError:
        return wall, own, None
    # user nice system idle iowait irq softirq steal guest guest_nice; guest is part of user.
    user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    # Some sandboxes show nothing but zeros.
    return wall, own, ticks / os.sysconf("SC_CLK_TCK") if ticks else None
