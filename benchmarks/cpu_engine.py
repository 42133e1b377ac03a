"""The engine for CPUs against llama.cpp on the same GGUF and threads, and against the transformers engine.

llama.cpp is measured where llama-cpp-python is installed (`pip install llama-cpp-python==0.3.36` builds it in
about five minutes); it is no dependency. Run it alone: whoever else computes takes a share of all figures.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import psutil

from benchmarks.report import Measurement, alternate
from glmcore.chat.engine import ChatEngine
from glmcore.chat.openvino.engine import OpenVinoEngine, usable_threads
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import EMBEDDED_MODEL, Settings, load_settings
from glmcore.models import find_model
from glmcore.models.fetch.embedded import GGUF_NAME
from glmcore.models.openvino import OpenVinoModel, prepare
from glmcore.models.progress import ignore_progress
from glmcore.models.sources import embedded_path

NEW_TOKENS = 128
ROUNDS = 5
PROMPT_WORDS = 450  # with those of other numbers 480 to 520 tokens: the cache keeps whole blocks of 32
WORDS = ("river", "stone", "cloud", "music", "garden", "window", "letter", "winter", "bridge", "market")
GREEDY = GenerationParams(temperature=0.0, max_new_tokens=NEW_TOKENS)


def measure() -> Iterator[Measurement]:
    settings = load_settings()
    model = _embedded(settings)
    engine = OpenVinoEngine(model, settings)
    numbers = itertools.count()
    _seconds(engine, [question(next(numbers))])

    def one() -> float:
        return NEW_TOKENS / _seconds(engine, [question(next(numbers))])

    def eight() -> float:
        return 8 * NEW_TOKENS / _seconds(engine, [question(next(numbers)) for _ in range(8)])

    if find_spec("llama_cpp") is not None:
        llama = Llama(settings)
        yield from _against_llama(llama, engine, one, eight, numbers)
    yield _repeated(engine, numbers)
    yield _memory(engine)
    yield from _against_transformers(settings, one, eight, numbers)
    engine.close()


def measure_settings() -> Iterator[Measurement]:
    """What each setting of the engine does, against the default."""
    settings = load_settings()
    model = _embedded(settings)
    changes: dict[str, dict[str, Any]] = {
        "one thread": {"cpu_threads": 1},
        "cache in 16 bits": {"kv_cache_precision": "f16"},
        "exact batches": {"exact_batches": True},
        "prompt lookup": {"prompt_lookup": True},
    }
    numbers = itertools.count()
    default = OpenVinoEngine(model, settings)
    for name, change in changes.items():
        changed = OpenVinoEngine(model, replace(settings, **change))
        for streams in (1, 8):
            for kind, text in (("new text", question), ("repeating", _code)):
                asked = [_asking(engine, text, streams, numbers) for engine in (changed, default)]
                theirs, ours = alternate(3, *asked)
                detail = f"{1000 * theirs / NEW_TOKENS:.1f} against {1000 * ours / NEW_TOKENS:.1f} ms a token"
                yield Measurement(f"{name}, {streams} streams, {kind}: speed", ours / theirs, detail)
        changed.close()
    default.close()


class Llama:
    """llama.cpp through llama-cpp-python."""

    def __init__(self, settings: Settings) -> None:
        from llama_cpp import Llama as Model

        threads = settings.cpu_threads or usable_threads()
        self._model = Model(
            str(embedded_path(settings) / GGUF_NAME),
            n_ctx=2048,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
        self.seconds([1, 2, 3], 4)

    def seconds(self, prompt_ids: list[int], new_tokens: int) -> tuple[float, float]:
        """Until the first token, and until the last; greedy."""
        began = time.perf_counter()
        first = 0.0
        for number, _token in enumerate(self._model.generate(prompt_ids, temp=0.0, reset=True), start=1):
            first = first or time.perf_counter() - began
            if number == new_tokens:
                break
        return first, time.perf_counter() - began


def _against_llama(
    llama: Llama,
    engine: OpenVinoEngine,
    one: Callable[[], float],
    eight: Callable[[], float],
    numbers: Iterator[int],
) -> Iterator[Measurement]:
    def llama_one() -> float:
        return NEW_TOKENS / llama.seconds(_prompt(engine, question(next(numbers))), NEW_TOKENS)[1]

    ours, together, theirs = alternate(ROUNDS, one, eight, llama_one)
    detail = f"{ours:.1f} against {theirs:.1f} tokens/s"
    yield Measurement("one stream / llama.cpp", ours / theirs, detail, at_least=0.9)
    detail = f"{together:.1f} against {theirs:.1f} tokens/s"
    yield Measurement("eight streams / llama.cpp's one", together / theirs, detail, at_least=3.5)

    def llama_first() -> float:
        return llama.seconds(_prompt(engine, _long(next(numbers))), 1)[0]

    first, theirs = alternate(ROUNDS, lambda: _first(engine, _long(next(numbers))), llama_first)
    tokens = len(_prompt(engine, _long(0)))
    detail = f"{first:.3f} against {theirs:.3f} s, {tokens} tokens"
    yield Measurement("first token / llama.cpp", first / theirs, detail, at_most=0.3)


def _repeated(engine: OpenVinoEngine, numbers: Iterator[int]) -> Measurement:
    def again() -> float:
        question = _long(next(numbers))
        _first(engine, question)
        return _first(engine, question)

    # What is left of its last block is computed anew, so lengths decide: enough rounds to meet many.
    warm, cold = alternate(3 * ROUNDS, again, lambda: _first(engine, _long(next(numbers))))
    detail = f"{warm:.4f} against {cold:.4f} s"
    return Measurement("first token, prompt repeated / cold", warm / cold, detail, at_most=0.12)


def _memory(engine: OpenVinoEngine) -> Measurement:
    """After long prompts that fill the cache, as nothing shrinks it."""
    for number in range(30):
        _first(engine, _long(1000 + number))
    [process] = [child for child in psutil.Process().children() if "worker" in " ".join(child.cmdline())]
    resident = process.memory_info().rss
    detail = f"{engine.held_bytes['cpu'] / 1e9:.2f} GB announced"
    return Measurement("resident memory of the engine, GB", resident / 1e9, detail, at_most=0.6)


def _against_transformers(
    settings: Settings, one: Callable[[], float], eight: Callable[[], float], numbers: Iterator[int]
) -> Iterator[Measurement]:
    from glmcore.chat.transformers_engine import TransformersEngine
    from glmcore.models import load_model

    engine = TransformersEngine(replace(load_model(settings.model, settings=settings), eos_token_ids=()))
    _seconds(engine, [question(next(numbers))])
    ours, together, their_one, their_eight = alternate(
        3,
        one,
        eight,
        lambda: NEW_TOKENS / _seconds(engine, [question(next(numbers))]),
        lambda: 8 * NEW_TOKENS / _seconds(engine, [question(next(numbers)) for _ in range(8)]),
    )
    detail = f"{ours:.1f} against {their_one:.1f} tokens/s"
    yield Measurement("one stream / transformers' one", ours / their_one, detail)
    detail = f"{together:.1f} against {their_eight:.1f} tokens/s"
    yield Measurement("eight streams / transformers' eight", together / their_eight, detail, at_least=5.0)
    engine.close()


def _embedded(settings: Settings) -> OpenVinoModel:
    """The embedded model without ends, so that every answer is equally long."""
    entry = find_model(EMBEDDED_MODEL, settings)
    return replace(prepare(entry, settings, ignore_progress), eos_token_ids=())


def question(number: int) -> str:
    return f"Tell me story number {number} about a {WORDS[number % len(WORDS)]}."


def _code(number: int) -> str:
    """What is best answered by repeating it."""
    lines = [f"    self.{word} = {word} + {number}" for word in WORDS]
    return "Repeat this code exactly:\n" + "\n".join(lines)


def _long(number: int) -> str:
    chosen = (
        WORDS[(number * 7 + at * (number + 1)) % len(WORDS)] for at in range(PROMPT_WORDS + number * 13 % 32)
    )
    return f"{number}: {' '.join(chosen)}\nWrite a story with these words."


def _prompt(engine: OpenVinoEngine, question: str) -> list[int]:
    return engine.model.text.prompt_ids([Message("user", question)])


def _request(engine: ChatEngine, question: str) -> ChatRequest:
    return ChatRequest(messages=(Message("user", question),), params=GREEDY, model=engine.model_name)


def _asking(
    engine: ChatEngine, text: Callable[[int], str], streams: int, numbers: Iterator[int]
) -> Callable[[], float]:
    return lambda: _seconds(engine, [text(next(numbers)) for _ in range(streams)])


def _seconds(engine: ChatEngine, asked: list[str]) -> float:
    """For the answers to all of these together, read as text."""

    def read(question: str) -> None:
        stream = engine.submit(_request(engine, question))
        for _piece in stream:
            pass
        made.append(stream.usage.completion_tokens)

    made: list[int] = []
    threads = [threading.Thread(target=read, args=(question,)) for question in asked]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    assert made == [NEW_TOKENS] * len(asked), made
    return seconds


def _first(engine: ChatEngine, question: str) -> float:
    """Until the first text of a short answer, which is read to its end: the next one finds nobody there."""
    request = _request(engine, question)
    began = time.perf_counter()
    pieces = iter(engine.submit(replace(request, params=replace(GREEDY, max_new_tokens=4))))
    next(pieces)
    seconds = time.perf_counter() - began
    for _piece in pieces:
        pass
    return seconds
