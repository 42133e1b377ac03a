"""`/v1/chat/completions`: from its body to requests, and how it says an answer."""

import uuid
from collections.abc import Sequence
from typing import Any

from glmcore.api.openai.answering import Asked, Piece
from glmcore.api.openai.bodies import ChatBody
from glmcore.api.openai.forms import LEAST_LOGPROB
from glmcore.api.openai.offered import Offered
from glmcore.api.openai.parameters import MOST_TOKENS, choices_of, defaults_of, params_of
from glmcore.api.openai.replies import ChatCompletion, FinishReason
from glmcore.api.openai.storing import keep_chat
from glmcore.chat.engine import TokenLogprob
from glmcore.core.errors import ConfigError
from glmcore.core.messages import ChatRequest, Message
from glmcore.keys import Caller
from glmcore.server.services import Services

ROLES = {"developer": "system"}  # ours for theirs, where they differ


def ask_chat(body: ChatBody, shared: Services, caller: Caller, offered: Offered) -> Asked:
    """What a body asks for.

    Raises:
        ConfigError: it ends with an answer, without a word on what is to become of it.
    """
    messages = tuple(Message(_role(each.role), each.text) for each in body.messages)
    if messages[-1].role == "assistant" and not body.continue_final_message:
        raise ConfigError(
            "The last message is the assistant's; end with the user's, or send continue_final_message: true "
            "to have the answer go on where it ends.",
            param="messages",
        )
    length = body.max_completion_tokens or body.max_tokens or MOST_TOKENS
    params = params_of(body, defaults_of(shared, offered), length)
    requests = tuple(
        ChatRequest(
            messages=messages,
            params=each,
            model=offered.entry.name,
            adapter=offered.adapter,
            engine=offered.engine,
            user=caller.user,
            may_leave_out=False,
            logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        )
        for each in choices_of(body, params)
    )
    is_kept = body.store or (body.store is None and caller.key is not None and caller.key.stores_chats)
    return Asked(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        model=body.model,
        requests=requests,
        begun=messages[-1].content if body.continue_final_message else "",
        keep=(lambda: keep_chat(shared.history, requests)) if is_kept else None,
    )


class ChatForm:
    """A `ReplyForm`."""

    reply = ChatCompletion
    whole_object, chunk_object = "chat.completion", "chat.completion.chunk"

    def choice(
        self, index: int, text: str, reason: FinishReason | None, logprobs: dict[str, Any] | None
    ) -> dict[str, Any]:
        return {"index": index, "message": {"content": text}, "logprobs": logprobs, "finish_reason": reason}

    def delta(self, piece: Piece, logprobs: dict[str, Any] | None) -> dict[str, Any]:
        delta = {"content": piece.text} if piece.at else {"role": "assistant", "content": piece.text}
        return {
            "index": piece.index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": piece.finish_reason,
        }

    def logprobs(self, tokens: Sequence[TokenLogprob], at: int) -> dict[str, Any]:
        content = [
            _token(token.text, token.logprob)
            | {"top_logprobs": [_token(text, logprob) for text, logprob in token.alternatives]}
            for token in tokens
        ]
        return {"content": content, "refusal": None}


def _role(role: str) -> Any:
    return ROLES.get(role, role)


def _token(text: str, logprob: float) -> dict[str, Any]:
    whole = None if "\ufffd" in text else list(text.encode())
    return {"token": text, "logprob": max(logprob, LEAST_LOGPROB), "bytes": whole}
