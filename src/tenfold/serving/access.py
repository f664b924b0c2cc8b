"""Access control: the middleware that decides who may ask.

A hostile page in the user's browser can send requests to a server on the same machine, and with DNS
rebinding they look like same-origin requests. So only known hosts are allowed, cross-site requests
(by Fetch Metadata and Origin) are refused, and no header lets other sites read an answer.
"""

import base64
import binascii
import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from tenfold.serving.problems import FORBIDDEN, UNAUTHORIZED, UNKNOWN_HOST, Problem

OWN_SITE = (b"same-origin", b"none")  # none: typed into the address bar
# Other sites may link to these: they change nothing, show no data, and cannot be framed.
PAGES = ("/", "/docs")
OPEN_PATHS = ("/health/live", "/health/ready")  # without a token, for an operator's probes


class AccessControl:
    """Middleware that passes a request on, or raises the Problem for which it is refused."""

    def __init__(self, app: ASGIApp, known_hosts: frozenset[str], token: str | None) -> None:
        self.app = app
        self.known_hosts = frozenset(name.encode() for name in known_hosts)
        self.token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._check_host(headers)
        self._check_site(scope, headers)
        if self.token is not None and scope["path"] not in OPEN_PATHS:
            self._check_token(headers)
        await self.app(scope, receive, send)

    def _check_host(self, headers: list[tuple[bytes, bytes]]) -> None:
        hosts = _find_all(headers, b"host")
        if len(hosts) != 1 or _strip_port(hosts[0]) not in self.known_hosts:
            raise Problem(
                UNKNOWN_HOST,
                "Host: must be a single name that this server knows, such as localhost; "
                "--allow-host adds names",
            )

    def _check_site(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
        [host] = _find_all(headers, b"host")
        is_link = scope["path"] in PAGES and _is_followed_link(scope, headers)
        for site in _find_all(headers, b"sec-fetch-site"):
            if site not in OWN_SITE and not is_link:
                raise Problem(FORBIDDEN, "Sec-Fetch-Site: must be same-origin or none")
        for origin in _find_all(headers, b"origin"):
            # https where a proxy in front speaks it.
            if origin not in (b"http://" + host, b"https://" + host):
                raise Problem(FORBIDDEN, "Origin: must be the server's own")

    def _check_token(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Compare the token, which comes as a bearer token or as the password of Basic."""
        assert self.token is not None
        given = [value for name, value in headers if name == b"authorization"]
        scheme, _, token = given[0].strip().partition(b" ") if len(given) == 1 else (b"",) * 3
        token = token.strip()
        if scheme.lower() == b"basic":
            try:
                token = base64.b64decode(token, validate=True).partition(b":")[2]
            except binascii.Error:
                token = b""
        is_known = scheme.lower() in (b"bearer", b"basic")
        if not hmac.compare_digest(token, self.token) or not is_known:
            raise Problem(
                UNAUTHORIZED,
                "Authorization: must be Bearer and the server's token, or Basic with the token "
                "as the password and any user",
                {"www-authenticate": 'Basic realm="tenfold", charset="UTF-8"'},
            )


def _find_all(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value.strip().lower() for name, value in headers if name == wanted]


def _is_followed_link(scope: Scope, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the browser reports a top-level navigation."""
    modes, targets = _find_all(headers, b"sec-fetch-mode"), _find_all(headers, b"sec-fetch-dest")
    is_reading = scope["method"] in ("GET", "HEAD")
    return is_reading and modes == [b"navigate"] and targets == [b"document"]


def _strip_port(host: bytes) -> bytes:
    """The Host header without its port. An invalid port stays, so that the host is unknown."""
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() and not host.endswith(b"]") else host
