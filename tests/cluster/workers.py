"""What the tests on a cluster share."""

import importlib.util
from pathlib import Path
from typing import Any

import psutil
import pytest

from tenfold.cluster.connecting import CLUSTER_PACKAGES
from tenfold.cluster.reading import build_schema

# Without importing Ray, which then reads the environment that `connecting` sets.
needs_cluster_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in CLUSTER_PACKAGES),
    reason="the extra 'cluster' is not installed",
)


def list_workers(title: str, parent: int | None = None) -> list[psutil.Process]:
    """The workers, below a process or this one, whose current task has this name."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(f"ray::{title}"):
                found.append(process)
        except psutil.Error:
            continue  # it has just ended
    return found


def load_rows(out: Path) -> list[dict[str, Any]]:
    """All rows of the Parquet files in a folder, sorted by file. Checks the schemas."""
    import pyarrow.parquet as pq

    rows = []
    for path in out.glob("*.parquet"):
        table = pq.read_table(path)
        assert table.schema.equals(build_schema(b""))
        rows += table.to_pylist()
    return sorted(rows, key=lambda row: str(row["file"]))
