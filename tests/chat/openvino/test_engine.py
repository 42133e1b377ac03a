"""What the engine asks of its process by the settings, and what it promises to those who ask it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from glmcore.chat.openvino import engine as module
from glmcore.chat.openvino import process
from glmcore.chat.openvino.engine import OpenVinoEngine, device_properties
from glmcore.core.errors import ConfigError, EngineError, NotEnoughMemoryError
from glmcore.core.messages import ChatRequest, GenerationParams
from glmcore.core.settings import Settings
from glmcore.models.openvino import OpenVinoModel
from glmcore.models.places.devices import GIB
from tests.chat.openvino.scripted_worker import BROKEN, END_ID


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    monkeypatch.setattr(process, "WORKER", "tests.chat.openvino.scripted_worker")


@pytest.fixture
def memory(monkeypatch):
    """Call it with the free memory in bytes."""
    return lambda free: monkeypatch.setattr(module, "cpu_memory", lambda: (64 * GIB, free))


def model_of(**changes):
    text = SimpleNamespace(
        text_ids=lambda text: [int(word) for word in text.split()],
        decode=lambda ids: "".join(f"{number} " for number in ids),
        token_text=str,
    )
    values = {
        "name": "tiny",
        "folder": Path("tiny"),
        "text": text,
        "window": 8192,
        "eos_token_ids": (END_ID,),
        "default_params": GenerationParams(),
        "kv_numbers_per_token": 11520,
        "weight_bytes": 100_000_000,
    }
    return OpenVinoModel(**{**values, **changes})


@pytest.fixture
def engine():
    engine = OpenVinoEngine(model_of(), Settings())
    yield engine
    engine.close()


def test_a_text_goes_through_the_process_and_back(engine):
    params = GenerationParams(temperature=0.0, max_new_tokens=3)
    stream = engine.submit(ChatRequest(messages=(), params=params, model="tiny", plain_text="7 8"))
    assert "".join(stream) == "9 10 "
    assert engine.kind == "openvino"
    assert engine.held_bytes == {"cpu": 1024}


def test_logprobs_are_refused_with_a_way_out(engine):
    request = ChatRequest(messages=(), params=GenerationParams(), model="tiny", plain_text="7", logprobs=0)
    with pytest.raises(ConfigError, match="ask the engine transformers") as refused:
        engine.submit(request)
    assert refused.value.values["param"] == "logprobs"


def test_a_model_that_cannot_be_computed_leaves_no_engine_behind():
    with pytest.raises(EngineError, match="it is no model"):
        OpenVinoEngine(model_of(folder=Path(BROKEN)), Settings())


def test_a_model_that_does_not_fit_is_refused_before_anything_starts(memory):
    memory(200_000_000)
    with pytest.raises(NotEnoughMemoryError, match="tiny needs"):
        OpenVinoEngine(model_of(), Settings())


@pytest.mark.parametrize(
    ("free", "settings", "window"),
    [
        (64 * GIB, {}, 8192),  # the model's own
        (2 * GIB, {}, 14880),  # what the cache holds: a tenth of the memory, less one block
        (64 * GIB, {"kv_cache_gib": 0.05}, 3680),
        (64 * GIB, {"kv_cache_gib": 0.05, "kv_cache_precision": "f16"}, 2272),
        (64 * GIB, {"kv_cache_gib": 0.05, "exact_batches": True}, 1120),
    ],
)
def test_a_window_is_never_larger_than_the_cache(memory, free, settings, window):
    memory(free)
    model = model_of(window=8192 if window == 8192 else 100_000)
    engine = OpenVinoEngine(model, Settings(**settings))
    assert engine.window == window
    engine.close()


def test_threads_are_those_that_the_process_may_use_unless_told():
    assert device_properties(Settings())["INFERENCE_NUM_THREADS"] == module.usable_threads()
    assert device_properties(Settings(cpu_threads=3)) == {"INFERENCE_NUM_THREADS": 3}


def test_exact_batches_take_no_shortcuts_and_a_cache_as_asked():
    exact = device_properties(Settings(exact_batches=True))
    assert exact["DYNAMIC_QUANTIZATION_GROUP_SIZE"] == 0
    assert exact["KV_CACHE_PRECISION"] == exact["INFERENCE_PRECISION_HINT"] == "f32"
    smaller = replace(Settings(), exact_batches=True, kv_cache_precision="f16")
    assert device_properties(smaller)["KV_CACHE_PRECISION"] == "f16"
