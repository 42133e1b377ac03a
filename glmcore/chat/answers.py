"""Answers that outlive the page that asked for them.

An answer belongs to the server: it is made by a thread of its own, stored about once a second, and
found again by its id from any page, tab or request, until it ends.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from glmcore.chat.engine import ChatEngine, TextStream
from glmcore.core.errors import EngineError, GlmcoreError, NotFoundError, StorageError
from glmcore.core.messages import AnswerFacts, ChatRequest, StopReason

log = logging.getLogger(__name__)

SAVE_EVERY_SECONDS = 1.0
STORE_AGAIN_SECONDS = 5.0  # how soon an answer that could not be stored is tried again

# The engine that answers a request, which may first have to load; gives up when the event is set.
EngineFor = Callable[[ChatRequest, threading.Event], ChatEngine]


class AnswerSink(Protocol):
    """Where an answer is kept while it is made and when it is done."""

    def save_text(self, text: str) -> None: ...

    def finish(self, text: str, facts: AnswerFacts) -> None: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a reader can see of an answer at one moment."""

    text: str
    requests_ahead: int
    is_reading_prompt: bool  # the engine has it, but no token has come
    facts: AnswerFacts | None  # None while the answer runs


class RunningAnswer:
    """One answer being made; every member may be used from any thread."""

    def __init__(self, answer_id: str, request: ChatRequest, text: str = "") -> None:
        self.id = answer_id
        self.request = request
        self.started_at = time.time()
        self._text = text  # an answer that is continued starts with what is there
        self._start = len(text)
        self._stream: TextStream | None = None
        self._cancelled = threading.Event()
        self._cancel_reason = StopReason.CANCELLED
        self._facts: AnswerFacts | None = None
        self._changed = threading.Condition()
        self._began = time.perf_counter()
        self._first_token_after: float | None = None

    def snapshot(self) -> Snapshot:
        with self._changed:
            stream, facts = self._stream, self._facts
            text = self._text
        waiting = stream is None or facts is not None
        ahead = 0 if stream is None or waiting else stream.requests_ahead()
        return Snapshot(text, ahead, not waiting and ahead == 0 and len(text) == self._start, facts)

    def wait(self, seen: int, timeout: float) -> Snapshot:
        """Wait for more than `seen` characters or the end of the answer, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._text) > seen or self._facts is not None, timeout)
        return self.snapshot()

    @property
    def is_done(self) -> bool:
        return self._facts is not None

    def cancel(self, reason: StopReason = StopReason.CANCELLED) -> None:
        """End the answer; its text so far is kept. A second call changes nothing."""
        if not self._cancelled.is_set():
            self._cancel_reason = reason
            self._cancelled.set()
        with self._changed:
            stream = self._stream
        if stream is not None:
            stream.cancel()

    # The making, by the registry's thread.

    def _make(self, engine_for: EngineFor, sink: AnswerSink) -> AnswerFacts:
        reason = StopReason.ERROR
        fault: GlmcoreError | None = None
        try:
            reason = self._read_stream(engine_for(self.request, self._cancelled), sink)
        except GlmcoreError as error:
            if self._cancelled.is_set():
                reason = StopReason.CANCELLED
            else:
                fault = error
        except Exception as error:
            log.exception("answer %s failed", self.id)
            fault = EngineError(
                "The answer failed with an unexpected error ({fault}); see the server's log.", fault=error
            )
        return self._build_facts(reason, fault)

    def _end(self, facts: AnswerFacts) -> None:
        with self._changed:
            self._facts = facts
            self._stream = None  # it holds the model, and a page may hold this answer for long
            self._changed.notify_all()

    def _read_stream(self, engine: ChatEngine, sink: AnswerSink) -> StopReason:
        if self._cancelled.is_set():
            return StopReason.CANCELLED
        stream = engine.submit(self.request)
        with self._changed:
            self._stream = stream
        if self._cancelled.is_set():  # between the check above and now
            stream.cancel()
        saved_at = time.monotonic()
        for piece in stream:
            self._append(piece)
            if time.monotonic() - saved_at >= SAVE_EVERY_SECONDS:
                self._save(sink)
                saved_at = time.monotonic()
        return stream.stop_reason or StopReason.ERROR

    def _save(self, sink: AnswerSink) -> None:
        try:
            sink.save_text(self._text)
        except NotFoundError:  # deleted: nobody will read it
            self.cancel()
        except Exception as error:  # a full disk, a locked database: no reason to end the answer
            log.warning("answer %s could not be saved for now, will be tried again: %s", self.id, error)

    def _append(self, piece: str) -> None:
        with self._changed:
            if self._first_token_after is None:
                self._first_token_after = time.perf_counter() - self._began
            self._text += piece
            self._changed.notify_all()

    def _build_facts(self, reason: StopReason, fault: GlmcoreError | None) -> AnswerFacts:
        usage = self._stream.usage if self._stream is not None else None
        return AnswerFacts(
            model=self.request.model,
            adapter=self.request.adapter,
            params=self.request.params,
            stop_reason=self._cancel_reason if reason is StopReason.CANCELLED else reason,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
            turns_left_out=usage.turns_left_out if usage else 0,
            seconds=time.perf_counter() - self._began,
            seconds_to_first_token=self._first_token_after,
            error=fault.to_dict() if fault else None,
        )


class AnswerRegistry:
    """The running answers of this server, by id."""

    def __init__(self, engine_for: EngineFor, *, max_running: int) -> None:
        self._engine_for = engine_for
        self._max_running = max_running
        self._answers: dict[str, RunningAnswer] = {}
        self._lock = threading.Lock()
        self._is_closing = threading.Event()

    def check_room(self) -> None:
        """Raise EngineError when as many answers run or wait as are allowed."""
        running = self.num_running()
        if running >= self._max_running:
            raise EngineError(
                "{running} answers are already running or waiting, which is the limit; "
                "ask again in a moment.",
                running=running,
            )

    def start(
        self, answer_id: str, request: ChatRequest, sink: AnswerSink, *, text: str = ""
    ) -> RunningAnswer:
        """Begin an answer in the background; `text` is what a continued answer already has."""
        answer = RunningAnswer(answer_id, request, text)
        with self._lock:
            self.check_room()
            self._answers[answer_id] = answer
        name = f"answer-{answer_id[:8]}"
        threading.Thread(target=self._run, args=(answer, sink), name=name, daemon=True).start()
        return answer

    def get(self, answer_id: str) -> RunningAnswer | None:
        with self._lock:
            return self._answers.get(answer_id)

    def num_running(self) -> int:
        return sum(1 for answer in list(self._answers.values()) if not answer.is_done)

    def close(self, timeout: float) -> None:
        """Interrupt every answer and wait until they are stored, at most `timeout` seconds."""
        with self._lock:
            answers = list(self._answers.values())
        for answer in answers:
            answer.cancel(StopReason.INTERRUPTED)
        deadline = time.monotonic() + timeout
        for answer in answers:
            while not answer.is_done and time.monotonic() < deadline:
                answer.wait(seen=len(answer.snapshot().text), timeout=0.1)
        self._is_closing.set()

    def _run(self, answer: RunningAnswer, sink: AnswerSink) -> None:
        try:
            self._store(answer, sink, answer._make(self._engine_for, sink))
        finally:
            with self._lock:
                self._answers.pop(answer.id, None)

    def _store(self, answer: RunningAnswer, sink: AnswerSink, facts: AnswerFacts) -> None:
        """Store an answer that has ended. While that fails it stays here to be read, and is tried again."""
        while True:
            try:
                sink.finish(answer.snapshot().text, facts)
                break
            except NotFoundError:
                log.info("answer %s was deleted before it ended", answer.id)
                break
            except Exception as error:
                log.warning("answer %s could not be stored, will be tried again: %s", answer.id, error)
                answer._end(replace(facts, error=_not_stored(error).to_dict()))
                if self._is_closing.wait(STORE_AGAIN_SECONDS):
                    return
        answer._end(facts)


def _not_stored(fault: Exception) -> StorageError:
    return StorageError(
        "The answer could not be stored ({fault}); "
        "it is tried again every few seconds while the server runs.",
        fault=fault,
    )
