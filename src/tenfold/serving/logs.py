"""Logs: a line for each request and for what befalls the server, as text or JSON."""

import json
import logging
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serving.metrics import RESPONSES
from tenfold.serving.problems import BUSY
from tenfold.serving.settings import LogFormat
from tenfold.system.escaping import escape

ID_HEADER = b"x-request-id"
ID_PATTERN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
MAX_SHOWN = 200  # characters of what a client sent
CLIENT_LEFT = 499  # nginx's status for a client that disconnected
PROBES = ("/health/live", "/health/ready", "/metrics")  # logged only if they fail

logger = logging.getLogger(__name__)


class RequestLog:
    """Middleware that gives each request an id, and logs and counts its answer.

    A proxy's `X-Request-Id` is kept, so that both logs say the same. Addresses have no
    `--root-path` from here on.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.num_refused, self.last_told = 0, 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["path"] = scope["path"].removeprefix(scope["root_path"])
        scope["root_path"] = ""
        headers = dict(scope["headers"])
        given = headers.get(ID_HEADER, b"")
        request_id = given if ID_PATTERN.fullmatch(given) else secrets.token_hex(8).encode()
        state = scope["state"] = {"request_id": request_id.decode()}
        status, started = CLIENT_LEFT, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (ID_HEADER, request_id)]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            RESPONSES.labels(str(status)).inc()
            if state.get("code") == BUSY.code:
                self._log_refusals()
            elif status >= 400 or scope["path"] not in PROBES:
                client = scope.get("client")
                forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
                entry = {
                    "client": client[0] if client else None,
                    "forwarded_for": forwarded[:MAX_SHOWN] or None,  # as the sender says
                    "method": scope["method"],
                    "path": scope["path"][:MAX_SHOWN],
                    "status": status,
                    "ms": round(1000 * (time.perf_counter() - started), 1),
                    **state,  # the id, and what others noted: a problem's code, statuses
                }
                logger.info("request", extra={"entry": entry})

    def _log_refusals(self) -> None:
        """Log refusals together, once a second: there may be thousands."""
        self.num_refused += 1
        if (now := time.monotonic()) > self.last_told + 1:
            logger.warning("refused %d requests, as too many wait", self.num_refused)
            self.num_refused, self.last_told = 0, now


class LogFormatter(logging.Formatter):
    """A line for each record: a JSON object, or the same as text for people."""

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self.log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, Any] = getattr(record, "entry", {})
        level, message = record.levelname.lower(), record.getMessage()
        if record.exc_info:
            entry = {**entry, "exception": self.formatException(record.exc_info)}
        if self.log_format == "json":
            line = {"time": moment, "level": level, "message": message, "process": record.process}
            return json.dumps(line | entry)
        rest = "".join(f" {key}={value}" for key, value in entry.items() if value is not None)
        return escape(f"{moment} {level} {message}{rest}")


def describe_logging(log_format: LogFormat) -> dict[str, Any]:
    """The configuration of logging for every process of a server, for `logging.config`."""
    handler = {"class": "logging.StreamHandler", "formatter": "line"}  # to stderr
    logged = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": LogFormatter, "log_format": log_format}},
        "handlers": {"stderr": handler},
        "loggers": {"_granian": dict(logged), "tenfold.serving": dict(logged)},
    }
