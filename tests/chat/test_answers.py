"""Answers belong to the server: they go on unread, are stored as they grow, and always end."""

import threading
import time

import pytest

from glmcore.chat import answers, running_answer
from glmcore.chat.answers import AnswerRegistry
from glmcore.core.errors import EngineError, NotFoundError, StorageError
from glmcore.core.messages import StopReason
from tests.chat.conftest import request_for, wait_until
from tests.chat.fed_answers import Engine, Sink

REQUEST = request_for("why?")


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def registry(engine):
    return AnswerRegistry(lambda request, cancelled: engine, max_running=3)


def say(engine, *items):
    for item in items:
        engine.stream.pipe.put(item)


def text_after(answer, length):
    """The text once it has `length` characters."""
    return answer.wait(seen=length - 1, timeout=5).text


def facts_of(answer):
    assert wait_until(lambda: answer.is_done)
    return answer.snapshot().facts


def test_an_answer_is_made_and_stored_although_nobody_reads_it(registry, engine, sink):
    say(engine, "Be", "cause.", StopReason.END)
    answer = registry.start("id", REQUEST, sink)
    facts = facts_of(answer)
    assert sink.finished == ("Because.", facts)
    assert (facts.model, facts.params, facts.stop_reason) == ("tiny", REQUEST.params, StopReason.END)
    assert (facts.prompt_tokens, facts.completion_tokens, facts.turns_left_out) == (7, 2, 1)
    assert facts.error is None
    assert 0 <= facts.seconds_to_first_token <= facts.seconds
    assert wait_until(lambda: registry.num_running() == 0)
    assert registry.get("id") is None


def test_every_reader_sees_the_same(registry, engine, sink):
    answer = registry.start("id", REQUEST, sink)
    assert registry.get("id") is answer
    seen = [[""], [""]]

    def read(texts):
        while (now := answer.wait(seen=len(texts[-1]), timeout=5)).facts is None:
            texts.append(now.text)

    readers = [threading.Thread(target=read, args=(texts,)) for texts in seen]
    for reader in readers:
        reader.start()
    for word in ("one ", "two ", "three"):
        say(engine, word)
        assert wait_until(lambda word=word: all(texts[-1].endswith(word) for texts in seen))
    say(engine, StopReason.LENGTH)
    for reader in readers:
        reader.join(timeout=5)
    assert seen[0] == seen[1] == ["", "one ", "one two ", "one two three"]


def test_the_text_so_far_is_saved_as_it_grows(registry, engine, sink, monkeypatch):
    monkeypatch.setattr(running_answer, "SAVE_EVERY_SECONDS", 0.05)
    answer = registry.start("id", REQUEST, sink)
    for word in ("a", "b", "c"):
        say(engine, word)
        time.sleep(0.06)
    say(engine, *"defghi", StopReason.END)
    assert facts_of(answer)
    assert sink.saved[:2] == ["ab", "abc"] or sink.saved[:3] == ["a", "ab", "abc"]
    assert len(sink.saved) <= 4
    assert sink.finished[0] == "abcdefghi"


def test_a_continued_answer_starts_with_what_is_there(registry, engine, sink):
    answer = registry.start("id", REQUEST, sink, text="Once upon")
    assert answer.snapshot().text == "Once upon"
    assert wait_until(lambda: answer.snapshot().is_reading_prompt)
    say(engine, " a time", StopReason.END)
    assert facts_of(answer)
    assert sink.finished[0] == "Once upon a time"


def test_what_an_answer_waits_for_is_said(engine, sink):
    is_loaded = threading.Event()

    def engine_for(request, cancelled):
        is_loaded.wait(5)
        return engine

    answer = AnswerRegistry(engine_for, max_running=1).start("id", REQUEST, sink)
    now = answer.snapshot()
    assert (now.text, now.requests_ahead, now.is_reading_prompt, now.facts) == ("", 0, False, None)
    engine.stream.ahead = 2
    is_loaded.set()
    assert wait_until(lambda: answer.snapshot().requests_ahead == 2)
    assert not answer.snapshot().is_reading_prompt
    engine.stream.ahead = 0
    assert answer.snapshot().is_reading_prompt
    say(engine, "x")
    assert text_after(answer, 1) == "x"
    assert not answer.snapshot().is_reading_prompt
    answer.cancel()
    assert facts_of(answer)
    assert not answer.snapshot().is_reading_prompt


def test_cancel_keeps_the_text(registry, engine, sink):
    answer = registry.start("id", REQUEST, sink)
    say(engine, "half an ")
    assert text_after(answer, 1) == "half an "
    answer.cancel()
    assert facts_of(answer).stop_reason is StopReason.CANCELLED
    assert sink.finished[0] == "half an "
    answer.cancel()


def test_cancel_before_the_model_is_loaded_ends_the_answer(engine, sink):
    def engine_for(request, cancelled):
        assert cancelled.wait(5)
        raise EngineError("Stopped while loading.")

    answer = AnswerRegistry(engine_for, max_running=1).start("id", REQUEST, sink)
    answer.cancel()
    facts = facts_of(answer)
    assert facts.stop_reason is StopReason.CANCELLED
    assert facts.error is None
    assert sink.finished == ("", facts)


def test_cancel_while_the_engine_takes_the_request_is_not_lost(engine, sink):
    answers_made = []

    class Slow(Engine):
        def submit(self, request):
            answers_made[0].cancel()
            return self.stream

    has_answer = threading.Event()

    def engine_for(request, cancelled):
        has_answer.wait(5)
        return Slow()

    answers_made.append(AnswerRegistry(engine_for, max_running=1).start("id", REQUEST, sink))
    has_answer.set()
    assert facts_of(answers_made[0]).stop_reason is StopReason.CANCELLED


@pytest.mark.parametrize("fault", [EngineError("It broke ({why}).", why="heat"), ZeroDivisionError("heat")])
def test_an_error_mid_text_keeps_the_text_and_is_recorded(registry, engine, sink, fault):
    say(engine, "half", fault)
    facts = facts_of(registry.start("id", REQUEST, sink))
    assert facts.stop_reason is StopReason.ERROR
    assert "heat" in str(EngineError.from_dict(facts.error))
    assert sink.finished == ("half", facts)


def test_a_save_that_fails_does_not_end_the_answer(registry, engine, sink, monkeypatch, caplog):
    monkeypatch.setattr(running_answer, "SAVE_EVERY_SECONDS", 0.0)
    sink.save_error = StorageError("The disk is full.")
    answer = registry.start("id", REQUEST, sink)
    say(engine, "one ")
    assert text_after(answer, 1) == "one "
    assert wait_until(lambda: "disk is full" in caplog.text)
    sink.save_error = None
    say(engine, "two")
    assert text_after(answer, 5) == "one two"
    assert wait_until(lambda: sink.saved == ["one two"])
    say(engine, StopReason.END)
    assert facts_of(answer).stop_reason is StopReason.END
    assert sink.finished[0] == "one two"


def test_an_answer_that_cannot_be_stored_stays_readable_and_is_stored_later(
    registry, engine, sink, monkeypatch
):
    monkeypatch.setattr(answers, "STORE_AGAIN_SECONDS", 0.05)
    sink.finish_error = OSError("No space left on device")
    say(engine, "text", StopReason.END)
    answer = registry.start("id", REQUEST, sink)
    facts = facts_of(answer)
    assert "could not be stored (No space left on device)" in str(StorageError.from_dict(facts.error))
    assert answer.snapshot().text == "text"
    assert registry.get("id") is answer
    assert registry.num_running() == 0  # it does not take the place of another
    sink.finish_error = None
    assert wait_until(lambda: registry.get("id") is None)
    assert sink.finished[0] == "text"
    assert sink.finished[1].error is None


def test_an_answer_whose_conversation_was_deleted_is_let_go(registry, engine, sink):
    sink.finish_error = NotFoundError("It is gone.")
    say(engine, "text", StopReason.END)
    registry.start("id", REQUEST, sink)
    assert wait_until(lambda: registry.get("id") is None)
    assert sink.finished is None


def test_no_more_answers_than_allowed_run_at_once(registry, engine):
    refused, started = [], []

    def ask(number):
        try:
            started.append(registry.start(f"id{number}", REQUEST, Sink()))
        except EngineError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
    assert (len(started), len(refused)) == (3, 17)
    assert refused[0].startswith("3 answers are already running")
    with pytest.raises(EngineError, match="limit"):
        registry.check_room()
    say(engine, *[StopReason.END] * 3)
    assert wait_until(lambda: registry.num_running() == 0)
    registry.check_room()


def test_closing_stores_every_answer(engine):
    registry = AnswerRegistry(lambda request, cancelled: Engine(), max_running=8)
    sinks = [Sink() for _ in range(8)]
    for number, sink in enumerate(sinks):
        registry.start(f"id{number}", REQUEST, sink)
    began = time.monotonic()
    registry.close(timeout=5)
    assert time.monotonic() - began < 2
    assert [sink.finished[1].stop_reason for sink in sinks] == [StopReason.INTERRUPTED] * 8


def test_closing_does_not_wait_for_ever(sink):
    release = threading.Event()
    registry = AnswerRegistry(lambda request, cancelled: release.wait(5), max_running=1)
    registry.start("id", REQUEST, sink)
    began = time.monotonic()
    registry.close(timeout=0.2)
    assert 0.1 < time.monotonic() - began < 2
    assert sink.finished is None
    release.set()


def test_an_answer_that_has_ended_does_not_hold_the_engine(registry, engine, sink):
    say(engine, "done", StopReason.END)
    answer = registry.start("id", REQUEST, sink)
    assert facts_of(answer)
    assert answer._stream is None
    assert answer.request is REQUEST
