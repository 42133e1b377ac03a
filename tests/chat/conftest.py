"""A tiny model that is ready to answer, and engines on it."""

import gc
import time

import pytest

from glmcore.core.messages import ChatRequest, GenerationParams, Message

CACHE_GIB = 0.002  # 8000 tokens of the tiny model


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """Do not change it; `dataclasses.replace` gives a copy on the same weights."""
    import torch

    from glmcore.models import load_model
    from tests.models.tiny_model import build_model, build_tokenizer

    torch.set_num_threads(1)  # two would wait for each other longer than they compute
    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_model().save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    loaded = load_model(folder, dtype="float32", device="cpu")
    gc.freeze()  # closing an engine collects garbage, which need not look at all that was imported
    return loaded


@pytest.fixture(scope="module")
def engine(loaded):
    from glmcore.chat.transformers_engine import TransformersEngine

    engine = TransformersEngine(loaded, kv_cache_gib=CACHE_GIB, max_batch_tokens=64)
    yield engine
    engine.close()


def greedy(**changes) -> GenerationParams:
    return GenerationParams(**{"temperature": 0.0, "max_new_tokens": 24, **changes})


def request_for(*contents: str, params: GenerationParams | None = None) -> ChatRequest:
    """A request whose messages are said in turn by user and assistant."""
    messages = [Message("assistant" if at % 2 else "user", text) for at, text in enumerate(contents)]
    return ChatRequest(messages=tuple(messages), params=params or greedy(), model="tiny")


def answer(engine, *contents: str, **changes) -> str:
    """The text of an answer; greedy unless `changes` of the parameters say otherwise."""
    return "".join(engine.submit(request_for(*contents, params=greedy(**changes))))


def wait_until(condition, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


@pytest.fixture
def slow_steps(loaded, monkeypatch):
    """Every step of the model takes 10 ms, so that answers run for a while."""
    forward = type(loaded.model).forward

    def slow(*args, **kwargs):
        time.sleep(0.01)
        return forward(*args, **kwargs)

    monkeypatch.setattr(type(loaded.model), "forward", slow)
