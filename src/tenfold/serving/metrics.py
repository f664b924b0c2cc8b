"""The counters of a server over all its processes, in Prometheus' text format.

Each process writes its own files in a folder (prometheus-client's multi-process mode), which
`PROMETHEUS_MULTIPROC_DIR` must name before this module is imported. Whatever process is asked adds
them up.
"""

import platform

import onnxruntime
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

import tenfold

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

RESPONSES = Counter("tenfold_responses", "Responses by status code.", ["status"])
READINGS = Counter("tenfold_readings", "Images read, by the reading's status.", ["status"])
SECONDS = Histogram(
    "tenfold_reading_seconds",
    "From the last byte of a request with images to its answer, small and large ones apart.",
    ["size"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
STARTS = Counter("tenfold_worker_starts", "Worker processes that were started.")
BUILD = Gauge(
    "tenfold_build_info",
    "Versions; the value is 1.",
    ["version", "python", "onnxruntime"],
    multiprocess_mode="max",
)


def note_start() -> None:
    """Count a worker that starts, and note its versions."""
    STARTS.inc()
    BUILD.labels(tenfold.__version__, platform.python_version(), onnxruntime.__version__).set(1)


def dump() -> bytes:
    """The counters of all processes as text."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
