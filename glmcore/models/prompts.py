"""Makes a conversation fit into a model's window before anything runs. Knows no model, only how to count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glmcore.core.errors import DataError
from glmcore.core.messages import Message

FEWEST_NEW_TOKENS = 16  # an answer that could not get longer than this is refused


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """Prompt tokens that leave room for the answer."""

    ids: list[int]
    turns_left_out: int
    max_new_tokens: int


def fit_window(
    prompt_ids: Callable[[Sequence[Message]], list[int]],
    messages: Sequence[Message],
    max_new_tokens: int,
    window: int,
    *,
    may_leave_out: bool = True,
) -> FittedPrompt:
    """Leave out the oldest turns until prompt and answer fit; never the system prompt or the last question.

    Where what must stay leaves less than `max_new_tokens`, the answer gets what is left.

    Raises:
        DataError: the last question alone fills the window, or everything where nothing may be left out.
    """
    head, turns = split_turns(messages)
    if not turns:
        raise DataError("There is no question to answer; write one first.", param="messages")

    def ids_without(num_left_out: int) -> list[int]:
        return prompt_ids([*head, *(message for turn in turns[num_left_out:] for message in turn)])

    ids = ids_without(0)
    if len(ids) + max_new_tokens <= window:
        return FittedPrompt(ids, 0, max_new_tokens)
    if not may_leave_out:
        allowed = _room(len(ids), max_new_tokens, window)
        if not allowed:
            raise DataError(
                "The conversation has {found} tokens, and the model's window is {window} tokens for "
                "conversation and answer together; shorten it.",
                found=len(ids),
                window=window,
                param="messages",
            )
        return FittedPrompt(ids, 0, allowed)
    return _fit_fewer(ids_without, len(turns) - 1, max_new_tokens, window)


def fit_text(ids: list[int], max_new_tokens: int, window: int) -> FittedPrompt:
    """A text that is gone on with stays whole; what follows it gets what is left.

    Raises:
        DataError: there is no text, or it fills the window.
    """
    if not ids:
        raise DataError("There is no text to go on with; write some first.", param="prompt")
    allowed = _room(len(ids), max_new_tokens, window)
    if not allowed:
        raise DataError(
            "The text has {found} tokens, and the model's window is {window} tokens for it and what "
            "follows it together; shorten it.",
            found=len(ids),
            window=window,
            param="prompt",
        )
    return FittedPrompt(ids, 0, allowed)


def _fit_fewer(
    ids_without: Callable[[int], list[int]], last: int, max_new_tokens: int, window: int
) -> FittedPrompt:
    """Leave out as few turns as must be, at most all before the one numbered `last`."""
    # 1. What the last question leaves for the answer.
    shortest = ids_without(last)
    allowed = _room(len(shortest), max_new_tokens, window)
    if not allowed:
        raise DataError(
            "The question has {found} tokens with its system prompt, and the model's window is {window} "
            "tokens for question and answer together; shorten it.",
            found=len(shortest),
            window=window,
            param="messages",
        )

    # 2. The fewest turns to leave out: the prompt shrinks with every turn, so halve the range.
    low, high, ids = min(1, last), last, shortest
    while low < high:
        middle = (low + high) // 2
        attempt = ids_without(middle)
        if len(attempt) + allowed <= window:
            high, ids = middle, attempt
        else:
            low = middle + 1
    return FittedPrompt(ids, high, allowed)


def _room(num_prompt_tokens: int, max_new_tokens: int, window: int) -> int:
    """How long the answer may get; 0 where that is too short to be worth anything."""
    room = window - num_prompt_tokens
    return min(max_new_tokens, room) if room >= min(FEWEST_NEW_TOKENS, max_new_tokens) else 0


def split_turns(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]]]:
    """The system messages at the start, then the turns: each a question with what follows it."""
    rest = list(messages)
    head = []
    while rest and rest[0].role == "system":
        head.append(rest.pop(0))
    turns: list[list[Message]] = []
    for message in rest:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return head, turns
