"""`model.generate` behind a queue: first come first served, seeds, penalties, cancels."""

import threading
import time

import pytest
import torch

from glmcore.chat.generate_queue import GenerateQueue
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError
from glmcore.core.messages import StopReason
from tests.chat.conftest import greedy, wait_until


@pytest.fixture
def queue(loaded):
    queue = GenerateQueue(loaded)
    yield queue
    queue.close()


def start(queue, loaded, prompt="count", **changes):
    """The stream of an answer whose text are its token ids."""
    ids = loaded.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    stream = TokenStream(lambda ids: "".join(f"{i} " for i in ids), prompt_tokens=len(ids))
    queue.start(stream, ids, greedy(**changes))
    return stream


def tokens(stream):
    return [int(token) for token in "".join(stream).split()]


def generated(loaded, prompt="count", **options):
    ids = torch.tensor([loaded.tokenizer(prompt, add_special_tokens=False)["input_ids"]])
    options = {"do_sample": False, "max_new_tokens": 24, "eos_token_id": None, "pad_token_id": 0, **options}
    return loaded.model.generate(ids, **options)[0, ids.shape[1] :].tolist()


def test_greedy_answers_are_those_of_generate(queue, loaded):
    stream = start(queue, loaded)
    assert tokens(stream) == generated(loaded)
    assert stream.stop_reason is StopReason.LENGTH
    assert queue.num_running() == 0


def test_a_repetition_penalty_is_applied(queue, loaded):
    expected = generated(loaded, repetition_penalty=1.8)
    assert expected != generated(loaded)
    assert tokens(start(queue, loaded, repetition_penalty=1.8)) == expected


def test_the_models_own_generation_config_is_not_mixed_in(queue, loaded, monkeypatch):
    expected = generated(loaded)
    mixed = {"repetition_penalty": 1.8, "do_sample": True, "temperature": 0.2, "top_k": 3, "num_beams": 2}
    for name, value in mixed.items():
        monkeypatch.setattr(loaded.model.generation_config, name, value)
    assert tokens(start(queue, loaded)) == expected


def test_a_seed_gives_the_same_text_twice_and_another_one_another(queue, loaded):
    hot = {"temperature": 1.5, "top_k": 0, "top_p": 1}
    first = tokens(start(queue, loaded, seed=1, **hot))
    torch.manual_seed(123)  # the generator that other answers share
    streams = [start(queue, loaded, seed=seed, **hot) for seed in (1, 2, None, None)]
    again, other, *random = [tokens(stream) for stream in streams]
    assert again == first
    assert other != first
    assert random[0] != random[1]


def test_requests_are_served_in_the_order_they_came(queue, loaded, slow_steps):
    streams = [start(queue, loaded, max_new_tokens=5) for _ in range(4)]
    assert [stream.requests_ahead() for stream in streams] == [0, 1, 2, 3]
    ended = []
    threads = [threading.Thread(target=lambda s=s: (tokens(s), ended.append(s))) for s in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert ended == streams
    assert streams[3].requests_ahead() == 0


def test_cancelling_the_running_one_lets_the_next_run_at_once(queue, loaded, slow_steps):
    running = start(queue, loaded, max_new_tokens=400)
    waiting = start(queue, loaded, max_new_tokens=400)
    last = start(queue, loaded, max_new_tokens=2)
    pieces = iter(running)
    text = next(pieces)
    assert queue.num_running() == 3
    waiting.cancel()
    assert tokens(waiting) == []
    assert last.requests_ahead() == 1
    began = time.monotonic()
    running.cancel()
    assert len(tokens(last)) == 2
    assert time.monotonic() - began < 1
    text += "".join(pieces)
    assert 1 <= len(text.split()) < 100
    assert running.stop_reason is waiting.stop_reason is StopReason.CANCELLED
    assert wait_until(lambda: queue.num_running() == 0)


def test_an_error_ends_its_own_request_only(queue, loaded, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("bad weights")

    with monkeypatch.context() as broken:
        broken.setattr(type(loaded.model), "forward", fail)
        with pytest.raises(EngineError, match="bad weights"):
            tokens(start(queue, loaded))
    assert tokens(start(queue, loaded)) == generated(loaded)


def test_closing_ends_what_runs_and_what_waits(queue, loaded, slow_steps):
    streams = [start(queue, loaded, max_new_tokens=400) for _ in range(3)]
    next(iter(streams[0]))
    queue.close()
    assert [tokens(stream) for stream in streams[1:]] == [[], []]
    assert streams[2].stop_reason is StopReason.CANCELLED
    assert queue.num_running() == 0
    with pytest.raises(EngineError, match="was unloaded"):
        start(queue, loaded)
