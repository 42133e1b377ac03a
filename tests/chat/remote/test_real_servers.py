"""Against servers that others wrote, and against this project's own: the embedded model, asked over HTTP."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from glmcore.chat.model_host import ModelHost
from glmcore.core.errors import ConfigError
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from glmcore.core.settings import EMBEDDED_MODEL, Settings

pytestmark = pytest.mark.slow

START_SECONDS = 120
COLOURS = Message("user", "Name three colours.")


def started(tmp_path: Path, port: int, health: str, *command: str, **environ: str) -> Iterator[str]:
    """Run a server until the test is over; gives its base URL."""
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | environ, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up(f"http://127.0.0.1:{port}{health}"):
            assert server.poll() is None and time.monotonic() < deadline, (
                tmp_path / "server.log"
            ).read_text()
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def own_server(embedded_home, tmp_path, port):
    command = (sys.executable, "-m", "glmcore", "serve", "--port", str(port))
    home = {"GLMCORE_HOME": str(embedded_home), "GLMCORE_ENDPOINTS": ""}
    yield from started(tmp_path, port, "/readyz", *command, **home)


@pytest.fixture
def transformers_serve(embedded_home, tmp_path, port):
    program = Path(sys.executable).with_name("transformers")
    model = str(embedded_home / "models" / EMBEDDED_MODEL)
    command = (str(program), "serve", model, "--port", str(port), "--host", "127.0.0.1", "--device", "cpu")
    (tmp_path / "hub").mkdir()
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    yield from started(tmp_path, port, "/health", *command, **offline)


def engine_of(url, model_id, tmp_path):
    host = ModelHost(Settings(home=tmp_path / "home", endpoints=(f"lab={url}",)))
    return host, host.engine(f"{model_id}@lab")


def ask(engine, *messages, plain_text=None, logprobs=None, **params):
    request = ChatRequest(
        messages=messages,
        params=GenerationParams(**{"temperature": 0.0, "top_k": 0, "max_new_tokens": 8, **params}),
        model=engine.model_name,
        plain_text=plain_text,
        logprobs=logprobs,
    )
    stream = engine.submit(request)
    return "".join(stream), stream


def test_own_server_does_all_that_an_engine_can(own_server, tmp_path):
    host, engine = engine_of(own_server, EMBEDDED_MODEL, tmp_path)
    assert engine.window == 8192 and engine.notes == ()
    _, stream = ask(engine, COLOURS)
    assert stream.stop_reason is StopReason.LENGTH and stream.usage.completion_tokens == 8
    begun, _ = ask(engine, COLOURS, max_new_tokens=4)
    rest, _ = ask(engine, COLOURS, Message("assistant", begun), max_new_tokens=4)
    assert rest and not rest.startswith(begun)  # gone on with, not begun again
    assert len(ask(engine, COLOURS, logprobs=2)[1].token_logprobs) == 8
    assert ask(engine, plain_text="Once upon a")[0].startswith(" time")
    assert ask(engine, COLOURS, top_k=5, repetition_penalty=1.2, temperature=1.0)[0]
    host.close()


def test_transformers_serve_answers_and_what_it_refuses_is_said(transformers_serve, embedded_home, tmp_path):
    model_id = str(embedded_home / "models" / EMBEDDED_MODEL)
    host, engine = engine_of(transformers_serve, model_id, tmp_path)
    text, stream = ask(engine, COLOURS)
    assert text and stream.stop_reason is StopReason.LENGTH
    assert (stream.usage.prompt_tokens, stream.usage.completion_tokens) == (34, 8)
    assert ask(engine, plain_text="Once upon a")[0]
    with pytest.raises(ConfigError, match="does not take top_k"):
        ask(engine, COLOURS, top_k=5, temperature=1.0)
    with pytest.raises(ConfigError, match="cannot go on with an answer"):
        ask(engine, COLOURS, Message("assistant", "Red"))
    long = ChatRequest(
        messages=(COLOURS,), params=GenerationParams(max_new_tokens=2000, top_k=0), model=engine.model_name
    )
    stream = engine.submit(long)
    pieces = iter(stream)
    next(pieces)
    stream.cancel()
    assert list(pieces) == [] and stream.stop_reason is StopReason.CANCELLED
    assert ask(engine, COLOURS)[0] == text
    host.close()
