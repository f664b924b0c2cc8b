"""A Ray to work on: one of this machine alone, or a cluster that is there already.

In: nothing, or the address of a cluster. Out: how many cores it has, while it is connected to.

Ray itself tells its makers of its use, writes a token into the home folder, and lets every machine
of the network in. A Ray that is started here does none of that: its servers listen on this machine
alone and want a token that nobody else has, and what it wrote is removed in the end.
"""

import contextlib
import importlib.util
import ipaddress
import logging
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tenfold.errors import ClusterError, MissingExtraError, TenfoldError, describe_install
from tenfold.machine import count_cores

CLUSTER_PACKAGES = ("ray", "pyarrow", "pandas")
PROBE_SECONDS = 5.0
STORE_BYTES = 256 * 1024**2  # what goes through Ray is small; by default it takes a third of memory
# How a client of HTTP/2, which Ray speaks, begins, and where its answer says that it is settings.
HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
HTTP2_TYPE, HTTP2_SETTINGS = 3, 4
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what goes wrong comes as an error, too
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's future default; without it, it warns
}
MISSING_MODULE = re.compile(r"No module named '[\w.]+'")
LOG_LEVEL_SET = b"Set ray log level from environment variable"
# On other systems than Linux Ray takes the machine's own address, and this switch means just that.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}

_is_private = False  # whether Ray was imported to be reached by this machine alone


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What is connected to: cores in all and of its largest machine; whether it is this machine."""

    num_cores: int
    num_cores_of_one: int
    is_local: bool


def require_cluster_extra() -> None:
    """Raise MissingExtraError if Tenfold was installed without what a cluster needs."""
    missing = [name for name in CLUSTER_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the extra 'cluster' is not installed ({', '.join(missing)} missing): "
            f"{describe_install('cluster')}"
        )


@contextmanager
def connecting(address: str | None = None, *, num_cores: int | None = None) -> Iterator[Cluster]:
    """Start a Ray on this machine, or join the cluster at `address`, HOST:PORT, until the end.

    A cluster is joined from one of its machines; its tokens, if it wants any, are Ray's affair. A
    Ray that this process has connected to already is used, and left as it is. `num_cores` is for a
    Ray on this machine, by default all cores that the process may use.

    Raises ClusterError if nothing answers there, what answers is no Ray, or Ray does not let us in,
    or if this process is connected to another Ray already; MissingExtraError without Ray.
    """
    require_cluster_extra()
    if address is not None:
        _check_address(address)
    is_new = "ray" not in sys.modules
    private = {} if address is not None else {**LOOPBACK, "RAY_AUTH_TOKEN": _make_token()}
    with _setting_environment({**QUIET, **private}):
        import ray

        if ray.is_initialized():
            _check_connected(address, ray.get_runtime_context().gcs_address)
            yield _describe(is_local=address is None)
            return
        if address is None:
            _check_private(is_new)
        session_folder = None
        try:
            with _holding_stderr():
                context = _start(ray, address, num_cores)
            if address is None:
                session_folder = Path(context.address_info["session_dir"])
                _check_loopback(context.address_info["node_ip_address"])
            yield _describe(is_local=address is None)
        finally:
            ray.shutdown()
            if session_folder is not None:
                _remove(session_folder)


def _remove(session_folder: Path) -> None:
    """Remove what a Ray wrote, and the link that says that it was the latest."""
    shutil.rmtree(session_folder, ignore_errors=True)
    latest = session_folder.with_name("session_latest")
    if latest.is_symlink() and not latest.exists():
        latest.unlink(missing_ok=True)


@cache
def _make_token() -> str:
    """What opens a Ray that this process starts; Ray keeps the first that it meets."""
    return secrets.token_hex(32)


def _check_private(is_new: bool) -> None:
    """Raise ClusterError if Ray was imported by others: it looks at its environment but once."""
    global _is_private
    _is_private = _is_private or is_new
    if not _is_private:
        raise ClusterError(
            "expected to be the first to import Ray, for only then it can be kept from other "
            "machines, found it imported. Connect to a Ray of your own before, with ray.init()"
        )


def _check_loopback(host: str) -> None:
    """Raise ClusterError if other machines may reach a Ray that listens on this address."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ClusterError(
            f"expected a Ray that listens to this machine alone, found one at {host}. Start one "
            "yourself, and name it with --address"
        )


def _check_connected(address: str | None, known: str) -> None:
    """Raise ClusterError if this process is connected to another Ray than is asked for."""
    if address not in (None, known):
        raise ClusterError(
            f"--address: expected {address}, found this process connected to the Ray at {known}. "
            "Leave the address out, or call ray.shutdown() before"
        )


def check_place(on: str | None, *, address: str | None) -> None:
    """Raise ClusterError for another place to work on than a Ray cluster, or for half of one."""
    if on not in (None, "ray"):
        raise ClusterError(f"--on: expected ray, found {on}")
    if on is None and address is not None:
        raise ClusterError("--address: expected --on ray with it, found none")


@contextmanager
def _setting_environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment, Ray's only way to be told, and set them back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _holding_stderr() -> Iterator[None]:
    """Pass on what is written to stderr later, without Ray's word that it is told to say less."""
    if sys.stderr is None:  # closed by whoever started this process
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(kept, 2)
                file.seek(0)
                said = [line for line in file if LOG_LEVEL_SET not in line]
                os.write(2, b"".join(said))
    finally:
        os.close(kept)


def _start(
    ray: Any,  # noqa: ANN401 - the module, whose import waits for the environment
    address: str | None,
    num_cores: int | None,
) -> Any:  # noqa: ANN401
    shared: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is not None:
            return ray.init(address, **shared)
        return ray.init(
            "local",
            num_cpus=num_cores or count_cores(),
            object_store_memory=STORE_BYTES,
            include_dashboard=False,
            **shared,
        )
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        where = "this machine" if address is None else address
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"{where}: expected a Ray to work on, found: {reason}") from error


def _check_address(address: str) -> None:
    """Raise ClusterError if nothing that may be Ray answers: Ray would wait many minutes for it."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 2**16) or "/" in host:
        raise ClusterError(
            f"--address: expected HOST:PORT, as `ray start --head` prints it, found {address}"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS) as connection:
            connection.sendall(HTTP2_GREETING)
            answer = b""
            while len(answer) <= HTTP2_TYPE and (more := connection.recv(64)):
                answer += more
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ClusterError(
            f"{address}: expected a Ray cluster, found: {reason}. `ray status` on its first "
            "machine says whether it runs"
        ) from error
    if len(answer) <= HTTP2_TYPE or answer[HTTP2_TYPE] != HTTP2_SETTINGS:
        raise ClusterError(
            f"{address}: expected a Ray cluster, found another server; its port is the one that "
            "`ray start --head` prints, by default 6379"
        )


def _describe(*, is_local: bool) -> Cluster:
    import ray

    nodes = ray.nodes()
    cores = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    if not any(cores):
        raise ClusterError("expected a Ray cluster with cores to work on, found none")
    return Cluster(num_cores=sum(cores), num_cores_of_one=max(cores), is_local=is_local)


@contextmanager
def reporting_cluster_errors(what: str) -> Iterator[None]:
    """Turn what Ray says of its own troubles into a ClusterError of one line.

    `what` says what the workers do. An error of Tenfold's that a worker met comes as it is.
    """
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        cause = _find_cause(error)
        if isinstance(cause, TenfoldError):
            raise cause from None
        missing = MISSING_MODULE.search(str(error))
        if missing:  # it is met before a worker can run anything of ours
            raise ClusterError(
                "expected Tenfold, with its extras, on every machine of the cluster, found: "
                f"{missing.group()}"
            ) from error
        if isinstance(error, ray.exceptions.RayTaskError):
            raise  # a bug of ours, with the worker's traceback
        raise ClusterError(
            f"expected workers that {what}, found one that ended again and again: out of memory, "
            f"or stopped from outside? ({type(error).__name__}) The same command goes on where "
            "it stopped"
        ) from error


def _find_cause(error: BaseException) -> BaseException | None:
    """The first error of Tenfold's below what Ray raised, which looks like one itself."""
    seen = getattr(error, "cause", None) or error.__cause__
    while seen is not None and not isinstance(seen, TenfoldError):
        seen = getattr(seen, "cause", None) or seen.__cause__
    return seen


def stop_quietly(reference: Any) -> None:  # noqa: ANN401 - Ray's
    """Cancel a task at once, whatever it is at."""
    import ray

    with contextlib.suppress(ray.exceptions.RayError, ValueError):
        ray.cancel(reference, force=True)
