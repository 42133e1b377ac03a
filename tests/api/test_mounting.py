"""The API's addresses beside the pages."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from glmcore.api.mounting import ApiRoute


@pytest.fixture
def built() -> list[ASGIApp]:
    """Each time that the API was put together."""
    return []


@pytest.fixture
def pages(built: list[ASGIApp]) -> TestClient:
    def build() -> ASGIApp:
        built.append(PlainTextResponse("the API"))
        return built[-1]

    page = Route("/{path:path}", lambda request: PlainTextResponse("a page"))
    return TestClient(Starlette(routes=[ApiRoute(build), page]))


@pytest.mark.parametrize("path", ["/", "/apiary", "/keys", "/v1x", "/metrics-page", "/x/api"])
def test_pages_are_left_alone(pages: TestClient, built: list[ASGIApp], path: str) -> None:
    assert pages.get(path).text == "a page" and not built


@pytest.mark.parametrize("path", ["/api", "/api/chat", "/v1/models", "/metrics"])
def test_api_has_its_addresses(pages: TestClient, path: str) -> None:
    assert pages.get(path).text == "the API"


def test_api_is_put_together_once(pages: TestClient, built: list[ASGIApp]) -> None:
    pages.get("/api/chat")
    pages.get("/v1/models")
    assert len(built) == 1
