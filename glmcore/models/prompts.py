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
) -> FittedPrompt:
    """Leave out the oldest turns until prompt and answer fit; never the system prompt or the last question.

    Where the last question alone leaves less than `max_new_tokens`, the answer gets what is left.

    Raises:
        DataError: the last question alone fills the window.
    """
    head, turns = split_turns(messages)
    if not turns:
        raise DataError("There is no question to answer; write one first.")

    def ids_without(num_left_out: int) -> list[int]:
        return prompt_ids([*head, *(message for turn in turns[num_left_out:] for message in turn)])

    ids = ids_without(0)
    if len(ids) + max_new_tokens <= window:
        return FittedPrompt(ids, 0, max_new_tokens)

    # 1. What the last question leaves for the answer.
    last = len(turns) - 1
    shortest = ids_without(last) if last else ids
    room = window - len(shortest)
    if room < min(FEWEST_NEW_TOKENS, max_new_tokens):
        raise DataError(
            "The question has {found} tokens with its system prompt, and the model's window is {window} "
            "tokens for question and answer together; shorten it.",
            found=len(shortest),
            window=window,
        )
    allowed = min(max_new_tokens, room)

    # 2. The fewest turns to leave out: the prompt shrinks with every turn, so halve the range.
    low, high, ids = 1, last, shortest
    while low < high:
        middle = (low + high) // 2
        attempt = ids_without(middle)
        if len(attempt) + allowed <= window:
            high, ids = middle, attempt
        else:
            low = middle + 1
    return FittedPrompt(ids, high, allowed)


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
