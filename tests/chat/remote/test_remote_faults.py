"""Whatever goes wrong with a server is said in one sentence, and what came of the answer is kept."""

import socket
import time

import pytest

from glmcore.chat.answers import AnswerRegistry
from glmcore.chat.model_host import ModelHost
from glmcore.chat.running_answer import Unstored
from glmcore.core.errors import BusyError, ConfigError, DataError, EngineError, GlmcoreError, NotFoundError
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from glmcore.core.settings import Settings
from tests.chat.remote.fake_server import piece
from tests.chat.remote.test_remote_engine import answer, asked

HTML = "<!doctype html><html><body>nginx</body></html>"


def fault_of(engine, **options):
    with pytest.raises(GlmcoreError) as raised:
        answer(engine, **options)
    return raised.value


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (400, {"error": {"message": "bad"}}, ConfigError, "lab refused the request: bad."),
        (
            400,
            {"error": {"message": "This model's maximum context length is 9."}},
            DataError,
            "too long for chat",
        ),
        (400, {"error": {"code": "context_length_exceeded", "message": "no"}}, DataError, "too long"),
        (413, HTML, DataError, "too long for chat on the server lab (HTTP 413)"),
        (422, {"error": "Input validation: `inputs` + `max_new_tokens` must be <= 9"}, DataError, "too long"),
        (401, {"error": {"message": "who?"}}, EngineError, "GLMCORE_ENDPOINT_KEY_LAB"),
        (403, {"detail": "no"}, EngineError, "does not let us in (no)"),
        (404, {"error": {"message": "no such model"}}, NotFoundError, "does not find 'chat' (no such model)"),
        (500, {"error": {"message": "boom"}}, EngineError, "failed with HTTP 500 (boom)"),
        (502, HTML, EngineError, "failed with HTTP 502 (HTTP 502)"),
        (418, "{teapot}", ConfigError, "refused the request: {teapot}."),
    ],
)
def test_refusals_are_said_in_the_servers_own_words(engine, server, status, body, kind, sentence):
    server.refuses(status, body)
    fault = fault_of(engine)
    assert type(fault) is kind and sentence in str(fault)


def test_parameter_that_a_server_refuses_is_named_as_it_is_called_here(engine, server):
    server.refuses(422, {"detail": "Unexpected fields in the request: {'top_k'}"})
    assert fault_of(engine, top_k=5).values["param"] == "top_k"
    server.refuses(400, {"error": {"message": "too low", "param": "max_tokens"}})
    assert fault_of(engine).values["param"] == "max_new_tokens"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("soon", 5), ("99999999", 3600), (None, 5), ("nan", 5)]
)
def test_server_that_is_busy_is_not_asked_again_by_us(engine, server, header, seconds):
    server.refuses(429, {"error": {"message": "slow down"}}, **({"retry_after": header} if header else {}))
    fault = fault_of(engine)
    assert type(fault) is BusyError and fault.values["seconds"] == seconds
    assert len(server.bodies) == 1 and engine.trouble() is None


def test_silence_is_said_with_its_length(server, tmp_path):
    settings = Settings(home=tmp_path, endpoints=(f"lab={server.url}",), endpoint_timeout_seconds=0.3)
    engine = ModelHost(settings).engine("chat@lab")
    server.on_ask = lambda asked: asked.wait_until_left()
    assert "did not answer within 0.3 s" in str(fault_of(engine))
    assert server.left.wait(5) and "did not answer" in str(engine.trouble())


@pytest.mark.parametrize(
    "reply",
    [
        lambda asked: asked.text(HTML, content_type="text/html"),
        lambda asked: asked.json({"choices": [{"message": {"content": "not streamed"}}]}),
        lambda asked: asked.stream("{broken"),
        lambda asked: asked.stream("[]", "7", "null"),
        lambda asked: asked.stream(),
        lambda asked: asked.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n"),
        lambda asked: asked.text("x", 302, location="/v1/elsewhere"),
    ],
)
def test_what_is_no_such_server_is_said_so(engine, server, reply):
    server.on_ask = reply
    fault = fault_of(engine)
    assert type(fault) is EngineError and "lab" in str(fault)


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (lambda asked: None, "in its middle"),
        (lambda asked: asked.more('{"error": {"message": "out of memory"}}'), "broke the answer off: out of"),
        (lambda asked: asked.more(piece(finish="content_filter")), "by itself (content_filter)"),
        (lambda asked: asked.more('{"choices": [{"delta"'), "OpenAI-compatible"),
    ],
)
def test_answer_that_breaks_off_keeps_its_part(engine, server, ending, sentence):
    def break_off(asked):
        asked.stream(piece("Half an"))
        ending(asked)

    server.on_ask = break_off
    running = AnswerRegistry(lambda request, cancelled: engine, max_running=1).start("a", asked(), Unstored())
    while not running.is_done:
        running.wait(99, 0.05)
    snapshot = running.snapshot()
    assert snapshot.text == "Half an" and snapshot.facts.stop_reason is StopReason.ERROR
    assert sentence in str(running.fault)


def test_connection_that_is_cut_is_said(engine, server):
    def cut(asked):
        asked.send_response(200)
        asked.send_header("content-type", "text/event-stream")
        asked.send_header("content-length", "999")
        asked.end_headers()
        asked.more(piece("Half"))
        asked.connection.shutdown(socket.SHUT_RDWR)

    server.on_ask = cut
    stream = engine.submit(asked())
    texts = iter(stream)
    assert next(texts) == "Half"
    with pytest.raises(EngineError, match="connection to the server lab"):
        next(texts)


def test_trouble_is_over_when_the_server_answers_again(engine, server, monkeypatch):
    monkeypatch.setattr("glmcore.chat.remote.listing.LOOK_AGAIN_SECONDS", 0)
    server.refuses(500, {"error": "boom"})
    fault_of(engine)
    assert "boom" in str(engine.trouble())  # and the server is looked for in the background
    deadline = time.monotonic() + 5
    while engine.trouble() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.trouble() is None


def test_key_is_sent_and_never_said(host, server, monkeypatch):
    host.remote.look()
    assert "authorization" not in server.seen[0].headers
    monkeypatch.setenv("GLMCORE_ENDPOINT_KEY_LAB", "secret-123")

    server.refuses(401, {"error": {"message": "secret-123 is wrong."}})
    fault = fault_of(host.engine("chat@lab"))
    assert "(… is wrong)" in str(fault) and server.seen[-1].headers["authorization"] == "Bearer secret-123"


def test_the_library_takes_nothing_meant_for_another_server_from_the_environment(host, server, monkeypatch):
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "BASE_URL"):
        monkeypatch.setenv(f"OPENAI_{name}", "http://elsewhere.invalid/")
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("GLMCORE_ENDPOINT_KEY_LAB", "ours")
    params = GenerationParams(top_k=0)
    request = ChatRequest(messages=(Message("user", "?"),), params=params, model="chat@lab")
    assert "".join(host.engine("chat@lab").submit(request)) == "An answer."
    assert {asked.headers["authorization"] for asked in server.seen} == {"Bearer ours"}
    assert not any("elsewhere" in str(asked.headers) for asked in server.seen)
