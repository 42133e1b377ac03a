"""The API described: its OpenAPI document completed, and `/api/docs`, which needs no other host."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from glmcore.api.errors import ErrorBody

FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
DESCRIPTION = """
The models, jobs, curves and conversations of this server.

Where an API key was ever made (`python -m glmcore keys make NAME`), every request needs one:
`Authorization: Bearer <key>`. As long as there is none, requests from the server's own machine are answered.

Every response has an `X-Request-ID`, under which the server's log tells about it. What goes wrong is said in
one object, `{"error": {"message", "type", "param", "code"}}`.
"""
TAGS = {  # in the order in which the page shows them
    "OpenAI": "The same models for every program that can talk to OpenAI.",
    "original": "The endpoint of ChatGLM-6B's own server.",
    "jobs": "Training and prediction runs: submitted, followed, stopped.",
    "curves": "What runs wrote, as numbers.",
    "conversations": "Those of the key's user.",
    "server": "What the server tells of itself.",
}
OTHER_TAG = "server"
ERRORS = {
    "400": "The request is wrong; `param` names what is to blame, where one thing is.",
    "401": "A key is needed, and is missing, wrong or revoked.",
    "403": "The key may not do this, or there is no key and the request comes from another machine.",
    "429": "Too much at once; `Retry-After` says when to ask again.",
    "503": "The server cannot do this just now: its model, memory, disk, or it is about to end.",
}
BODY_ERRORS = {
    "408": "The request did not come whole in time.",
    "413": "The request is larger than the server takes.",
}
WRONG_FIELD = "422"  # of what FastAPI has looked at; under /v1/ that is 400 too
ERROR_SCHEMA = "#/components/schemas/ErrorBody"

router = APIRouter(include_in_schema=False)


def describe(api: FastAPI) -> None:
    """Let the OpenAPI document tell what all endpoints have in common."""

    @cache
    def document() -> dict[str, Any]:
        found = get_openapi(
            title=api.title,
            version=api.version,
            description=DESCRIPTION.strip(),
            routes=api.routes,
            tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        )
        _add_error_schemas(found)
        for path, operations in found["paths"].items():
            for operation in operations.values():
                _complete(path, operation)
        return found

    api.openapi = document  # type: ignore[method-assign]  # FastAPI's way of doing this


def _add_error_schemas(document: dict[str, Any]) -> None:
    schema = ErrorBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update({**schema.pop("$defs"), "ErrorBody": schema})
    for name in ("HTTPValidationError", "ValidationError"):  # what FastAPI would answer a wrong body with
        schemas.pop(name, None)


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Tag an operation that is not, and say how each of them can fail."""
    operation.setdefault("tags", [OTHER_TAG])
    responses = operation["responses"]
    if responses.pop(WRONG_FIELD, None) is not None and not path.startswith("/v1/"):
        responses[WRONG_FIELD] = _error(ERRORS["400"])
    for status, text in (ERRORS | (BODY_ERRORS if "requestBody" in operation else {})).items():
        responses[status] = _error(text)


def _error(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": ERROR_SCHEMA}}},
    }


@router.get("/api/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """In a thread: it takes half a second to write, once."""
    return JSONResponse(request.app.openapi())


@router.get("/api/docs")
def docs() -> HTMLResponse:
    """The addresses are relative, so that they hold behind a proxy that serves us below a path."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="GLM dashboard API",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon.png",
    )


@router.get("/api/docs/{name}")
def docs_file(name: str) -> FileResponse:
    if name not in FILES:
        raise HTTPException(404, "There is no such file.")
    headers = {"cache-control": "public, max-age=3600", "x-content-type-options": "nosniff"}
    return FileResponse(_folder() / name, media_type=FILES[name], headers=headers)


@cache
def _folder() -> Path:
    spec = find_spec("fastapi_offline")  # found, not imported: only its files are of use here
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "static"
