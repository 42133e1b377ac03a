"""An OpenAI-compatible server on a thread that behaves as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DONE = "[DONE]"


def piece(text: str | None = None, finish: str | None = None, **choice: Any) -> dict[str, Any]:
    """A message of a streamed chat."""
    delta = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **choice}]}


def usage(prompt: int, completion: int) -> dict[str, Any]:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"choices": [], "usage": counts}


class Asked(BaseHTTPRequestHandler):
    """One request, and the ways to answer it."""

    protocol_version = "HTTP/1.0"  # the end of an answer is the end of its connection
    server: "FakeServer"

    def do_GET(self) -> None:
        self.body: dict[str, Any] = {}
        self.server.seen.append(self)
        self.server.on_list(self)

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append(self)
        self.server.on_ask(self)

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        self.text(json.dumps(value), status, content_type="application/json", **headers)

    def text(self, text: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())

    def stream(self, *messages: Any) -> None:
        """Send these and leave the answer open; a text is sent as it is."""
        self.text("", content_type="text/event-stream")
        self.more(*messages)

    def more(self, *messages: Any) -> None:
        for message in messages:
            data = message if isinstance(message, str) else json.dumps(message)
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()

    def wait_until_left(self) -> None:
        """Until the client has closed the connection."""
        self.connection.settimeout(5)
        try:
            if self.connection.recv(1) == b"":
                self.server.left.set()
        except ConnectionError:
            self.server.left.set()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    """What it answers is what `on_list` and `on_ask` do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.seen: list[Asked] = []
        self.left = threading.Event()  # a client went away while it was waited for that
        self.on_list: Callable[[Asked], None] = lambda asked: asked.json(
            {"object": "list", "data": [{"id": "chat", "object": "model"}]}
        )
        self.on_ask: Callable[[Asked], None] = lambda asked: asked.stream(
            piece("An "), piece("answer."), piece(finish="stop"), usage(5, 2), DONE
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def lists(self, *models: Any) -> None:
        data = [{"id": model} if isinstance(model, str) else model for model in models]
        self.on_list = lambda asked: asked.json({"object": "list", "data": data})

    def streams(self, *messages: Any) -> None:
        self.on_ask = lambda asked: asked.stream(*messages)

    def refuses(self, status: int, body: Any, **headers: str) -> None:
        self.on_ask = lambda asked: asked.json(body, status, **headers)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [asked.body for asked in self.seen if asked.command == "POST"]


@contextmanager
def running_server() -> Iterator[FakeServer]:
    server = FakeServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
