"""The API against `transformers serve`, with and without continuous batching, on one model folder.

All three servers run beside each other, each in its own process, and are asked in turns.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.http_load import Answer, Load, ask, questions
from benchmarks.report import Measurement
from glmcore.core.settings import load_settings
from glmcore.models import find_model

STREAMS = (1, 2, 4, 8, 16)
ROUNDS = 3
NEW_TOKENS = 48
START_SECONDS = 180.0
WORDS = ("river", "stone", "cloud", "music", "garden", "window", "letter", "winter", "bridge", "market")


@dataclass(frozen=True)
class Server:
    name: str
    url: str
    model: str


@dataclass(frozen=True)
class Round:
    """One load on one server."""

    tokens_per_second: float  # of all streams together
    first: float  # median over the streams, seconds
    fairness: float  # slowest over fastest stream


class TokenCounter:
    """Counts the tokens of answers, the same way for every server."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder)

    def __call__(self, text: str) -> int:
        return len(self._tokenizer(text)["input_ids"])


def measure() -> Iterator[Measurement]:
    settings = load_settings()
    folder = find_model(settings.model, settings).path
    assert folder is not None, "the model is fetched by the first question; ask one, then measure"
    count = TokenCounter(folder)
    with ExitStack() as stack:
        ours = stack.enter_context(our_server(folder))
        theirs = [
            stack.enter_context(transformers_server(folder, name, *options))
            for name, options in (("generate", ()), ("batching", ("--continuous-batching",)))
        ]
        for server in (ours, *theirs):
            ask(_load(server, 1, seed=-1))  # caches are built
        for streams in STREAMS:
            rounds: dict[str, list[Round]] = {server.name: [] for server in (ours, *theirs)}
            for number in range(ROUNDS):
                for server in (ours, *theirs):
                    answers = ask(_load(server, streams, seed=number))
                    rounds[server.name].append(_round(answers, count))
            yield from _compare(streams, rounds)


def _compare(streams: int, rounds: dict[str, list[Round]]) -> Iterator[Measurement]:
    ours = rounds.pop("ours")
    speed = median(one.tokens_per_second for one in ours)
    speeds = {name: median(one.tokens_per_second for one in list_) for name, list_ in rounds.items()}
    first = median(one.first for one in ours)
    firsts = {name: median(one.first for one in list_) for name, list_ in rounds.items()}
    best, soonest = max(speeds.values()), min(firsts.values())
    detail = f"{speed:.1f} tokens/s against " + ", ".join(f"{v:.1f} ({n})" for n, v in speeds.items())
    yield Measurement(f"{streams} streams: tokens/s / better of two", speed / best, detail, at_least=1.0)
    detail = f"{first:.3f} s against " + ", ".join(f"{v:.3f} ({n})" for n, v in firsts.items())
    yield Measurement(f"{streams} streams: first token / better", first / soonest, detail, at_most=1.0)
    if streams > 1:
        fairness = median(one.fairness for one in ours)
        yield Measurement(f"{streams} streams: slowest / fastest", fairness, "", at_least=0.7)


def _load(server: Server, streams: int, *, seed: int) -> Load:
    texts = [
        f"Tell me a long story, number {seed * 100 + at}, about a {WORDS[at % len(WORDS)]}."
        for at in range(streams)
    ]
    return Load(server.url, server.model, questions(*texts), NEW_TOKENS)


def _round(answers: list[Answer], count: TokenCounter) -> Round:
    counts = [count(answer.text) for answer in answers]
    rates = [tokens / answer.seconds for tokens, answer in zip(counts, answers, strict=True)]
    whole = max(answer.seconds for answer in answers)
    return Round(sum(counts) / whole, median(answer.first for answer in answers), min(rates) / max(rates))


@contextmanager
def our_server(folder: Path) -> Iterator[Server]:
    port = _free_port()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "GLMCORE_HOME": home, "GLMCORE_MODEL_ROOTS": str(folder.parent)}
        environment |= {"GLMCORE_MODEL": str(folder)}
        command = [sys.executable, "-m", "glmcore", "serve", "--port", str(port)]
        with _running(command, environment, f"http://127.0.0.1:{port}/readyz"):
            yield Server("ours", f"http://127.0.0.1:{port}/v1", str(folder))


@contextmanager
def transformers_server(folder: Path, name: str, *options: str) -> Iterator[Server]:
    port = _free_port()
    program = Path(sys.executable).with_name("transformers")
    command = [str(program), "serve", str(folder), "--port", str(port), "--device", "cpu", *options]
    with _running(command, dict(os.environ), f"http://127.0.0.1:{port}/health"):
        yield Server(name, f"http://127.0.0.1:{port}/v1", str(folder))


@contextmanager
def _running(command: list[str], environment: dict[str, str], ready_url: str) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(ready_url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} did not start")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
