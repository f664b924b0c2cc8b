"""The configuration of a server: address, access and limits."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from tenfold.errors import ServingError

MIB = 1024**2
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
HOST_PATTERN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")
SHORTEST_TOKEN, LONGEST_TOKEN = 16, 4096


@dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """The configuration of a server.

    `allow_hosts` are the names that clients may use, beside those of the loopback interface; an
    address that others can reach needs at least one. At most `queue` images wait or are being read,
    at most `large_queue` of them large; further requests get status 503. A request must arrive
    within `receive_seconds`, and a client must take some of its answer within `send_seconds`. A
    worker has `small_seconds` for a batch of small images, `worker_seconds` for a large one, and
    `worker_mib` of address space beside what it starts with. From an image's last byte to its
    answer take at most `waiting_seconds`.

    Raises ServingError for invalid values.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    allow_hosts: tuple[str, ...] = ()
    token: str | None = None
    runs: Path | None = None
    model: Path | None = None
    lines: Path | None = None
    max_body_bytes: int = 16 * MIB
    queue: int = 8
    large_queue: int = 4
    receive_seconds: float = 15.0
    send_seconds: float = 15.0
    stop_seconds: float = 8.0
    small_seconds: float = 4.0
    worker_seconds: float = 8.0
    waiting_seconds: float = 25.0
    worker_mib: int = 768

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ServingError(f"--port must be from 0 to 65535, not {self.port}")
        if self.queue < 1:
            raise ServingError(f"--queue must be at least 1, not {self.queue}")
        for flag, seconds in (
            ("--receive-seconds", self.receive_seconds),
            ("--send-seconds", self.send_seconds),
        ):
            if not seconds > 0:
                raise ServingError(f"{flag} must be greater than 0, not {seconds:g}")
        for name in self.allow_hosts:
            if not HOST_PATTERN.fullmatch(name.lower()):
                raise ServingError(
                    f"--allow-host must be a name or address without a port, such as "
                    f"digits.example.org, not {name!r}"
                )
        if not is_loopback(self.host) and not self.allow_hosts:
            raise ServingError(
                f"--host {self.host}: others on the network could use this server; to allow it, "
                "give the names they use, as in --allow-host digits.example.org, and consider "
                "--token-file"
            )
        if self.runs is not None and not self.runs.is_dir():
            raise ServingError(f"--runs {self.runs}: no such folder")

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names that a request's Host may have, in lower case, without a port."""
        # A page can bind its own name to this machine, but not an address, nor the name given here.
        own = () if is_any(self.host) else (_bracket(self.host),)
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, *self.allow_hosts, *own))

    @property
    def address(self) -> str:
        """The URL of the page for a browser on this machine."""
        host = self.host
        if is_any(host):
            host = "::1" if ":" in host else "127.0.0.1"
        return f"http://{_bracket(host)}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_any(host: str) -> bool:
    """Whether an address to listen on means all addresses of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


def _bracket(host: str) -> str:
    """An address as in a URL or a Host header."""
    try:
        host = ipaddress.ip_address(host).compressed
    except ValueError:
        return host
    return f"[{host}]" if ":" in host else host


def read_token(path: Path) -> str:
    """The bearer token in a file. Raises ServingError if it is not a valid one."""
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
