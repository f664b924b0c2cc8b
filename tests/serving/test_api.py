"""The API as a client sees it: images, options, answers, errors, limits."""

import asyncio
import base64
import ctypes
import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image

import tenfold
from images import to_png
from pdfs import save_pdf
from servers import Served
from tenfold.data.mnist import LabelledImages
from tenfold.reading.line_reader import load_line_reader
from tenfold.reading.reader import Reader
from tenfold.serving import problems
from tenfold.serving.app import build_app
from tenfold.serving.settings import ServingConfig

PNG = {"content-type": "image/png"}
METERS = Path(__file__).parents[2] / "examples" / "meter-list" / "meter-list.jpg"


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


@pytest.mark.parametrize("is_small", [True, False])
def test_what_is_expected_and_alternatives_can_be_asked_for(
    client: httpx.Client, test_images: LabelledImages, is_small: bool
) -> None:
    pixels_HW = np.pad(255 - np.concatenate(test_images.images_NHW[:2], 1), 4, constant_values=255)
    data = to_png(pixels_HW if is_small else cv2.resize(pixels_HW, (900, 540)))
    options: dict[str, Any] = {"expect": "#{3}", "signs": "false", "decimal": ","}
    answer = client.post("/v1/read", content=data, headers=PNG, params=options | {"top": 2}).json()
    reading = Reader().read(data, expect="#{3}", signs=False, decimal=",")
    assert answer == reading.to_json(top=2)
    assert "does not fit the pattern #{3}" in answer["message"]
    assert len(answer["lines"][0]["alternatives"]) == 2


def test_of_a_pdf_the_first_page_is_read(client: httpx.Client, pngs: list[bytes]) -> None:
    pytest.importorskip("pypdfium2")
    data = save_pdf([Image.open(io.BytesIO(png)).convert("RGB") for png in pngs[:2]], dpi=100)
    answer = client.post("/v1/read", content=data, headers={"content-type": "application/pdf"})
    assert answer.status_code == 200
    assert answer.json() == Reader().read(data).to_json()
    assert "only the first of 2 pages was read" in answer.json()["message"]


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


def test_connections_end_with_their_next_answer_before_a_stop() -> None:
    stopping = ctypes.c_bool()
    transport = httpx.ASGITransport(build_app(ServingConfig(), Reader(), stopping))

    async def ask() -> httpx.Headers:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/health/live")).headers

    assert "connection" not in asyncio.run(ask())
    stopping.value = True
    assert asyncio.run(ask())["connection"] == "close"


@pytest.mark.parametrize("path", ["/", "/docs", "/page/main.js", "/health/live", "/v1/model"])
def test_head_is_answered_like_get(client: httpx.Client, path: str) -> None:
    got, asked = client.get(path), client.head(path)
    assert asked.status_code == 200
    assert asked.content == b""
    for name in ("content-length", "content-type"):
        assert asked.headers[name] == got.headers[name]


def test_a_table_is_answered_as_in_python(client: httpx.Client) -> None:
    data = METERS.read_bytes()
    answer = client.post("/v1/table", content=data, headers={"content-type": "image/jpeg"})
    assert answer.json() == Reader().read_table(data).to_json()
    assert (answer.json()["num_rows"], answer.json()["num_columns"]) == (9, 3)
    refused = client.post("/v1/table?boxes", content=data, headers=PNG).json()
    assert (
        refused["detail"] == "unknown parameter 'boxes'; there are single, signs, expect, decimal"
    )
    damaged = client.post("/v1/table", content=b"no image", headers=PNG).json()
    assert (damaged["table"]["status"], damaged["table"]["rows"]) == ("error", [])
