"""The transformers engine against plain `model.generate`: same model, number format and sampling."""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil

from benchmarks.report import Measurement, alternate
from glmcore.chat.transformers_engine import TransformersEngine
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import load_settings
from glmcore.models import LoadedModel, load_model
from glmcore.models.places.devices import GIB

NEW_TOKENS = 96
ROUNDS = 5
SAMPLING = GenerationParams(temperature=0.7, top_p=0.9, top_k=50, max_new_tokens=NEW_TOKENS)
WORDS = ("river", "stone", "cloud", "music", "garden", "window", "letter", "winter", "bridge", "market")


def measure() -> Iterator[Measurement]:
    settings = load_settings()
    # Without ends, so that every answer is equally long.
    loaded = replace(load_model(settings.model, settings=settings), eos_token_ids=())
    engine = TransformersEngine(loaded)
    numbers = itertools.count()
    _answer(engine, _question(next(numbers)))  # build the caches
    _generate(loaded, _question(next(numbers)))

    one, generate = alternate(
        ROUNDS,
        lambda: NEW_TOKENS / _answer(engine, _question(next(numbers))),
        lambda: NEW_TOKENS / _generate(loaded, _question(next(numbers))),
    )
    detail = f"{one:.1f} against {generate:.1f} tokens/s"
    yield Measurement("one stream / generate", one / generate, detail, at_least=1.0)

    eight, generate = alternate(
        ROUNDS,
        lambda: 8 * NEW_TOKENS / _answer_together(engine, [_question(next(numbers)) for _ in range(8)]),
        lambda: NEW_TOKENS / _generate(loaded, _question(next(numbers))),
    )
    detail = f"{eight:.1f} against {generate:.1f} tokens/s in all"
    yield Measurement(
        "eight streams together / generate one at a time", eight / generate, detail, at_least=2.5
    )

    yield _prefix_reuse(engine, numbers)
    engine.close()


def measure_memory() -> Iterator[Measurement]:
    """What conversation after conversation costs beyond weights and the cache that was allowed."""
    settings = load_settings()
    loaded = load_model(settings.model, settings=settings)
    allowed_gib = 0.25
    _generate(loaded, "Hello")  # what torch itself takes is not the cache's
    process = psutil.Process()
    before = process.memory_info().rss
    engine = TransformersEngine(loaded, kv_cache_gib=allowed_gib)
    for number in range(24):  # more than the cache holds
        _answer(engine, _history(number, words=900), new_tokens=8)
    grown = process.memory_info().rss - before
    engine.close()
    detail = (
        f"{grown / 2**20:.0f} MiB more after 24 prompts of 1,200 tokens, {allowed_gib} GiB of cache allowed"
    )
    yield Measurement("memory grown / cache allowed", grown / (allowed_gib * GIB), detail, at_most=1.5)


def _prefix_reuse(engine: TransformersEngine, numbers: Iterator[int]) -> Measurement:
    def cold() -> float:
        return _seconds_to_first_token(engine, [Message("user", _history(next(numbers), words=470))])

    def warm() -> float:
        first = Message("user", _history(next(numbers), words=470))
        text = "".join(engine.submit(_request(engine, [first], replace(SAMPLING, max_new_tokens=8))))
        return _seconds_to_first_token(
            engine, [first, Message("assistant", text), Message("user", "And then?")]
        )

    warm_seconds, cold_seconds = alternate(ROUNDS, warm, cold)
    tokens = engine.count_tokens([Message("user", _history(0, words=470))])
    detail = f"{warm_seconds:.3f} against {cold_seconds:.3f} s, history of {tokens} tokens"
    return Measurement(
        "first token, history just served / cold", warm_seconds / cold_seconds, detail, at_most=0.3
    )


def _question(number: int) -> str:
    return f"Tell me story number {number} about a {WORDS[number % len(WORDS)]}."


def _history(number: int, words: int) -> str:
    """A text that shares no beginning with one of another number."""
    chosen = (WORDS[(number * 7 + at * (number + 1)) % len(WORDS)] for at in range(words))
    return f"{number}: " + " ".join(chosen)


def _request(engine: TransformersEngine, messages: list[Message], params: GenerationParams) -> ChatRequest:
    return ChatRequest(messages=tuple(messages), params=params, model=engine.model_name)


def _answer(engine: TransformersEngine, question: str, new_tokens: int = NEW_TOKENS) -> float:
    """Seconds for one answer, read as text."""
    began = time.perf_counter()
    params = replace(SAMPLING, max_new_tokens=new_tokens)
    for _piece in engine.submit(_request(engine, [Message("user", question)], params)):
        pass
    return time.perf_counter() - began


def _answer_together(engine: TransformersEngine, questions: list[str]) -> float:
    threads = [threading.Thread(target=_answer, args=(engine, question)) for question in questions]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _seconds_to_first_token(engine: TransformersEngine, messages: list[Message]) -> float:
    began = time.perf_counter()
    stream = engine.submit(_request(engine, messages, replace(SAMPLING, max_new_tokens=4)))
    next(iter(stream))
    seconds = time.perf_counter() - began
    stream.cancel()
    return seconds


def _generate(loaded: LoadedModel, question: str) -> float:
    import torch

    ids = torch.tensor([loaded.prompt_ids([Message("user", question)])])
    began = time.perf_counter()
    with torch.inference_mode():
        loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=True,
            temperature=SAMPLING.temperature,
            top_p=SAMPLING.top_p,
            top_k=SAMPLING.top_k,
        )
    return time.perf_counter() - began
