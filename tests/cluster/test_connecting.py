"""Starting a Ray, joining one, and what is said of addresses where there is none."""

import os
import re
import socket
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from workers import list_workers, needs_cluster_extra

from servers import Served
from tenfold.cluster import connecting as module
from tenfold.cluster.connecting import (
    CLUSTER_PACKAGES,
    Cluster,
    check_place,
    connecting,
    reporting_cluster_errors,
    require_cluster_extra,
)
from tenfold.errors import ClusterError, MissingExtraError, RunError

pytestmark = needs_cluster_extra


def join(address: str) -> None:
    with connecting(address):
        raise AssertionError(address)


def test_a_ray_of_this_machine_has_the_cores_that_were_asked_for(cluster: Cluster) -> None:
    assert cluster == Cluster(num_cores=2, num_cores_of_one=2, is_local=True)
    with connecting() as again:  # what is connected to already is used
        assert again == cluster
    with connecting() as again:
        assert again == cluster


def test_only_this_machine_can_reach_it_and_it_tells_nobody_of_its_use(cluster: Cluster) -> None:
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
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


def test_an_address_has_a_host_and_a_port() -> None:
    for address in ("nonsense", "host:", ":6379", "host:seven", "host:70000", "ray://host:10001"):
        message = f"--address: expected HOST:PORT, as `ray start --head` prints it, found {address}"
        with pytest.raises(ClusterError, match=f"^{re.escape(message)}$"):
            join(address)


def test_where_nothing_listens_there_is_no_cluster() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    message = (
        f"127.0.0.1:{port}: expected a Ray cluster, found: Connection refused. `ray status` on "
        "its first machine says whether it runs"
    )
    with pytest.raises(ClusterError, match=f"^{re.escape(message)}$"):
        join(f"127.0.0.1:{port}")


def test_another_server_is_no_cluster(served: Served) -> None:
    message = (
        f"127.0.0.1:{served.port}: expected a Ray cluster, found another server; its port is the "
        "one that `ray start --head` prints, by default 6379"
    )
    with pytest.raises(ClusterError, match=f"^{re.escape(message)}$"):
        join(f"127.0.0.1:{served.port}")


def test_a_server_without_a_word_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        message = f"{address}: expected a Ray cluster, found: timed out. "
        with pytest.raises(ClusterError, match=f"^{re.escape(message)}"):
            join(address)


def test_an_address_is_not_passed_over_for_the_ray_that_is_connected_to(cluster: Cluster) -> None:
    import ray

    known = ray.get_runtime_context().gcs_address
    with connecting(known) as again:
        assert again.num_cores == cluster.num_cores
    with socket.create_server(("127.0.0.1", 0)) as server:  # it answers as a Ray does
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        message = (
            f"--address: expected {address}, found this process connected to the Ray at {known}. "
            "Leave the address out, or call ray.shutdown() before"
        )
        with pytest.raises(ClusterError, match=f"^{re.escape(message)}$"):
            join(address)
        answering.join()


def test_a_ray_that_other_machines_may_reach_is_refused() -> None:
    for host in ("127.0.0.1", "::1"):
        module._check_loopback(host)
    message = (
        "expected a Ray that listens to this machine alone, found one at 10.0.0.5. Start one "
        "yourself, and name it with --address"
    )
    with pytest.raises(ClusterError, match=f"^{re.escape(message)}$"):
        module._check_loopback("10.0.0.5")


def test_what_a_ray_wrote_is_removed_with_the_link_to_it(tmp_path: Path) -> None:
    for name in ("session_1", "session_2"):
        (tmp_path / name / "logs").mkdir(parents=True)
    (tmp_path / "session_latest").symlink_to(tmp_path / "session_2")
    module._remove(tmp_path / "session_1")
    assert (tmp_path / "session_latest").exists()  # another Ray's
    module._remove(tmp_path / "session_2")
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_ray_and_whole() -> None:
    check_place(None, address=None)
    check_place("ray", address="host:6379")
    with pytest.raises(ClusterError, match=r"^--on: expected ray, found slurm$"):
        check_place("slurm", address=None)
    with pytest.raises(ClusterError, match=r"^--address: expected --on ray with it, found none$"):
        check_place(None, address="host:6379")


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    require_cluster_extra()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = (
        f"the extra 'cluster' is not installed ({', '.join(CLUSTER_PACKAGES)} missing): "
        "pip install 'tenfold[cluster]'"
    )
    with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}"), connecting():
        pass


def test_a_ray_that_others_imported_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_private", False)
    message = (
        "expected to be the first to import Ray, for only then it can be kept from other machines, "
        "found it imported. Connect to a Ray of your own before, with ray.init()"
    )
    with pytest.raises(ClusterError, match=f"^{re.escape(message)}$"):
        module._check_private(is_new=False)


def test_what_ray_says_of_its_workers_is_one_line(cluster: Cluster) -> None:
    import ray

    with pytest.raises(ClusterError) as raised, reporting_cluster_errors("train on"):
        raise ray.exceptions.WorkerCrashedError
    assert str(raised.value) == (
        "expected workers that train on, found one that ended again and again: out of memory, or "
        "stopped from outside? (WorkerCrashedError) The same command goes on where it stopped"
    )
    with pytest.raises(ClusterError) as raised, reporting_cluster_errors("train on"):
        ray.get(ray.remote(list_workers).remote("of a module that workers do not find"))
    assert str(raised.value) == (
        "expected Tenfold, with its extras, on every machine of the cluster, found: No module "
        "named 'workers'"
    )
    diverged = RunError("training diverged")
    with pytest.raises(RunError, match=r"^training diverged$"), reporting_cluster_errors("train"):
        raise ray.exceptions.RayTaskError("train", "traceback", diverged)
    with pytest.raises(ray.exceptions.RayTaskError), reporting_cluster_errors("train"):
        raise ray.exceptions.RayTaskError("train", "traceback", KeyError("a bug"))
