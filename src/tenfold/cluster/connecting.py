"""Connecting to Ray: a local one started for the call, or a running cluster."""

import importlib.util
import ipaddress
import logging
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tenfold.errors import ClusterError, MissingExtraError, describe_install
from tenfold.system.machine import count_cores

CLUSTER_PACKAGES = ("ray", "pyarrow")
SECONDS_TO_CONNECT = 5.0
STORE_BYTES = 256 * 1024**2  # little goes through Ray; its default is 30 % of the memory


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The cores of all machines together, and of the largest machine."""

    num_cores: int
    num_cores_of_one: int


def require_cluster_extra() -> None:
    """Raise MissingExtraError if the packages that a cluster needs are not installed."""
    missing = [name for name in CLUSTER_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the extra 'cluster' is not installed ({', '.join(missing)} missing): "
            f"{describe_install('cluster')}"
        )


def check_cluster_flags(on: str | None, *, address: str | None) -> None:
    """Raise ClusterError for an engine other than Ray, or for an address without an engine."""
    if on not in (None, "ray"):
        raise ClusterError(f"--on must be ray, not {on}")
    if on is None and address is not None:
        raise ClusterError("--address needs --on ray")


@contextmanager
def connecting(address: str | None = None, *, num_cores: int | None = None) -> Iterator[Cluster]:
    """Start a local Ray, or join the cluster at `address`, HOST:PORT, for the time of the context.

    A cluster is joined from one of its machines, with the token that Ray finds in the environment.
    If this process is connected already, that connection is used and stays open. `num_cores` is for
    a local Ray; by default it gets all cores that the process may use.

    Raises ClusterError if Ray cannot be started or joined, or if this process is connected to
    another Ray; MissingExtraError without Ray.
    """
    require_cluster_extra()
    if address is not None:
        _check_address(address)
    if "ray" not in sys.modules:
        _set_environment(is_local=address is None)
    import ray

    if ray.is_initialized():
        known = ray.get_runtime_context().gcs_address
        if address not in (None, known):
            raise ClusterError(
                f"--address {address}: this process is connected to the Ray at {known}; call "
                "ray.shutdown() first"
            )
        yield _count_cores()
        return
    session_folder = None
    try:
        context = _start(address, num_cores)
        if address is None:
            session_folder = context.address_info["session_dir"]
            host = context.address_info["node_ip_address"]
            if not ipaddress.ip_address(host).is_loopback:
                raise ClusterError(
                    f"Ray was imported before Tenfold could set it up, so it listens on {host}, "
                    "which other machines may reach; connect first with ray.init()"
                )
        yield _count_cores()
    finally:
        ray.shutdown()
        if session_folder is not None:
            shutil.rmtree(session_folder, ignore_errors=True)


def _set_environment(*, is_local: bool) -> None:
    """Set the environment variables that Ray reads once, when it is imported."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if is_local:
        # Despite its name it has an effect on every system: Ray listens on loopback only.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Other users of this machine can reach loopback. Without a token in the environment, Ray
        # writes one to the home folder.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _check_address(address: str) -> None:
    """Raise ClusterError if nothing listens there; Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) >= 2**16:
        raise ClusterError(
            f"--address must be HOST:PORT, as `ray start --head` prints it, not {address}"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_CONNECT).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClusterError(
            f"--address {address}: no Ray cluster answers: {reason}; check it with `ray status` "
            "on its head node"
        ) from error


def _start(address: str | None, num_cores: int | None) -> Any:  # noqa: ANN401 - Ray's context
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        options |= {"num_cpus": num_cores or count_cores(), "include_dashboard": False}
        options["object_store_memory"] = STORE_BYTES
    try:
        return ray.init(address or "local", **options)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        what = "start Ray on this machine" if address is None else f"join the Ray at {address}"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"cannot {what}: {reason}") from error


def _count_cores() -> Cluster:
    import ray

    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if not any(cores):
        raise ClusterError("the Ray cluster has no cores to work on")
    return Cluster(num_cores=sum(cores), num_cores_of_one=max(cores))
