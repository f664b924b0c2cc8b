"""Sheets of forms over HTTP."""

import asyncio
import base64
import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tenfold.errors import ServingError
from tenfold.forms.reading import FormReader
from tenfold.forms.result import FieldReading, FormReading
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status
from tenfold.reading.sources import Source
from tenfold.serving.app import build_app
from tenfold.serving.forms import load_forms
from tenfold.serving.settings import ServingConfig

EXAMPLE = Path(__file__).parents[2] / "examples" / "exam-marks"
SHEET = (EXAMPLE / "sheets" / "scan-1.jpg").read_bytes()
JPEG = {"content-type": "image/jpeg"}


@pytest.fixture(scope="module")
def transport() -> Iterator[httpx.ASGITransport]:
    """A server with the example's form. What a sheet says is tested in tests/forms."""
    reader = Reader()
    forms = load_forms(EXAMPLE, reader)
    read = FormReader.read

    def read_quickly(self: FormReader, source: Source) -> FormReading:
        if source != SHEET:
            return read(self, source)
        field = FieldReading("total", "digits", "72", Status.UNCERTAIN, None, 0.4, (), b"png")
        return FormReading("marks", Status.READ, (field,))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FormReader, "read", read_quickly)
        app = build_app(ServingConfig(), reader, ctypes.c_bool(), forms)
        yield httpx.ASGITransport(app)


def ask(transport: httpx.ASGITransport, method: str, url: str, **body: Any) -> httpx.Response:
    async def call() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, url, **body)

    return asyncio.run(call())


def test_forms_are_listed_and_described(transport: httpx.ASGITransport) -> None:
    [form] = ask(transport, "GET", "/v1/forms").json()["forms"]
    assert (form["name"], form["size_mm"], len(form["fields"])) == ("marks", [210, 297], 58)
    paths = ask(transport, "GET", "/openapi.json").json()["paths"]
    assert {"/v1/forms", "/v1/forms/{name}"} <= paths.keys()


def test_a_sheet_is_answered_with_its_fields(transport: httpx.ASGITransport) -> None:
    answer = ask(transport, "POST", "/v1/forms/marks", content=SHEET, headers=JPEG)
    assert answer.status_code == 200
    assert answer.json()["fields"][0]["value"] == "72"
    [field] = ask(
        transport, "POST", "/v1/forms/marks?pictures", content=SHEET, headers=JPEG
    ).json()["fields"]
    assert field["picture"].startswith("data:image/png;base64,")
    images = [base64.b64encode(data).decode() for data in (SHEET, b"no image")]
    answers = ask(transport, "POST", "/v1/forms/marks", json={"images": images}).json()
    assert [one["status"] for one in answers] == ["read", "error"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("student_id", "1234567", "1234567"),
        ("student_id", " - ", ""),
        ("student_id", "abc", "is not of the format #######"),
        ("student_id", "", "is empty; enter - if the field is"),
        ("absent", "X", "yes"),
        ("absent", "perhaps", "must be yes or no"),
    ],
)
def test_a_correct_value_is_checked_as_merging_does(
    transport: httpx.ASGITransport, field: str, value: str, expected: str
) -> None:
    url = "/v1/forms/marks/check"
    answer = ask(transport, "POST", url, json={"field": field, "value": value}).json()
    assert sorted(map(str, answer.values())) == sorted([expected, "None"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 400),
        (b'{"field": "absent"}', 400),
        (b'{"field": "absent", "value": 1}', 400),
        (b'{"field": "other", "value": "1"}', 422),
    ],
)
def test_what_is_no_value_of_the_form_is_a_problem(
    transport: httpx.ASGITransport, body: bytes, status: int
) -> None:
    answer = ask(transport, "POST", "/v1/forms/marks/check", content=body)
    assert answer.status_code == status


def test_what_is_not_the_form_is_a_problem(transport: httpx.ASGITransport, tmp_path: Path) -> None:
    Image.new("L", (300, 420), 250).save(tmp_path / "blank.png")
    blank = (tmp_path / "blank.png").read_bytes()
    answer = ask(transport, "POST", "/v1/forms/marks", content=blank, headers=JPEG)
    assert (answer.status_code, answer.json()["code"]) == (422, "not-the-form")
    assert "does not match the form marks" in answer.json()["detail"]
    for url, status in (("/v1/forms/other", 404), ("/v1/forms/marks?single", 422)):
        assert ask(transport, "POST", url, content=SHEET, headers=JPEG).status_code == status


def test_fields_are_proposed_from_a_sheet(transport: httpx.ASGITransport) -> None:
    blank = (EXAMPLE / "marks.png").read_bytes()
    proposed = ask(transport, "POST", "/v1/propose-form", content=blank, headers=JPEG).json()
    assert (proposed["size_mm"], proposed["filled"], len(proposed["fields"])) == ([210, 297], 0, 57)
    assert all(0 <= side <= 1 for one in proposed["fields"] for side in one["box"])
    assert proposed["picture"].startswith("data:image/png;base64,")
    answer = ask(transport, "POST", "/v1/propose-form", content=b"no image", headers=JPEG)
    assert answer.json()["code"] == "unreadable-image"
    assert "Make a form" in ask(transport, "GET", "/forms").text


def test_a_folder_that_is_none_or_has_a_wrong_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"NAME\.toml"):
        load_forms(tmp_path / "missing", Reader())
    (tmp_path / "marks.toml").write_text("reference = 3")
    with pytest.raises(ServingError, match="reference"):
        load_forms(tmp_path, Reader())
