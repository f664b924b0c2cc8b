"""The format of logs: a line for each record, as text or JSON."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from tenfold.serving.settings import LogFormat
from tenfold.system.escaping import escape

REPHRASED = {"Granian shutdown completed, see ya!": "The server has stopped"}
# Granian's advice about the kernel, which it gives wherever workers can be replaced.
LEFT_OUT = "Workers respawn is configured"


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
        message = REPHRASED.get(message, message)
        if record.exc_info:
            entry = {**entry, "exception": self.formatException(record.exc_info)}
        if self.log_format == "json":
            line = {"time": moment, "level": level, "message": message, "process": record.process}
            return json.dumps(line | entry)
        rest = "".join(f" {key}={value}" for key, value in entry.items() if value is not None)
        return escape(f"{moment} {level} {message}{rest}")


class AdviceFilter(logging.Filter):
    """Leaves out advice that is given at every start."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged."""
        return not record.getMessage().startswith(LEFT_OUT)


def describe_logging(log_format: LogFormat) -> dict[str, Any]:
    """The configuration of logging for every process of a server, for `logging.config`."""
    logged = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": LogFormatter, "log_format": log_format}},
        "filters": {"known": {"()": AdviceFilter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["known"]}
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "_granian": dict(logged),
            "tenfold.serving": dict(logged),
            # It warns of malformed forms, which are answered and logged with their request.
            "python_multipart": {"level": "CRITICAL"},
        },
    }
