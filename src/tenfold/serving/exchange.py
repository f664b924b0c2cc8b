"""The outermost middleware: what every request and every answer has."""

import asyncio
import ctypes
import logging
import re
import secrets
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serving.metrics import RESPONSES
from tenfold.serving.problems import BUSY, INTERNAL, Problem

# The page has no inline script or style and loads nothing from other origins.
SECURITY_HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}
ID_HEADER = b"x-request-id"
ID_PATTERN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
MAX_SHOWN = 200  # characters of what a client sent
CLIENT_LEFT = 499  # nginx's status for a client that disconnected
PROBES = ("/health/live", "/health/ready", "/metrics")  # logged only if they fail

logger = logging.getLogger(__name__)


class Exchange:
    """Middleware that gives each request an id, answers exceptions, and logs and counts answers.

    A proxy's `X-Request-Id` is kept, so that both logs say the same. Once `stopping` is set,
    connections end with their next answer. Addresses have no `--root-path` from here on.
    """

    def __init__(self, app: ASGIApp, stopping: ctypes.c_bool) -> None:
        self.app, self.stopping = app, stopping
        self.num_refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["path"] = scope["path"].removeprefix(scope["root_path"])
        scope["root_path"] = ""
        given = dict(scope["headers"]).get(ID_HEADER, b"")
        request_id = given if ID_PATTERN.fullmatch(given) else secrets.token_hex(8).encode()
        state = scope["state"] = {"request_id": request_id.decode()}
        status, started = CLIENT_LEFT, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                more = [*SECURITY_HEADERS.items(), (ID_HEADER, request_id)]
                if b"cache-control" not in dict(message["headers"]):
                    # The page and its description, which a browser keeps but asks for again.
                    more.append((b"cache-control", b"no-cache"))
                if self.stopping.value:
                    more.append((b"connection", b"close"))
                message["headers"] = [*message["headers"], *more]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # there is no one to answer
        except Exception as error:
            unknown = Problem(INTERNAL, "see the server's log")
            problem = error if isinstance(error, Problem) else unknown
            if problem is unknown:
                logger.exception("request %s failed", state["request_id"])
            state["code"] = problem.kind.code
            if status == CLIENT_LEFT:  # no answer has begun
                await problem.to_response()(scope, receive, send_with_headers)
        finally:
            self._log(scope, status, time.perf_counter() - started)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        RESPONSES.labels(str(status)).inc()
        state, client = scope["state"], scope.get("client")
        if state.get("code") == BUSY.code:
            if not self.num_refused:  # logged together, as there may be thousands
                asyncio.get_running_loop().call_later(1, self._log_refusals)
            self.num_refused += 1
        elif status >= 400 or scope["path"] not in PROBES:
            forwarded = dict(scope["headers"]).get(b"x-forwarded-for", b"").decode("latin-1")
            entry = {
                "client": (client[0] if client else None) or None,  # empty on a Unix socket
                "forwarded_for": forwarded[:MAX_SHOWN] or None,  # as the sender says
                "method": scope["method"],
                "path": scope["path"][:MAX_SHOWN],
                "status": status,
                "ms": round(1000 * seconds, 1),
                **state,  # the id, and what others noted: a problem's code, statuses
            }
            logger.info("request", extra={"entry": entry})

    def _log_refusals(self) -> None:
        plural = "s" if self.num_refused > 1 else ""
        logger.warning("refused %d request%s, as too many wait", self.num_refused, plural)
        self.num_refused = 0
