"""The API on a port, with a real model in this process, and clients that behave well or badly."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from glmcore.api.app import build_api
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.server.services import Services, open_services

TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class RealApi:
    url: str
    services: Services

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT_SECONDS)

    def wait_until_idle(self) -> None:
        """Wait until no answer and no place of the engine is taken."""
        engine = self.services.models.ready_engine(EMBEDDED_MODEL)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self.services.answers.num_running() or (engine and engine.num_running()):
            assert time.monotonic() < deadline, "an answer does not end"
            time.sleep(0.01)


@contextmanager
def real_api(home: Path, **values: object) -> Iterator[RealApi]:
    """Serve the embedded model in float32, where batched and single answers are equal, on a free port."""
    shared = open_services(Settings(home=home, dtype="float32", device="cpu", **values))
    shared.models.engine(EMBEDDED_MODEL)
    config = uvicorn.Config(build_api(lambda: shared), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield RealApi(f"http://127.0.0.1:{port}", shared)
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_SECONDS)
        shared.close()


@dataclass
class Reader:
    """One client of a streamed answer."""

    text: str = ""
    pieces: list[float] = field(default_factory=list)  # when each came
    finish: str | None = None
    error: dict[str, object] | None = None
    status: int = 0

    def read(
        self,
        api: RealApi,
        question: str,
        *,
        max_tokens: int,
        vanish_after: int | None = None,
        pause: float = 0,
    ) -> None:
        """Ask and read; vanish after so many pieces, or pause after each."""
        connection = api.connect()
        body = {
            "model": EMBEDDED_MODEL,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": max_tokens,
            "stream": True,
        }
        headers = {"content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        self.status = response.status
        if response.status != 200:
            self.error = json.loads(response.read())["error"]
            return
        for line in response:
            self._take(line)
            if vanish_after is not None and len(self.pieces) >= vanish_after:
                break
            time.sleep(pause)
        connection.close()

    def _take(self, line: bytes) -> None:
        if not line.startswith(b"data: {"):
            return
        chunk = json.loads(line[6:])
        self.error = chunk.get("error", self.error)
        for choice in chunk.get("choices", ()):
            if piece := choice["delta"].get("content"):
                self.text += piece
                self.pieces.append(time.perf_counter())
            self.finish = choice["finish_reason"] or self.finish


def in_threads(*calls: object) -> list[threading.Thread]:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    return threads
