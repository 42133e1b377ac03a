"""What becomes of answers when nobody waits for them, when there is no room, when the server ends."""

import threading

import openai as openai_package
import pytest
from openai import OpenAI

from glmcore.api import watching
from glmcore.api.app import build_api
from glmcore.api.openai import answering
from glmcore.chat import model_host
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.server.services import open_services
from tests.api.conftest import local_client
from tests.fakes import FakeEngine

ASKED = {"model": EMBEDDED_MODEL, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def gate() -> threading.Semaphore:
    return threading.Semaphore(0)


@pytest.fixture
def engine(gate) -> FakeEngine:
    return FakeEngine(["one two three four"], gate=gate)


def test_a_closed_stream_ends_the_answers(services, far_openai, gate, wait) -> None:
    gate.release()
    stream = far_openai.chat.completions.create(**ASKED, n=2, stream=True)
    next(iter(stream))
    assert services.answers.num_running() == 2
    stream.close()
    wait(lambda: services.answers.num_running() == 0)
    wait(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("answer-")])


@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_closed_before_the_first_token_ends_the_answer(
    services, server_url, engine, wait, stream
) -> None:
    with OpenAI(base_url=server_url, api_key="none", max_retries=0, timeout=0.2) as impatient:
        with pytest.raises(openai_package.APITimeoutError):
            impatient.chat.completions.create(**ASKED, stream=stream)
        assert len(engine.requests) >= 1
    wait(lambda: services.answers.num_running() == 0)


def test_places_of_a_key_come_back_when_its_client_leaves(services, server_url, gate, wait) -> None:
    _key, secret = services.keys.make("one", answers_at_once=1)
    with OpenAI(base_url=server_url, api_key=secret, max_retries=0) as client:
        gate.release()
        stream = client.chat.completions.create(**ASKED, stream=True)
        next(iter(stream))
        with pytest.raises(openai_package.RateLimitError) as raised:
            client.chat.completions.create(**ASKED)
        assert raised.value.response.headers["retry-after"] == "1"
        stream.close()
        wait(lambda: services.answers.num_running() == 0)
        gate.release(8)
        for _again in range(2):  # the place is free as soon as an answer has come
            assert client.chat.completions.create(**ASKED).choices[0].message.content == "one two three four"


def test_without_room_the_request_is_refused_and_nothing_runs_on(tmp_path, engine, monkeypatch) -> None:
    monkeypatch.setattr(model_host, "build_engine", lambda entry, settings, progress: engine)
    services = open_services(Settings(home=tmp_path, max_running_answers=2))
    with local_client(build_api(lambda: services)) as client:
        response = client.post("/v1/chat/completions", json=ASKED | {"n": 3})
        assert response.status_code == 429 and response.headers["retry-after"] == "1"
    services.close()
    assert services.answers.num_running() == 0


def test_an_answer_ended_with_the_server_is_an_error(services, far_openai, gate) -> None:
    gate.release()
    stream = iter(far_openai.chat.completions.create(**ASKED, stream=True))
    next(stream)
    services.answers.close(5)
    with pytest.raises(openai_package.APIError, match="The server ended"):
        list(stream)


def test_silence_is_told_by_a_comment(services, client, gate, monkeypatch) -> None:
    monkeypatch.setattr(watching.watch, "__kwdefaults__", {"every": 0.05})
    monkeypatch.setattr(answering, "SILENCE_SECONDS", 0.04)
    threading.Timer(0.2, lambda: gate.release(4)).start()
    text = client.post("/v1/chat/completions", json=ASKED | {"stream": True}).text
    assert text.startswith(": waiting\n\n")
    assert text.endswith("data: [DONE]\n\n")
