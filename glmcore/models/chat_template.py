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
    plain_ids,
    prompt_and_answer,
)

THOUGHT = "<think>\nHm.\n</think>\n\n"


@dataclass(frozen=True)
class ChatTemplate:
    """The Jinja template that came with the tokenizer, run by transformers in its sandbox."""

    def prompt_ids(self, tokenizer: Any, messages: Sequence[Message]) -> list[int]:
        return self._ids(tokenizer, messages, is_prompt=True)

    def answer_ids(self, tokenizer: Any, text: str) -> list[int]:
        return plain_ids(tokenizer, text)  # a token that is not special, such as a think tag, stays one

    def probed(self, tokenizer: Any) -> Any:
        # A template may write today's date, so its text counts.
        return [tokenizer.chat_template, self.answer_ids(tokenizer, PROBE[1].content)]

    def learns_every_answer(self, tokenizer: Any, ends: Sequence[int]) -> bool:
        """Some templates write earlier answers otherwise (without their thoughts), or mark no end of them."""
        probe = [
            Message(message.role, THOUGHT + message.content) if message.role == "assistant" else message
            for message in (*PROBE, Message("assistant", "4"))
        ]
        try:
            return None not in self._spans(tokenizer, [probe], ends)[0][1]
        except DataError:
            return False

    def answered(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], ends: Sequence[int]
    ) -> list[Answered]:
        if (parts := self._prompts_and_answers(tokenizer, conversations)) is not None:
            return [_joined(prompt, answer, ends) for prompt, answer in parts]
        made = []
        found = self._spans(tokenizer, conversations, ends)
        for messages, (ids, spans) in zip(conversations, found, strict=True):
            learnt = [span for span in (spans[-1:] if None in spans else spans) if span is not None]
            if learnt:
                made.append(Answered(ids[: learnt[-1][1]], tuple(learnt)))
            else:  # the prompt says more than the template writes of an answer, or joins its first letters
                made.append(prompt_and_answer(self, tokenizer, messages, ends[0]))
        return made

    def _spans(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]], ends: Sequence[int]
    ) -> list[tuple[list[int], list[tuple[int, int] | None]]]:
        """The conversations as the template writes them, and where in them each answer is."""
        places = [(messages, index) for messages in conversations for index in _answers_of(messages)]
        asked = [messages[:index] for messages, index in places]
        given = [messages[: index + 1] for messages, index in places]
        pairs = zip(
            self._render_all(tokenizer, asked, is_prompt=True),
            self._render_all(tokenizer, given, is_prompt=False),
            strict=True,
        )
        found = []
        for messages in conversations:
            answers = [next(pairs) for _ in _answers_of(messages)]
            ids = [*answers[-1][1], ends[0]]  # some templates end no last answer
            found.append((ids, [_span(ids, *answer, ends) for answer in answers]))
        return found

    def _prompts_and_answers(
        self, tokenizer: Any, conversations: Sequence[Sequence[Message]]
    ) -> list[tuple[list[int], list[int]]] | None:
        """The ids up to the answer and from there on, with half the work of `_spans`.

        None where that could give other ids: several answers in a conversation, control tokens in the text,
        an answer that begins with a blank, a template whose prompt is no beginning of what it writes
        afterwards, a tokenizer that puts something before every text.
        """
        from jinja2.exceptions import TemplateError

        answers = [messages[-1].content for messages in conversations]
        are_single = all(len(_answers_of(messages)) == 1 and len(messages) > 1 for messages in conversations)
        if not conversations or not are_single or any(text[:1].isspace() for text in answers):
            return None
        if _are_marked(tokenizer, conversations):
            return None
        try:
            prompts = _render(tokenizer, [messages[:-1] for messages in conversations], is_prompt=True)
            whole = _render(tokenizer, conversations, is_prompt=False)
        except TemplateError:
            return None
        if not all(text.startswith(prompt) for text, prompt in zip(whole, prompts, strict=True)):
            return None
        rest = [text[len(prompt) :] for text, prompt in zip(whole, prompts, strict=True)]
        with ENCODING:
            ids = tokenizer([*prompts, *rest], add_special_tokens=False)["input_ids"]
        found = list(zip(ids[: len(prompts)], ids[len(prompts) :], strict=True))
        is_same = [*found[0][0], *found[0][1]] == self._ids(tokenizer, conversations[0], is_prompt=False)
        return found if is_same else None

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


def _span(ids: list[int], prompt: list[int], given: list[int], ends: Sequence[int]) -> tuple[int, int] | None:
    """Where in a conversation an answer stands with its end; None where it is not as it was when given."""
    start, limit = len(prompt), min(len(given) + 1, len(ids))
    stop = next((index + 1 for index in range(start, limit) if ids[index] in ends), None)
    if stop is None or ids[:start] != prompt or ids[: min(stop, len(given))] != given[:stop]:
        return None
    return start, stop


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


def _answers_of(messages: Sequence[Message]) -> list[int]:
    return [index for index, message in enumerate(messages) if message.role == "assistant"]


def _joined(prompt: list[int], answer: list[int], ends: Sequence[int]) -> Answered:
    """An answer after its prompt, up to what ends it; some templates have no end."""
    stop = next((index for index, token in enumerate(answer) if token in ends), len(answer))
    ids = [*prompt, *answer[:stop], answer[stop] if stop < len(answer) else ends[0]]
    return Answered(ids, ((len(prompt), len(ids)),))


def _render(tokenizer: Any, conversations: Sequence[Sequence[Message]], *, is_prompt: bool) -> list[str]:
    texts: list[str] = tokenizer.apply_chat_template(
        [_plain(messages) for messages in conversations], add_generation_prompt=is_prompt, tokenize=False
    )
    return texts


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _apply_template(
    tokenizer: Any, conversations: Sequence[Sequence[Message]], *, is_prompt: bool, sanitize: bool
) -> list[list[int]]:
    with ENCODING:
        ids = tokenizer.apply_chat_template(
            [_plain(messages) for messages in conversations],
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
