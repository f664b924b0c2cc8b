"""Reading sheets of the forms that a server was started with."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tenfold.errors import FormError, ImageError, MissingExtraError, ServingError
from tenfold.forms.corrections import find_fault, normalise
from tenfold.forms.form import Form, load_form
from tenfold.forms.propose import propose_form
from tenfold.forms.reading import FormReader
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status
from tenfold.reading.sources import decode_source
from tenfold.serving.answering import ReadingService
from tenfold.serving.problems import (
    BAD_REQUEST,
    INVALID,
    NOT_FOUND,
    NOT_THE_FORM,
    UNREADABLE,
    Problem,
)
from tenfold.serving.uploads import FLAGS, receive_upload

FORMS_PATH, PROPOSE_PATH = "/v1/forms", "/v1/propose-form"
CHECK_PATH = f"{FORMS_PATH}/{{name}}/check"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_FORMS = 100
MAX_TEXT = 1000  # characters of a correct value
NOT_STORED = {"cache-control": "no-store"}


def load_forms(folder: Path, reader: Reader) -> dict[str, FormReader]:
    """The forms in a folder, NAME.toml each. Raises ServingError for one that cannot be used."""
    paths = sorted(folder.glob("*.toml"))
    if not folder.is_dir() or len(paths) > MAX_FORMS:
        raise ServingError(
            f"--forms {folder}: must be a folder of at most {MAX_FORMS} forms, NAME.toml"
        )
    forms = {}
    for path in paths:
        if not NAME.fullmatch(path.stem):
            raise ServingError(
                f"--forms: {path.name}: a form's name is part of its address, so it must be of "
                "letters, digits and - . _"
            )
        try:
            form = replace(load_form(path), name=path.stem)
            forms[path.stem] = FormReader(reader, form)
        except FormError as error:
            raise ServingError(f"--forms: {error}") from error
    return forms


def list_form_routes(service: ReadingService, forms: Mapping[str, FormReader]) -> list[Route]:
    """The addresses of forms: to list them, read sheets, check values, and propose fields."""

    def find(request: Request) -> FormReader:
        form_reader = forms.get(request.path_params["name"])
        if form_reader is None:
            raise Problem(NOT_FOUND, f"there is no such form; {FORMS_PATH} lists them")
        return form_reader

    async def read(request: Request) -> Response:
        form_reader = find(request)
        with_pictures = _parse_pictures(request)
        upload = await receive_upload(request)
        answers = await service.answer_form(upload, form_reader, with_pictures=with_pictures)
        request.state.readings = ",".join(answer["status"] for answer in answers)
        if upload.is_list:
            return JSONResponse(answers, headers=NOT_STORED)
        [answer] = answers
        if answer["status"] == Status.ERROR:
            raise Problem(NOT_THE_FORM, answer["message"], members={"sheet": answer})
        return JSONResponse(answer, headers=NOT_STORED)

    async def check(request: Request) -> Response:
        return JSONResponse(_check(find(request).form, await request.body()), headers=NOT_STORED)

    async def propose(request: Request) -> Response:
        upload = await receive_upload(request)
        if upload.is_list:
            raise Problem(BAD_REQUEST, "a form is made from one image")
        [answer] = await service.call(upload, _propose)
        if "message" in answer:
            raise Problem(UNREADABLE, answer["message"])
        return JSONResponse(answer, headers=NOT_STORED)

    listed = JSONResponse({"forms": list(map(_describe, forms.values()))}, headers=NOT_STORED)
    return [
        Route(FORMS_PATH, listed, methods=["GET"]),
        Route(f"{FORMS_PATH}/{{name}}", read, methods=["POST"]),
        Route(CHECK_PATH, check, methods=["POST"]),
        Route(PROPOSE_PATH, propose, methods=["POST"]),
    ]


def _parse_pictures(request: Request) -> bool:
    """The one parameter of reading a form. Raises Problem for others."""
    given = request.query_params.multi_items()
    if not given:
        return False
    if len(given) > 1 or given[0][0] != "pictures" or given[0][1].lower() not in FLAGS:
        raise Problem(INVALID, "reading a form has no parameter but pictures, true or false")
    return FLAGS[given[0][1].lower()]


def _check(form: Form, body: bytes) -> dict[str, Any]:
    """A correct value as it stands in the table, or what is wrong with it, as merging says it."""
    try:
        given = json.loads(body)
        name, entered = given["field"], given["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        name = entered = None
    if not isinstance(name, str) or not isinstance(entered, str) or len(entered) > MAX_TEXT:
        raise Problem(
            BAD_REQUEST,
            "the body must be a JSON object with the texts field and value, of at most "
            f"{MAX_TEXT} characters",
        )
    field = next((one for one in form.fields if one.name == name), None)
    if field is None:
        raise Problem(INVALID, "the form has no such field")
    known = field.kind, field.expect or "", field.labels
    entered = entered.strip()
    fault = find_fault(entered, *known) if entered else "is empty; enter - if the field is"
    return {"value": normalise(entered, *known) if fault is None else None, "fault": fault}


def _propose(data: bytes) -> dict[str, Any]:
    """The form that a sheet's printed boxes make, with boxes as shares, and its picture."""
    try:
        form, picture = propose_form(decode_source(data).pixels_HWC, "form", Path("form.png"))
    except (ImageError, MissingExtraError) as error:
        return {"message": str(error)}
    fields = [
        {"name": one.name, "kind": one.kind, "box": form.get_shares(one.box), "digits": one.digits}
        for one in form.fields
    ]
    size = None if form.size_mm is None else list(form.size_mm)
    shown = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return {"picture": shown, "size_mm": size, "filled": form.filled, "fields": fields}


def _describe(form_reader: FormReader) -> dict[str, Any]:
    """A form as JSON values: its name, the size of its sheet, and its fields."""
    form = form_reader.form
    fields = [
        {"name": one.name, "kind": one.kind, "box": list(one.box), "expect": one.expect}
        for one in form.fields
    ]
    size = None if form.size_mm is None else list(form.size_mm)
    return {"name": form.name, "size_mm": size, "fields": fields}
