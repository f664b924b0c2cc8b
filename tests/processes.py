"""Waiting for processes, and for what they do."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(is_true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until a condition holds; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def is_group_alive(group: int) -> bool:
    """Whether a process group has a member that is not a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it has just ended
        if int(of_group) == group and state != "Z":
            return True
    return False


def wait_for_group_to_end(group: int) -> None:
    """Wait until no process of a group is left; fail if one survives for a minute."""
    wait_until(lambda: not is_group_alive(group), seconds=60)
