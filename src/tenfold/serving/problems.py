"""Errors as problem details (RFC 9457).

The codes are stable, so programs can rely on them. The texts reveal nothing of the machine, such as
paths.
"""

import json
from dataclasses import dataclass, field
from typing import Any

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its HTTP status, its stable code, its title."""

    status: int
    code: str
    title: str


BAD_REQUEST = Kind(400, "bad-request", "The request is not valid HTTP")
UNAUTHORIZED = Kind(401, "unauthorized", "A bearer token is needed")
FORBIDDEN = Kind(403, "cross-site", "Requests from other sites are refused")
NOT_FOUND = Kind(404, "not-found", "There is nothing here")
METHOD_NOT_ALLOWED = Kind(405, "method-not-allowed", "This address does not take that method")
TIMEOUT = Kind(408, "request-timeout", "The request did not arrive in time")
TOO_LARGE = Kind(413, "too-large", "The image has too many bytes")
UNSUPPORTED = Kind(415, "unsupported-media-type", "The body is not called an image")
UNKNOWN_HOST = Kind(421, "unknown-host", "This server does not go by that name")
INVALID = Kind(422, "invalid-parameter", "A parameter has a value that it cannot have")
UNREADABLE = Kind(422, "unreadable-image", "The image cannot be decoded")
TOO_COSTLY = Kind(422, "too-costly", "Reading the image takes too much time or memory")
HEADERS_TOO_LARGE = Kind(431, "headers-too-large", "The request's headers are too long")
INTERNAL = Kind(500, "internal", "Something went wrong in the server")
BUSY = Kind(503, "busy", "The server has as much to do as it takes on")
WORKER_DIED = Kind(500, "worker-died", "The process that read the image ended")
NOT_READY = Kind(503, "not-ready", "The server cannot read images at the moment")
STOPPING = Kind(503, "stopping", "The server is being stopped")
ALL_KINDS = (
    *(BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, TIMEOUT, TOO_LARGE),
    *(UNSUPPORTED, UNKNOWN_HOST, INVALID, UNREADABLE, TOO_COSTLY, HEADERS_TOO_LARGE, INTERNAL),
    *(WORKER_DIED, BUSY, NOT_READY, STOPPING),
)
RETRY_AFTER_SECONDS = 1


@dataclass
class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A failed request: its kind, a detail, headers and further members."""

    kind: Kind
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The problem details object as JSON."""
        kind = self.kind
        details = {
            "type": f"urn:tenfold:problem:{kind.code}",
            "title": kind.title,
            "status": kind.status,
            "code": kind.code,
            "detail": self.detail,
        }
        return json.dumps(details | self.members).encode()

    def list_headers(self) -> dict[str, str]:
        """The response's headers, with Retry-After for a temporary problem."""
        headers = {"content-type": CONTENT_TYPE, "cache-control": "no-store", **self.headers}
        if self.kind.status == BUSY.status:
            headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        if self.kind is UNAUTHORIZED:
            headers["www-authenticate"] = 'Bearer realm="tenfold"'
        return headers

    def to_http(self, *, ends: bool = True) -> bytes:
        """A whole HTTP response, sent without the application; `ends` closes the connection."""
        body = self.to_bytes()
        headers = self.list_headers() | SECURITY_HEADERS | {"content-length": str(len(body))}
        if ends:
            headers["connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.kind.status} {self.kind.title}\r\n{lines}\r\n".encode() + body


# On every response. The page has no inline script or style and loads nothing from other origins.
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
