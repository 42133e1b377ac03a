"""The id of a request, and the line that is written of it."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from glmcore.api.app import build_api
from glmcore.api.measures.request_record import note_answer, note_caller
from glmcore.api.watching import finished
from glmcore.chat.running_answer import Unstored
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.keys import LOCAL_CALLER
from glmcore.server.services import Services

SECRET_QUESTION = "What is my name?"


def api_of(services: Services, **settings: object) -> FastAPI:
    shared = replace(services, settings=replace(services.settings, **settings))
    api = build_api(lambda: shared)

    @api.get("/api/told/{word}")
    def told(word: str) -> str:
        note_caller(LOCAL_CALLER)  # in a thread
        logging.getLogger("glmcore.test").info("inside")
        return word

    @api.get("/api/fails")
    async def fails() -> None:
        raise RuntimeError("A bug.")

    @api.get("/api/breaks")
    async def breaks() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"begun"
            raise RuntimeError("A bug.")

        return StreamingResponse(pieces())

    @api.get("/api/answer")
    async def answer(request: Request) -> str:
        question = ChatRequest(
            messages=(Message("user", SECRET_QUESTION),), params=GenerationParams(), model=EMBEDDED_MODEL
        )
        running = shared.answers.start("a1", question, Unstored())
        note_answer(running)
        return (await finished(running)).text

    return api


@pytest.fixture
def client(services: Services) -> TestClient:
    return TestClient(api_of(services), raise_server_exceptions=False)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> "Lines":
    caplog.set_level(logging.INFO, "glmcore")
    return Lines(caplog)


class Lines:
    """What was written about requests, oldest first."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def fields(self) -> list[dict[str, Any]]:
        return [
            entry.fields
            for entry in self._caplog.records
            if entry.name == "glmcore.http" and hasattr(entry, "fields")
        ]

    @property
    def text(self) -> str:
        return self._caplog.text + json.dumps(self.fields())


def test_every_response_has_an_id_errors_too(client: TestClient) -> None:
    replies = [
        client.get(path) for path in ("/api/told/x", "/api/nowhere", "/api/fails", "/api/openapi.json")
    ]
    assert [reply.status_code for reply in replies] == [200, 404, 500, 200]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(ids)) == 4 and all(re.fullmatch("[0-9a-f]{32}", request_id) for request_id in ids)


def test_the_id_of_the_client_is_kept_where_it_is_safe(client: TestClient) -> None:
    assert (
        client.get("/api/told/x", headers={"x-request-id": "job-7.a_B"}).headers["x-request-id"]
        == "job-7.a_B"
    )
    for unsafe in ("a b", "x" * 65, "a;b", "\u00e4".encode().decode("latin-1"), ""):
        reply = client.get("/api/told/x", headers={"x-request-id": unsafe.encode("latin-1")})
        assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])


def test_a_line_says_what_was_asked_by_whom_and_how_it_ended(client: TestClient, lines: Lines) -> None:
    client.get("/api/told/hello?token=abc", headers={"authorization": "Bearer glm-secret"})
    (fields,) = lines.fields()
    assert fields.pop("seconds") >= 0
    expected = {"method": "GET", "route": "/api/told/{word}", "status": 200, "bytes": 7, "user": "local"}
    assert fields == expected
    assert "abc" not in lines.text and "secret" not in lines.text


def test_an_address_that_there_is_not_is_said_in_part(client: TestClient, lines: Lines) -> None:
    client.get("/api/" + "x" * 500)
    (fields,) = lines.fields()
    assert fields["route"] == "unmatched" and fields["path"] == ("/api/" + "x" * 500)[:200]


def test_an_address_cannot_command_the_terminal_that_shows_the_log(client: TestClient, lines: Lines) -> None:
    client.get("/api/%1b%c2%9b31m%e2%80%ae%0aend")
    (fields,) = lines.fields()
    assert fields["path"] == "/api/%1B%C2%9B31m%E2%80%AE%0Aend"


def test_an_api_inside_another_application_says_the_same(services: Services, lines: Lines) -> None:
    outer = TestClient(Starlette(routes=[Mount("/", api_of(services))]))
    outer.get("/api/told/x"), outer.get("/api/nowhere")
    assert [fields["route"] for fields in lines.fields()] == ["/api/told/{word}", "unmatched"]


def test_an_answer_is_told_by_its_tokens_and_not_by_its_text(client: TestClient, lines: Lines) -> None:
    assert client.get("/api/answer").json() == "An answer."
    told = {
        "id": "a1",
        "model": EMBEDDED_MODEL,
        "engine": "fake",
        "stop_reason": "end",
        "prompt_tokens": 4,
        "completion_tokens": 2,
    }
    assert lines.fields()[0]["answers"] == [told]
    assert SECRET_QUESTION not in lines.text and "An answer" not in lines.text


def test_texts_are_told_where_the_settings_want_it(services: Services, lines: Lines) -> None:
    TestClient(api_of(services, log_prompts=True)).get("/api/answer")
    (told,) = lines.fields()[0]["answers"]
    assert told["prompt"] == [{"role": "user", "content": SECRET_QUESTION}] and told["text"] == "An answer."


def test_a_fault_of_ours_is_an_error_object_and_a_traceback(client: TestClient, lines: Lines) -> None:
    reply = client.get("/api/fails")
    assert reply.json()["error"]["type"] == "server_error" and "A bug" not in reply.text
    assert "RuntimeError: A bug." in lines.text and lines.fields()[0]["status"] == 500


def test_a_response_that_breaks_off_is_not_taken_for_whole(services: Services, lines: Lines) -> None:
    with pytest.raises(RuntimeError):
        TestClient(api_of(services)).get("/api/breaks")
    assert lines.fields()[0]["bytes"] == 5


def test_a_client_that_leaves_is_499(services: Services, lines: Lines) -> None:
    api = build_api(lambda: services)

    @api.get("/api/slow")
    async def slow() -> StreamingResponse:
        async def pieces() -> Any:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)

        return StreamingResponse(pieces())

    async def visit() -> None:
        sent = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if not received:
                received.append(1)
                return {"type": "http.request", "body": b""}
            await sent.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                sent.set()

        received: list[int] = []
        scope = {"type": "http", "method": "GET", "path": "/api/slow", "headers": [], "query_string": b""}
        await api(scope | {"http_version": "1.1", "scheme": "http", "root_path": ""}, receive, send)

    asyncio.run(visit())
    assert lines.fields()[0]["status"] == 499
