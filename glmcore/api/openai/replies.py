"""The bodies of OpenAI's responses."""

from typing import Literal

from pydantic import BaseModel

FinishReason = Literal["stop", "length"]


class Usage(BaseModel):
    """Tokens of a request; prompts are counted once, however many answers were asked for."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Alternative(BaseModel):
    """A token and how likely it was; `bytes` is null for a part of a character."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChosenToken(Alternative):
    """The token that was chosen, and the likeliest ones there."""

    top_logprobs: list[Alternative]


class ChatLogprobs(BaseModel):
    """How likely the tokens of an answer were."""

    content: list[ChosenToken]
    refusal: None = None


class AnswerMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """One of the answers."""

    index: int
    message: AnswerMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(BaseModel):
    """The answers to a conversation."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str  # the engine that answered
    choices: list[ChatChoice]
    usage: Usage


class TextLogprobs(BaseModel):
    """How likely the tokens of a text were."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(BaseModel):
    """One of the texts."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: FinishReason


class Completion(BaseModel):
    """How texts go on."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    usage: Usage


class ModelCard(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0  # nobody knows
    owned_by: str = "glmcore"
    parent: str | None = None  # the model that an adapter is on
    max_model_len: int | None = None  # tokens of prompt and answer together, once the model is loaded
    engine: str | None = None  # which answers where a request does not name one


class ModelList(BaseModel):
    """The models that can be asked."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
