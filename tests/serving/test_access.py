"""Hostile pages and DNS rebinding: combinations of hosts, origins, methods and content types."""

import asyncio
import itertools
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tenfold.serving.access import Guard
from tenfold.serving.settings import ServingConfig

GOOD_HOSTS = ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "digits.example.org"]
BAD_HOSTS = [
    *("evil.example", "localhost.evil.example", "evil.example:8000", "127.0.0.1.nip.io", ""),
    *("127.0.0.1@evil.example", "localhost:8000@evil.example", "localhost:x", "10.0.0.1"),
    *("0.0.0.0:8000", "[::]:8000", "localhost/", "127.1", "2130706433", "xn--localhost"),
]
BAD_ORIGINS = [
    *("http://evil.example", "null", "http://localhost:9999", "https://localhost.evil.example"),
    *(
        "file://",
        "http://127.0.0.1",
        "chrome-extension://abcdef",
        "http://localhost:8000.evil.example",
    ),
]
BAD_SITES = ["cross-site", "same-site", "CROSS-SITE", "", "something"]
METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]
TYPES = ["image/png", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]


async def accept(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def ask(
    headers: list[tuple[str, str]], *, method: str = "POST", path: str = "/v1/read", **config: Any
) -> tuple[int, dict[bytes, bytes]]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    encoded = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": method, "path": path, "headers": encoded}
    guard = Guard(accept, ServingConfig(allow_hosts=("Digits.example.org",), **config))
    asyncio.run(guard(scope, receive, send))
    return messages[0]["status"], dict(messages[0]["headers"])


def list_hostile() -> list[list[tuple[str, str]]]:
    """Requests that each have at least one header that shows they are hostile."""
    found = []
    for host, method_type in itertools.product(BAD_HOSTS, TYPES):
        found.append([("host", host), ("content-type", method_type)])
        found += [[("host", host), ("origin", f"http://{host}"), ("content-type", method_type)]]
        found += [[("host", host), ("sec-fetch-site", site)] for site in ("same-origin", "none")]
    for host, origin, kind in itertools.product(GOOD_HOSTS, BAD_ORIGINS, TYPES):
        found.append([("host", host), ("origin", origin), ("content-type", kind)])
        found.append([("host", host), ("origin", origin), ("sec-fetch-site", "same-origin")])
    for host, site, kind in itertools.product(GOOD_HOSTS, BAD_SITES, TYPES):
        found.append([("host", host), ("sec-fetch-site", site), ("content-type", kind)])
        found.append([("host", host), ("origin", f"http://{host}"), ("sec-fetch-site", site)])
    for host, other in itertools.product(GOOD_HOSTS, BAD_HOSTS):
        found.append([("host", host), ("host", other)])
        found.append([("host", host), ("host", host)])
    return [*found, [], [("origin", "http://localhost:8000")]]


def test_cross_site_and_rebound_requests_are_refused() -> None:
    hostile = list_hostile()
    assert len(hostile) >= 500
    for number, headers in enumerate(hostile):
        status, answered = ask(headers, method=METHODS[number % len(METHODS)])
        assert status in (403, 421), headers
        assert not any(name.startswith(b"access-control") for name in answered)
        assert answered[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("host", GOOD_HOSTS)
@pytest.mark.parametrize("site", ["same-origin", "none", None])
@pytest.mark.parametrize("scheme", ["http", "https", None])
def test_requests_of_own_pages_are_answered(
    host: str, site: str | None, scheme: str | None
) -> None:
    headers = [("host", host.upper())]
    headers += [("sec-fetch-site", site)] if site else []
    headers += [("origin", f"{scheme}://{host}")] if scheme else []
    assert ask(headers)[0] == 200


LINK = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_from_another_site_may_open_only_pages(site: str) -> None:
    hosts = [("host", "localhost:8000"), ("sec-fetch-site", site)]
    for path, method in itertools.product(("/", "/runs", "/docs", "/docs/"), ("GET", "HEAD")):
        assert ask([*hosts, *LINK], method=method, path=path)[0] == 200
    for path in (
        "/v1/runs",
        "/v1/model",
        "/runs/x/report",
        "/metrics",
        "/page/main.js",
        "/v1/read",
    ):
        assert ask([*hosts, *LINK], method="GET", path=path)[0] == 403
    assert ask([*hosts, *LINK], method="POST", path="/")[0] == 403
    for other in (
        [LINK[0]],
        [LINK[1]],
        [("sec-fetch-mode", "no-cors"), LINK[1]],
        [LINK[0], ("sec-fetch-dest", "iframe")],
        [*LINK, ("sec-fetch-dest", "iframe")],
        [*LINK, ("origin", "http://evil.example")],
    ):
        assert ask([*hosts, *other], method="GET", path="/")[0] == 403
    assert ask([("host", "evil.example"), ("sec-fetch-site", site), *LINK], path="/")[0] == 421


def test_servers_on_different_ports_use_different_cookies() -> None:
    names = set()
    for port in (8000, 8001):
        guard = Guard(accept, ServingConfig(token="0123456789abcdef", port=port))
        names.add(guard.list_cookies()["set-cookie"].partition("=")[0])
    assert len(names) == 2


def test_a_token_is_required_except_for_pages_and_probes() -> None:
    token = "0123456789abcdef"
    host = ("host", "localhost")
    for path in ("/", "/docs", "/docs/", "/page/main.js", "/health/live", "/health/ready"):
        assert ask([host], path=path, token=token)[0] == 200
    for path in ("/v1/read", "/v1/runs", "/metrics", "/runs/x/report", "/v1/model", "/v1/session"):
        assert ask([host], path=path, token=token)[0] == 401
        for wrong in ("", "Bearer", f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}"):
            assert ask([host, ("authorization", wrong)], path=path, token=token)[0] == 401
        right = ("authorization", f"bearer {token}")
        assert ask([host, right], path=path, token=token)[0] == 200
        assert ask([host, right, right], path=path, token=token)[0] == 401
        forged = ("cookie", "tenfold-session-8000=" + "0" * 64)
        assert ask([host, forged], path=path, token=token)[0] == 401
