"""What is said and how it is to be answered: messages, sampling parameters, requests, facts of an answer."""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Literal

from glmcore.core.errors import ConfigError

Role = Literal["system", "user", "assistant"]
LOCAL_USER = "local"  # the owner of every row until sign-in exists


@dataclass(frozen=True, slots=True)
class Message:
    """One utterance of a conversation."""

    role: Role
    content: str


class StopReason(StrEnum):
    """Why an answer ended."""

    END = "end"  # the model said so (end-of-sequence token)
    LENGTH = "length"  # max_new_tokens reached; can be continued
    STOP_STRING = "stop_string"
    CANCELLED = "cancelled"  # a person stopped it
    INTERRUPTED = "interrupted"  # the server ended before the answer did
    ERROR = "error"


# name -> (lowest, highest) allowed value
PARAM_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1000),
    "max_new_tokens": (1, 32768),
    "repetition_penalty": (0.5, 2.0),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationParams:
    """Sampling parameters of one answer. temperature 0 is greedy; top_k 0 is off; seed None is random."""

    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 50
    max_new_tokens: int = 512
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in PARAM_RANGES.items():
            value = getattr(self, name)
            if value is None and name == "seed":
                continue
            whole = isinstance(low, int)
            right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            if not right_type or not low <= value <= high:
                raise ConfigError(
                    "{name} is {value!r}; expected a number from {low} to {high}.",
                    name=name,
                    value=value,
                    low=low,
                    high=high,
                )
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ConfigError("stop is {value!r}; expected non-empty texts.", value=self.stop)

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0 or self.top_k == 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "GenerationParams":
        """Read back what `to_dict` gave; keys of a newer version are ignored."""
        known = {field.name for field in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        if "stop" in kept:
            kept["stop"] = tuple(kept["stop"])
        return cls(**kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A conversation to be answered by a model, or a text to be gone on with."""

    messages: tuple[Message, ...]
    params: GenerationParams
    model: str
    adapter: str | None = None
    user: str = LOCAL_USER
    plain_text: str | None = None  # gone on with as it is, without a prompt form; `messages` are empty then
    may_leave_out: bool = True  # whether the oldest turns may go where not all fit the window
    logprobs: int | None = None  # so many alternatives are told for each token; 0 tells the token's own
    engine: str | None = None  # which engine is to answer, one of ENGINES; None leaves it to the settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFacts:
    """What is worth knowing about a finished answer; times in seconds."""

    model: str
    stop_reason: StopReason
    params: GenerationParams
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    seconds_to_first_token: float | None = None
    turns_left_out: int = 0
    adapter: str | None = None
    error: dict[str, Any] | None = None  # what GlmcoreError.to_dict gives
    engine: str = ""  # which engine answered; empty where it was not told

    @property
    def tokens_per_second(self) -> float | None:
        """Decoding speed after the first token; None when there was nothing to measure."""
        if self.seconds_to_first_token is None or self.completion_tokens < 2:
            return None
        decoding = self.seconds - self.seconds_to_first_token
        return (self.completion_tokens - 1) / decoding if decoding > 0 else None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "AnswerFacts":
        """Read back what `to_dict` gave; keys of a newer version are ignored."""
        known = {field.name for field in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        kept["stop_reason"] = StopReason(kept["stop_reason"])
        kept["params"] = GenerationParams.from_dict(kept["params"])
        return cls(**kept)
