"""Who waits for room gets it soon after a cancel: counted in steps of the model, let through one by one."""

import queue
import threading

import pytest

from glmcore.chat.batching import batched_generation
from glmcore.chat.generate_queue import GenerateQueue
from glmcore.chat.token_stream import TokenStream
from tests.chat.conftest import greedy

MOST_STEPS = 3  # two of those that run, and the prefill of the one that waits


class Steps:
    """Holds up every step of the model until `next` lets it through; `open` lets all through."""

    def __init__(self):
        self._reached, self._gate = queue.SimpleQueue(), threading.Semaphore(0)
        self._is_open = False

    def wait(self):
        if not self._is_open:
            self._reached.put(True)
            self._gate.acquire()

    def next(self):
        """Let one step through and wait until the next one begins."""
        self._gate.release()
        self._reached.get(timeout=10)

    def open(self):
        self._is_open = True
        self._gate.release(100)


@pytest.fixture
def steps(loaded, monkeypatch):
    steps = Steps()
    forward = type(loaded.model).forward

    def gated(*args, **kwargs):
        steps.wait()
        return forward(*args, **kwargs)

    monkeypatch.setattr(type(loaded.model), "forward", gated)
    return steps


class Reader:
    """Counts the tokens of a stream in a thread of its own."""

    def __init__(self, engine, number, length, max_new_tokens=300):
        self.stream = TokenStream(lambda ids: "x" * len(ids), prompt_tokens=length)
        self.num_tokens = 0
        engine.start(self.stream, [number] * length, greedy(max_new_tokens=max_new_tokens))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for _piece in self.stream:
            self.num_tokens += 1


def steps_to_a_token(steps, readers):
    """How many steps it takes until one of these gets its next token."""
    before = [reader.num_tokens for reader in readers]
    for count in range(1, 40):
        steps.next()
        threading.Event().wait(0.02)  # the token is on its way to its reader
        if any(reader.num_tokens > old for reader, old in zip(readers, before, strict=True)):
            return count
    return 40


@pytest.mark.parametrize(
    ("num_running", "length", "steps_before"),
    [
        (4, 100, 2),  # nearly full: too little is free for another one
        (4, 100, 30),  # full: one of them was put off
        (2, 200, 6),  # room enough, but for what is kept of who was cancelled
        (2, 200, 60),  # of the two, one was put off: only one runs
    ],
)
def test_a_full_cache_gives_the_room_of_a_cancelled_answer_on(
    loaded, steps, num_running, length, steps_before
):
    batched = batched_generation(loaded, cache_tokens=512, max_batch_tokens=512)
    running = [Reader(batched, 10 + at, length) for at in range(num_running)]
    for _ in range(steps_before):
        steps.next()
    newcomer = Reader(batched, 99, 100, max_new_tokens=3)
    for _ in range(2):
        steps.next()
    active = batched._loop._manager.batch_processor.scheduler.active_requests
    waiting = [newcomer, *(r for at, r in enumerate(running) if str(at) not in active)]
    cancelled = next(reader for reader in running if reader not in waiting)
    assert newcomer.num_tokens == 0
    cancelled.stream.cancel()
    found = steps_to_a_token(steps, waiting)
    steps.open()
    batched.close()
    assert found <= MOST_STEPS


def test_in_the_queue_the_next_one_follows_a_cancel(loaded, steps):
    generate_queue = GenerateQueue(loaded)
    running, waiting = (Reader(generate_queue, number, 50) for number in (10, 11))
    for _ in range(5):
        steps.next()
    assert waiting.num_tokens == 0
    running.stream.cancel()
    found = steps_to_a_token(steps, [waiting])
    steps.open()
    generate_queue.close()
    assert found <= MOST_STEPS
