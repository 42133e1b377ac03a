"""The endpoint of ChatGLM-6B's own server."""

import asyncio
import json
import re
import threading
from typing import Any

import pytest
from starlette.testclient import TestClient

from glmcore.api.app import build_api
from glmcore.api.original import alone_router
from glmcore.chat import model_host
from glmcore.core.errors import EngineError, ModelLoadError
from glmcore.core.messages import Message
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.models.prompts import FEWEST_NEW_TOKENS
from glmcore.server.services import Services
from tests.api.conftest import local_client
from tests.fakes import FakeEngine

ADDRESS = "/api/chat"


def ask(client: TestClient, **values: object) -> dict[str, Any]:
    reply = client.post(ADDRESS, json={"prompt": "Why is that?", **values})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_answer_has_the_form_of_the_original(client: TestClient) -> None:
    found = ask(client, history=[["Hi", "Hello"]])
    assert found["response"] == "An answer." and found["status"] == 200
    assert found["history"] == [["Hi", "Hello"], ["Why is that?", "An answer."]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", found["time"])


def test_history_is_what_was_said_before(client: TestClient, engine: FakeEngine) -> None:
    ask(client, history=[["Hi", "Hello"]])
    assert engine.requests[-1].messages == (
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("user", "Why is that?"),
    )


@pytest.mark.parametrize("value", [{}, dict.fromkeys(("history", "max_length", "top_p", "temperature"))])
def test_missing_or_null_is_the_originals_own(
    client: TestClient, engine: FakeEngine, value: dict[str, None]
) -> None:
    ask(client, **value)
    params = engine.requests[-1].params
    assert (params.temperature, params.top_p, params.max_new_tokens) == (0.95, 0.7, 2048 - 3)


def test_zero_is_zero(client: TestClient, engine: FakeEngine) -> None:
    ask(client, temperature=0, top_p=0)
    params = engine.requests[-1].params
    assert params.temperature == 0 and params.top_p == 0 and params.is_greedy


@pytest.mark.parametrize(("max_length", "left"), [(103, 100), (3, FEWEST_NEW_TOKENS)])
def test_max_length_counts_the_prompt_too(
    client: TestClient, engine: FakeEngine, max_length: int, left: int
) -> None:
    ask(client, max_length=max_length)
    assert engine.requests[-1].params.max_new_tokens == left


WRONG_BODIES = [
    "",
    "{",
    "[]",
    "{}",
    '{"prompt": ""}',
    '{"prompt": null}',
    '{"prompt": 7}',
    '{"prompt": "\\ud800"}',
    '{"prompt": "a", "history": [["\\ud800", "b"]]}',
    '{"prompt": "a", "history": [["b", "c", "d"]]}',
    json.dumps({"prompt": "a", "history": [[]] * 5001}),
    '{"prompt": "x", "history": [["only"]]}',
    '{"prompt": "x", "history": "Hi"}',
    '{"prompt": "x", "temperature": NaN}',
    '{"prompt": "x", "temperature": 2.5}',
    '{"prompt": "x", "top_p": -1}',
    '{"prompt": "x", "max_length": 0}',
    '{"prompt": "x", "max_length": 1e30}',
    '{"prompt": "x", "model": ""}',
]


def test_wrong_body_is_refused_before_any_work(client: TestClient, engine: FakeEngine) -> None:
    for body in WRONG_BODIES:
        reply = client.post(ADDRESS, content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 422 and reply.json()["error"]["message"], body
    assert not engine.requests


def test_model_is_chosen_among_those_offered(client: TestClient, engine: FakeEngine) -> None:
    ask(client, model=EMBEDDED_MODEL)
    assert engine.requests[-1].model == EMBEDDED_MODEL


def test_model_that_is_not_offered_is_not_there(client: TestClient, engine: FakeEngine) -> None:
    for name in ("nobody", "/etc", "../models", "someone/on-the-hub"):
        reply = client.post(ADDRESS, json={"prompt": "x", "model": name})
        assert reply.status_code == 404 and reply.json()["error"]["param"] == "model"
    assert not engine.requests


def test_root_answers_only_where_the_api_is_alone(client: TestClient, services: Services) -> None:
    assert client.post("/", json={"prompt": "x"}).status_code == 404
    api = build_api(lambda: services)
    api.include_router(alone_router)
    assert local_client(api).post("/", json={"prompt": "x"}).json()["response"] == "An answer."


def test_fault_of_the_engine_is_said(
    client: TestClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "submit", FakeEngine([EngineError("It is broken.")]).submit)
    reply = client.post(ADDRESS, json={"prompt": "x"})
    assert reply.status_code == 503 and reply.json()["error"]["message"] == "It is broken."


def test_model_that_cannot_be_loaded_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ModelLoadError("{name} is broken.", name="It")

    monkeypatch.setattr(model_host, "find_model", fail)
    for _time in range(2):
        reply = client.post(ADDRESS, json={"prompt": "x"})
        assert reply.status_code == 503 and reply.json()["error"]["message"] == "It is broken."


def test_what_a_key_is_to_store_becomes_a_conversation(client: TestClient, services: Services) -> None:
    _, secret = services.keys.make("lab", user="ada", stores_chats=True)
    client.headers["authorization"] = f"Bearer {secret}"
    ask(client)
    (conversation,) = services.history.conversations.list("ada")
    path = services.history.messages.path("ada", conversation.id)
    assert [entry.message.content for entry in path] == ["Why is that?", "An answer."]


def test_client_that_goes_away_ends_its_answer(
    services: Services, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = FakeEngine(gate=threading.Semaphore(0))
    monkeypatch.setattr(engine, "submit", gated.submit)
    body = json.dumps({"prompt": "x"}).encode()
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": ADDRESS,
        "raw_path": ADDRESS.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
    }

    async def run() -> None:
        messages = iter([{"type": "http.request", "body": body}])

        async def receive() -> dict[str, Any]:
            if (message := next(messages, None)) is not None:
                return message
            while not gated.requests:
                await asyncio.sleep(0.002)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None: ...

        async with asyncio.timeout(5):
            await build_api(lambda: services)(scope, receive, send)
            while services.answers.num_running():
                await asyncio.sleep(0.002)

    asyncio.run(run())
    assert len(gated.requests) == 1


def test_waiting_answer_holds_up_nobody(
    client: TestClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Semaphore(0)
    monkeypatch.setattr(engine, "submit", FakeEngine(gate=gate).submit)
    found: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: found.append(ask(client)))
    asking.start()
    assert client.get("/v1/models").status_code == 200 and not found
    gate.release(10)
    asking.join(5)
    assert found[0]["response"] == "An answer."
