"""Errors as problem details (RFC 9457).

The codes are stable, so programs can rely on them. The texts reveal nothing of the machine, such as
paths.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its HTTP status, its stable code, its title."""

    status: int
    code: str
    title: str


BAD_REQUEST = Kind(400, "bad-request", "The body is malformed or has no image")
UNAUTHORIZED = Kind(401, "unauthorized", "A token is needed")
FORBIDDEN = Kind(403, "cross-site", "Requests from other sites are refused")
NOT_FOUND = Kind(404, "not-found", "There is nothing here")
METHOD_NOT_ALLOWED = Kind(405, "method-not-allowed", "This address does not take that method")
TIMEOUT = Kind(408, "request-timeout", "The request did not arrive in time")
TOO_LARGE = Kind(413, "too-large", "The request has too many bytes or images")
UNSUPPORTED = Kind(415, "unsupported-media-type", "The content type is not supported")
UNKNOWN_HOST = Kind(421, "unknown-host", "This server does not go by that name")
INVALID = Kind(422, "invalid-parameter", "A parameter is unknown or has an invalid value")
UNREADABLE = Kind(422, "unreadable-image", "The image cannot be decoded")
NOT_THE_FORM = Kind(422, "not-the-form", "The sheet cannot be read by this form")
INTERNAL = Kind(500, "internal", "Something went wrong in the server")
BUSY = Kind(503, "busy", "The queue is full")


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


async def answer_http_exception(_: Request, error: Any) -> Response:  # noqa: ANN401 - Starlette's type
    """Raise the problem for an address or method that no route has."""
    kind = METHOD_NOT_ALLOWED if error.status_code == METHOD_NOT_ALLOWED.status else NOT_FOUND
    detail = "the page `docs` of this server lists its addresses and methods"
    raise Problem(kind, detail, dict(error.headers or {}))
