"""Errors as problem details (RFC 9457).

The codes are stable, so programs can rely on them. The texts reveal nothing of the machine, such as
paths.
"""

import ctypes
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
# On every answer. The page has no inline script or style and loads nothing from other origins.
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

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its HTTP status, its stable code, its title."""

    status: int
    code: str
    title: str


BAD_REQUEST = Kind(400, "bad-request", "The body is not what its content type says")
UNAUTHORIZED = Kind(401, "unauthorized", "A token is needed")
FORBIDDEN = Kind(403, "cross-site", "Requests from other sites are refused")
NOT_FOUND = Kind(404, "not-found", "There is nothing here")
METHOD_NOT_ALLOWED = Kind(405, "method-not-allowed", "This address does not take that method")
TIMEOUT = Kind(408, "request-timeout", "The request did not arrive in time")
TOO_LARGE = Kind(413, "too-large", "The request has too many bytes or images")
UNSUPPORTED = Kind(415, "unsupported-media-type", "The body is not called an image")
UNKNOWN_HOST = Kind(421, "unknown-host", "This server does not go by that name")
INVALID = Kind(422, "invalid-parameter", "A parameter is unknown or has an invalid value")
UNREADABLE = Kind(422, "unreadable-image", "The image cannot be decoded")
INTERNAL = Kind(500, "internal", "Something went wrong in the server")
BUSY = Kind(503, "busy", "The server has as much to do as it takes on")


@dataclass
class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A failed request: its kind, a detail, headers and further members."""

    kind: Kind
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)

    def to_response(self) -> Response:
        """The problem details object as a response, with Retry-After for a temporary problem."""
        kind = self.kind
        details = {
            "type": f"urn:tenfold:problem:{kind.code}",
            "title": kind.title,
            "status": kind.status,
            "code": kind.code,
            "detail": self.detail,
        }
        headers = {"cache-control": "no-store", **self.headers}
        if kind is BUSY:
            headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        return Response(
            json.dumps(details | self.members), kind.status, headers, media_type=CONTENT_TYPE
        )


class ProblemDetails:
    """Middleware that answers exceptions with problem details, and adds the security headers.

    Once `stopping` is set, connections end with their next answer. The problem's code is kept in
    the scope, for the log.
    """

    def __init__(self, app: ASGIApp, stopping: ctypes.c_bool) -> None:
        self.app, self.stopping = app, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS.items()]
                if self.stopping.value:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
            return
        except ClientDisconnect:  # there is no one to answer
            return
        except Problem as caught:
            problem = caught
        except Exception:
            logger.exception("request %s failed", scope["state"]["request_id"])
            problem = Problem(INTERNAL, "see the server's log")
        scope["state"]["code"] = problem.kind.code
        if not is_started:
            await problem.to_response()(scope, receive, send_with_headers)


async def answer_http_exception(_: Request, error: Any) -> Response:  # noqa: ANN401 - Starlette's type
    """Raise the problem for an address or method that no route has."""
    kind = METHOD_NOT_ALLOWED if error.status_code == METHOD_NOT_ALLOWED.status else NOT_FOUND
    raise Problem(kind, "see /docs", dict(error.headers or {}))
