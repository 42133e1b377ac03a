"""One answer being made: what its readers see, and how it is read from the engine and stored meanwhile."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from glmcore.chat.engine import ChatEngine, TextStream, TokenLogprob
from glmcore.core.errors import EngineError, GlmcoreError, NotFoundError
from glmcore.core.messages import AnswerFacts, ChatRequest, StopReason

log = logging.getLogger(__name__)

SAVE_EVERY_SECONDS = 1.0

# The engine that answers a request, which may first have to load; gives up when the event is set.
EngineFor = Callable[[ChatRequest, threading.Event], ChatEngine]


class AnswerSink(Protocol):
    """Where an answer is kept while it is made and when it is done."""

    def save_text(self, text: str) -> None: ...

    def finish(self, text: str, facts: AnswerFacts) -> None: ...


class Unstored:
    """The sink of answers that are only shown."""

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
        self.fault: GlmcoreError | None = None  # what ended it, where that was an error
        self.engine = ""  # the kind of the engine that answers, once that is known
        self._token_logprobs: Sequence[TokenLogprob] = ()
        self._watchers: list[Callable[[], None]] = []
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
    def token_logprobs(self) -> Sequence[TokenLogprob]:
        """Of the tokens so far, where the request asked for them; only ever appended to."""
        return self._token_logprobs

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change`, in this answer's thread, whenever there is more to see; gives what ends that.

        It must be quick and not raise: the answer waits for it.
        """
        with self._changed:
            self._watchers.append(on_change)

        def unwatch() -> None:
            with self._changed:
                if on_change in self._watchers:
                    self._watchers.remove(on_change)

        return unwatch

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

    def make(self, engine_for: EngineFor, sink: AnswerSink) -> AnswerFacts:
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
        self.fault = fault
        return self._build_facts(reason, fault)

    def end(self, facts: AnswerFacts) -> None:
        with self._changed:
            self._facts = facts
            self._stream = None  # it holds the model, and a page may hold this answer for long
            self._tell()

    def _read_stream(self, engine: ChatEngine, sink: AnswerSink) -> StopReason:
        if self._cancelled.is_set():
            return StopReason.CANCELLED
        self.engine = engine.kind
        stream = engine.submit(self.request)
        with self._changed:
            self._stream = stream
            self._token_logprobs = stream.token_logprobs
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
            self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        for on_change in self._watchers:
            on_change()

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
            engine=self.engine,
        )
