"""From a `ChatRequest` to the body of a request to another server, in what that server understands."""

import re
from dataclasses import dataclass, replace
from typing import Any

from glmcore.core.messages import ChatRequest

HALF = re.compile("[\ud800-\udfff]")  # of a character, which JSON in UTF-8 cannot hold


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server was found not to understand; the same for all its requests from then on."""

    tells_usage: bool = True  # takes stream_options
    limit: str = "max_tokens"  # what it calls the longest answer

    def simpler(self, complaint: str) -> "Dialect":
        """Without what a server complains about; the same where that is nothing that could be left out."""
        if self.tells_usage and "stream_options" in complaint:
            return replace(self, tells_usage=False)
        if self.limit == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, limit="max_completion_tokens")
        return self


def is_continued(request: ChatRequest) -> bool:
    """Whether the request ends in an answer that is to be gone on with."""
    return bool(request.messages) and request.messages[-1].role == "assistant"


def build_body(request: ChatRequest, model_id: str, dialect: Dialect) -> dict[str, Any]:
    """The arguments of the client's `create`; what is neutral is not said, so that no server minds it."""
    params = request.params
    body: dict[str, Any] = {"model": model_id, "stream": True, dialect.limit: params.max_new_tokens}
    extra: dict[str, Any] = {}
    if params.is_greedy or params.top_p == 0:
        body["temperature"] = 0.0
    else:
        body |= {"temperature": params.temperature, "top_p": params.top_p}
        extra |= {"top_k": params.top_k} if params.top_k else {}
    if params.seed is not None:
        body["seed"] = params.seed
    if params.stop:
        body["stop"] = [_sendable(text) for text in params.stop]
    if params.repetition_penalty != 1:
        extra["repetition_penalty"] = params.repetition_penalty
    if dialect.tells_usage:
        body["stream_options"] = {"include_usage": True}
    if request.plain_text is not None:
        body["prompt"] = _sendable(request.plain_text)
        body |= {"logprobs": request.logprobs} if request.logprobs is not None else {}
    else:
        body["messages"] = [
            {"role": message.role, "content": _sendable(message.content)} for message in request.messages
        ]
        if request.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        if is_continued(request):
            extra |= {"continue_final_message": True, "add_generation_prompt": False}
    return body | ({"extra_body": extra} if extra else {})


def _sendable(text: str) -> str:
    return HALF.sub("\ufffd", text)
