"""What the API refuses: bodies, options, too much at once, and what is damaged."""

import asyncio
import ctypes
import json
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from images import encode_all, mutate, to_png
from servers import Served, draw_dense_page, find_code, send_raw, serving, sum_metric
from tenfold.data.mnist import LabelledImages
from tenfold.reading.reader import Reader
from tenfold.serving.app import build_app
from tenfold.serving.settings import ServingConfig

PNG = {"content-type": "image/png"}
HEAD = "POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
TOKEN = "a-token-of-a-test-0123456789"
FORM = {"content-type": "multipart/form-data; boundary=x"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        (FORM, b"no form", 400, "bad-request"),
        (FORM, b"--x--\r\n", 400, "bad-request"),
        (FORM, b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\na\r\n--x--\r\n', 400, None),
        ({"content-type": "multipart/form-data"}, b"--x--", 400, "bad-request"),
        (JSON, b"{", 400, "bad-request"),
        (JSON, b"[" * 100_000, 400, "bad-request"),
        (JSON, b'{"image": "no base64!"}', 400, "bad-request"),
        (JSON, b'{"image": "data:image/png,abc"}', 400, "bad-request"),
        (JSON, b'{"image": "", "single": true}', 400, "bad-request"),
        (JSON, b'{"images": []}', 400, "bad-request"),
        (JSON, b'{"images": [1]}', 400, "bad-request"),
        (JSON, json.dumps({"images": [""] * 17}).encode(), 413, "too-large"),
        (JSON, b'{"image": ""}', 422, "unreadable-image"),
    ],
)
def test_a_body_without_images_is_refused(
    client: httpx.Client, headers: dict[str, str], content: bytes, status: int, code: str | None
) -> None:
    answer = client.post("/v1/read", headers=headers, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code or "bad-request")


@pytest.mark.parametrize("number", [17, 18, 40])
def test_a_form_has_at_most_sixteen_files(
    client: httpx.Client, pngs: list[bytes], number: int
) -> None:
    answer = client.post("/v1/read", files=[("image", pngs[0])] * number)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_options_in_a_form_are_refused_with_what_to_do(
    client: httpx.Client, pngs: list[bytes]
) -> None:
    answer = client.post("/v1/read", files={"image": pngs[0]}, data={"single": "true"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    assert "as in ?single" in answer.json()["detail"]


def test_bytes_that_are_not_an_image_get_problem_details(client: httpx.Client) -> None:
    answer = client.post("/v1/read", content=b"no image", headers=PNG)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    details = answer.json()
    assert details["code"] == "unreadable-image"
    assert details["detail"].startswith("not an image (PNG, JPEG")
    assert details["reading"] == Reader().read(b"no image").to_json()


@pytest.mark.parametrize(
    ("path", "method", "headers", "status", "code"),
    [
        ("/nothing", "GET", {}, 404, "not-found"),
        ("/v1/read", "GET", {}, 405, "method-not-allowed"),
        ("/v1/read", "POST", {"content-type": "text/plain"}, 415, "unsupported-media-type"),
        ("/v1/read", "POST", {}, 415, "unsupported-media-type"),
        ("/v1/read", "POST", {**PNG, "content-encoding": "gzip"}, 415, "unsupported-media-type"),
        ("/v1/read", "POST", {**PNG, "content-encoding": "identity, gzip"}, 415, None),
        ("/v1/read?single=perhaps", "POST", PNG, 422, "invalid-parameter"),
        ("/v1/runs", "GET", {}, 404, "not-found"),
        ("/page/../app.py", "GET", {}, 404, "not-found"),
        ("/page/%2e%2e/app.py", "GET", {}, 404, "not-found"),
    ],
)
def test_client_errors_get_problem_details(
    client: httpx.Client,
    path: str,
    method: str,
    headers: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    answer = client.request(method, path, headers=headers, content=b"x")
    code = code or "unsupported-media-type"
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["type"] == f"urn:tenfold:problem:{code}"
    assert str(Path.cwd()) not in answer.text


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/v1/read?single=perhaps", "single must be true or false, not 'perhaps'"),
        ("/v1/read?single&single=0", "single is given twice"),
        (
            "/v1/read?Single=1",
            "unknown parameter 'Single'; there are single, stages, boxes, signs, expect, decimal, "
            "top",
        ),
        ("/v1/read?signs=no", "signs must be true or false, not 'no'"),
        ("/v1/read?decimal=;", "decimal must be a point or a comma, not ';'"),
        ("/v1/read?top=11", "top must be from 0 to 10, not '11'"),
        ("/v1/read?top=²", "top must be from 0 to 10, not '²'"),
        (
            "/v1/read?expect=%23a",
            "expect: pattern '#a', character 2: no pattern is named 'a'; named",
        ),
        (
            "/v1/read?expect=" + 480 * "(",
            f"expect: pattern '{480 * '('}', character 21: more than 20",
        ),
        (
            "/v1/read?expect=#{6}",
            "expect: pattern '': no text with a digit fits it; # ends an address, so write %23",
        ),
        ("/v1/read?expect=((%23?){60}){60}", "expect: pattern '((#?){60}){60}'"),
    ],
)
def test_a_bad_parameter_is_named_with_its_value(
    client: httpx.Client, path: str, detail: str
) -> None:
    answer = client.post(path, headers=PNG, content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert answer.json()["detail"].startswith(detail)


def test_a_body_over_the_limit_is_refused_while_it_arrives(
    served: Served, client: httpx.Client
) -> None:
    limit = 16 * 1024**2

    def send_in_chunks() -> Any:
        for _ in range(limit // 65536 + 2):
            yield bytes(65536)

    answer = client.post("/v1/read", content=send_in_chunks(), headers=PNG)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    # A declared length over the limit is refused before the body arrives.
    head = f"{HEAD}Content-Length: {limit + 1}\r\n\r\n"
    assert find_code(send_raw(served.port, head.encode())) == "too-large"


def test_a_wrong_content_length_does_no_harm(
    served: Served, client: httpx.Client, pngs: list[bytes]
) -> None:
    short = f"{HEAD}Content-Length: 10\r\n\r\n".encode() + pngs[0]
    answer = send_raw(served.port, short)
    # Ten bytes are not an image, and the rest is not a request.
    assert answer.startswith((b"HTTP/1.1 422", b"HTTP/1.1 400"))
    for length in ("-1", "1e3", "10, 20", "99999999999999999999999"):
        bad = f"{HEAD}Content-Length: {length}\r\n\r\n".encode() + pngs[0]
        assert send_raw(served.port, bad)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413")
    assert client.post("/v1/read", content=pngs[0], headers=PNG).json()["text"] == "7"


def test_requests_beyond_the_queue_get_503_and_retry_after(pngs: list[bytes]) -> None:
    with serving("--queue", "1") as one:
        codes: list[int] = []

        def ask() -> None:
            with httpx.Client(base_url=one.address, timeout=60) as client:
                for data in pngs[:20]:
                    answer = client.post("/v1/read", content=data, headers=PNG)
                    codes.append(answer.status_code)
                    if answer.status_code == 503:
                        assert answer.headers["retry-after"] == "1"
                        assert answer.json()["code"] == "busy"

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(codes) == {200, 503}
        refused = 'tenfold_responses_total{status="503"}'
        assert sum_metric(one.address, re.escape(refused)) == codes.count(503)
        one.wait_for_line(r"warning refused \d+ requests?, as too many wait")


def test_only_so_many_large_images_wait(served: Served) -> None:
    dense, codes = to_png(draw_dense_page()[:120]), list[int]()

    def ask() -> None:
        answer = httpx.post(
            f"{served.address}/v1/read?boxes", content=dense, headers=PNG, timeout=120
        )
        codes.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) == {200, 503}
    assert codes.count(200) >= 4


def test_a_server_with_a_token_requires_it(pngs: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    with (
        serving("--token-file", str(tmp_path / "token")) as one,
        httpx.Client(base_url=one.address) as client,
    ):
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
            answer = client.post("/v1/read", content=pngs[0], headers={**PNG, **headers})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith('Basic realm="tenfold"')
        assert client.get("/").status_code == client.get("/openapi.json").status_code == 401
        assert client.get("/health/ready").status_code == 200
        for auth in (
            {"auth": ("anyone", TOKEN)},
            {"headers": {"authorization": f"Bearer {TOKEN}"}},
        ):
            described = client.get("/openapi.json", **auth).json()
            assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
            assert described["paths"]["/health/live"]["get"]["security"] == []
            assert client.get("/v1/model", **auth).json()["needs_token"]
            answer = client.post("/v1/read", files={"image": pngs[0]}, **auth)
            assert answer.json()["text"] == "7"
        assert TOKEN not in "".join(one.said)


def test_an_internal_error_gets_problem_details_without_its_cause(
    pngs: list[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A real application whose reader fails."""
    reader = Reader()
    app = build_app(ServingConfig(), reader, ctypes.c_bool())
    reader._read_decoded = None  # type: ignore[method-assign, assignment]
    transport = httpx.ASGITransport(app)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/read", content=pngs[0], headers=PNG)

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "NoneType" not in answer.text
    assert "NoneType" in caplog.text
    assert answer.headers["x-request-id"] in caplog.text


@pytest.mark.parametrize(("number", "counted"), [(1, "1 request"), (5, "5 requests")])
def test_all_refusals_of_a_second_are_logged_at_its_end(
    pngs: list[bytes], caplog: pytest.LogCaptureFixture, number: int, counted: str
) -> None:
    """Each from a client without an address, as on a Unix socket."""
    caplog.set_level("INFO")
    app = build_app(ServingConfig(queue=1), Reader(), ctypes.c_bool())
    transport = httpx.ASGITransport(app, client=("", 0))

    async def ask() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            url = "/v1/read?stages"  # read in the thread, so that the others come meanwhile
            asking = [client.post(url, content=pngs[0], headers=PNG) for _ in range(number + 1)]
            codes = [answer.status_code for answer in await asyncio.gather(*asking)]
            assert sorted(codes) == [200] + number * [503]
            await asyncio.sleep(1.2)

    asyncio.run(ask())
    [told] = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert told == f"refused {counted}, as too many wait"
    [entry] = [record.entry for record in caplog.records if hasattr(record, "entry")]
    assert entry["client"] is None


def test_head_is_refused_where_get_is(client: httpx.Client) -> None:
    assert client.head("/v1/read").status_code == 405
    assert client.head("/nothing").status_code == 404


def send_mutated(client: httpx.Client, two_digits: npt.NDArray[np.uint8], number: int) -> None:
    """Send `number` damaged files of each kind; each is read or refused, the server stays ready."""
    for name, whole in encode_all(two_digits).items():
        for seed in range(number):
            data = mutate(whole, f"{name} {seed} served")
            answer = client.post("/v1/read", content=data, headers=PNG)
            if answer.status_code != 200:
                assert answer.status_code == 422, (name, seed, answer.text)
                assert answer.json()["code"] == "unreadable-image"
    assert client.get("/health/ready").status_code == 200


@pytest.fixture(scope="module")
def two_digits(test_images: LabelledImages) -> npt.NDArray[np.uint8]:
    """Two digits side by side, dark on bright."""
    return 255 - np.concatenate(list(test_images.images_NHW[:2]), axis=1)


def test_damaged_images_are_read_or_refused(
    client: httpx.Client, two_digits: npt.NDArray[np.uint8]
) -> None:
    send_mutated(client, two_digits, 5)


@pytest.mark.heavy
def test_thousands_of_damaged_images_are_read_or_refused(
    client: httpx.Client, two_digits: npt.NDArray[np.uint8]
) -> None:
    send_mutated(client, two_digits, 210)
