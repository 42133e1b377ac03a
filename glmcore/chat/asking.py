"""From a request to what an engine needs: a prompt that fits, parameters, and the stream of the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from glmcore.chat.text import CleanedText
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import ConfigError
from glmcore.core.messages import ChatRequest, GenerationParams
from glmcore.models.answer_text import as_it_is
from glmcore.models.chat_tokenizer import ChatTokenizer
from glmcore.models.prompts import FittedPrompt, fit_text, fit_window

CONTEXT_TOKENS = 8  # of a begun answer, for the spacing of what follows it
MOST_LOGPROBS = 20  # alternatives told for each token


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the engine's own side sees it."""

    prompt_ids: list[int]
    params: GenerationParams  # with as many new tokens as the window has room for
    stream: TokenStream


def ask(text: ChatTokenizer, request: ChatRequest, window: int, end_ids: Sequence[int]) -> Asked:
    """Make the prompt of a request and the stream of its answer.

    Raises:
        DataError: the question alone does not fit the window, or not all where nothing may be left out.
    """
    fitted = _fit(text, request, window)
    params = replace(request.params, max_new_tokens=fitted.max_new_tokens)
    continues = request.plain_text is not None or _continues(request)
    stream = TokenStream(
        text.decode,
        prompt_tokens=len(fitted.ids),
        turns_left_out=fitted.turns_left_out,
        stop=params.stop,
        end_ids=end_ids,
        context=fitted.ids[-CONTEXT_TOKENS:] if continues else (),
        cleaned=_cleaning(text, request),
        token_text=text.token_text,
    )
    return Asked(list(fitted.ids), params, stream)


def check_logprobs(request: ChatRequest) -> None:
    """Raises ConfigError when more alternatives are asked for than are ever told."""
    if request.logprobs is not None and not 0 <= request.logprobs <= MOST_LOGPROBS:
        raise ConfigError(
            "logprobs is {found}; expected a number from 0 to {most}.",
            found=request.logprobs,
            most=MOST_LOGPROBS,
            param="logprobs",
        )


def _fit(text: ChatTokenizer, request: ChatRequest, window: int) -> FittedPrompt:
    max_new_tokens = request.params.max_new_tokens
    if request.plain_text is not None:
        return fit_text(text.text_ids(request.plain_text), max_new_tokens, window)
    continues = _continues(request)
    return fit_window(
        lambda messages: text.prompt_ids(messages, continue_last=continues),
        request.messages,
        max_new_tokens,
        window,
        may_leave_out=request.may_leave_out,
    )


def _cleaning(text: ChatTokenizer, request: ChatRequest) -> CleanedText | None:
    if request.plain_text is not None or text.family.clean is as_it_is:
        return None
    begun = request.messages[-1].content if _continues(request) else ""
    return CleanedText(text.family.clean, text.settled_answer, begun)


def _continues(request: ChatRequest) -> bool:
    return bool(request.messages) and request.messages[-1].role == "assistant"
