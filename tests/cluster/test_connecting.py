"""Starting a local Ray, joining a cluster, and their errors."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cluster.workers import needs_cluster_extra
from tenfold.cluster.connecting import (
    Cluster,
    check_cluster_flags,
    connecting,
    require_cluster_extra,
)
from tenfold.cluster.tasks import translating_ray_errors
from tenfold.errors import ClusterError, MissingExtraError, RunError, TenfoldError

pytestmark = needs_cluster_extra


def join(address: str) -> None:
    with connecting(address):
        raise AssertionError(address)


def test_an_open_connection_is_reused(cluster: Cluster) -> None:
    import ray

    assert cluster == Cluster(num_cores=2, num_cores_of_one=2)
    known = ray.get_runtime_context().gcs_address
    for address in (None, known):
        with connecting(address) as again:
            assert again == cluster
    assert ray.is_initialized()
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"{address}: this process is .* {known}"):
            join(address)


def test_a_local_ray_listens_on_loopback_only(cluster: Cluster) -> None:
    listening = []
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # Ray ends some of its own now and then
            listening += [
                (process.name(), connection.laddr.ip)
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            ]
    assert {"gcs_server", "raylet"} <= {name for name, _ in listening}
    assert {host.removeprefix("::ffff:") for _, host in listening} == {"127.0.0.1"}
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_local_ray_is_refused_if_ray_was_imported_before(tmp_path: Path) -> None:
    code = (
        "import ray\n"
        "from tenfold.cluster.connecting import connecting\n"
        "with connecting(num_cores=1): raise AssertionError"
    )
    environment = {name: value for name, value in os.environ.items() if "RAY_" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ClusterError: Ray was imported before Tenfold could set it up" in done.stderr


@pytest.mark.parametrize(
    "address", ["nonsense", "host:", ":6379", "host:seven", "host:70000", "ray://host:10001"]
)
def test_an_address_must_have_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ClusterError, match=f"--address must be HOST:PORT.* not {address}"):
        join(address)


def test_an_address_where_nothing_listens_fails_fast() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ClusterError, match=f"{address}: .*Connection refused.*`ray status`"):
        join(address)


def test_the_engine_is_ray_and_an_address_needs_it() -> None:
    check_cluster_flags(None, address=None)
    check_cluster_flags("ray", address="host:6379")
    with pytest.raises(ClusterError, match="--on must be ray, not slurm"):
        check_cluster_flags("slurm", address=None)
    with pytest.raises(ClusterError, match="--address needs --on ray"):
        check_cluster_flags(None, address="host:6379")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_cluster_extra()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = r"^the extra 'cluster' is not installed \(ray.*pip install 'tenfold\[cluster\]'"
    with pytest.raises(MissingExtraError, match=message), connecting():
        pass


def test_errors_of_workers_are_translated(cluster: Cluster) -> None:
    from ray.exceptions import RayTaskError, WorkerCrashedError

    with pytest.raises(ClusterError, match="out of memory"), translating_ray_errors():
        raise WorkerCrashedError
    for cause, message in (
        (OSError(28, "No space left on device"), "a worker failed: .*No space left on device"),
        (RunError("training diverged"), "^training diverged$"),
    ):
        with pytest.raises(TenfoldError, match=message), translating_ray_errors():
            raise RayTaskError("read", "traceback", cause)
    with pytest.raises(RayTaskError), translating_ray_errors():
        raise RayTaskError("train", "traceback", KeyError("a bug"))
