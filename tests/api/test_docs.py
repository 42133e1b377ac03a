"""The API described: `/api/docs` without another host, and what the document says of all endpoints."""

import json
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from glmcore.api.app import build_api
from glmcore.api.docs import FILES, TAGS
from glmcore.server.services import Services


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As JSON, and without services: whoever reads it needs none."""
    api = build_api(open_services_of_nobody, lambda: False)
    found: dict[str, Any] = json.loads(json.dumps(api.openapi()))
    return found


def open_services_of_nobody() -> Services:
    raise AssertionError("not needed")


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_page_asks_no_other_host(client: TestClient) -> None:
    page = client.get("/api/docs").text
    addresses = re.findall(r"""(?:src|href)="([^"]*)"|url: '([^']*)'""", page)
    named = {first or second for first, second in addresses}
    assert named == {"openapi.json", *(f"docs/{name}" for name in FILES)}


@pytest.mark.parametrize("name", FILES)
def test_its_files_are_ours(client: TestClient, name: str) -> None:
    reply = client.get(f"/api/docs/{name}")
    assert reply.status_code == 200 and reply.headers["content-type"].startswith(FILES[name])
    assert len(reply.content) > 1000


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2F__init__.py", "%2e%2e%2fcore.py"])
def test_no_other_file_is(client: TestClient, name: str) -> None:
    assert client.get(f"/api/docs/{name}").status_code == 404


def test_docs_need_no_key(client: TestClient, services: Services) -> None:
    services.keys.make("lab")
    assert client.get("/api/docs").status_code == client.get("/api/openapi.json").status_code == 200


def test_every_endpoint_says_that_it_takes_a_key(document: dict[str, Any]) -> None:
    (name,) = document["components"]["securitySchemes"]
    assert document["components"]["securitySchemes"][name]["scheme"] == "bearer"
    for what, operation in operations(document):
        assert operation["security"] == [{name: []}], what


def test_every_endpoint_says_how_it_fails(document: dict[str, Any]) -> None:
    assert "ErrorBody" in document["components"]["schemas"]
    assert "HTTPValidationError" not in str(document)
    for what, operation in operations(document):
        assert {"400", "401", "403", "429", "503"} <= set(operation["responses"]), what
        assert "requestBody" not in operation or "413" in operation["responses"], what


def test_every_endpoint_has_a_tag_that_is_explained(document: dict[str, Any]) -> None:
    assert [tag["name"] for tag in document["tags"]] == list(TAGS)
    for what, operation in operations(document):
        assert set(operation["tags"]) <= set(TAGS), what
