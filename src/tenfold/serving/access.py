"""Access control: the middleware that every request passes first.

A hostile page in the user's browser can send requests to a server on the same machine, and with DNS
rebinding they look like same-origin requests. So only known hosts are allowed, cross-site requests
(by Fetch Metadata and Origin) are refused, and no header lets other sites read an answer.
"""

import hmac
import secrets
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serving.problems import (
    FORBIDDEN,
    SECURITY_HEADERS,
    UNAUTHORIZED,
    UNKNOWN_HOST,
    Problem,
)
from tenfold.serving.settings import ServingConfig

OWN_SITE = (b"same-origin", b"none")  # none: typed into the address bar
# The addresses of the page. Other sites may link to them: they change nothing, show no data, and
# cannot be framed.
PAGES = ("/", "/docs", "/runs")
# What a page needs before it can ask for a token, and what an operator's probes ask for.
OPEN_PATHS = (*PAGES, "/openapi.json", "/health/live", "/health/ready")
OPEN_PREFIX = "/page/"


class Guard:
    """Passes a request to the application, or refuses it."""

    def __init__(self, app: ASGIApp, config: ServingConfig) -> None:
        self.app = app
        self.known_hosts = frozenset(name.encode() for name in config.known_hosts)
        self.token = None if config.token is None else config.token.encode()
        self.session = hmac.new(self.token or b"", secrets.token_bytes(32), "sha256").hexdigest()
        # Cookies know no ports: each server on a host needs a name of its own.
        self.cookie = f"tenfold-session-{config.port}"
        self.is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._add_headers(message.get("headers", ()))
            await send(message)

        problem = self._find_problem(scope)
        if problem is not None:
            await send_problem(problem, send_guarded)
            return
        await self.app(scope, receive, send_guarded)

    def _add_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        found = list(headers)
        names = {name for name, _ in found}
        found += [one for one in ENCODED_HEADERS if one[0] not in names]
        if self.is_stopping:
            found.append((b"connection", b"close"))
        return found

    def _find_problem(self, scope: Scope) -> Problem | None:
        """Why a request is refused, or None."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value.strip().lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or _strip_port(hosts[0]) not in self.known_hosts:
            return Problem(
                UNKNOWN_HOST,
                "Host: must be a single name that this server knows, such as localhost; "
                "--allow-host adds names",
            )
        path = scope["path"].rstrip("/") or "/"  # the application leads on from /docs/ to /docs
        is_followed = path in PAGES and _is_followed_link(scope)
        for name, value in headers:
            is_own = value.strip().lower() in OWN_SITE
            if name == b"sec-fetch-site" and not (is_own or is_followed):
                return Problem(FORBIDDEN, "Sec-Fetch-Site: must be same-origin or none")
            if name == b"origin" and value.strip().lower() not in (
                b"http://" + hosts[0],
                b"https://" + hosts[0],
            ):
                return Problem(FORBIDDEN, "Origin: must be the server's own")
        is_open = path in OPEN_PATHS or path.startswith(OPEN_PREFIX)
        if self.token is None or is_open:
            return None
        if self._has_token(headers) or self._has_session(headers):
            return None
        return Problem(UNAUTHORIZED, "Authorization: must be Bearer and the server's token")

    def _has_token(self, headers: list[tuple[bytes, bytes]]) -> bool:
        assert self.token is not None
        given = [value for name, value in headers if name == b"authorization"]
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        is_right = hmac.compare_digest(token.strip(), self.token)
        return scheme.lower() == b"bearer" and is_right

    def _has_session(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = [
            value.strip()
            for name, line in headers
            if name == b"cookie"
            for key, _, value in (one.partition(b"=") for one in line.split(b";"))
            if key.strip() == self.cookie.encode()
        ]
        return len(given) == 1 and hmac.compare_digest(given[0], self.session.encode())

    def list_cookies(self) -> dict[str, str]:
        """The header that lets the page's browser come again without the token, if there is one.

        No script can read the cookie, no other site makes a browser send it, and it is not the
        token, which cannot be found from it.
        """
        if self.token is None:
            return {}
        return {"set-cookie": f"{self.cookie}={self.session}; HttpOnly; SameSite=Strict; Path=/"}


ENCODED_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


async def send_problem(problem: Problem, send: Send) -> None:
    """Answer with a problem."""
    body = problem.to_bytes()
    headers = problem.list_headers() | {"content-length": str(len(body))}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.kind.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _is_followed_link(scope: Scope) -> bool:
    """Whether the browser reports a top-level navigation."""
    found = [
        value for name, value in scope["headers"] if name in (b"sec-fetch-mode", b"sec-fetch-dest")
    ]
    return scope["method"] in ("GET", "HEAD") and sorted(found) == [b"document", b"navigate"]


def _strip_port(host: bytes) -> bytes:
    """The Host header without its port. An invalid port stays, so that the host is unknown."""
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() and not host.endswith(b"]") else host
