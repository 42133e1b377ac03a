"""What a server sends of an answer, read carefully: it may leave out, add or misspell whatever it likes."""

from dataclasses import dataclass
from typing import Any

from glmcore.chat.engine import TokenLogprob
from glmcore.core.messages import StopReason

HIGH_HALF = ("\ud800", "\udbff")  # the first half of a character beyond U+FFFF

REASONS = {
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "abort": StopReason.ERROR,
    "error": StopReason.ERROR,
    "content_filter": StopReason.ERROR,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """One message of the stream.

    Attributes:
        finish: the server's word for why the answer ended; None while it goes on.
        has_token: whether a token was made, also where it is not for showing.
        stop_string: at which text it ended, where the server says so.
        usage: tokens of prompt and answer, where it says so.
    """

    text: str = ""
    finish: str | None = None
    has_token: bool = False
    stop_string: str | None = None
    usage: tuple[int, int] | None = None
    logprobs: tuple[TokenLogprob, ...] = ()

    @property
    def reason(self) -> StopReason:
        if self.stop_string is not None:
            return StopReason.STOP_STRING
        return REASONS.get(self.finish or "", StopReason.END)


def read_chunk(chunk: Any) -> Piece:
    """A message of either form: of a chat, or of a text that is gone on with."""
    choices = getattr(chunk, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    delta = getattr(choice, "delta", None)
    text = _text(delta, "content") or _text(delta, "refusal") or _text(choice, "text")
    thought = _text(delta, "reasoning_content") or _text(delta, "reasoning")
    return Piece(
        text=text,
        finish=_text(choice, "finish_reason") or None,
        has_token=bool(text or thought),
        stop_string=_text(choice, "stop_reason") or None,  # vLLM's; the id of a token is no text
        usage=_usage(getattr(chunk, "usage", None)),
        logprobs=_logprobs(getattr(choice, "logprobs", None)),
    )


class WholeCharacters:
    """Joins characters that a server sent in halves; halves that stay alone become U+FFFD."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, piece: str) -> str:
        text = self._held + piece
        self._held = text[-1:] if text and HIGH_HALF[0] <= text[-1] <= HIGH_HALF[1] else ""
        return _joined(text[: len(text) - len(self._held)])

    def flush(self) -> str:
        held, self._held = self._held, ""
        return _joined(held)


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _text(holder: Any, name: str) -> str:
    value = getattr(holder, name, None)
    return value if isinstance(value, str) else ""


def _usage(usage: Any) -> tuple[int, int] | None:
    counts = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if isinstance(count, int) and count >= 0 else None for count in counts)
    return (prompt, completion) if prompt is not None and completion is not None else None


def _logprobs(found: Any) -> tuple[TokenLogprob, ...]:
    content = getattr(found, "content", None)
    if isinstance(content, list):
        return tuple(
            TokenLogprob(
                _joined(each.token),
                each.logprob,
                tuple((_joined(other.token), other.logprob) for other in each.top_logprobs or ()),
            )
            for each in content
        )
    tokens, values = getattr(found, "tokens", None) or (), getattr(found, "token_logprobs", None) or ()
    others = getattr(found, "top_logprobs", None) or [None] * len(tokens)
    return tuple(
        TokenLogprob(_joined(token), value, _ranked(alternatives))
        for token, value, alternatives in zip(tokens, values, others, strict=False)
    )


def _ranked(alternatives: dict[str, float] | None) -> tuple[tuple[str, float], ...]:
    ranked = sorted((alternatives or {}).items(), key=lambda pair: -pair[1])
    return tuple((_joined(token), value) for token, value in ranked)
