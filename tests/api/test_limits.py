"""Too much, too deep, too slow, and from other web pages."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import pytest
from fastapi import Body, FastAPI
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from glmcore.api import limits
from glmcore.api.app import build_api
from glmcore.api.limits import BodyLimit
from glmcore.api.openai.bodies import MOST_MESSAGES
from glmcore.core.errors import ConfigError
from glmcore.server.services import Services
from tests.api.conftest import local_client

JSON = {"content-type": "application/json"}
PAGE = "https://page.example"


def api_of(services: Services, **settings: object) -> FastAPI:
    shared = replace(services, settings=replace(services.settings, **settings))
    api = build_api(lambda: shared)

    @api.post("/api/count")
    def count(body: Annotated[dict[str, object], Body()]) -> int:
        return len(body)

    return api


def client_of(services: Services, **settings: object) -> TestClient:
    return local_client(api_of(services, **settings))


def in_pieces(size: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b" " * size


def test_a_body_of_more_than_the_limit_is_refused_by_its_length(services: Services) -> None:
    client = client_of(services, max_request_mib=0.001)
    reply = client.post("/api/count", content=json.dumps({"a": "x" * 1100}), headers=JSON)
    assert reply.status_code == 413
    assert reply.json()["error"] == {
        "message": "The request is larger than 0.001 MiB, which is the limit; send less.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    assert client.post("/api/count", content='{"a": 1}', headers=JSON).json() == 1


def test_a_body_without_a_length_is_counted_as_it_comes(services: Services) -> None:
    client = client_of(services, max_request_mib=0.001)
    reply = client.post("/api/count", content=in_pieces(300, 10), headers=JSON)
    assert reply.status_code == 413 and "0.001 MiB" in reply.json()["error"]["message"]


@pytest.mark.parametrize("one", ["[],", '{"a":1},'], ids=["lists", "objects"])
def test_millions_of_values_are_refused_before_they_are_read(services: Services, one: str) -> None:
    body = "[" + one * (limits.MOST_VALUES + 1) + "0]"
    reply = client_of(services).post("/api/count", content=body, headers=JSON)
    assert reply.status_code == 413 and "100000 lists, objects and names" in reply.json()["error"]["message"]


def test_a_body_full_of_messages_is_none_of_too_many_values(services: Services) -> None:
    part = {"role": "user", "content": [{"type": "text", "text": "x"}]}
    body = json.dumps({"messages": [part] * MOST_MESSAGES})
    assert client_of(services).post("/api/count", content=body, headers=JSON).json() == 1


def test_what_comes_after_the_limit_is_not_read() -> None:
    read = []

    async def app(scope, receive, send) -> None:
        while True:
            await receive()

    async def receive() -> dict[str, object]:
        read.append(1)
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    async def post() -> None:
        await BodyLimit(app, 0.001)({"type": "http", "headers": []}, receive, receive)

    with pytest.raises(HTTPException) as refusal:
        asyncio.run(post())
    assert refusal.value.status_code == 413 and len(read) == 3


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)

    async def app(scope, receive, send) -> None:
        await receive()

    async def receive() -> dict[str, object]:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(HTTPException) as refusal:
        asyncio.run(BodyLimit(app, 1)({"type": "http", "headers": []}, receive, receive))
    assert refusal.value.status_code == 408


def test_waiting_for_the_client_to_leave_has_no_limit_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)
    seen = []

    async def app(scope, receive, send) -> None:
        seen.extend([(await receive())["type"], (await receive())["type"]])

    async def receive() -> dict[str, object]:
        if not seen and not sent:
            sent.append(1)
            return {"type": "http.request", "body": b""}
        await asyncio.sleep(0.03)
        return {"type": "http.disconnect"}

    sent: list[int] = []
    asyncio.run(BodyLimit(app, 1)({"type": "http", "headers": []}, receive, receive))
    assert seen == ["http.request", "http.disconnect"]


@pytest.mark.parametrize(
    "body",
    ["[" * 90_000, '{"a":' * 45_000, '{"a":' + "[" * 990 + "]" * 990 + "}", '{"a":' + "9" * 100_000 + "}"],
    ids=["brackets", "braces", "nearly too deep", "digits"],
)
def test_json_that_python_cannot_read_is_the_fault_of_who_sent_it(services: Services, body: str) -> None:
    reply = client_of(services).post("/api/count", content=body, headers=JSON)
    assert reply.status_code in (200, 400, 422)
    assert reply.status_code == 200 or reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("said", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_web_page_may_send_without_asking_is_not_read(services: Services, said: str) -> None:
    reply = client_of(services).post("/api/count", content='{"a": 1}', headers={"content-type": said})
    assert reply.status_code == 422 and "Content-Type: application/json" in reply.json()["error"]["message"]


def test_other_web_pages_are_told_nothing_unless_the_settings_name_them(services: Services) -> None:
    reply = client_of(services).get("/api/openapi.json", headers={"origin": PAGE})
    assert not [name for name in reply.headers if name.startswith("access-control")]
    asked = {"origin": PAGE, "access-control-request-method": "POST"}
    assert client_of(services).options("/v1/models", headers=asked).status_code in (404, 405)


def test_web_pages_that_the_settings_name_may_call(services: Services) -> None:
    client = client_of(services, cors_origins=(f"{PAGE}/",))
    asked = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-lang",
    }
    preflight = client.options("/v1/chat/completions", headers=asked)
    assert preflight.status_code == 200 and preflight.headers["access-control-allow-origin"] == PAGE
    assert "x-stainless-lang" in preflight.headers["access-control-allow-headers"]
    reply = client.get("/api/openapi.json", headers={"origin": PAGE})
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-expose-headers"] == "x-request-id, retry-after"
    assert "access-control-allow-credentials" not in reply.headers
    other = client.get("/api/openapi.json", headers={"origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_page_that_may_call_can_read_why_it_was_refused(services: Services) -> None:
    client = client_of(services, cors_origins=(PAGE,), max_request_mib=0.001)
    reply = client.post("/api/count", content=" " * 2000, headers={**JSON, "origin": PAGE})
    assert reply.status_code == 413 and reply.headers["access-control-allow-origin"] == PAGE


def test_wrong_settings_are_said_by_every_address_until_they_are_mended(services: Services) -> None:
    faults = [ConfigError("GLMCORE_DEVICE is {value!r}.", value="toaster")] * 2

    def find() -> Services:
        if faults:
            raise faults.pop()
        return services

    client = local_client(build_api(find))
    for path in ("/v1/models", "/metrics"):
        reply = client.get(path)
        assert reply.status_code == 503 and reply.headers["x-request-id"]
        assert reply.json()["error"]["message"] == "GLMCORE_DEVICE is 'toaster'."
    assert client.get("/metrics").status_code == 200
