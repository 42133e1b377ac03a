"""The bodies of OpenAI's requests, with all that is checked before any work.

Beside OpenAI's own fields stand those that other servers know by the same names: top_k, repetition_penalty,
continue_final_message, add_generation_prompt; and engine, which is this server's own.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from glmcore.api.openai.fields import (
    ENGINE_HELP,
    MOST_CHARACTERS,
    EngineName,
    Strict,
    Text,
    TextOrList,
    bounded,
    unsupported,
)

MOST_MESSAGES = 10_000
MOST_PARTS = 1_000
MOST_CHOICES = 16
MOST_PROMPTS = 16
MOST_STOPS = 16
MOST_ALTERNATIVES, MOST_ALTERNATIVES_OF_TEXT = 20, 5  # as OpenAI has them
SEEDS = 2**63

ShortText = Annotated[str, Field(min_length=1, max_length=1000)]
PromptText = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


class TextPart(Strict):
    """A part of a message."""

    type: Literal["text"]
    text: Text

    @field_validator("type", mode="before")
    @classmethod
    def _refuse_others(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "text":
            raise ValueError(f"a part of type {value[:40]!r} cannot be read here; send text")
        return value


class ChatMessage(Strict):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: TextOrList[Text, Annotated[list[TextPart], Field(min_length=1, max_length=MOST_PARTS)]]
    name: Any = unsupported()
    refusal: Any = unsupported()
    audio: Any = unsupported()
    annotations: Any = unsupported([])
    tool_calls: Any = unsupported([])
    tool_call_id: Any = unsupported()
    function_call: Any = unsupported()

    @property
    def text(self) -> str:
        return (
            self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        )


class StreamOptions(Strict):
    """What is streamed beside the answer."""

    include_usage: bool | None = None
    include_obfuscation: Any = unsupported(False)


class AnswerBody(Strict):
    """What both endpoints take. Null is the same as not given: the model's own value."""

    model: ShortText
    temperature: float | None = bounded("temperature")
    top_p: float | None = bounded("top_p")
    top_k: int | None = bounded("top_k", -1, description="0 and -1 switch it off")
    repetition_penalty: float | None = bounded("repetition_penalty")
    seed: int | None = Field(None, ge=-SEEDS, lt=SEEDS)
    stop: TextOrList[ShortText, Annotated[list[ShortText], Field(max_length=MOST_STOPS)]] | None = None
    n: int | None = Field(None, ge=1, le=MOST_CHOICES)
    max_tokens: int | None = bounded("max_new_tokens")
    stream: bool | None = None
    stream_options: StreamOptions | None = Field(None, description="only where `stream` is true")
    user: str | None = None
    engine: EngineName | None = Field(None, description=ENGINE_HELP)
    frequency_penalty: Any = unsupported(0)
    presence_penalty: Any = unsupported(0)
    logit_bias: Any = unsupported({})

    @field_validator("stream_options")
    @classmethod
    def _only_of_streams(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and not info.data.get("stream"):
            raise ValueError("only allowed where stream is true")
        return value

    @property
    def stop_texts(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class ChatBody(AnswerBody):
    """A conversation to be answered."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: int | None = bounded("max_new_tokens")
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MOST_ALTERNATIVES)
    continue_final_message: bool | None = Field(
        None, description="whether the assistant's message at the end is gone on with"
    )
    add_generation_prompt: bool | None = Field(
        None, description="the opposite of continue_final_message, for those who send both"
    )
    store: bool | None = Field(None, description="whether the chat is kept among its user's conversations")
    metadata: Any = None
    parallel_tool_calls: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    prompt_cache_options: Any = None
    safety_identifier: Any = None
    service_tier: Any = unsupported("auto", "default")
    tools: Any = unsupported([])
    tool_choice: Any = unsupported("none", "auto")
    functions: Any = unsupported([])
    function_call: Any = unsupported("none", "auto")
    response_format: Any = unsupported({"type": "text"})
    modalities: Any = unsupported(["text"])
    audio: Any = unsupported()
    prediction: Any = unsupported()
    reasoning_effort: Any = unsupported("none")
    verbosity: Any = unsupported("medium")
    web_search_options: Any = unsupported()
    moderation: Any = unsupported()

    @field_validator("max_completion_tokens")
    @classmethod
    def _one_length(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("max_tokens") not in (None, value):
            raise ValueError("differs from max_tokens; send one of them")
        return value

    @field_validator("top_logprobs")
    @classmethod
    def _only_with_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("logprobs"):
            raise ValueError("only allowed where logprobs is true")
        return value

    @field_validator("continue_final_message")
    @classmethod
    def _only_of_assistants(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        messages = info.data.get("messages")
        if value and messages and messages[-1].role != "assistant":
            raise ValueError("only allowed after a message of the assistant")
        return value

    @field_validator("add_generation_prompt")
    @classmethod
    def _opposite(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        if value is not None and value == bool(info.data.get("continue_final_message")):
            raise ValueError("should be the opposite of continue_final_message")
        return value


class CompletionBody(AnswerBody):
    """Texts to be gone on with as they are."""

    prompt: TextOrList[PromptText, Annotated[list[PromptText], Field(min_length=1, max_length=MOST_PROMPTS)]]
    logprobs: int | None = Field(None, ge=0, le=MOST_ALTERNATIVES_OF_TEXT)
    best_of: Any = unsupported(1)
    echo: Any = unsupported(False)
    suffix: Any = unsupported("")

    @field_validator("prompt", mode="before")
    @classmethod
    def _refuse_ids(cls, value: Any) -> Any:
        if isinstance(value, list) and any(isinstance(part, (int, list)) for part in value):
            raise ValueError("token ids cannot be read here; send text")
        return value

    @field_validator("prompt")
    @classmethod
    def _bounded_together(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, list) and len(value) * (info.data.get("n") or 1) > MOST_CHOICES:
            raise ValueError(f"prompts times n should be at most {MOST_CHOICES}")
        return value

    @property
    def prompts(self) -> tuple[str, ...]:
        return (self.prompt,) if isinstance(self.prompt, str) else tuple(self.prompt)
