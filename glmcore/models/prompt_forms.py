"""How a conversation becomes the token ids of a prompt: one form per family of models.

The only place where prompts are built: whoever asks a model, or tunes one, comes here. What a person or a
model wrote never turns into a control token. Knows tokenizers by what they can do, never by their class.
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from glmcore.core.errors import DataError
from glmcore.core.messages import Message

# A conversation with everything a form can differ in; its prompt is what a form is recognised by.
PROBE = (
    Message("system", "Be brief. 简短。"),
    Message("user", "Hello, 你好!"),
    Message("assistant", " Hi\n- 1\n"),
    Message("user", "  2 + 2 = ?"),
)
# A fast tokenizer remembers from call to call whether control tokens are read from text; two threads would
# take each other's setting.
ENCODING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Answered:
    """A conversation with its answers; `learnt` are the (start, stop) of the ids a model is to learn."""

    ids: list[int]
    learnt: tuple[tuple[int, int], ...]


class PromptForm(Protocol):
    """The prompt of a family."""

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        """The ids that ask for the next answer.

        Raises:
            DataError: the form does not accept the conversation.
        """

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        """The ids of an answer, as they follow a prompt."""

    def probed(self, tokenizer: Any) -> Any:
        """What tells this form with this vocabulary from any other; made of texts and numbers."""

    def learns_every_answer(self, tokenizer: Any, ends: Sequence[int]) -> bool:
        """Whether one sequence can teach all answers of a conversation; else only its last."""

    def answered(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], ends: Sequence[int]
    ) -> list[Answered]:
        """What teaches the answers of conversations, each ending with one: prompts as they are asked.

        Args:
            ends: ids that end an answer; the first is put where the form itself has none.
        """


def template_hash(form: PromptForm, tokenizer: Any) -> str:
    """What a prompt form and a vocabulary make of a fixed conversation, as 16 characters.

    An adapter that was tuned with one hash answers badly under another.
    """
    return hashlib.sha256(json.dumps(form.probed(tokenizer)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rounds:
    """ChatGLM-6B's and ChatGLM2-6B's numbered rounds of question and answer, which know no system role."""

    first: int  # the number of the first round
    gap: str  # between the parts of a round
    single_is_bare: bool  # whether a lone question is asked as it stands

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        ids = plain_ids(tokenizer, self.text(messages))
        return list(tokenizer.build_inputs_with_special_tokens(ids))

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        return plain_ids(tokenizer, text)

    def probed(self, tokenizer: Any) -> Any:
        return self.prompt_ids(tokenizer, PROBE)

    def learns_every_answer(self, tokenizer: Any, ends: Sequence[int]) -> bool:
        return False  # no token ends an earlier round, and ChatGLM-6B answers after its prompt only

    def answered(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], ends: Sequence[int]
    ) -> list[Answered]:
        return [prompt_and_answer(self, tokenizer, messages, ends[0]) for messages in conversations]

    def text(self, messages: Sequence[Message]) -> str:
        """The prompt before it becomes ids, its last round open."""
        rounds = self._rounds(merge_system_prompt(messages))
        if self.single_is_bare and len(rounds) == 1:
            return rounds[0][0]
        gap = self.gap
        parts = [
            f"[Round {number}]{gap}问：{question}{gap}答：{answer}"
            for number, (question, answer) in enumerate(rounds, start=self.first)
        ]
        return gap.join(parts)

    def _rounds(self, messages: Sequence[Message]) -> list[tuple[str, str]]:
        rounds: list[tuple[str, str]] = []
        for message in messages:
            if message.role == "assistant" and rounds and not rounds[-1][1]:
                rounds[-1] = (rounds[-1][0], message.content)
            else:
                pair = ("", message.content) if message.role == "assistant" else (message.content, "")
                rounds.append(pair)
        if not rounds or rounds[-1][1]:
            raise DataError("The conversation does not end with a question; there is nothing to answer.")
        return rounds


@dataclass(frozen=True)
class RoleTokens:
    """ChatGLM3-6B's and GLM-4-9B's messages, each after the control token of its role.

    A message's own first line, empty here, would name the tool that it is about.
    """

    opening: tuple[str, ...]

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        ids, _ = self._ids_and_answers(tokenizer, messages)
        return [*ids, _control_id(tokenizer, "<|assistant|>")]

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        return plain_ids(tokenizer, "\n") + plain_ids(tokenizer, text)

    def probed(self, tokenizer: Any) -> Any:
        return self.prompt_ids(tokenizer, PROBE)

    def learns_every_answer(self, tokenizer: Any, ends: Sequence[int]) -> bool:
        return True  # the next role's token ends an answer

    def answered(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], ends: Sequence[int]
    ) -> list[Answered]:
        made = []
        for messages in conversations:
            ids, answers = self._ids_and_answers(tokenizer, messages)
            ids.append(ends[0])
            # The id after an answer, a role's token or the one above, is learnt where it ends answers.
            learnt = [(start, stop + 1) for start, stop in answers if ids[stop] in ends]
            made.append(Answered(ids, tuple(learnt)))
        return made

    def _ids_and_answers(
        self, tokenizer: Any, messages: Sequence[Message]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of messages, and from where to where the answers among them are."""
        ids, answers = [_control_id(tokenizer, name) for name in self.opening], []
        for message in messages:
            ids.append(_control_id(tokenizer, f"<|{message.role}|>"))
            start = len(ids)
            ids += self.answer_ids(tokenizer, message.content)
            if message.role == "assistant":
                answers.append((start, len(ids)))
        return ids, answers


def prompt_and_answer(form: PromptForm, tokenizer: Any, messages: Sequence[Message], end: int) -> Answered:
    prompt = form.prompt_ids(tokenizer, messages[:-1])
    ids = [*prompt, *form.answer_ids(tokenizer, messages[-1].content), end]
    return Answered(ids, ((len(prompt), len(ids)),))


def merge_system_prompt(messages: Sequence[Message]) -> list[Message]:
    """Put the system prompt, where there is one, before the text of the first question."""
    rest, parts = list(messages), []
    while rest and rest[0].role == "system":
        parts.append(rest.pop(0).content)
    system = "\n\n".join(part for part in parts if part.strip())
    for index, message in enumerate(rest):
        if system and message.role == "user":
            rest[index] = Message("user", f"{system}\n\n{message.content}")
            break
    return rest


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """The ids of text, in which control tokens are letters like any others."""
    if hasattr(tokenizer, "text_ids"):
        return list(tokenizer.text_ids(text))
    with ENCODING:
        return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def _control_id(tokenizer: Any, name: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(name))
