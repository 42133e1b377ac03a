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
_ENCODING = threading.Lock()


class PromptForm(Protocol):
    """The prompt of a family."""

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        """The ids that ask for the next answer.

        Raises:
            DataError: the form does not accept the conversation.
        """

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        """The ids of an answer, as they follow a prompt."""


def template_hash(form: PromptForm, tokenizer: Any) -> str:
    """What a prompt form and a vocabulary make of a fixed conversation, as 16 characters.

    An adapter that was tuned with one hash answers badly under another.
    """
    if isinstance(form, ChatTemplate):  # a template may write today's date, so its text counts
        made: Any = [tokenizer.chat_template, form.answer_ids(tokenizer, PROBE[1].content)]
    else:
        made = form.prompt_ids(tokenizer, PROBE)
    return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rounds:
    """ChatGLM-6B's and ChatGLM2-6B's numbered rounds of question and answer, which know no system role."""

    first: int  # the number of the first round
    gap: str  # between the parts of a round
    single_is_bare: bool  # whether a lone question is asked as it stands

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        ids = _plain_ids(tokenizer, self.text(messages))
        return list(tokenizer.build_inputs_with_special_tokens(ids))

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        return _plain_ids(tokenizer, text)

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
        ids = [_control_id(tokenizer, name) for name in self.opening]
        for message in messages:
            ids.append(_control_id(tokenizer, f"<|{message.role}|>"))
            ids += _plain_ids(tokenizer, "\n") + _plain_ids(tokenizer, message.content)
        return [*ids, _control_id(tokenizer, "<|assistant|>")]

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        return _plain_ids(tokenizer, "\n") + _plain_ids(tokenizer, text)


@dataclass(frozen=True)
class ChatTemplate:
    """The Jinja template that came with the tokenizer, run by transformers in its sandbox."""

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        from jinja2.exceptions import TemplateError

        try:
            return self._render(tokenizer, messages)
        except TemplateError as fault:
            if not messages or messages[0].role != "system":
                raise _refused(fault) from fault
        try:  # many templates know no system role
            return self._render(tokenizer, merge_system_prompt(messages))
        except TemplateError as fault:
            raise _refused(fault) from fault

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        with _ENCODING:
            return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        # Control tokens that were written stay text. Only then, and in answers only the special ones, as a
        # template that cuts answers apart at a token (a closing think tag) has to see it.
        looked_for = {False: control_tokens_of(tokenizer), True: control_tokens_of(tokenizer, special=True)}
        is_marked = any(
            token in message.content
            for message in messages
            for token in looked_for[message.role == "assistant"]
        )
        with _ENCODING:
            ids = tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in messages],
                add_generation_prompt=True,
                sanitize_control_tokens=is_marked,
                return_dict=True,
            )["input_ids"]
        return list(ids)


def control_tokens_of(tokenizer: Any, *, special: bool = False) -> tuple[str, ...]:
    """The tokens that stand beside the vocabulary of text; all, or those that no text has."""
    added = tokenizer.added_tokens_decoder.values()
    return tuple(token.content for token in added if token.content.strip() and (token.special or not special))


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


def _plain_ids(tokenizer: Any, text: str) -> list[int]:
    """The ids of text, in which control tokens are letters like any others."""
    if hasattr(tokenizer, "text_ids"):
        return list(tokenizer.text_ids(text))
    with _ENCODING:
        return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def _control_id(tokenizer: Any, name: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(name))


def _refused(fault: Exception) -> DataError:
    return DataError("The model's chat template does not accept this conversation: {fault}.", fault=fault)
