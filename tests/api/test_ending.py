"""The API of a server that can be asked to end."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from glmcore.api.app import build_api
from glmcore.server.services import Services
from tests.api.conftest import local_client


class Life:
    """Whether the server ends, as a test wants it."""

    is_ending = False


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def ending_client(services: Services, life: Life) -> Iterator[TestClient]:
    with local_client(build_api(lambda: services, lambda: life.is_ending)) as client:
        yield client


@pytest.mark.parametrize("method, path", [("POST", "/api/chat"), ("GET", "/v1/models"), ("GET", "/api/docs")])
def test_new_requests_are_refused_at_the_end(
    ending_client: TestClient, life: Life, method: str, path: str
) -> None:
    life.is_ending = True
    reply = ending_client.request(method, path, json={"prompt": "Why?"})
    assert reply.status_code == 503 and "about to end" in reply.json()["error"]["message"]
    assert int(reply.headers["retry-after"]) > 0 and reply.headers["connection"] == "close"
    assert reply.headers["x-request-id"]


def test_measures_can_be_read_until_the_end(ending_client: TestClient, life: Life) -> None:
    life.is_ending = True
    assert ending_client.get("/metrics").status_code == 200


def test_before_the_end_nothing_is_refused(ending_client: TestClient) -> None:
    assert ending_client.post("/api/chat", json={"prompt": "Why?"}).status_code == 200
