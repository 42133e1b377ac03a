"""What goes wrong, as HTTP: one JSON object in OpenAI's form for every endpoint, in one sentence."""

import json
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from glmcore.core.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    DataError,
    GlmcoreError,
    JobError,
    NotFoundError,
    RefusedError,
    UnknownCallerError,
)

# The first class that fits counts.
STATUS: tuple[tuple[type[GlmcoreError], int], ...] = (
    (BusyError, 429),
    (UnknownCallerError, 401),
    (RefusedError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (JobError, 409),
    (ConfigError, 400),
    (DataError, 400),
)
UNAVAILABLE = 503  # of everything else: the model, the memory, the disk
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


class ErrorInfo(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorInfo


def type_of(status: int) -> str:
    return TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def status_of(error: GlmcoreError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), UNAVAILABLE)


def error_body(
    status: int, message: str, *, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    info = ErrorInfo(message=message, type=type_of(status), param=param, code=code)
    return ErrorBody(error=info).model_dump()


def body_of(error: GlmcoreError) -> dict[str, Any]:
    return error_body(status_of(error), str(error), param=_word(error, "param"), code=_word(error, "code"))


def _word(error: GlmcoreError, name: str) -> str | None:
    value = error.values.get(name)
    return value if isinstance(value, str) else None


def headers_of(error: GlmcoreError) -> dict[str, str]:
    if isinstance(error, BusyError):
        return {"retry-after": str(error.values.get("seconds", 1))}
    return {"www-authenticate": "Bearer"} if isinstance(error, UnknownCallerError) else {}


class ErrorResponse(JSONResponse):
    """Plain ASCII: a message may repeat half a character that JSON can spell and UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode("ascii")


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GlmcoreError)
    return ErrorResponse(body_of(error), status_of(error), headers_of(error))


async def answer_wrong_body(request: Request, error: Exception) -> JSONResponse:
    """The first field that is wrong, by name; OpenAI's clients expect 400, everybody else 422."""
    assert isinstance(error, RequestValidationError)
    status = 400 if request.url.path.startswith("/v1/") else 422
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        message = f"The body is no JSON: {first['ctx']['error']} (at character {first['loc'][-1]})."
        return ErrorResponse(error_body(status, message), status)
    if isinstance(error.body, bytes):  # what any web page may send from a browser is not read
        message = "The body is not said to be JSON; send it with the header Content-Type: application/json."
        return ErrorResponse(error_body(status, message), status)
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    where = f"{param}: " if param else ""
    message = str(first["msg"]).removeprefix("Value error, ")
    return ErrorResponse(error_body(status, f"{where}{message}.", param=param), status)


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """An address or a method that there is not."""
    assert isinstance(error, HTTPException)
    headers = error.headers
    if error.status_code == 405:  # the router names the methods of the first route with this address alone
        headers = {"allow": ", ".join(_methods_here(request))}
    return ErrorResponse(error_body(error.status_code, str(error.detail)), error.status_code, headers)


def _methods_here(request: Request) -> list[str]:
    path = request.scope["route"].path
    routes = iter_route_contexts(request.app.routes)
    return sorted({method for route in routes if route.path == path for method in route.methods or ()})


async def answer_fault(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours."""
    message = "Something went wrong inside the server; its log has the details under this request's id."
    return ErrorResponse(error_body(500, message), 500)
