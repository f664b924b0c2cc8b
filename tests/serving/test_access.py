"""Hostile pages and DNS rebinding: combinations of hosts, origins, methods and content types."""

import asyncio
import base64
import itertools
from unittest.mock import AsyncMock

import pytest
from starlette.types import Receive, Scope, Send

from tenfold.serving.access import AccessControl
from tenfold.serving.problems import Problem
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


def ask(
    headers: list[tuple[str, str]],
    *,
    method: str = "POST",
    path: str = "/v1/read",
    token: str | None = None,
) -> int:
    """The status of the answer."""
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": method, "path": path, "headers": encoded}
    config = ServingConfig(allow_hosts=("Digits.example.org",), token=token)
    control = AccessControl(accept, config.known_hosts, token)
    try:
        asyncio.run(control(scope, AsyncMock(), AsyncMock()))
    except Problem as problem:
        return problem.kind.status
    return 200


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
        status = ask(headers, method=METHODS[number % len(METHODS)])
        assert status in (403, 421), headers


@pytest.mark.parametrize("host", GOOD_HOSTS)
@pytest.mark.parametrize("site", ["same-origin", "none", None])
@pytest.mark.parametrize("scheme", ["http", "https", None])
def test_requests_of_own_pages_are_answered(
    host: str, site: str | None, scheme: str | None
) -> None:
    headers = [("host", host.upper())]
    headers += [("sec-fetch-site", site)] if site else []
    headers += [("origin", f"{scheme}://{host}")] if scheme else []
    assert ask(headers) == 200


LINK = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_from_another_site_may_open_only_pages(site: str) -> None:
    hosts = [("host", "localhost:8000"), ("sec-fetch-site", site)]
    for path, method in itertools.product(("/", "/docs"), ("GET", "HEAD")):
        assert ask([*hosts, *LINK], method=method, path=path) == 200
    for path in ("/v1/model", "/metrics", "/page/main.js", "/v1/read"):
        assert ask([*hosts, *LINK], method="GET", path=path) == 403
    assert ask([*hosts, *LINK], method="POST", path="/") == 403
    for other in (
        [LINK[0]],
        [LINK[1]],
        [("sec-fetch-mode", "no-cors"), LINK[1]],
        [LINK[0], ("sec-fetch-dest", "iframe")],
        [*LINK, ("sec-fetch-dest", "iframe")],
        [*LINK, ("origin", "http://evil.example")],
    ):
        assert ask([*hosts, *other], method="GET", path="/") == 403
    assert ask([("host", "evil.example"), ("sec-fetch-site", site), *LINK], path="/") == 421


def test_a_token_is_required_except_for_probes() -> None:
    token, host = "0123456789abcdef", ("host", "localhost")
    for path in ("/health/live", "/health/ready"):
        assert ask([host], path=path, token=token) == 200
    basic = {part: base64.b64encode(part.encode()).decode() for part in (f"me:{token}", token)}
    for path in ("/", "/docs", "/page/main.js", "/v1/read", "/metrics", "/openapi.json"):
        assert ask([host], path=path, token=token) == 401
        for wrong in (
            *("", "Bearer", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Digest {token}", token),
            *("Basic", f"Basic {token}", f"Basic {basic[token]}", "Basic ä"),
        ):
            assert ask([host, ("authorization", wrong)], path=path, token=token) == 401
        for scheme in (f"bearer {token}", f"Bearer  {token} ", f"Basic {basic[f'me:{token}']}"):
            right = ("authorization", scheme)
            assert ask([host, right], path=path, token=token) == 200
            assert ask([host, right, right], path=path, token=token) == 401
