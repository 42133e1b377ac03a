"""The pipe between an engine that makes token ids and a reader that wants text.

The engine's thread only appends ids; decoding, cleaning and looking for stop strings happen in the reader's
thread, so that no reader slows the engine or another reader. Stop strings are looked for in the cleaned text:
they are written by somebody who has seen that one.
"""

import queue
from collections.abc import Callable, Collection, Iterator, Sequence

from glmcore.chat.engine import Usage
from glmcore.chat.text import CleanedText, IncrementalDecoder, StopStrings
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.messages import StopReason


class TokenStream:
    """A `TextStream` fed with token ids: the engine calls `put`, then `finish` or `fail`.

    The first end counts; `cancel` is one too.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        *,
        prompt_tokens: int,
        turns_left_out: int = 0,
        stop: Sequence[str] = (),
        end_ids: Collection[int] = (),
        context: Sequence[int] = (),
        cleaned: CleanedText | None = None,
    ) -> None:
        """`end_ids` are counted but never shown; `context` are the ids that a continued answer follows.

        `cleaned` is how the answer is cleaned; None where its family needs nothing done.
        """
        self._decoder = IncrementalDecoder(decode, context)
        self._cleaned = cleaned
        self._stop_strings = StopStrings(stop)
        self._end_ids = frozenset(end_ids)
        self._pipe: queue.SimpleQueue[list[int] | StopReason | Exception] = queue.SimpleQueue()
        self._prompt_tokens = prompt_tokens
        self._turns_left_out = turns_left_out
        self._completion_tokens = 0
        self._cancel: Callable[[], None] = lambda: None
        self._ahead: Callable[[], int] = lambda: 0
        self.stop_reason: StopReason | None = None

    def attach(self, *, cancel: Callable[[], None], requests_ahead: Callable[[], int]) -> None:
        """Tell the stream how its engine cancels it and how many requests are before it."""
        self._cancel, self._ahead = cancel, requests_ahead

    # The engine's side.

    def put(self, token_ids: Sequence[int]) -> None:
        self._pipe.put(list(token_ids))

    def finish(self, reason: StopReason) -> None:
        self._pipe.put(reason)

    def fail(self, error: Exception) -> None:
        self._pipe.put(error)

    # The reader's side.

    @property
    def usage(self) -> Usage:
        return Usage(self._prompt_tokens, self._completion_tokens, self._turns_left_out)

    def requests_ahead(self) -> int:
        return 0 if self.stop_reason or self._completion_tokens else self._ahead()

    def cancel(self) -> None:
        if self.stop_reason is None:
            self._cancel()
            self._pipe.put(StopReason.CANCELLED)

    def __iter__(self) -> Iterator[str]:
        try:
            while self.stop_reason is None:
                item = self._pipe.get()
                if isinstance(item, Exception):
                    yield from self._end(StopReason.ERROR)
                    raise _as_engine_error(item) from item
                if isinstance(item, StopReason):
                    yield from self._end(item)
                else:
                    yield from self._read(item)
        finally:
            if self.stop_reason is None:  # its reader went away: nobody wants the rest
                self.cancel()
                self.stop_reason = StopReason.CANCELLED

    def _read(self, token_ids: list[int]) -> Iterator[str]:
        self._completion_tokens += len(token_ids)
        shown_ids = [token_id for token_id in token_ids if token_id not in self._end_ids]
        text = self._decoder.push(shown_ids)
        if self._cleaned is not None:
            text = self._cleaned.push(text)
        text = self._stop_strings.push(text)
        if self._stop_strings.found:
            self.stop_reason = StopReason.STOP_STRING
            self._cancel()
        if text:
            yield text

    def _end(self, reason: StopReason) -> Iterator[str]:
        text = self._decoder.flush()
        if self._cleaned is not None:
            text = self._cleaned.push(text) + self._cleaned.flush()
        text = self._stop_strings.push(text)
        found = self._stop_strings.found and reason is not StopReason.ERROR
        self.stop_reason = StopReason.STOP_STRING if found else reason
        if text := text + self._stop_strings.flush():
            yield text


def _as_engine_error(fault: Exception) -> GlmcoreError:
    if isinstance(fault, GlmcoreError):
        return fault
    return EngineError("The model stopped with an error ({fault}); ask again.", fault=fault)
