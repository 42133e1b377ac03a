"""Asks an OpenAI-compatible server over HTTP, in a process of its own, and prints what each stream took.

`python -m benchmarks.http_load`, with a `Load` as JSON on standard input, prints a list of `Answer`s. In a
process of its own, so that reading the answers does not take time from a server in the same interpreter.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from glmcore.core.messages import Message

TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Load:
    """Conversations that are asked all at once, each by a connection of its own."""

    url: str  # as OpenAI's clients take it, with /v1
    model: str
    conversations: list[list[dict[str, str]]]
    max_tokens: int


@dataclass(frozen=True)
class Answer:
    """One stream as its reader saw it, in seconds."""

    text: str
    first: float  # until the first text
    seconds: float  # until the end


def questions(*texts: str) -> list[list[dict[str, str]]]:
    return [[asdict(Message("user", text))] for text in texts]


def ask(load: Load) -> list[Answer]:
    """Ask from a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.http_load"],
        input=json.dumps(asdict(load)),
        capture_output=True,
        text=True,
        check=True,
    )
    return [Answer(**values) for values in json.loads(process.stdout)]


def _ask_together(load: Load) -> list[Answer]:
    answers: list[Answer | None] = [None] * len(load.conversations)
    ready = threading.Barrier(len(load.conversations))

    def ask_one(at: int) -> None:
        address = urlsplit(load.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT_SECONDS)
        connection.connect()
        ready.wait()
        answers[at] = _read(connection, f"{address.path}/chat/completions", _body(load, at))
        connection.close()

    threads = [threading.Thread(target=ask_one, args=(at,)) for at in range(len(answers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in answers if answer is not None]


def _body(load: Load, at: int) -> bytes:
    values = {
        "model": load.model,
        "messages": load.conversations[at],
        "max_tokens": load.max_tokens,
        "temperature": 0,
        "stream": True,
    }
    return json.dumps(values).encode()


def _read(connection: http.client.HTTPConnection, path: str, body: bytes) -> Answer:
    began = time.perf_counter()
    connection.request("POST", path, body, {"content-type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {response.read().decode()}")
    pieces: list[str] = []
    first = 0.0
    for line in response:
        if line.startswith(b"data: {") and (piece := _piece(json.loads(line[6:]))):
            first = first or time.perf_counter() - began
            pieces.append(piece)
    return Answer("".join(pieces), first, time.perf_counter() - began)


def _piece(chunk: dict[str, Any]) -> str:
    if "error" in chunk:
        raise RuntimeError(str(chunk["error"]))
    choices = chunk.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


if __name__ == "__main__":
    print(json.dumps([asdict(answer) for answer in _ask_together(Load(**json.load(sys.stdin)))]))
