"""`/v1/completions`: from its body to requests, and how it says a text."""

import uuid
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from glmcore.api.openai.answering import Asked, Piece
from glmcore.api.openai.bodies import CompletionBody
from glmcore.api.openai.forms import LEAST_LOGPROB
from glmcore.api.openai.offered import Offered
from glmcore.api.openai.parameters import choices_of, defaults_of, params_of
from glmcore.api.openai.replies import Completion, FinishReason
from glmcore.chat.engine import TokenLogprob
from glmcore.core.messages import ChatRequest
from glmcore.keys import Caller
from glmcore.server.services import Services

MAX_TOKENS = 16  # where the request does not say; OpenAI's own


def ask_completion(body: CompletionBody, shared: Services, caller: Caller, offered: Offered) -> Asked:
    """What a body asks for: `n` answers to each prompt."""
    params = params_of(body, defaults_of(shared, offered), body.max_tokens or MAX_TOKENS)
    requests = tuple(
        ChatRequest(
            messages=(),
            plain_text=prompt,
            params=each,
            model=offered.entry.name,
            adapter=offered.adapter,
            engine=offered.engine,
            user=caller.user,
            may_leave_out=False,
            logprobs=body.logprobs,
        )
        for prompt in body.prompts
        for each in choices_of(body, params)
    )
    return Asked(
        id=f"cmpl-{uuid.uuid4().hex}",
        model=body.model,
        requests=requests,
        num_prompts=len(body.prompts),
    )


class TextForm:
    """A `ReplyForm`."""

    reply = Completion
    whole_object = chunk_object = "text_completion"

    def choice(
        self, index: int, text: str, reason: FinishReason | None, logprobs: dict[str, Any] | None
    ) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}

    def delta(self, piece: Piece, logprobs: dict[str, Any] | None) -> dict[str, Any]:
        return self.choice(piece.index, piece.text, piece.finish_reason, logprobs)

    def logprobs(self, tokens: Sequence[TokenLogprob], at: int) -> dict[str, Any]:
        likely = [max(token.logprob, LEAST_LOGPROB) for token in tokens]
        others = [
            {text: max(logprob, LEAST_LOGPROB) for text, logprob in token.alternatives} for token in tokens
        ]
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": likely,
            # The chosen one is always among them.
            "top_logprobs": [
                most | {token.text: own} for most, token, own in zip(others, tokens, likely, strict=True)
            ],
            "text_offset": list(accumulate((len(token.text) for token in tokens), initial=at))[:-1],
        }
