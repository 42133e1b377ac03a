"""Small stand-ins for slow things: an engine that answers from a list."""

import itertools
import re
import threading
from collections.abc import Iterator, Mapping, Sequence

from glmcore.chat.engine import TokenLogprob, Usage
from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from glmcore.core.notes import Note


def count_words(messages: Sequence[Message]) -> int:
    return sum(len(message.content.split()) for message in messages)


class FakeStream:
    """A `TextStream` over ready pieces; an exception among them is raised."""

    def __init__(self, pieces, *, gate=None, prompt_tokens=0, end=StopReason.END) -> None:
        self._pieces, self._gate, self._end = pieces, gate, end
        self._prompt_tokens, self._given = prompt_tokens, 0
        self.stop_reason: StopReason | None = None
        self.token_logprobs: list[TokenLogprob] = []

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces:
            if self._gate is not None:
                self._gate.acquire()
            if self.stop_reason is not None:
                return
            if isinstance(piece, Exception):
                self.stop_reason = StopReason.ERROR
                raise piece
            self._given += 1
            yield piece
        self.stop_reason = self.stop_reason or self._end

    @property
    def usage(self) -> Usage:
        return Usage(self._prompt_tokens, self._given, 0)

    def requests_ahead(self) -> int:
        return 0

    def cancel(self) -> None:
        self.stop_reason = self.stop_reason or StopReason.CANCELLED
        if self._gate is not None:
            self._gate.release()


class FakeEngine:
    """A `ChatEngine` that gives the answers of a list one after the other, again from the first at its end.

    A word is a token. An answer that is an exception is raised by `submit`; a list is taken as the pieces,
    in which an exception breaks the answer off. With a gate every piece waits for `gate.release()`.
    """

    kind = "fake"
    model_name = "fake"
    window = 1000
    notes: tuple[Note, ...] = ()
    held_bytes: Mapping[str, int] = {}

    def __init__(self, answers=("An answer.",), *, gate: threading.Semaphore | None = None) -> None:
        self._answers, self._gate = itertools.cycle(answers), gate
        self.default_params = GenerationParams()
        self.requests: list[ChatRequest] = []
        self.is_closed = False
        self.fault: GlmcoreError | None = None

    def submit(self, request: ChatRequest) -> FakeStream:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        pieces = re.findall(r"\s*\S+\s*?", answer) if isinstance(answer, str) else answer
        limit = request.params.max_new_tokens
        return FakeStream(
            pieces[:limit],
            gate=self._gate,
            prompt_tokens=count_words(request.messages),
            end=StopReason.LENGTH if len(pieces) > limit else StopReason.END,
        )

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return count_words(messages)

    def num_running(self) -> int:
        return 0

    def trouble(self) -> GlmcoreError | None:
        return self.fault

    def close(self) -> None:
        self.is_closed = True
