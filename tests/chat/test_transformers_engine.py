"""The engine on a real, tiny model: from messages to text."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from glmcore.chat import transformers_engine
from glmcore.chat.transformers_engine import GIB, TransformersEngine, choose_cache_tokens
from glmcore.core.errors import DataError, EngineError
from glmcore.core.messages import ChatRequest, Message, StopReason
from glmcore.models.places.devices import Device
from glmcore.models.places.memory import SMALLEST_CACHE_TOKENS
from tests.chat.conftest import CACHE_GIB, answer, greedy, request_for

QUESTIONS = ["hello", "你好吗?", "😀" * 9, "why?\n" * 30, "a", "count to ten", "<script>", "\x00 \x1b"]


def reference(loaded, *contents, num_new=24):
    """What `model.generate` answers to a question, or how it continues an answer."""
    messages = request_for(*contents).messages
    ids = torch.tensor([loaded.prompt_ids(messages, continue_last=len(messages) % 2 == 0)])
    out = loaded.model.generate(ids, do_sample=False, max_new_tokens=num_new, pad_token_id=0)
    return loaded.decode(out[0, ids.shape[1] :].tolist())


def test_eight_answers_at_once_are_each_the_one_of_generate(engine, loaded):
    expected = [reference(loaded, question) for question in QUESTIONS]
    assert len(set(expected)) > 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda question: answer(engine, question), QUESTIONS))
    assert together == expected
    assert engine.num_running() == 0


def test_seed_and_penalty_are_honoured_while_others_run(engine):
    hot = {"temperature": 1.5, "top_k": 0, "top_p": 1.0}
    others = [engine.submit(request_for(q, params=greedy(max_new_tokens=300, **hot))) for q in QUESTIONS]
    texts = [answer(engine, "draw", seed=seed, **hot) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]
    assert engine.num_running() > 0
    for stream in others:
        stream.cancel()


def test_answers_made_one_by_one_are_not_changed_by_a_batch_beside_them(engine, loaded):
    """A batch changes what attention sees; that must not reach `generate`, then or later."""
    expected = reference(loaded, "hello")
    for _ in range(5):
        others = [engine.submit(request_for(q, params=greedy(max_new_tokens=300))) for q in QUESTIONS]
        beside = answer(engine, "hello", repetition_penalty=1.0 + 1e-9)
        for stream in others:
            stream.cancel()
        assert beside == answer(engine, "hello") == reference(loaded, "hello") == expected


def test_a_stop_string_cuts_the_answer_and_frees_its_place(engine):
    whole = answer(engine, "hello", max_new_tokens=60)
    stop = whole[8:11]
    stream = engine.submit(request_for("hello", params=greedy(max_new_tokens=60, stop=(stop,))))
    assert "".join(stream) == whole[: whole.index(stop)]
    assert stream.stop_reason is StopReason.STOP_STRING
    assert engine.num_running() == 0


def test_the_end_token_is_not_text(loaded):
    """Some vocabularies do not mark it as a control token."""
    ids = torch.tensor([loaded.prompt_ids(request_for("hello").messages)])
    first = loaded.model.generate(ids, do_sample=False, max_new_tokens=8, pad_token_id=0)[0, ids.shape[1] :]
    end = int(first[4])
    engine = TransformersEngine(replace(loaded, eos_token_ids=(end,)), kv_cache_gib=CACHE_GIB)
    expected = loaded.decode(first[: first.tolist().index(end)].tolist())
    for params in (greedy(), greedy(repetition_penalty=1.0 + 1e-9)):
        stream = engine.submit(request_for("hello", params=params))
        assert "".join(stream) == expected
        assert stream.stop_reason is StopReason.END
    engine.close()


def test_an_answer_is_continued_as_if_it_had_never_stopped(engine, loaded):
    expected = reference(loaded, "tell me", " and so")
    assert answer(engine, "tell me", " and so") == expected != answer(engine, "tell me")
    left_out = engine.submit(request_for("old " * 60, "more " * 60, "tell me", " and so"))
    assert "".join(left_out) == expected
    assert left_out.usage.turns_left_out == 1


def test_answers_are_cleaned_as_their_family_says(loaded):
    def clean(text):
        return text.replace("\ufffd", "?").strip()

    engine = TransformersEngine(replace(loaded, family=replace(loaded.family, clean=clean), can_batch=False))
    assert answer(engine, "hello") == clean(reference(loaded, "hello")) != reference(loaded, "hello")
    assert (
        answer(engine, "tell me", " and so") == clean(" and so" + reference(loaded, "tell me", " and so"))[6:]
    )
    engine.close()


def test_what_does_not_fit_is_left_out_and_counted(engine):
    old = ["old question " * 12, "old answer " * 12] * 3
    stream = engine.submit(request_for(*old, "new question"))
    assert "".join(stream)
    assert stream.usage.turns_left_out == 2
    assert stream.usage.prompt_tokens + 24 <= engine.window
    with pytest.raises(DataError, match="shorten it"):
        engine.submit(request_for("x" * 600))
    with pytest.raises(DataError, match="no question"):
        engine.submit(ChatRequest(messages=(), params=greedy(), model="tiny"))
    assert engine.num_running() == 0


def test_an_answer_gets_what_the_window_leaves(engine):
    stream = engine.submit(request_for("x" * 450, params=greedy(max_new_tokens=400)))
    assert "".join(stream)
    assert stream.stop_reason is StopReason.LENGTH
    assert stream.usage.prompt_tokens + stream.usage.completion_tokens == engine.window


def test_the_window_is_never_more_than_the_cache_holds(loaded, monkeypatch):
    monkeypatch.setattr(transformers_engine, "SMALLEST_CACHE_TOKENS", 128)
    engine = TransformersEngine(loaded, kv_cache_gib=1e-9)
    assert engine.window == 96
    with pytest.raises(DataError, match="96"):
        engine.submit(request_for("x" * 200))
    stream = engine.submit(request_for("x" * 60, params=greedy(max_new_tokens=400)))
    assert "".join(stream)
    assert stream.usage.prompt_tokens + stream.usage.completion_tokens == 96
    engine.close()


@pytest.mark.parametrize(
    ("device", "free_gib", "setting", "expected"),
    [
        ("cpu", 4, 0, 0.4 * 2**10),
        ("cpu", 400, 0, 2**10),
        ("cuda:0", 8, 0, 4 * 2**10),
        ("cuda:0", 80, 0, 16 * 512),
        ("cuda:0", 80, 32, 32 * 2**10),
        ("cpu", 1, 0.001, SMALLEST_CACHE_TOKENS),
    ],
)
def test_the_cache_takes_a_share_of_the_free_memory(loaded, monkeypatch, device, free_gib, setting, expected):
    monkeypatch.setattr(
        transformers_engine, "describe_devices", lambda: [Device(device, "", free_gib * GIB, 99 * GIB)]
    )
    monkeypatch.setattr(transformers_engine, "SMALLEST_CACHE_TOKENS", 1)
    if expected == SMALLEST_CACHE_TOKENS:
        monkeypatch.undo()
    large = replace(loaded, device=device, kv_bytes_per_token=2**20)
    assert choose_cache_tokens(large, setting) == int(expected)


def test_a_model_that_cannot_be_batched_is_served_by_generate(loaded):
    engine = TransformersEngine(replace(loaded, can_batch=False))
    assert answer(engine, "hello") == reference(loaded, "hello")
    assert engine.window == loaded.window
    engine.close()


def test_tokens_of_a_prompt_are_counted(engine, loaded):
    messages = request_for("hello").messages
    assert engine.count_tokens(messages) == len(loaded.prompt_ids(messages))
    assert engine.count_tokens([Message("system", "x"), *messages]) > engine.count_tokens(messages)


def test_closing_gives_the_model_back(loaded):
    from tests.models.tiny_model import build_model

    model = build_model().eval()
    own = replace(loaded, model=model)
    engine = TransformersEngine(own, kv_cache_gib=CACHE_GIB)
    assert answer(engine, "hello") and answer(engine, "hello", seed=1, temperature=1.0)
    running = engine.submit(request_for("long", params=greedy(max_new_tokens=400)))
    reader = threading.Thread(target=list, args=(running,))
    reader.start()
    engine.close()
    reader.join(timeout=5)
    assert running.stop_reason is StopReason.CANCELLED
    for params in (greedy(), greedy(repetition_penalty=1.5)):
        with pytest.raises(EngineError, match="was unloaded"):
            engine.submit(request_for("too late", params=params))
    alive = weakref.ref(model.lm_head.weight)
    del engine, own, model, running, reader
    gc.collect()
    assert alive() is None
