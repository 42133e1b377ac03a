"""The prompt form of most models: the Jinja template that comes with a tokenizer."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from glmcore.models.prompt_forms import (
    ENCODING,
    PROBE,
    Answered,
    merge_system_prompt,
    prompt_and_answer,
    until_ends,
)


@dataclass(frozen=True)
class ChatTemplate:
    """The Jinja template that came with the tokenizer, run by transformers in its sandbox."""

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        return self._ids(tokenizer, messages, is_prompt=True)

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        with ENCODING:
            return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def probed(self, tokenizer: Any) -> Any:
        # A template may write today's date, so its text counts.
        return [tokenizer.chat_template, self.answer_ids(tokenizer, PROBE[1].content)]

    def learns_every_answer(self, tokenizer: Any, ends: Sequence[int]) -> bool:
        """Some templates write earlier answers otherwise (without their thoughts), or mark no end of them."""
        probe = [*PROBE, Message("assistant", "4")]
        try:
            return len(self._every_answer(tokenizer, [probe], ends)[0].learnt) == 2
        except DataError:
            return False

    def answered(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], ends: Sequence[int]
    ) -> list[Answered]:
        return [
            made
            if len(made.learnt) == sum(message.role == "assistant" for message in messages)
            # No end of an answer in the template, or its first letters join the prompt's last token.
            else prompt_and_answer(self, tokenizer, messages, ends[0])
            for messages, made in zip(
                conversations, self._every_answer(tokenizer, conversations, ends), strict=True
            )
        ]

    def _every_answer(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], ends: Sequence[int]
    ) -> list[Answered]:
        """The conversations as the template writes them, and those answers that follow their very prompt."""
        prompts = [
            messages[:index]
            for messages in conversations
            for index, message in enumerate(messages)
            if message.role == "assistant"
        ]
        rendered = self._render_all(tokenizer, prompts, is_prompt=True)
        made = []
        for messages, ids in zip(
            conversations, self._render_all(tokenizer, conversations, is_prompt=False), strict=True
        ):
            count = sum(message.role == "assistant" for message in messages)
            begun, rendered = rendered[:count], rendered[count:]
            starts = [len(prompt) for prompt in begun if ids[: len(prompt)] == prompt]
            made.append(until_ends([*ids, ends[0]], starts, ends))  # some templates end no last answer
        return made

    def _render_all(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], *, is_prompt: bool
    ) -> list[list[int]]:
        """In one call where that gives the same; a tokenizer works on many texts at the same time."""
        from jinja2.exceptions import TemplateError

        if conversations and not _are_marked(tokenizer, conversations):
            with suppress(TemplateError):
                return _apply_template(tokenizer, conversations, is_prompt=is_prompt, sanitize=False)
        return [self._ids(tokenizer, messages, is_prompt=is_prompt) for messages in conversations]

    def _ids(self, tokenizer: Any, messages: Sequence[Message], *, is_prompt: bool) -> list[int]:
        from jinja2.exceptions import TemplateError

        sanitize = _are_marked(tokenizer, [messages])
        try:
            return _apply_template(tokenizer, [messages], is_prompt=is_prompt, sanitize=sanitize)[0]
        except TemplateError as fault:
            if not messages or messages[0].role != "system":
                raise _refused(fault) from fault
        try:  # many templates know no system role
            merged = merge_system_prompt(messages)
            return _apply_template(tokenizer, [merged], is_prompt=is_prompt, sanitize=sanitize)[0]
        except TemplateError as fault:
            raise _refused(fault) from fault


def _are_marked(tokenizer: Any, conversations: Sequence[Sequence[Message]]) -> bool:
    """Whether control tokens are written in messages, which are to stay text.

    In answers only the special ones, as a template that cuts answers apart at a token (a closing think tag)
    has to see it.
    """
    looked_for = {False: control_tokens_of(tokenizer), True: control_tokens_of(tokenizer, special=True)}
    return any(
        token in message.content
        for messages in conversations
        for message in messages
        for token in looked_for[message.role == "assistant"]
    )


def _apply_template(
    tokenizer: Any, conversations: Sequence[Sequence[Message]], *, is_prompt: bool, sanitize: bool
) -> list[list[int]]:
    with ENCODING:
        ids = tokenizer.apply_chat_template(
            [
                [{"role": message.role, "content": message.content} for message in messages]
                for messages in conversations
            ],
            add_generation_prompt=is_prompt,
            sanitize_control_tokens=sanitize,
            return_dict=True,
        )["input_ids"]
    return [list(row) for row in ids]


def control_tokens_of(tokenizer: Any, *, special: bool = False) -> tuple[str, ...]:
    """The tokens that stand beside the vocabulary of text; all, or those that no text has."""
    added = tokenizer.added_tokens_decoder.values()
    return tuple(token.content for token in added if token.content.strip() and (token.special or not special))


def _refused(fault: Exception) -> DataError:
    return DataError("The model's chat template does not accept this conversation: {fault}.", fault=fault)
