"""What every engine promises, so that pages, terminal and HTTP need not know which one answers.

Knows nothing of torch: a remote engine or one built on another runtime fits behind the same Protocol.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from glmcore.core.notes import Note


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer has used so far, in tokens; `turns_left_out` did not fit the model's window."""

    prompt_tokens: int
    completion_tokens: int
    turns_left_out: int


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely a token was, as a natural logarithm, and which others were, before any limits."""

    text: str  # an unfinished character as U+FFFD
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()  # the likeliest first


class TextStream(Protocol):
    """One answer being made. Iterate once, in one thread, for its text; every other member is thread-safe."""

    def __iter__(self) -> Iterator[str]:
        """Yield pieces of text that never split a character.

        Raises:
            EngineError: the engine failed; what was yielded before stays valid.
        """

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the answer ended; None while it runs."""

    @property
    def usage(self) -> Usage: ...

    @property
    def token_logprobs(self) -> Sequence[TokenLogprob]:
        """Of the tokens so far; empty unless the request asked for them. Only ever appended to."""

    def requests_ahead(self) -> int:
        """How many earlier requests are served first; 0 when it is this one's turn."""

    def cancel(self) -> None:
        """End the answer at once and free its place in the engine."""


class ChatEngine(Protocol):
    """A model ready to answer."""

    kind: str  # which of the engines this is: "transformers", "openvino", "remote"
    model_name: str
    window: int  # tokens of prompt and answer together
    default_params: GenerationParams
    notes: tuple[Note, ...]  # what a user should know about this model
    held_bytes: Mapping[str, int]  # of this machine's memory, by device, until it is closed

    def submit(self, request: ChatRequest) -> TextStream:
        """Queue a request; an assistant message at the end of it is continued.

        Raises:
            ConfigError: a parameter that this engine cannot honour; `values["param"]` names it.
            DataError: the question alone does not fit the window, or not all where nothing may be left out.
            EngineError: the engine cannot take requests now.
        """

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt that these messages make."""

    def num_running(self) -> int:
        """Requests that run or wait."""

    def trouble(self) -> GlmcoreError | None:
        """Why a request could not be answered just now; None where one can."""

    def close(self) -> None:
        """End all requests and give the memory back."""
