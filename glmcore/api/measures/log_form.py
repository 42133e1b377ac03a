"""The form of the server's log: lines for people, or one JSON object per line for programs.

Either form has the id of the request in whose work a line was written.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from glmcore.api.measures.request_record import current_request
from glmcore.core.settings import Settings

OUR_LOGS = ("glmcore", "uvicorn")


def configure_logging(settings: Settings) -> None:
    """Write the server's own log to standard error, in the form of the settings. A second call replaces."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonForm() if settings.log_format == "json" else TextForm())
    for name in OUR_LOGS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False  # a handler of the root would write it again


class JsonForm(logging.Formatter):
    """One object per line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request := current_request.get()) is not None:
            values["request_id"] = request.id
        values |= getattr(record, "fields", {})
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return json.dumps(values, default=str)


class TextForm(logging.Formatter):
    """`time LEVEL logger [request]: message name=value …`; values as JSON, so none begins a new line."""

    def format(self, record: logging.LogRecord) -> str:
        request = current_request.get()
        where = f" [{request.id}]" if request is not None else ""
        line = f"{_time(record)} {record.levelname} {record.name}{where}: {record.getMessage()}"
        for name, value in getattr(record, "fields", {}).items():
            line += f" {name}={json.dumps(value, ensure_ascii=False, default=str)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
