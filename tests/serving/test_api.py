"""The API as a client sees it: images, options, answers, errors, limits."""

import asyncio
import base64
import ctypes
import io
import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import tenfold
from images import encode_all, mutate, to_png
from servers import Served, draw_dense_page, find_code, send_raw, serving, sum_metric
from tenfold.data.mnist import LabelledImages
from tenfold.reading.line_reader import load_line_reader
from tenfold.reading.reader import Reader
from tenfold.serving import problems
from tenfold.serving.app import build_app
from tenfold.serving.settings import ServingConfig

PNG = {"content-type": "image/png"}
HEAD = "POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
METERS = Path(__file__).parents[2] / "examples" / "meter-list" / "meter-list.jpg"
TOKEN = "a-token-of-a-test-0123456789"


def test_the_api_and_the_command_give_the_same_reading(
    client: httpx.Client, pngs: list[bytes], tmp_path: Path
) -> None:
    for number, data in enumerate(pngs[:20]):
        (tmp_path / f"{number:02}.png").write_bytes(data)
    command = [sys.executable, "-m", "tenfold", "read", str(tmp_path), "--json"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for data, line in zip(pngs, printed.splitlines(), strict=False):
        expected = json.loads(line)
        del expected["file"]
        answer = client.post("/v1/read", content=data, headers=PNG)
        assert answer.status_code == 200
        assert answer.json() == expected


@pytest.mark.parametrize("single", [False, True])
def test_a_large_image_is_read_as_in_python(
    client: httpx.Client, test_images: LabelledImages, single: bool
) -> None:
    large = cv2.resize(255 - test_images.images_NHW[0], (900, 900))
    data = to_png(large)
    answer = client.post("/v1/read", content=data, headers=PNG, params={"single": single})
    assert answer.json() == Reader().read(data, single=single).to_json()
    assert answer.json()["text"] == "7"
    assert 'tenfold_reading_seconds_count{size="large"}' in client.get("/metrics").text


def test_stages_show_each_step_and_the_input_of_the_network(
    client: httpx.Client, pngs: list[bytes]
) -> None:
    answer = client.post("/v1/read?stages=true&single=true", content=pngs[0], headers=PNG).json()
    assert [stage["name"] for stage in answer["stages"]] == [
        *("decoded", "bright-ink", "without-paper", "cut", "boxed", "centred", "network")
    ]
    [seen] = answer["seen"]
    assert abs(sum(seen["probabilities"]) + seen["none"] - 1) < 1e-4
    assert int(np.argmax(seen["probabilities"])) == answer["digits"][0]["digit"]
    for picture in (seen["image"], seen["occlusion"]):
        kind, _, text = picture.partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(text))).size == (28, 28)


def test_boxes_are_drawn_on_the_image(client: httpx.Client, pngs: list[bytes]) -> None:
    answer = client.post("/v1/read?boxes", content=pngs[0], headers=PNG).json()
    assert "stages" not in answer
    picture = Image.open(io.BytesIO(base64.b64decode(answer["boxes"].partition(",")[2])))
    pixels_HWC = np.asarray(picture.convert("RGB")).astype(int)
    blue = np.abs(pixels_HWC - (0, 114, 178)).max(axis=2) < 30
    assert blue.sum() > 100


def test_a_form_or_json_is_read_as_the_plain_image(client: httpx.Client, pngs: list[bytes]) -> None:
    plain = client.post("/v1/read", content=pngs[0], headers=PNG).json()
    text = base64.b64encode(pngs[0]).decode()
    assert client.post("/v1/read", files={"anything": pngs[0]}).json() == plain
    for image in (text, base64.encodebytes(pngs[0]).decode(), f"data:image/png;base64,{text}"):
        assert client.post("/v1/read", json={"image": image}).json() == plain
    assert client.post("/v1/read", json={"images": [text]}).json() == [plain]


def test_several_images_are_answered_in_their_order(
    client: httpx.Client, pngs: list[bytes]
) -> None:
    texts = [base64.b64encode(data).decode() for data in pngs[:5]]
    alone = [client.post("/v1/read", content=data, headers=PNG).json() for data in pngs[:5]]
    assert client.post("/v1/read", json={"images": texts}).json() == alone
    files = [("image", (f"{number}.png", data)) for number, data in enumerate(pngs[:5])]
    answers = client.post("/v1/read", files=[*files, ("image", ("a.txt", b"no image"))]).json()
    assert answers[:5] == [{"file": f"{number}.png"} | one for number, one in enumerate(alone)]
    assert (answers[5]["file"], answers[5]["status"]) == ("a.txt", "error")


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
        ("/v1/read?single&single=0", "single must be true or false, given twice"),
        ("/v1/read?Single=1", "unknown parameter 'Single'; there are single, stages, boxes"),
    ],
)
def test_a_bad_parameter_is_named_with_its_value(
    client: httpx.Client, path: str, detail: str
) -> None:
    assert client.post(path, headers=PNG, content=b"x").json()["detail"] == detail


def test_every_response_has_security_headers(client: httpx.Client, pngs: list[bytes]) -> None:
    answers = [client.get(path) for path in ("/", "/page/main.js", "/nothing", "/health/live")]
    answers.append(client.post("/v1/read", content=pngs[0], headers=PNG))
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert answer.headers["x-request-id"]


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


def test_probes_model_metrics_and_openapi_are_served(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}
    models = client.get("/v1/model").json()
    assert models["reader"]["card"]["recipe"]["name"] == "reader"
    assert models["lines"]["card"] == load_line_reader().card
    assert models["reader"]["is_calibrated"]
    assert not models["needs_token"]
    assert models["version"] == tenfold.__version__
    assert 'tenfold_responses_total{status="200"}' in client.get("/metrics").text
    assert f'version="{tenfold.__version__}"' in client.get("/metrics").text


def test_the_description_has_every_problem_and_the_right_security(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    assert described["info"]["version"] == tenfold.__version__
    said = " ".join(one["description"] for one in described["components"]["responses"].values())
    for kind in vars(problems).values():
        if isinstance(kind, problems.Kind) and kind.status not in (404, 405):
            assert f"{kind.code}: {kind.title}" in said
    reading = described["paths"]["/v1/read"]["post"]
    assert {"image/png", "multipart/form-data", "application/json"} <= reading["requestBody"][
        "content"
    ].keys()
    assert "security" not in described
    for example in reading["requestBody"]["content"]["application/json"]["examples"].values():
        answer = client.post("/v1/read", json=example["value"])
        assert answer.status_code == 200


def test_the_description_shows_the_messages_that_are_answered(client: httpx.Client) -> None:
    message = Reader().read(b"no image").message
    assert json.dumps(message) in client.get("/openapi.json").text


@pytest.mark.parametrize("path", ["/", "/docs", "/page/main.js"])
def test_a_browser_asks_for_the_page_again_and_gets_it_only_if_it_changed(
    client: httpx.Client, path: str
) -> None:
    first = client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_concurrent_requests_get_their_own_readings(
    served: Served, pngs: list[bytes], test_images: LabelledImages
) -> None:
    """Batches change confidences by rounding only."""
    reader = Reader()
    alone = [reader.read(data).to_json() for data in pngs]
    found: list[Any] = [None] * len(pngs)

    def ask(first: int) -> None:
        with httpx.Client(base_url=served.address, timeout=60) as client:
            for number in range(first, len(pngs), 8):
                found[number] = client.post("/v1/read", content=pngs[number], headers=PNG).json()

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, alone, strict=True):
        assert (one["text"], one["status"]) == (other["text"], other["status"])
        for digit, same in zip(one["digits"], other["digits"], strict=True):
            assert digit["box"] == same["box"]
            assert abs(digit["confidence"] - same["confidence"]) <= 1e-4  # rounded to four places


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
    dense, codes = to_png(draw_dense_page()), list[int]()

    def ask() -> None:
        answer = httpx.post(
            f"{served.address}/v1/read?stages", content=dense, headers=PNG, timeout=120
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
    reader.read_decoded = None  # type: ignore[method-assign, assignment]
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


def test_connections_end_with_their_next_answer_before_a_stop() -> None:
    stopping = ctypes.c_bool()
    transport = httpx.ASGITransport(build_app(ServingConfig(), Reader(), stopping))

    async def ask() -> httpx.Headers:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/health/live")).headers

    assert "connection" not in asyncio.run(ask())
    stopping.value = True
    assert asyncio.run(ask())["connection"] == "close"


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


@pytest.mark.parametrize("path", ["/", "/docs", "/page/main.js", "/health/live", "/v1/model"])
def test_head_is_answered_like_get(client: httpx.Client, path: str) -> None:
    got, asked = client.get(path), client.head(path)
    assert asked.status_code == 200
    assert asked.content == b""
    for name in ("content-length", "content-type"):
        assert asked.headers[name] == got.headers[name]


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
    send_mutated(client, two_digits, 12)


@pytest.mark.heavy
def test_thousands_of_damaged_images_are_read_or_refused(
    client: httpx.Client, two_digits: npt.NDArray[np.uint8]
) -> None:
    send_mutated(client, two_digits, 210)


def test_a_table_is_answered_as_in_python(client: httpx.Client) -> None:
    data = METERS.read_bytes()
    answer = client.post("/v1/table", content=data, headers={"content-type": "image/jpeg"})
    assert answer.json() == Reader().read_table(data).to_json()
    assert (answer.json()["num_rows"], answer.json()["num_columns"]) == (9, 3)
    refused = client.post("/v1/table?boxes", content=data, headers=PNG).json()
    assert refused["detail"] == "unknown parameter 'boxes'; there is single"
    damaged = client.post("/v1/table", content=b"no image", headers=PNG).json()
    assert (damaged["table"]["status"], damaged["table"]["rows"]) == ("error", [])
