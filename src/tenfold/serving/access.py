"""Access control: the middleware that decides who may ask.

A hostile page in the user's browser can send requests to a server on the same machine, and with DNS
rebinding they look like same-origin requests. So only known hosts are allowed, cross-site requests
(by Fetch Metadata and Origin) are refused, and no header lets other sites read an answer.
"""

import base64
import binascii
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tenfold.serving.problems import FORBIDDEN, UNAUTHORIZED, UNKNOWN_HOST, Problem

OWN_SITE = ("same-origin", "none")  # none: typed into the address bar
# Other sites may link to these: they change nothing, show no data, and cannot be framed.
PAGES = ("/", "/docs")
OPEN_PATHS = ("/health/live", "/health/ready")  # without a token, for an operator's probes


class AccessControl:
    """Middleware that passes a request on, or raises the Problem for which it is refused."""

    def __init__(self, app: ASGIApp, known_hosts: frozenset[str], token: str | None) -> None:
        self.app, self.known_hosts = app, known_hosts
        self.token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        self._check_sender(scope, headers)
        if self.token is not None and scope["path"] not in OPEN_PATHS:
            _check_token(headers.getlist("authorization"), self.token)
        await self.app(scope, receive, send)

    def _check_sender(self, scope: Scope, headers: Headers) -> None:
        hosts = _find_all(headers, "host")
        if len(hosts) != 1 or _strip_port(hosts[0]) not in self.known_hosts:
            raise Problem(
                UNKNOWN_HOST,
                "Host: must be a single name that this server knows, such as localhost; "
                "--allow-host adds names",
            )
        is_page = scope["path"] in PAGES and scope["method"] in ("GET", "HEAD")
        is_link = (  # that a person followed, as the browser reports
            _find_all(headers, "sec-fetch-mode") == ["navigate"]
            and _find_all(headers, "sec-fetch-dest") == ["document"]
        )
        is_own = all(site in OWN_SITE for site in _find_all(headers, "sec-fetch-site"))
        if not is_own and not (is_page and is_link):
            raise Problem(FORBIDDEN, "Sec-Fetch-Site: must be same-origin or none")
        own = (f"http://{hosts[0]}", f"https://{hosts[0]}")  # https where a proxy speaks it
        if any(origin not in own for origin in _find_all(headers, "origin")):
            raise Problem(FORBIDDEN, "Origin: must be the server's own")


def _check_token(given: list[str], token: bytes) -> None:
    """Compare the token, which comes as a bearer token or as the password of Basic."""
    scheme, _, text = given[0].strip().partition(" ") if len(given) == 1 else ("",) * 3
    found = text.strip().encode("latin-1") if scheme.lower() in ("bearer", "basic") else b""
    if scheme.lower() == "basic":
        try:
            found = base64.b64decode(found, validate=True).partition(b":")[2]
        except binascii.Error:
            found = b""
    if not hmac.compare_digest(found, token):
        raise Problem(
            UNAUTHORIZED,
            "Authorization: must be Bearer and the server's token, or Basic with the token "
            "as the password and any user",
            {"www-authenticate": 'Basic realm="tenfold", charset="UTF-8"'},
        )


def _find_all(headers: Headers, name: str) -> list[str]:
    return [value.strip().lower() for value in headers.getlist(name)]


def _strip_port(host: str) -> str:
    """The Host header without its port. An invalid port stays, so that the host is unknown."""
    name, colon, port = host.rpartition(":")
    is_port = port.isascii() and port.isdigit()
    return name if colon and is_port and not host.endswith("]") else host
