"""Conversations as token ids: what a model reads, which ids it learns, what had to be cut.

The prompts are the chat's own (`models/prompt_forms`). A form that can teaches every answer of a conversation
in one sequence; with the others (ChatGLM-6B and 2) each answer becomes a sequence, asked as the chat asks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from glmcore.models.prompt_forms import Answered, PromptForm
from glmcore.models.prompts import split_turns

BATCH = 256  # conversations that a tokenizer gets at once


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence; the last answer, which evaluation asks for, follows `prompt_length` ids."""

    number: int  # of the row that it is from
    ids: list[int]
    learnt: tuple[tuple[int, int], ...]
    earlier: str  # what was said before the last question
    prompt: str  # the last question
    answer: str
    whole_prompt_length: int  # before anything was cut
    whole_answer_length: int
    cut_turns: int = 0

    @property
    def is_answer_cut(self) -> bool:
        return self.whole_answer_length > self.learnt[-1][1] - self.learnt[-1][0]

    @property
    def prompt_length(self) -> int:
        return self.learnt[-1][0]


@dataclass(frozen=True, slots=True)
class TooLong:
    """A question that is longer than a prompt may be; questions are never cut."""

    number: int
    whole_prompt_length: int


@dataclass(frozen=True, kw_only=True)
class ExampleBuilder:
    """What turns conversations into examples for one model."""

    form: PromptForm
    tokenizer: Any
    ends: tuple[int, ...]  # ids that end an answer; the first is learnt where the form has none
    max_input_length: int
    max_output_length: int
    # Of rows with a history: its answers have rows of their own.
    learns_last_only: bool = False

    @cached_property
    def learns_every_answer(self) -> bool:
        return not self.learns_last_only and self.form.learns_every_answer(self.tokenizer, self.ends)

    def build(self, conversations: Iterable[tuple[int, Sequence[Message]]]) -> Iterator[Example | TooLong]:
        """Examples in the order of the rows.

        Raises:
            DataError: the model's prompt form does not accept a conversation; names its row.
        """
        waiting: list[tuple[int, Sequence[Message]]] = []
        for number, messages in conversations:
            waiting += [(number, part) for part in self._parts(messages)]
            if len(waiting) >= BATCH:
                yield from self._build_batch(waiting)
                waiting = []
        if waiting:
            yield from self._build_batch(waiting)

    def _parts(self, messages: Sequence[Message]) -> list[Sequence[Message]]:
        """What becomes a sequence each: the conversation, or its beginnings up to every answer."""
        if self.learns_every_answer or self.learns_last_only:
            return [messages]
        answers = [index for index, message in enumerate(messages) if message.role == "assistant"]
        return [messages[: index + 1] for index in answers]

    def _build_batch(self, batch: Sequence[tuple[int, Sequence[Message]]]) -> Iterator[Example | TooLong]:
        try:
            answered = self.form.answered(self.tokenizer, [messages for _, messages in batch], self.ends)
        except DataError:  # once more, to know which
            answered = [self._answered(number, messages) for number, messages in batch]
        for (number, messages), made in zip(batch, answered, strict=True):
            yield self._within_limits(number, messages, made)

    def _answered(self, number: int, messages: Sequence[Message]) -> Answered:
        try:
            return self.form.answered(self.tokenizer, [messages], self.ends)[0]
        except DataError as fault:
            raise DataError("Row {number}: {fault}", number=number, fault=fault) from fault

    def _within_limits(self, number: int, messages: Sequence[Message], made: Answered) -> Example | TooLong:
        cut_turns = 0
        whole_prompt = made.learnt[-1][0]
        if whole_prompt > self.max_input_length:
            cut_turns, made = self._without_oldest(number, messages)
        *earlier, (start, stop) = made.learnt if self.learns_every_answer else made.learnt[-1:]
        if start > self.max_input_length:
            return TooLong(number, whole_prompt)
        limit = min(stop, start + self.max_output_length)
        return Example(
            number=number,
            ids=made.ids[:limit],
            learnt=(*earlier, (start, limit)),
            earlier="\n".join(message.content for message in messages[:-2] if message.role != "system"),
            prompt=messages[-2].content if len(messages) > 1 else "",
            answer=messages[-1].content,
            whole_prompt_length=whole_prompt,
            whole_answer_length=stop - start,
            cut_turns=cut_turns,
        )

    def _without_oldest(self, number: int, messages: Sequence[Message]) -> tuple[int, Answered]:
        """The fewest turns left out that make the prompt fit; all but the last where none do."""
        head, turns = split_turns(messages)

        def without(count: int) -> Answered:
            rest = [message for turn in turns[count:] for message in turn]
            return self._answered(number, [*head, *rest])

        low, high = 1, len(turns) - 1
        while low < high:
            middle = (low + high) // 2
            if without(middle).learnt[-1][0] <= self.max_input_length:
                high = middle
            else:
                low = middle + 1
        return max(high, 0), without(max(high, 0))
