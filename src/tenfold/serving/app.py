"""The ASGI application: all routes, the reading service and access control."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

import tenfold
from tenfold.serving import schemas
from tenfold.serving.access import Guard, send_problem
from tenfold.serving.metrics import Metrics
from tenfold.serving.problems import (
    INTERNAL,
    INVALID,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    NOT_READY,
    STOPPING,
    TOO_LARGE,
    UNSUPPORTED,
    Problem,
)
from tenfold.serving.runs import RunShelf
from tenfold.serving.service import ReadingService
from tenfold.serving.settings import MIB, ServingConfig

READ_PATH = "/v1/read"
BODY = "tenfold.body"  # an image that was received, in its request's scope
PAGE = Path(__file__).parent / "page"
# A report is a generated page: no scripts, nothing from other origins.
REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
BYTES_OF_ALL_BODIES = 256 * MIB  # that are being received or read at any moment


class App:
    """The ASGI application of a server, with its `service`."""

    def __init__(self, config: ServingConfig) -> None:
        self.config = config
        self.metrics = Metrics()
        self.service = ReadingService(config, self.metrics)
        self.shelf = RunShelf(config.runs)
        self.num_body_bytes = 0
        self._num_let_in = 0  # requests that the loop has seen, and not yet begun
        self.guard = Guard(self._admit, config)
        self.api = self._build_api()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        is_begun = False

        async def send_counted(message: Message) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                self.metrics.responses.labels(str(message["status"])).inc()
            await send(message)

        try:
            await self.guard(scope, receive, send_counted)
        except asyncio.CancelledError:
            if not self.service.is_stopping:
                raise
            # The server stops before this request was answered; that is no error to log.
            if not is_begun:
                await send_problem(Problem(STOPPING, "the server is shutting down"), send_counted)
        except Exception:
            if not is_begun:
                await send_problem(INTERNAL_PROBLEM, send_counted)
            raise

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; one with an image is admitted up to the queue's size.

        Under overload most requests are refused, so that is done before anything else. HEAD is
        answered like GET; uvicorn leaves out the body.
        """
        if (scope.get("method"), scope.get("path")) != ("POST", READ_PATH):
            if scope.get("method") == "HEAD":
                scope = {**scope, "method": "GET"}
            await self.api(scope, receive, send)
            return
        try:
            problem = self.service.find_refusal()
            if problem is not None:
                raise problem
            body = await self._receive(Request(scope, receive))
            with ExitStack() as place:
                place.callback(self._forget_body, len(body))
                place.enter_context(self.service.taking_place())

                async def send_after(message: Message) -> None:
                    place.close()  # a client that does not read its answer must not keep its place
                    await send(message)

                await self.api({**scope, BODY: body}, receive, send_after)
        except Problem as problem:
            await send_problem(problem, send)
        except ClientDisconnect:
            await send({"type": "http.response.start", "status": CLIENT_LEFT})

    def _forget_body(self, num_bytes: int) -> None:
        self.num_body_bytes -= num_bytes

    async def _receive(self, request: Request) -> bytes:
        """The body, whose bytes are counted in `num_body_bytes`. Raises Problem if it is too long.

        Content-Length is used only to refuse a body that is too long.
        """
        _check_headers(request)
        limit = self.config.max_body_bytes
        too_large = Problem(
            TOO_LARGE, f"the body has more than {limit} bytes ({limit / MIB:g} MiB)"
        )
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            too_large.headers["connection"] = "close"
            raise too_large
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                self.num_body_bytes += len(chunk)
                if len(body) > limit:
                    too_large.headers["connection"] = "close"
                    raise too_large
                if self.num_body_bytes > BYTES_OF_ALL_BODIES:
                    raise self.service.refuse("the images of other requests take all memory")
        except BaseException:
            self.num_body_bytes -= len(body)
            raise
        return bytes(body)

    def find_refusal(self, method: bytes, path: bytes) -> Problem | None:
        """Why a request is refused before it is parsed, or None."""
        is_image = method == b"POST" and path.partition(b"?")[0] == READ_PATH.encode()
        if not is_image or self.service.is_stopping:
            return None
        problem = self.service.find_refusal(self._num_let_in)
        if problem is None:
            if not self._num_let_in:
                # What comes later is handled after each of these has begun: then it has a place,
                # or waits for its body.
                asyncio.get_running_loop().call_soon(self._forget_let_in)
            self._num_let_in += 1
        return problem

    def _forget_let_in(self) -> None:
        self._num_let_in = 0

    def begin_to_stop(self) -> None:
        """Close connections with their next answer, and let /health/ready fail."""
        self.guard.is_stopping = self.service.is_stopping = True

    def _build_api(self) -> FastAPI:
        api = FastAPI(
            title="Tenfold",
            summary="Reads handwritten digits from images.",
            version=tenfold.__version__,
            docs_url=None,
            redoc_url=None,
            responses=schemas.COMMON_RESPONSES,
        )
        for kind, handler in (
            (Problem, _answer_problem),
            (HTTPException, _answer_http_exception),
            (RequestValidationError, _answer_invalid),
            (ClientDisconnect, _answer_nobody),
            (Exception, _answer_internal),
        ):
            api.add_exception_handler(kind, handler)
        describe, cookie = api.openapi, self.guard.cookie if self.config.token else None
        api.openapi = lambda: schemas.complete_description(describe(), cookie)  # type: ignore[method-assign]
        self._add_reading(api)
        self._add_state(api)
        self._add_runs(api)
        api.get("/", include_in_schema=False)(_serve_file("index.html"))
        api.get("/runs", include_in_schema=False)(_serve_file("runs.html"))
        api.get("/docs", include_in_schema=False)(_serve_file("docs.html"))
        api.mount("/page", StaticFiles(directory=PAGE))
        return api

    def _add_reading(self, api: FastAPI) -> None:
        @api.post(
            READ_PATH,
            summary="Read the digits on an image",
            operation_id="read",
            openapi_extra=schemas.READ_REQUEST,
            responses=schemas.READ_RESPONSES,
            response_class=Response,
        )
        async def read(
            request: Request,
            single: Annotated[
                bool, Query(description="The image is known to show one digit.")
            ] = False,
            stages: Annotated[
                bool, Query(description="Answer also with what led to the reading, as pictures.")
            ] = False,
        ) -> Response:
            reading = self.service.read(request.scope[BODY], single=single, stages=stages)
            answer = await _unless_gone(request, reading)
            return Response(answer, media_type="application/json", headers=NOT_STORED)

    def _add_state(self, api: FastAPI) -> None:
        @api.get("/health/live", operation_id="live", summary="Whether the server runs")
        async def live() -> schemas.Health:
            return schemas.Health(status="live")

        @api.get(
            "/health/ready",
            operation_id="ready",
            summary="Whether the server takes requests",
        )
        async def ready() -> schemas.Health:
            if self.service.is_stopping:
                raise Problem(STOPPING, "the server is shutting down")
            if not self.service.is_ready:
                raise Problem(NOT_READY, "the workers are starting")
            return schemas.Health(status="ready")

        @api.get(
            "/metrics",
            operation_id="metrics",
            summary="Counters in Prometheus' text format",
            response_class=Response,
            responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        )
        async def metrics() -> Response:
            media_type = "text/plain; version=0.0.4; charset=utf-8"
            return Response(self.metrics.dump(), media_type=media_type, headers=NOT_STORED)

        @api.post(
            "/v1/session",
            operation_id="session",
            summary="A cookie for the page in place of the token, which the request must carry",
            status_code=204,
        )
        async def open_session() -> Response:
            return Response(status_code=204, headers=NOT_STORED | self.guard.list_cookies())

        @api.get("/v1/model", operation_id="model", summary="The cards of the networks")
        async def model() -> schemas.Models:
            return schemas.Models(
                reader=schemas.Model.describe(self.service.classifier),
                lines=schemas.Model.describe(self.service.lines),
                needs_token=self.config.token is not None,
            )

    def _add_runs(self, api: FastAPI) -> None:
        @api.get("/v1/runs", operation_id="runs", summary="The runs and studies that are shown")
        def list_runs() -> schemas.Shelf:
            return schemas.Shelf(
                is_shown=self.shelf.folder is not None,
                runs=self.shelf.list_all(),
                needs_token=self.config.token is not None,
            )

        @api.get(
            "/v1/runs/{name}/losses",
            operation_id="losses",
            summary="The training loss of each batch of a run, as far as it is",
            responses=schemas.NO_RUN,
        )
        def read_losses(
            name: str,
            first: Annotated[
                int, Query(ge=0, le=10**9, description="Leave out the batches before this one.")
            ] = 0,
        ) -> schemas.Losses:
            losses, state = self.shelf.read_losses(name, first)
            return schemas.Losses(first=first, losses=losses, state=state)

        @api.get(
            "/runs/{name}/report",
            operation_id="report",
            summary="The report of a run or a study, a page without scripts",
            response_class=Response,
            responses=schemas.REPORT_RESPONSES,
        )
        def show_report(name: str) -> Response:
            size, page = self.shelf.open_report(name)
            headers = {"content-security-policy": REPORT_POLICY, "content-length": str(size)}
            return StreamingResponse(
                page, media_type="text/html; charset=utf-8", headers=NOT_STORED | headers
            )


NOT_STORED = {"cache-control": "no-store"}
INTERNAL_PROBLEM = Problem(INTERNAL, "see the server's log")
# Messages for errors in a query; others have the library's own message.
EXPECTED = {
    "bool_parsing": "true or false",
    "int_parsing": "a whole number",
    "greater_than_equal": "0 or more",
    "less_than_equal": "a smaller number",
}
CLIENT_LEFT = 499  # nginx's status for a client that disconnected


def _check_headers(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind == "application/octet-stream"):
        raise Problem(
            UNSUPPORTED,
            "Content-Type must be image/png, image/jpeg or another image type, or "
            f"application/octet-stream, not {kind[:40] or 'empty'}",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(UNSUPPORTED, "Content-Encoding is not supported")


def _serve_file(name: str) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        content = (PAGE / name).read_bytes()
        headers = {"cache-control": "no-cache"}
        return Response(content, media_type="text/html; charset=utf-8", headers=headers)

    return serve


async def _answer_problem(_: Request, problem: Any) -> Response:  # noqa: ANN401 - any Exception
    return Response(
        problem.to_bytes(), status_code=problem.kind.status, headers=problem.list_headers()
    )


async def _answer_http_exception(request: Request, error: Any) -> Response:  # noqa: ANN401
    if error.status_code == METHOD_NOT_ALLOWED.status:
        problem = Problem(METHOD_NOT_ALLOWED, "see /docs", dict(error.headers))
    else:
        problem = Problem(NOT_FOUND, "see /docs")
    return await _answer_problem(request, problem)


async def _answer_invalid(request: Request, error: Any) -> Response:  # noqa: ANN401
    details = [
        f"{one['loc'][-1]} must be {EXPECTED.get(one['type'], one['msg'])}, "
        f"not {str(one['input'])[:40]!r}"
        for one in error.errors()
    ]
    return await _answer_problem(request, Problem(INVALID, "; ".join(details)))


async def _answer_nobody(_: Request, error: Any) -> Response:  # noqa: ANN401
    """A response for a client that has disconnected; it is not sent."""
    return Response(status_code=CLIENT_LEFT)


async def _answer_internal(request: Request, error: Any) -> Response:  # noqa: ANN401
    return await _answer_problem(request, INTERNAL_PROBLEM)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Await the work; cancel it and raise ClientDisconnect if the client disconnects."""

    async def leave() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(leave())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
