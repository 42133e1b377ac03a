"""What HTTP adds to the engine, what a shared beginning saves, how soon a cancelled place serves the next.

The server runs in this process, on the engine that is also asked directly; clients read in another process.
"""

import http.client
import itertools
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from statistics import median
from urllib.parse import urlsplit

import psutil
import uvicorn

from benchmarks.http_load import Answer, Load, ask, questions
from benchmarks.report import Measurement, alternate
from glmcore.api.app import build_api
from glmcore.chat.engine import ChatEngine
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import load_settings
from glmcore.server.services import Services, open_services

ROUNDS = 5
NEW_TOKENS = 64
TURNS = 8
SOAK_SECONDS = 300.0
SOAK_STREAMS = 6
MIB = 2**20


@dataclass(frozen=True)
class Served:
    url: str
    model: str
    engine: ChatEngine
    services: Services


def measure() -> Iterator[Measurement]:
    numbers = itertools.count()
    with served() as api:
        for streams in (1, 8):
            yield _overhead(api, streams, numbers)
        yield _eighth_turn(api, numbers)
        yield _after_cancel(api, numbers)


def measure_soak() -> Iterator[Measurement]:
    """Some minutes of answers, a third of them left by their readers."""
    with served() as api:
        process = psutil.Process()
        numbers = itertools.count()
        _soak(api, numbers, SOAK_SECONDS / 5)  # caches are full, threads are there
        before = process.memory_info().rss
        num_asked = _soak(api, numbers, SOAK_SECONDS)
        after = process.memory_info().rss
    detail = f"{(after - before) / MIB:+.0f} MiB of {before / MIB:.0f} after {num_asked} answers"
    yield Measurement(f"memory after {SOAK_SECONDS:.0f} s / before", after / before, detail, at_most=1.05)


def _overhead(api: Served, streams: int, numbers: Iterator[int]) -> Measurement:
    def texts() -> list[str]:
        number = next(numbers)
        return [f"Tell me a long story, number {number}, told {at} times." for at in range(streams)]

    def over_http() -> float:
        return _seconds_per_token(ask(Load(api.url, api.model, questions(*texts()), NEW_TOKENS)))

    def directly() -> float:
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda text=text: answers.append(_ask_engine(api, text)))
            for text in texts()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return _seconds_per_token(answers)

    http_, direct = alternate(ROUNDS, over_http, directly)
    detail = f"{1000 * http_:.2f} against {1000 * direct:.2f} ms a token"
    return Measurement(f"{streams} streams: a token over HTTP / direct", http_ / direct, detail, at_most=1.05)


def _seconds_per_token(answers: list[Answer]) -> float:
    """After the first one, of the median stream; all have the same number of tokens."""
    return median((answer.seconds - answer.first) / (NEW_TOKENS - 1) for answer in answers)


def _ask_engine(api: Served, text: str) -> Answer:
    params = GenerationParams(temperature=0.0, max_new_tokens=NEW_TOKENS)
    request = ChatRequest(messages=(Message("user", text),), params=params, model=api.model)
    began = time.perf_counter()
    pieces, first = [], 0.0
    for piece in api.engine.submit(request):
        first = first or time.perf_counter() - began
        pieces.append(piece)
    return Answer("".join(pieces), first, time.perf_counter() - began)


def _eighth_turn(api: Served, numbers: Iterator[int]) -> Measurement:
    """The first token of the eighth question, with the seven before it in the cache and without."""

    def told(number: int) -> list[dict[str, str]]:
        messages = []
        for turn in range(TURNS - 1):
            text = f"{number}: tell me more about river {turn}. " + "It is long and deep. " * 12
            messages += [Message("user", text), Message("assistant", "It flows to the sea. " * 12)]
        return [asdict(message) for message in messages]

    def first_token(conversation: list[dict[str, str]]) -> float:
        last = asdict(Message("user", "And then?"))
        return ask(Load(api.url, api.model, [[*conversation, last]], 2))[0].first

    def warm() -> float:
        conversation = told(next(numbers))
        ask(Load(api.url, api.model, [conversation[:-1]], 2))  # as the seventh turn left it
        return first_token(conversation)

    warm_, cold = alternate(ROUNDS, warm, lambda: first_token(told(next(numbers))))
    detail = f"{warm_:.3f} against {cold:.3f} s"
    return Measurement(f"turn {TURNS}: first token, reused / cold", warm_ / cold, detail, at_most=0.3)


def _after_cancel(api: Served, numbers: Iterator[int]) -> Measurement:
    """From a reader's leaving to the first token of who waited, where answers come one after the other.

    A seed makes them do that. Allowed are two steps of the model and the reading of the prompt.
    """
    alone = [_LeavingReader(api, next(numbers)) for _ in range(ROUNDS)]
    for reader in alone:
        reader.read(6)
        reader.leave()
        _wait_until_idle(api)
    step = median(reader.step for reader in alone)
    prefill = median(reader.first for reader in alone)
    waited = []
    for _ in range(ROUNDS):
        running, waiting = _LeavingReader(api, next(numbers)), _LeavingReader(api, next(numbers))
        running.read(6)
        thread = threading.Thread(target=waiting.read, args=(1,))
        thread.start()
        time.sleep(0.2)  # it stands in the queue
        left_at = running.leave()
        thread.join()
        waited.append(waiting.first_at - left_at)
        waiting.leave()
        _wait_until_idle(api)
    allowed = 2 * step + prefill
    detail = f"{median(waited):.3f} s; a step {step:.3f}, a prompt {prefill:.3f}"
    return Measurement(
        "after a cancel / two steps and a prompt", median(waited) / allowed, detail, at_most=1.0
    )


class _LeavingReader:
    """A streamed request that its reader leaves."""

    def __init__(self, api: Served, number: int) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=120)
        self._body = {
            "model": api.model,
            "messages": [{"role": "user", "content": f"Tell me a long story about river {number}."}],
            "max_tokens": 400,
            "seed": number,
            "stream": True,
        }
        self.first = self.first_at = self.step = 0.0

    def read(self, num_pieces: int) -> None:
        began = time.perf_counter()
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/v1/chat/completions", json.dumps(self._body), headers)
        self._response = self._connection.getresponse()
        times = []
        while len(times) < num_pieces:
            line = self._response.readline()
            assert line, "the answer ended early"
            if b'"content":"' in line.replace(b'": "', b'":"') and b'"content":""' not in line:
                times.append(time.perf_counter())
        self.first_at, self.first = times[0], times[0] - began
        self.step = (times[-1] - times[0]) / max(1, len(times) - 1)

    def leave(self) -> float:
        self._response.close()
        self._connection.close()
        return time.perf_counter()


def _soak(api: Served, numbers: Iterator[int], seconds: float) -> int:
    deadline = time.monotonic() + seconds
    count = itertools.count()

    def ask_on() -> None:
        while time.monotonic() < deadline:
            reader = _LeavingReader(api, next(numbers))
            del reader._body["seed"]
            reader.read(3 + next(count) % 12)
            reader.leave()

    threads = [threading.Thread(target=ask_on) for _ in range(SOAK_STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _wait_until_idle(api)
    return next(count)


def _wait_until_idle(api: Served) -> None:
    while api.services.answers.num_running() or api.engine.num_running():
        time.sleep(0.005)


@contextmanager
def served() -> Iterator[Served]:
    settings = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        shared = open_services(replace(settings, database_url=f"sqlite:///{folder}/bench.db"))
        engine = shared.models.engine(settings.model)
        config = uvicorn.Config(build_api(lambda: shared), port=0, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield Served(f"http://127.0.0.1:{port}/v1", settings.model, engine, shared)
        finally:
            server.should_exit = True
            thread.join()
            shared.close()
