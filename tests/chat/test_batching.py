"""Continuous batching: many answers at once that do not touch each other, and a loop that may die."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from transformers.generation.continuous_batching.requests import RequestState

from glmcore.chat.batching import BatchingLoop, batched_generation
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError, NotEnoughMemoryError
from glmcore.core.messages import StopReason
from tests.chat.conftest import greedy, wait_until

PROMPTS = [f"{word} {at}" * (1 + 3 * at) for at, word in enumerate(["hello", "你好", "x", "why?"] * 2)]


@pytest.fixture(scope="module")
def shared(loaded):
    """Batched generation for tests that leave it running."""
    batched = batched_generation(loaded, cache_tokens=4096, max_batch_tokens=64)
    yield batched
    batched.close()


@pytest.fixture
def batched(loaded):
    batched = batched_generation(loaded, cache_tokens=4096, max_batch_tokens=64)
    yield batched
    batched.close()


def ids_of(loaded, prompt):
    return loaded.tokenizer(prompt, add_special_tokens=False)["input_ids"]


def start(batched, loaded, prompt, **changes):
    """The stream of an answer whose text are its token ids."""
    ids = ids_of(loaded, prompt) if isinstance(prompt, str) else prompt
    stream = TokenStream(lambda ids: "".join(f"{i} " for i in ids), prompt_tokens=len(ids))
    batched.start(stream, ids, greedy(**changes))
    return stream


def tokens(stream):
    return [int(token) for token in "".join(stream).split()]


def generated(loaded, prompt, num_new=24):
    """What `model.generate` answers."""
    import torch

    ids = torch.tensor([ids_of(loaded, prompt)])
    out = loaded.model.generate(
        ids, max_new_tokens=num_new, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    return out[0, ids.shape[1] :].tolist()


def in_use(batched):
    """Share of the cache that requests hold, after what is only kept for later is given up."""
    cache = batched._loop._manager.batch_processor.cache
    assert all(not allocator.block_table for allocator in cache.cache_allocators.values())
    cache.evict_cached_blocks()
    return 1 - cache.compute_free_capacity()


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def test_greedy_answers_are_those_of_generate_alone_and_together(shared, loaded):
    expected = [generated(loaded, prompt) for prompt in PROMPTS]
    alone = [tokens(start(shared, loaded, prompt)) for prompt in PROMPTS]
    streams = [start(shared, loaded, prompt) for prompt in PROMPTS]
    with ThreadPoolExecutor(len(PROMPTS)) as pool:
        together = list(pool.map(tokens, streams))
    assert alone == together == expected
    assert max(len(ids_of(loaded, prompt)) for prompt in PROMPTS) > 64, "one prompt is read in several steps"
    assert {stream.stop_reason for stream in streams} == {StopReason.LENGTH}
    assert all(stream.usage.completion_tokens == 24 for stream in streams)


def test_a_greedy_answer_stays_so_among_hot_ones(shared, loaded):
    expected = generated(loaded, "calm", 60)
    hot = [
        start(shared, loaded, "calm", temperature=2.0, top_k=0, top_p=1, max_new_tokens=60) for _ in range(4)
    ]
    calm = start(shared, loaded, "calm", max_new_tokens=60)
    one_candidate = start(shared, loaded, "calm", temperature=2.0, top_p=0, max_new_tokens=60)
    assert tokens(calm) == tokens(one_candidate) == expected
    drawn = {tuple(tokens(stream)) for stream in hot}
    assert len(drawn) == 4
    assert tuple(expected) not in drawn


def test_a_shared_prefix_changes_nothing(shared, loaded):
    start_of_all = "the same long beginning of every prompt, longer than a page of the cache. " * 2
    prompts = [start_of_all + end for end in ("", "a", "bb", "你")]
    expected = [generated(loaded, prompt) for prompt in prompts]
    for _ in range(2):
        assert [tokens(start(shared, loaded, prompt)) for prompt in prompts] == expected


def test_whole_numbers_are_good_parameters(shared, loaded):
    stream = start(shared, loaded, "n", temperature=1, top_p=1, top_k=1000, max_new_tokens=3)
    assert len(tokens(stream)) == 3


def test_the_lowest_temperature_is_greedy(shared, loaded):
    assert tokens(start(shared, loaded, "low", temperature=1e-40, top_k=0)) == generated(loaded, "low")


def test_an_end_token_ends_the_answer(loaded):
    answer = generated(loaded, "end")
    end = answer[5]
    batched = batched_generation(
        replace(loaded, eos_token_ids=(end,)), cache_tokens=4096, max_batch_tokens=64
    )
    stream = start(batched, loaded, "end")
    assert tokens(stream) == answer[: answer.index(end) + 1]
    assert stream.stop_reason is StopReason.END
    batched.close()


def test_cancel_ends_the_stream_and_frees_its_place_at_once(batched, loaded, slow_steps):
    stream = start(batched, loaded, "long", max_new_tokens=400)
    pieces = iter(stream)
    first = next(pieces)
    stream.cancel()
    assert batched.num_running() == 0
    found = [int(token) for token in (first + "".join(pieces)).split()]
    assert found == generated(loaded, "long", len(found))
    assert stream.stop_reason is StopReason.CANCELLED
    assert wait_until(lambda: not batched._loop._manager.batch_processor.has_pending_requests(), 1)
    assert in_use(batched) == 0


def test_requests_ahead_counts_down(loaded, slow_steps):
    batched = batched_generation(loaded, cache_tokens=4096, max_batch_tokens=8)
    streams = [start(batched, loaded, "q" * 40 + str(at), max_new_tokens=2) for at in range(4)]
    seen = [streams[3].requests_ahead()]
    while streams[3].usage.completion_tokens == 0 and seen[-1] > 0:
        seen.append(streams[3].requests_ahead())
        time.sleep(0.002)
    assert seen == sorted(seen, reverse=True)
    assert {3, 2, 1, 0} == set(seen)
    assert [len(tokens(stream)) for stream in streams] == [2] * 4
    batched.close()


def test_more_than_the_cache_holds_is_answered_all_the_same(loaded, monkeypatch):
    """Four requests of 400 tokens in a cache of 1024: some wait, some are put off and begun again."""
    begun_again = []
    original = RequestState.create_equivalent_initial_request
    monkeypatch.setattr(
        RequestState, "create_equivalent_initial_request", lambda s: begun_again.append(1) or original(s)
    )
    batched = batched_generation(loaded, cache_tokens=1024, max_batch_tokens=64)
    prompts = [f"{at}" * 230 for at in range(4)]
    expected = [generated(loaded, prompt, 120) for prompt in prompts]
    streams = [start(batched, loaded, prompt, max_new_tokens=120) for prompt in prompts]
    assert [tokens(stream) for stream in streams] == expected
    assert begun_again
    assert in_use(batched) == 0
    batched.close()


def test_many_arrivals_and_cancels_leave_nothing_behind(batched, loaded):
    rng = random.Random(5)
    lengths, threads = [], []

    def read(stream, limit):
        count = 0
        for _piece in stream:
            count += 1
            if count == limit:
                stream.cancel()
        lengths.append((count, stream.stop_reason))

    for _ in range(200):
        prompt = [rng.randrange(200) for _ in range(rng.randint(1, 80))]
        stream = start(batched, loaded, prompt, max_new_tokens=rng.randint(1, 12), temperature=1.0)
        limit = rng.choice([0, 1, 3, 99])
        if limit == 0:
            stream.cancel()
        threads.append(threading.Thread(target=read, args=(stream, limit)))
        threads[-1].start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(lengths) == 200
    assert {reason for _, reason in lengths} <= {StopReason.CANCELLED, StopReason.LENGTH, StopReason.END}
    assert batched.num_running() == 0
    assert wait_until(lambda: not batched._loop._manager.batch_processor.has_pending_requests())
    assert in_use(batched) == 0


def test_a_cancel_that_overtakes_its_request_still_ends_it(batched, loaded, monkeypatch, slow_steps):
    """The manager reads new requests first and then cancels, so that a cancel may be forgotten."""
    first = start(batched, loaded, "warm", max_new_tokens=1)
    assert len(tokens(first)) == 1
    manager = batched._loop._manager
    forgotten = []
    cancel = manager.cancel_request
    monkeypatch.setattr(
        manager, "cancel_request", lambda id: forgotten.append(id) if not forgotten else cancel(id)
    )
    start(batched, loaded, "lost", max_new_tokens=400).cancel()
    assert wait_until(lambda: not manager.batch_processor.has_pending_requests(), 2)
    assert forgotten


def test_a_loop_that_dies_fails_its_requests_and_the_next_one_works(batched, loaded, monkeypatch, caplog):
    monkeypatch.setattr(type(loaded.model), "forward", raising(RuntimeError("the device is gone")))
    streams = [start(batched, loaded, prompt) for prompt in PROMPTS[:3]]
    began = time.monotonic()
    for stream in streams:
        with pytest.raises(EngineError, match="the device is gone"):
            list(stream)
        assert stream.stop_reason is StopReason.ERROR
    assert time.monotonic() - began < 2
    assert batched.num_running() == 0
    monkeypatch.undo()
    assert tokens(start(batched, loaded, "again")) == generated(loaded, "again")


def test_a_loop_that_is_replaced_tells_its_requests_that_it_died(batched, loaded, monkeypatch, caplog):
    """Not that somebody stopped them, although the next request may come before they have been told."""
    monkeypatch.setattr(BatchingLoop, "_deliver_all", lambda loop: time.sleep(0.5))
    with monkeypatch.context() as broken:
        broken.setattr(type(loaded.model), "forward", raising(RuntimeError("gone")))
        stream = start(batched, loaded, "lost")
        assert wait_until(lambda: not batched._loop.is_alive)
    monkeypatch.undo()
    assert len(tokens(start(batched, loaded, "next", max_new_tokens=2))) == 2
    with pytest.raises(EngineError, match="gone"):
        list(stream)


def test_a_death_mid_text_keeps_the_text(batched, loaded, monkeypatch):
    stream = start(batched, loaded, "long", max_new_tokens=400)
    pieces = iter(stream)
    text = next(pieces)
    with monkeypatch.context() as broken:
        broken.setattr(type(loaded.model), "forward", raising(RuntimeError("gone")))
        with pytest.raises(EngineError, match="gone"):
            for piece in pieces:
                text += piece
    found = [int(token) for token in text.split()]
    assert found == generated(loaded, "long", len(found))


def test_closing_ends_streams_and_refuses_new_ones(batched, loaded, slow_steps):
    stream = start(batched, loaded, "long", max_new_tokens=400)
    next(iter(stream))
    batched.close()
    other = TokenStream(str, prompt_tokens=1)
    with pytest.raises(EngineError, match="was unloaded"):
        batched.start(other, [1], greedy())
    assert batched.num_running() == 0


def test_closing_wakes_a_reader(batched, loaded, slow_steps):
    stream = start(batched, loaded, "long", max_new_tokens=400)
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    batched.close()
    reader.join(timeout=5)
    assert stream.stop_reason is StopReason.CANCELLED


@pytest.mark.parametrize(
    "fault", [MemoryError("too big"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_cache_that_does_not_fit_is_said_at_once(batched, loaded, monkeypatch, fault):
    from transformers.generation.continuous_batching import continuous_api

    monkeypatch.setattr(continuous_api, "PagedAttentionCache", raising(fault))
    with pytest.raises(NotEnoughMemoryError, match="key/value cache"):
        start(batched, loaded, "big")
    monkeypatch.undo()
    assert len(tokens(start(batched, loaded, "fits", max_new_tokens=2))) == 2


def test_a_loop_that_cannot_start_is_said_at_once(batched, loaded, monkeypatch):
    from transformers.generation.continuous_batching import continuous_api

    monkeypatch.setattr(continuous_api, "PagedAttentionCache", raising(ValueError("odd layers")))
    with pytest.raises(EngineError, match=r"could not start .*odd layers"):
        start(batched, loaded, "odd")
    assert batched.num_running() == 0
