"""A model that is ready to generate, with what the rest of the program needs to know about it.

The only place where a conversation becomes token ids and token ids become text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from glmcore.core.errors import DataError
from glmcore.core.messages import GenerationParams, Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# For base models, which bring no template of their own: one paragraph per message, the role before its text.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


@dataclass(kw_only=True)
class LoadedModel:
    """What `load_model` gives; `notes` are things its user should know, as English texts of the catalogue."""

    name: str
    path: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    device: str  # "cpu", "cuda:0"; of the first layers where it is spread
    dtype: str
    window: int  # tokens of prompt and answer together
    eos_token_ids: tuple[int, ...]
    default_params: GenerationParams
    weight_bytes: int
    kv_bytes_per_token: int
    can_batch: bool  # whether transformers' continuous batching can run it
    notes: tuple[str, ...] = ()
    _control_tokens: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        added = self.tokenizer.added_tokens_decoder.values()
        self._control_tokens = tuple(token.content for token in added if token.content.strip())

    def prompt_ids(self, messages: Sequence[Message], *, continue_last: bool = False) -> list[int]:
        """The token ids that ask for the next answer, or for more of the last message.

        Raises:
            DataError: the model's chat template does not accept the conversation.
        """
        if not continue_last:
            return self._ids(messages)
        if not messages or messages[-1].role != "assistant":
            raise DataError("There is no answer to continue; the last message must be one of the model's.")
        # Exactly the ids that the first part was generated from, so that its cached prefix serves again.
        begun = self.tokenizer(messages[-1].content, add_special_tokens=False)["input_ids"]
        return [*self._ids(messages[:-1]), *begun]

    def clean_answer(self, text: str) -> str:
        """The answer as it is to be shown; most families need nothing done."""
        return text

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated ids, without control tokens and with every space as it was generated."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _ids(self, messages: Sequence[Message]) -> list[int]:
        from jinja2.exceptions import TemplateError

        try:
            return self._render(messages)
        except TemplateError as fault:
            if not messages or messages[0].role != "system":
                raise self._refused(fault) from fault
        try:  # many templates know no system role
            return self._render(merge_system_prompt(messages))
        except TemplateError as fault:
            raise self._refused(fault) from fault

    def _render(self, messages: Sequence[Message]) -> list[int]:
        # Control tokens that a person wrote stay text. Only then, because a template that cuts answers apart
        # at such a token (a closing think tag) has to see it.
        written = (message.content for message in messages if message.role != "assistant")
        is_marked = any(token in text for text in written for token in self._control_tokens)
        ids = self.tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            add_generation_prompt=True,
            sanitize_control_tokens=is_marked,
            return_dict=True,
        )["input_ids"]
        return list(ids)

    def _refused(self, fault: Exception) -> DataError:
        return DataError(
            "The chat template of {model} does not accept this conversation: {fault}.",
            model=self.name,
            fault=fault,
        )


def merge_system_prompt(messages: Sequence[Message]) -> list[Message]:
    """Put the system prompt before the text of the first question."""
    system, *rest = messages
    for index, message in enumerate(rest):
        if message.role == "user":
            rest[index] = Message("user", f"{system.content}\n\n{message.content}")
            break
    return rest
