"""This end of the process: tokens reach their streams, and every death is told and got over."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from glmcore.chat.living_loop import LivingLoop
from glmcore.chat.openvino import process
from glmcore.chat.openvino.process import EngineProcess
from glmcore.chat.openvino.wire import Add, Cancel, Failed, Ready, Start, Step, from_line, to_line
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError
from glmcore.core.messages import GenerationParams, StopReason
from tests.chat.conftest import greedy, wait_until
from tests.chat.openvino.scripted_worker import BROKEN, END_ID, ORDERS, SILENT


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    monkeypatch.setattr(process, "WORKER", "tests.chat.openvino.scripted_worker")


def start_of(folder="tiny"):
    return Start(folder=folder, cache_blocks=8, max_batch_tokens=64, max_sequences=8, properties={})


def open_process(folder="tiny", on_death=lambda error: None):
    return EngineProcess(start_of(folder), name="tiny", end_ids=[END_ID], on_death=on_death)


@pytest.fixture(scope="module")
def living():
    deaths = []

    def start(on_death):
        def told(error):
            deaths.append(error)
            on_death(error)

        return open_process(on_death=told)

    loop = LivingLoop(start, "tiny", "openvino")
    loop.deaths = deaths
    yield loop
    loop.close()


def words(ids):
    return "".join(f"{number} " for number in ids)


def ask(loop, *prompt_ids, **changes):
    stream = TokenStream(words, prompt_tokens=len(prompt_ids), end_ids=[END_ID])
    loop.start(stream, list(prompt_ids), greedy(**{"max_new_tokens": 3, **changes}))
    return stream


def test_an_answer_is_what_the_process_says_without_its_end(living):
    stream = ask(living, 10)
    assert "".join(stream) == "11 12 "
    assert (stream.stop_reason, stream.usage.completion_tokens) == (StopReason.END, 3)
    assert living.num_running() == 0


def test_answers_of_many_threads_are_not_mixed(living):
    found = {}

    def read(first):
        found[first] = "".join(ask(living, first, max_new_tokens=6))

    threads = [threading.Thread(target=read, args=(1000 * at,)) for at in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {first: words(range(first + 1, first + 6)) for first in found}
    assert len(found) == 24


def test_a_cancelled_answer_shows_nothing_that_comes_later(living):
    stream = ask(living, ORDERS["hang"], 5)
    pieces = iter(stream)
    assert next(pieces) == "6 "
    assert living.num_running() == 1
    stream.cancel()
    assert list(pieces) == []
    assert stream.stop_reason is StopReason.CANCELLED
    assert living.num_running() == 0


def test_a_request_that_is_not_taken_fails_alone(living):
    with pytest.raises(EngineError, match="the prompt is strange"):
        list(ask(living, ORDERS["refuse"]))
    assert living.trouble() is None
    assert "".join(ask(living, 10)) == "11 12 "


@pytest.mark.parametrize(
    ("order", "said"), [("die", "ended by SIGKILL"), ("fail", "the device is gone"), ("babble", "unexpected")]
)
def test_a_death_ends_the_requests_and_the_next_is_answered(living, order, said, caplog):
    held = ask(living, ORDERS["hang"], 5)
    pieces = iter(held)
    assert next(pieces) == "6 "
    with pytest.raises(EngineError, match="The engine stopped"):
        list(ask(living, ORDERS[order]))
    with pytest.raises(EngineError, match=said):
        list(pieces)
    assert held.stop_reason is StopReason.ERROR
    assert said in str(living.deaths[-1])
    assert "".join(ask(living, 10)) == "11 12 "
    assert wait_until(lambda: living.trouble() is None)


@pytest.mark.parametrize(("folder", "said"), [(BROKEN, "it is no model"), (SILENT, "exit code 3")])
def test_what_cannot_be_computed_is_said_with_a_way_out(folder, said):
    with pytest.raises(EngineError, match=said) as refused:
        open_process(folder)
    assert "choose the engine transformers" in str(refused.value)


def test_stopping_ends_requests_as_cancelled_and_leaves_no_process():
    running = open_process()
    stream = TokenStream(words, prompt_tokens=1)
    running.add(stream, [ORDERS["hang"]], greedy())
    pieces = iter(stream)
    assert next(pieces)
    running.stop()
    assert list(pieces) == []
    assert stream.stop_reason is StopReason.CANCELLED
    assert not running.is_alive
    late = TokenStream(words, prompt_tokens=1)
    with pytest.raises(EngineError, match="was closed"):
        running.add(late, [1], greedy())


def test_one_that_reads_nothing_is_stopped_while_somebody_writes_to_it(monkeypatch):
    monkeypatch.setattr(process, "PATIENCE_SECONDS", 0.1)
    running = open_process()
    os.kill(running._process.pid, signal.SIGSTOP)
    stream = TokenStream(words, prompt_tokens=1)
    much = [1] * 200_000  # more than a pipe holds
    asking = threading.Thread(target=running.add, args=(stream, much, greedy()))
    asking.start()
    wait_until(running._writing.locked)
    running.stop()
    asking.join(5)
    assert not asking.is_alive() and list(stream) == []
    assert stream.stop_reason is StopReason.CANCELLED
    assert running._process.returncode == -signal.SIGKILL and running._process.stdin.closed


def test_one_that_died_unseen_can_be_stopped_although_it_could_not_be_told_something():
    running = open_process()
    running._process.kill()
    running._process.wait()
    with suppress(EngineError):  # where its death was seen in time
        running.add(TokenStream(words, prompt_tokens=1), [1] * 100_000, greedy())
    running.stop()
    assert not running.is_alive


def test_the_process_is_not_in_the_servers_group_which_ctrl_c_goes_to():
    running = open_process()
    assert os.getpgid(running._process.pid) != os.getpgid(0)
    running.stop()


def test_greedy_requests_have_no_seed_and_others_one_of_their_own():
    def seed_of(**params):
        return process._to_add(1, [1], [2], GenerationParams(**params)).seed

    assert seed_of(temperature=0.0) is seed_of(top_k=1) is seed_of(top_p=0.0) is None
    assert seed_of(seed=7) == 7
    assert seed_of() != seed_of()


@pytest.mark.parametrize(
    "said",
    [
        start_of(),
        Add(number=3, prompt_ids=[1, 2], end_ids=[2], max_new_tokens=4, seed=2**32 - 1),
        Cancel(3),
        Ready(10, 20),
        Failed("a\nb"),
        Step([[3, [4, 5]]], [[3, "stop"]]),
    ],
    ids=lambda said: type(said).__name__,
)
def test_what_is_said_is_heard(said):
    line = to_line(said)
    assert line.count(b"\n") == 1
    assert from_line(line) == said
