"""The application of a worker process: its routes, and the middleware around them."""

import ctypes
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import tenfold
from tenfold.forms.reading import FormReader
from tenfold.reading.model_file import ModelFile
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status
from tenfold.serving import metrics
from tenfold.serving.access import AccessControl
from tenfold.serving.answering import Answer, ReadingService
from tenfold.serving.exchange import Exchange
from tenfold.serving.forms import CHECK_PATH, FORMS_PATH, PROPOSE_PATH, list_form_routes
from tenfold.serving.limits import READ_PATH, TABLE_PATH, Admission
from tenfold.serving.problems import UNREADABLE, Problem, answer_http_exception
from tenfold.serving.settings import ServingConfig
from tenfold.serving.uploads import TABLE_OPTIONS, Upload, parse_options, receive_upload

PAGE = Path(__file__).parent / "page"
NOT_STORED = {"cache-control": "no-store"}


def build_app(
    config: ServingConfig,
    reader: Reader,
    stopping: ctypes.c_bool,
    forms: Mapping[str, FormReader] | None = None,
) -> ASGIApp:
    """The application with its middleware, the outermost first.

    Connections end with their next answer once `stopping` is set.
    """
    app = Starlette(
        routes=list_routes(ReadingService(reader), forms, needs_token=config.token is not None),
        middleware=[
            Middleware(Exchange, stopping=stopping),
            # Early, as a refusal should cost little.
            Middleware(Admission, size=config.queue, seconds=config.receive_seconds),
            Middleware(AccessControl, known_hosts=config.known_hosts, token=config.token),
        ],
        exception_handlers={HTTPException: answer_http_exception},
    )
    app.router.redirect_slashes = False
    return app


def list_routes(
    service: ReadingService, forms: Mapping[str, FormReader] | None, *, needs_token: bool
) -> list[Route | Mount]:
    """Every address of the server."""

    async def read(request: Request) -> Response:
        options = parse_options(request)
        upload = await receive_upload(request)
        return _respond(request, upload, await service.answer(upload, options), "reading")

    async def read_table(request: Request) -> Response:
        options = parse_options(request, TABLE_OPTIONS)
        upload = await receive_upload(request)
        return _respond(request, upload, await service.answer_tables(upload, options), "table")

    models = {
        "version": tenfold.__version__,
        "reader": _describe(service.reader.classifier),
        "lines": _describe(service.reader.lines),
        "needs_token": needs_token,
    }
    description = json.loads((PAGE / "openapi.json").read_text(encoding="utf-8"))
    description["info"]["version"] = tenfold.__version__
    if not needs_token:
        del description["security"], description["components"]["securitySchemes"]
    if forms is None:
        for path in (FORMS_PATH, f"{FORMS_PATH}/{{name}}", CHECK_PATH, PROPOSE_PATH):
            del description["paths"][path]

    async def count(_: Request) -> Response:
        return Response(metrics.dump(), headers=NOT_STORED, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    answers = {  # each is always the same, and encoded once
        "/v1/model": JSONResponse(models, headers=NOT_STORED),
        "/health/live": JSONResponse({"status": "live"}, headers=NOT_STORED),
        "/health/ready": JSONResponse({"status": "ready"}, headers=NOT_STORED),
        "/openapi.json": JSONResponse(description),
    }
    files = StaticFiles(directory=PAGE)

    async def show(file: str, request: Request) -> Response:
        return await files.get_response(file, request.scope)

    return [
        Route(READ_PATH, read, methods=["POST"]),
        Route(TABLE_PATH, read_table, methods=["POST"]),
        *([] if forms is None else list_form_routes(service, forms)),
        *([] if forms is None else [Route("/forms", partial(show, "forms.html"))]),
        Route("/metrics", count),
        *(Route(path, answer, methods=["GET"]) for path, answer in answers.items()),
        Route("/", partial(show, "index.html")),
        Route("/docs", partial(show, "docs.html")),
        Mount("/page", files),
    ]


def _respond(request: Request, upload: Upload, answers: list[Answer], kind: str) -> Response:
    """The one answer or the list. Raises Problem for the one image that cannot be decoded."""
    request.state.readings = ",".join(answer["status"] for answer in answers)
    if upload.is_list:
        return JSONResponse(answers, headers=NOT_STORED)
    [answer] = answers
    if answer["status"] == Status.ERROR:
        raise Problem(UNREADABLE, answer["message"], members={kind: answer})
    return JSONResponse(answer, headers=NOT_STORED)


def _describe(model: ModelFile) -> dict[str, Any]:
    """What a network is, and how it was calibrated."""
    return {
        "card": model.card,
        "temperature": model.calibration.temperature,
        "is_calibrated": model.calibration.is_fitted,
        "read_threshold": model.thresholds.read,
        "not_digit_threshold": model.thresholds.not_digit,
    }
