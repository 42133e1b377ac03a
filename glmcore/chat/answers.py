"""Answers that outlive the page that asked for them.

An answer belongs to the server: it is made by a thread of its own and found again by its id from any page,
tab or request, until it ends.
"""

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from glmcore.chat.running_answer import AnswerSink, EngineFor, RunningAnswer
from glmcore.core.errors import BusyError, EngineError, NotFoundError, StorageError
from glmcore.core.messages import AnswerFacts, ChatRequest, StopReason

log = logging.getLogger(__name__)

STORE_AGAIN_SECONDS = 5.0  # how soon an answer that could not be stored is tried again

DRAIN_STEP_SECONDS = 0.05

# Told of every answer that has ended; must be quick and not raise.
OnEnd = Callable[[RunningAnswer, AnswerFacts], None]


class AnswerRegistry:
    """The running answers of this server, by id."""

    def __init__(self, engine_for: EngineFor, *, max_running: int) -> None:
        self._engine_for = engine_for
        self._max_running = max_running
        self._answers: dict[str, RunningAnswer] = {}
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._is_draining = False
        self._on_end: list[OnEnd] = []

    def check_room(self) -> None:
        """Raise BusyError when as many answers run or wait as may, EngineError when the server ends."""
        if self._is_draining:
            raise EngineError("The server is about to end and takes no more questions; ask again later.")
        running = self.num_running()
        if running >= self._max_running:
            raise BusyError(
                "{running} answers are already running or waiting, which is the limit; "
                "ask again in a moment.",
                running=running,
                seconds=1,
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
        # With the context of who asks, so that the log tells to which request a line belongs.
        run = partial(contextvars.copy_context().run, self._run, answer, sink)
        threading.Thread(target=run, name=name, daemon=True).start()
        return answer

    def get(self, answer_id: str) -> RunningAnswer | None:
        with self._lock:
            return self._answers.get(answer_id)

    def num_running(self) -> int:
        return len(self.running())

    def running(self) -> list[RunningAnswer]:
        """Those that run or wait, in the order in which they were asked for."""
        return [answer for answer in list(self._answers.values()) if not answer.is_done]

    def tell_ends(self, on_end: OnEnd) -> None:
        """Call this with every answer that ends from now on."""
        self._on_end.append(on_end)

    def drain(self, timeout: float) -> int:
        """Take no more questions and let what runs finish for `timeout` seconds; gives how many do not."""
        self._is_draining = True
        deadline = time.monotonic() + timeout
        while (left := self.num_running()) and time.monotonic() < deadline:
            time.sleep(DRAIN_STEP_SECONDS)
        return left

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
            facts = answer.make(self._engine_for, sink)
            self._store(answer, sink, facts)
            for on_end in self._on_end:
                on_end(answer, facts)
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
                answer.end(replace(facts, error=_not_stored(error).to_dict()))
                if self._is_closing.wait(STORE_AGAIN_SECONDS):
                    return
        answer.end(facts)


def _not_stored(fault: Exception) -> StorageError:
    return StorageError(
        "The answer could not be stored ({fault}); "
        "it is tried again every few seconds while the server runs.",
        fault=fault,
    )
