"""What the responses of both endpoints have in common, whole or streamed."""

import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from glmcore.api.openai.answering import Asked, Piece, answered
from glmcore.api.openai.replies import FinishReason, Usage
from glmcore.chat.engine import TokenLogprob
from glmcore.core.messages import AnswerFacts
from glmcore.keys import Caller
from glmcore.server.services import Services

LEAST_LOGPROB = -9999.0  # JSON has no infinity


class ReplyForm(Protocol):
    """How an endpoint says an answer."""

    whole_object: str
    chunk_object: str

    @property
    def reply(self) -> type[BaseModel]:
        """The body of a whole response."""

    def choice(
        self, index: int, text: str, reason: FinishReason | None, logprobs: dict[str, Any] | None
    ) -> dict[str, Any]:
        """A whole answer."""

    def delta(self, piece: Piece, logprobs: dict[str, Any] | None) -> dict[str, Any]:
        """What is new of an answer."""

    def logprobs(self, tokens: Sequence[TokenLogprob], at: int) -> dict[str, Any]:
        """How likely the tokens were of which the first begins at character `at`."""


@dataclass(slots=True)
class _Whole:
    texts: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    last: Piece | None = None


async def whole_reply(shared: Services, caller: Caller, asked: Asked, form: ReplyForm) -> BaseModel:
    """Wait for all answers."""
    created = int(time.time())
    answers = [_Whole() for _request in asked.requests]
    async with aclosing(answered(shared, caller, asked)) as pieces:
        async for piece in pieces:
            if piece is not None:
                answer = answers[piece.index]
                answer.texts.append(piece.text)
                answer.logprobs += piece.logprobs
                answer.last = piece
    ends = [answer.last for answer in answers if answer.last is not None]
    choices = [
        form.choice(
            end.index,
            "".join(answer.texts),
            end.finish_reason,
            form.logprobs(answer.logprobs, 0) if wants_logprobs(asked) else None,
        )
        for answer, end in zip(answers, ends, strict=True)
    ]
    return form.reply.model_validate(
        {
            "id": asked.id,
            "object": form.whole_object,
            "created": created,
            "model": asked.model,
            "system_fingerprint": ends[0].engine,
            "choices": choices,
            "usage": usage_of([end.facts for end in ends if end.facts is not None], asked),
        }
    )


def wants_logprobs(asked: Asked) -> bool:
    return asked.requests[0].logprobs is not None


def usage_of(facts: Sequence[AnswerFacts], asked: Asked) -> Usage:
    """The tokens of all answers, given in order."""
    answers_each = len(facts) // asked.num_prompts
    prompt_tokens = sum(each.prompt_tokens for each in facts[::answers_each])
    completion_tokens = sum(each.completion_tokens for each in facts)
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
    )
