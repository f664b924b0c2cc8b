"""Groups of processes: whether all of one end, as they must when the first of them is gone."""

import time
from pathlib import Path


def is_any_alive(group: int) -> bool:
    """Whether a group of processes has one that is not a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it has just ended
        if int(of_group) == group and state != "Z":
            return True
    return False


def check_that_all_end(group: int) -> None:
    """Check that a moment after its first process a group has no other."""
    deadline = time.monotonic() + 60
    while is_any_alive(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_any_alive(group)
