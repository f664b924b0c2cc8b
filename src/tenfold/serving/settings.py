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
    domain socket instead of an address. `forms` is a folder of forms that sheets can be read by.
    `workers` processes read images, by default one per core; in each, at most `queue` requests
    wait. A request must arrive within `receive_seconds`.

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
    forms: Path | None = None
    workers: int | None = None
    queue: int = 8
    receive_seconds: float = 15.0
    log_format: LogFormat = "text"

    def __post_init__(self) -> None:
        for option, value, least, most in (
            ("--port", self.port, 0, 65535),
            ("--workers", 1 if self.workers is None else self.workers, 1, 1000),
            ("--queue", self.queue, 1, 1000),
            ("--receive-seconds", self.receive_seconds, 0.1, 3600),
        ):
            if not least <= value <= most:
                raise ServingError(f"{option} must be from {least} to {most}, not {value}")
        if not ROOT_PATTERN.fullmatch(self.root_path):
            raise ServingError(
                "--root-path must start with a slash and not end with one, as in /digits, "
                f"not {self.root_path!r}"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ServingError("--tls-cert and --tls-key are needed together")
        if wrong := [one for one in self.allow_hosts if not HOST_PATTERN.fullmatch(one.lower())]:
            raise ServingError(
                "--allow-host must be a name or address without a port, such as "
                f"digits.example.org, not {wrong}"
            )
        if self.is_open and not self.allow_hosts:
            raise ServingError(
                f"--host {self.host}: others on the network could use this server; to allow it, "
                "give the names they use, as in --allow-host digits.example.org, and consider "
                "--token-file"
            )

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach the server without a proxy on this one."""
        if self.uds is not None or self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # another name
            return True

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names that a request's Host may have, in lower case, without a port."""
        # With DNS rebinding a page can give this machine a name of its own, but not an address.
        names = (*LOOPBACK_NAMES, *self.allow_hosts, _describe_host(self.host))
        return frozenset(name.lower() for name in names)

    @property
    def address(self) -> str:
        """The URL of the page for a browser on this machine, or the path of the socket."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        scheme = "http" if self.tls_cert is None else "https"
        root = f"{self.root_path}/" if self.root_path else ""
        return f"{scheme}://{_describe_host(self.host)}:{self.port}{root}"


def _describe_host(host: str) -> str:
    """An address to listen on as in a URL; instead of all addresses the one of this machine."""
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")
    except ValueError:  # a name
        return host
    if address.is_unspecified:
        return "[::1]" if address.version == 6 else "127.0.0.1"
    return f"[{address}]" if address.version == 6 else str(address)


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
