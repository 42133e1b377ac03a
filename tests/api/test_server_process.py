"""Servers as processes: both kinds end in order when they are asked to, whatever runs."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.dashboard import ROOT, make_home

pytestmark = pytest.mark.slow

COMMANDS = {
    "serve": ("glmcore", "serve", "--port"),
    "dashboard": ("streamlit", "run", str(ROOT / "Home.py"), "--server.port"),
}
MEASURES = "/metrics"
START_SECONDS, END_SECONDS = 180.0, 300.0
SHORT, LONG = 150, 2000  # max_length: an answer of seconds, and one of a minute


class ServerProcess:
    def __init__(self, kind: str, home: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.home, self.log = home, home / "server.log"
        self.url = f"http://127.0.0.1:{port}"
        variables = {**os.environ, "GLMCORE_HOME": str(home), "GLMCORE_DTYPE": "float32", **environment}
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", *COMMANDS[kind], str(port)]
            self.process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)

    def get(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as reply:
                found = reply.read()
                return reply.status, found.decode() if path == MEASURES else json.loads(found)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def ask(self, max_length: int) -> "Question":
        return Question(self, {"prompt": "Write a long story about the sea.", "max_length": max_length})

    def wait_until_answering(self) -> None:
        while "glmcore_running_answers 1.0" not in self.get(MEASURES)[1]:
            time.sleep(0.05)

    def wait_for(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get(path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-3000:])

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, float]:
        """The exit code and the seconds until it came."""
        began = time.monotonic()
        return self.process.wait(END_SECONDS), time.monotonic() - began


class Question(threading.Thread):
    """One that waits for its answer in a thread; the server has begun with it."""

    def __init__(self, server: ServerProcess, body: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._server, self._body = server, body
        self.reply: tuple[int, Any] = (0, None)
        self.start()
        server.wait_until_answering()

    def run(self) -> None:
        with suppress(OSError):  # a server that ends at once does not answer
            self.reply = self._server.get("/api/chat", self._body)


Start = Callable[..., ServerProcess]


@pytest.fixture(params=COMMANDS)
def start(request: pytest.FixtureRequest, tmp_path: Path, embedded_home: Path) -> Iterator[Start]:
    """Starts a server of either kind that can answer."""
    home = make_home(tmp_path / "home", embedded_home)
    started: list[ServerProcess] = []

    def begin(path: str = "/readyz", **environment: str) -> ServerProcess:
        started.append(ServerProcess(request.param, home, **environment))
        started[-1].wait_for(path)
        return started[-1]

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_ends_at_once(start: Start, number: signal.Signals) -> None:
    server = start()
    server.signal(number)
    code, seconds = server.ended()
    assert code == 0 and seconds < 15


def test_server_ends_while_its_model_is_loading(start: Start) -> None:
    server = start("/healthz")
    time.sleep(2.0)
    server.signal()
    assert server.ended()[0] == 0


def test_running_answer_is_finished_and_nothing_new_begins(start: Start) -> None:
    server = start(GLMCORE_DRAIN_SECONDS="300")
    question = server.ask(SHORT)
    server.signal()
    time.sleep(0.3)
    assert server.get("/v1/models")[0] == 503
    assert "about to end" in server.get("/readyz")[1]["reason"]
    assert server.ended()[0] == 0
    question.join(5)
    assert question.reply[0] == 200, question.reply


def test_answer_that_takes_too_long_is_stored_as_interrupted(start: Start) -> None:
    server = start(GLMCORE_DRAIN_SECONDS="1")
    body = {
        "model": server.get("/v1/models")[1]["data"][0]["id"],
        "messages": [{"role": "user", "content": "Write a long story about the sea."}],
        "store": True,
    }
    asking = threading.Thread(target=server.get, args=("/v1/chat/completions", body), daemon=True)
    asking.start()
    server.wait_until_answering()
    server.signal()
    assert server.ended()[0] == 0
    with sqlite3.connect(server.home / "glmcore.db") as database:
        ((facts,),) = database.execute("SELECT facts FROM messages WHERE role = 'assistant'").fetchall()
    assert json.loads(facts)["stop_reason"] == "interrupted"


def test_second_signal_ends_the_server_at_once(start: Start) -> None:
    server = start()
    server.ask(LONG)
    server.signal()
    time.sleep(0.5)
    server.signal()
    code, seconds = server.ended()
    assert code == -signal.SIGTERM and seconds < 2
