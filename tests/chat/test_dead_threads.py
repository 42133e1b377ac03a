"""The engine's threads are killed: requests end with an error, trouble is told, it comes back by itself."""

import gc
import logging
import threading
import time
from dataclasses import replace

import pytest

from glmcore.chat import mending
from glmcore.chat.batching import BatchingLoop
from glmcore.chat.transformers_engine import TransformersEngine
from glmcore.core.errors import EngineError
from glmcore.core.messages import StopReason
from glmcore.core.settings import Settings
from glmcore.models import load_model
from tests.chat.conftest import CACHE_GIB, answer, greedy, request_for, wait_until

# Whoever is killed from outside dies with SystemExit, of which Python's threads say nothing.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

THREADS = ("batching", "generate-queue", "mend-")
ONE_BY_ONE = {"repetition_penalty": 1.0 + 1e-9}  # sends a request to the queue and changes nothing


@pytest.fixture
def engine(loaded):
    before = engine_threads()
    engine = TransformersEngine(loaded, kv_cache_gib=CACHE_GIB, max_batch_tokens=64)
    yield engine
    engine.close()
    assert wait_until(lambda: engine_threads() == before)


@pytest.fixture
def forward(loaded, monkeypatch):
    """Call it with an error, and the model raises that from now on; with None, and it works again."""
    original = type(loaded.model).forward
    fault = []

    def forward(*args, **kwargs):
        if fault[-1:] not in ([], [None]):
            raise fault[-1]
        return original(*args, **kwargs)

    monkeypatch.setattr(type(loaded.model), "forward", forward)
    return fault.append


@pytest.fixture
def unlogged():
    """pytest would keep what is logged, with its traceback and all that hangs on it."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(mending, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(mending, "LONGEST_PAUSE_SECONDS", 0.05)


def engine_threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith(THREADS)}


def running(engine, count=1, **changes):
    """Streams in flight, the first of which has begun."""
    params = greedy(max_new_tokens=300, **changes)
    streams = [engine.submit(request_for(f"question {at}", params=params)) for at in range(count)]
    pieces = [iter(stream) for stream in streams]
    assert next(pieces[0])
    return streams, pieces


@pytest.mark.parametrize("fault", [RuntimeError("the device is gone"), SystemExit()], ids=repr)
def test_a_dead_manager_is_told_at_once_and_comes_back_without_a_request(engine, forward, fault, caplog):
    expected = answer(engine, "hello")
    streams, pieces = running(engine, 3)
    forward(fault)
    for stream, rest in zip(streams, pieces, strict=True):
        with pytest.raises(EngineError, match="The engine stopped"):
            list(rest)
        assert stream.stop_reason is StopReason.ERROR
        assert "The engine stopped" in str(engine.trouble())
    forward(None)
    assert wait_until(lambda: engine.trouble() is None)
    assert engine.num_running() == 0
    assert answer(engine, "hello") == expected


def test_as_long_as_it_stays_broken_trouble_is_told(engine, forward, caplog):
    _, [rest] = running(engine)  # held, or it would be cancelled, and nothing would fail
    forward(RuntimeError("no such device"))
    assert wait_until(lambda: "no such device" in str(engine.trouble()))
    time.sleep(0.2)  # it is tried several times
    assert wait_until(lambda: "no such device" in str(engine.trouble()))
    forward(None)
    assert wait_until(lambda: engine.trouble() is None)
    assert answer(engine, "hello")
    with pytest.raises(EngineError, match="no such device"):
        list(rest)


def test_a_request_mends_it_without_waiting(engine, forward, monkeypatch, caplog):
    monkeypatch.setattr(mending, "FIRST_PAUSE_SECONDS", 60)
    expected = answer(engine, "hello")
    forward(RuntimeError("gone"))
    with pytest.raises(EngineError, match="gone"):
        answer(engine, "lost")
    forward(None)
    assert engine.trouble() is not None
    assert answer(engine, "hello") == expected
    assert wait_until(lambda: engine.trouble() is None)


def test_the_thread_that_hands_out_results_may_die_too(engine, monkeypatch, caplog):
    expected = answer(engine, "hello")
    _, [rest] = running(engine)
    with monkeypatch.context() as broken:

        def die(loop, output):
            raise SystemExit

        broken.setattr(BatchingLoop, "_deliver", die)
        with pytest.raises(EngineError, match="SystemExit"):
            list(rest)
        assert "SystemExit" in str(engine.trouble())
    assert wait_until(lambda: engine.trouble() is None)
    assert answer(engine, "hello") == expected


def test_only_one_cache_is_in_memory_after_a_death(engine, forward, unlogged):
    from transformers.generation.continuous_batching.cache import PagedAttentionCache

    def num_caches():
        gc.collect()
        return sum(isinstance(thing, PagedAttentionCache) for thing in gc.get_objects())

    assert answer(engine, "hello")
    before = num_caches()
    for _ in range(2):
        forward(RuntimeError("gone"))
        with pytest.raises(EngineError):
            answer(engine, "lost")
        forward(None)
        assert wait_until(lambda: engine.trouble() is None)
    assert num_caches() == before


def test_a_dead_worker_of_the_queue_fails_its_request_and_the_next_are_served(engine, forward, caplog):
    expected = answer(engine, "hello")
    [dying, waiting], pieces = running(engine, 2, **ONE_BY_ONE)
    forward(SystemExit())
    with pytest.raises(EngineError, match="SystemExit"):
        list(pieces[0])
    assert "SystemExit" in str(engine.trouble())
    forward(None)
    assert wait_until(lambda: engine.trouble() is None)
    assert "".join(pieces[1])
    assert (dying.stop_reason, waiting.stop_reason) == (StopReason.ERROR, StopReason.LENGTH)
    assert answer(engine, "hello", **ONE_BY_ONE) == expected


def test_an_error_of_one_request_of_the_queue_is_no_trouble(engine, forward, caplog):
    forward(RuntimeError("bad luck"))
    with pytest.raises(EngineError, match="bad luck"):
        answer(engine, "hello", **ONE_BY_ONE)
    assert engine.trouble() is None


@pytest.mark.parametrize("params", [{}, ONE_BY_ONE], ids=["batch", "queue"])
def test_an_engine_in_trouble_can_be_closed(loaded, forward, params, caplog):
    before = engine_threads()
    engine = TransformersEngine(replace(loaded), kv_cache_gib=CACHE_GIB, max_batch_tokens=64)
    _, pieces = running(engine, 2, **params)
    forward(SystemExit())
    with pytest.raises(EngineError):
        list(pieces[0])
    engine.close()
    with pytest.raises(EngineError, match="was unloaded"):
        answer(engine, "late", **params)
    assert wait_until(lambda: engine_threads() == before)
    assert engine.num_running() == 0


@pytest.mark.slow
@pytest.mark.parametrize("params", [{}, ONE_BY_ONE], ids=["batch", "queue"])
def test_the_embedded_model_comes_back_to_life(embedded_home, monkeypatch, params, caplog):
    settings = Settings(home=embedded_home)
    loaded = load_model(settings.model, settings=settings)
    engine = TransformersEngine(loaded, kv_cache_gib=0.1)
    expected = answer(engine, "Name a river.", **params)
    _, pieces = running(engine, 2, **params)
    with monkeypatch.context() as broken:

        def die(*args, **kwargs):
            raise SystemExit

        broken.setattr(type(loaded.model), "forward", die)
        with pytest.raises(EngineError):
            list(pieces[0])
        assert engine.trouble() is not None
    assert wait_until(lambda: engine.trouble() is None, 30)
    assert answer(engine, "Name a river.", **params) == expected
    engine.close()
    assert wait_until(lambda: not engine_threads())
