"""The pipe between an engine that makes token ids and a reader that wants text.

The engine's thread only appends ids; decoding, cleaning and looking for stop strings happen in the reader's
thread, so that no reader slows the engine or another reader. Stop strings are looked for in the cleaned text:
they are written by somebody who has seen that one.
"""

import queue
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from glmcore.chat.engine import TokenLogprob, Usage
from glmcore.chat.text import CleanedText, IncrementalDecoder, StopStrings
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.messages import StopReason


@dataclass(frozen=True, slots=True)
class TokenScore:
    """How likely a token was, as a natural logarithm, and which others (by id) were; the likeliest first."""

    logprob: float
    alternatives: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Tokens:
    ids: list[int]
    scores: Sequence[TokenScore]


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
        token_text: Callable[[int], str] = str,
    ) -> None:
        """`end_ids` are counted but never shown; `context` are the ids that a continued answer follows.

        `cleaned` is how the answer is cleaned; None where its family needs nothing done. `token_text` gives
        the text of one token, for those that come with a score.
        """
        self._decoder = IncrementalDecoder(decode, context)
        self._cleaned = cleaned
        self._stop_strings = StopStrings(stop)
        self._end_ids = frozenset(end_ids)
        self._token_text = token_text
        self._pipe: queue.SimpleQueue[_Tokens | StopReason | Exception] = queue.SimpleQueue()
        self._prompt_tokens = prompt_tokens
        self._turns_left_out = turns_left_out
        self._completion_tokens = 0
        self._cancel: Callable[[], None] = lambda: None
        self._ahead: Callable[[], int] = lambda: 0
        self.stop_reason: StopReason | None = None
        self.token_logprobs: list[TokenLogprob] = []
        # With the place of their first character; what the text holds back, they hold back.
        self._held_logprobs: deque[tuple[int, TokenLogprob]] = deque()
        self._made = self._shown = 0  # characters, before and after stop strings are looked for

    def attach(self, *, cancel: Callable[[], None], requests_ahead: Callable[[], int]) -> None:
        """Tell the stream how its engine cancels it and how many requests are before it."""
        self._cancel, self._ahead = cancel, requests_ahead

    # The engine's side.

    def put(self, token_ids: Sequence[int], scores: Sequence[TokenScore] = ()) -> None:
        """`scores` are those of the tokens, or none at all."""
        self._pipe.put(_Tokens(list(token_ids), scores))

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

    def _read(self, tokens: _Tokens) -> Iterator[str]:
        self._completion_tokens += len(tokens.ids)
        shown_ids = [token_id for token_id in tokens.ids if token_id not in self._end_ids]
        if tokens.scores:
            self._hold_logprobs(tokens)
        text = self._decoder.push(shown_ids)
        if self._cleaned is not None:
            text = self._cleaned.push(text)
        text = self._cut(text)
        if self._stop_strings.found:
            self.stop_reason = StopReason.STOP_STRING
            self._cancel()
        if text:
            yield text

    def _end(self, reason: StopReason) -> Iterator[str]:
        text = self._decoder.flush()
        if self._cleaned is not None:
            text = self._cleaned.push(text) + self._cleaned.flush()
        text = self._cut(text)
        found = self._stop_strings.found and reason is not StopReason.ERROR
        self.stop_reason = StopReason.STOP_STRING if found else reason
        text += self._stop_strings.flush()
        if not found:
            self.token_logprobs += [logprob for _, logprob in self._held_logprobs]
        if text:
            yield text

    def _cut(self, text: str) -> str:
        """What may be shown of it with regard to stop strings; the tokens it is made of are told."""
        self._made += len(text)
        shown = self._stop_strings.push(text)
        self._shown += len(shown)
        while self._held_logprobs and self._held_logprobs[0][0] < self._shown:
            self.token_logprobs.append(self._held_logprobs.popleft()[1])
        return shown

    def _hold_logprobs(self, tokens: _Tokens) -> None:
        for token_id, score in zip(tokens.ids, tokens.scores, strict=True):
            if token_id in self._end_ids:
                continue
            others = tuple((self._token_text(other), logprob) for other, logprob in score.alternatives)
            logprob = TokenLogprob(self._token_text(token_id), score.logprob, others)
            self._held_logprobs.append((self._made, logprob))


def _as_engine_error(fault: Exception) -> GlmcoreError:
    if isinstance(fault, GlmcoreError):
        return fault
    return EngineError("The model stopped with an error ({fault}); ask again.", fault=fault)
