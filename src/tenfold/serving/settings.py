"""The configuration of a server: address, access and limits."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tenfold.errors import ServingError

MIB = 1024**2
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
HOST_PATTERN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")
ROOT_PATTERN = re.compile(r"(/[A-Za-z0-9._~-]+)*")
SHORTEST_TOKEN, LONGEST_TOKEN = 16, 4096

LogFormat = Literal["text", "json"]


@dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """The configuration of a server.

    `allow_hosts` are the names that clients may use, beside those of the loopback interface; an
    address that others can reach needs at least one. With `uds`, the server listens on that Unix
    domain socket instead of an address. `workers` processes read images, by default one per core;
    in each, at most `queue` requests wait. A request must arrive within `receive_seconds`.

    Raises ServingError for invalid values.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    uds: Path | None = None
    root_path: str = ""
    allow_hosts: tuple[str, ...] = ()
    token: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    model: Path | None = None
    lines: Path | None = None
    workers: int | None = None
    queue: int = 8
    receive_seconds: float = 15.0
    log_format: LogFormat = "text"

    def __post_init__(self) -> None:
        is_open = self.uds is None and not is_loopback(self.host)
        wrong_names = [one for one in self.allow_hosts if not HOST_PATTERN.fullmatch(one.lower())]
        for is_wrong, message in (
            (not 0 <= self.port <= 65535, f"--port must be from 0 to 65535, not {self.port}"),
            (self.queue < 1, f"--queue must be at least 1, not {self.queue}"),
            (
                self.workers is not None and self.workers < 1,
                f"--workers must be at least 1, not {self.workers}",
            ),
            (
                not self.receive_seconds > 0,
                f"--receive-seconds must be greater than 0, not {self.receive_seconds:g}",
            ),
            (
                not ROOT_PATTERN.fullmatch(self.root_path),
                "--root-path must start with a slash and not end with one, as in /digits, "
                f"not {self.root_path!r}",
            ),
            (
                (self.tls_cert is None) != (self.tls_key is None),
                "--tls-cert and --tls-key are needed together",
            ),
            (
                self.uds is not None and not self.uds.parent.is_dir(),
                f"--uds {self.uds}: no such folder",
            ),
            (
                wrong_names,
                "--allow-host must be a name or address without a port, such as "
                f"digits.example.org, not {wrong_names}",
            ),
            (
                is_open and not self.allow_hosts,
                f"--host {self.host}: others on the network could use this server; to allow it, "
                "give the names they use, as in --allow-host digits.example.org, and consider "
                "--token-file",
            ),
        ):
            if is_wrong:
                raise ServingError(message)

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names that a request's Host may have, in lower case, without a port."""
        # A page can bind its own name to this machine, but not an address, nor the name given here.
        own = () if is_any(self.host) else (_bracket(self.host),)
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, *self.allow_hosts, *own))

    @property
    def address(self) -> str:
        """The URL of the page for a browser on this machine, or the path of the socket."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        host = self.host
        if is_any(host):
            host = "::1" if ":" in host else "127.0.0.1"
        scheme = "http" if self.tls_cert is None else "https"
        root = f"{self.root_path}/" if self.root_path else ""
        return f"{scheme}://{_bracket(host)}:{self.port}{root}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address to listen on."""
    address = _parse_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_any(host: str) -> bool:
    """Whether an address to listen on means all addresses of this machine."""
    address = _parse_address(host)
    return not host or (address is not None and address.is_unspecified)


def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:  # a name
        return None


def _bracket(host: str) -> str:
    """An address as in a URL or a Host header."""
    host = str(_parse_address(host) or host)
    return f"[{host}]" if ":" in host else host


def read_token(path: Path) -> str:
    """The token in a file. Raises ServingError if it is not a valid one."""
    try:
        with path.open("rb") as file:
            token = file.read(LONGEST_TOKEN + 1).decode("ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "characters that are not ASCII"
        raise ServingError(f"--token-file {path}: cannot be read: {reason}") from error
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN or not re.fullmatch(
        r"[A-Za-z0-9._~+/=-]+", token
    ):
        raise ServingError(
            f"--token-file {path}: the token must have {SHORTEST_TOKEN} to {LONGEST_TOKEN} "
            "letters, digits and - . _ ~ + / ="
        )
    return token
