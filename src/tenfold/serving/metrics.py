"""The counters of a server, in Prometheus' text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
BATCH_BUCKETS = (1, 2, 3, 4, 8)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.responses = Counter(
            "tenfold_responses", "Responses by status code.", ["status"], registry=registry
        )
        self.readings = Counter(
            "tenfold_readings",
            "Images read, by the reading's status.",
            ["status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "tenfold_reading_seconds",
            "From an image's last byte to its answer, small and large images apart.",
            ["size"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.batch_requests = Histogram(
            "tenfold_batch_requests",
            "How many requests a worker got at once.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self.waiting = Gauge(
            "tenfold_waiting_images", "Images that are read or wait for it.", registry=registry
        )
        self.refused = Counter(
            "tenfold_refused_images", "Images refused because too many wait.", registry=registry
        )
        self.replaced = Counter(
            "tenfold_replaced_workers",
            "Workers that exceeded their limits or ended.",
            registry=registry,
        )

    def dump(self) -> bytes:
        """The counters as text."""
        return generate_latest(self.registry)
