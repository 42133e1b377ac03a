"""A model that is ready to generate, with what the rest of the program needs to know about it.

The only place where a conversation becomes token ids and token ids become text.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from glmcore.core.errors import DataError, ModelLoadError
from glmcore.core.messages import GenerationParams, Message
from glmcore.core.notes import Note
from glmcore.core.settings import Settings, load_settings
from glmcore.models.adapters.base import Base
from glmcore.models.adapters.folders import find_adapter
from glmcore.models.answer_text import settled
from glmcore.models.catalog import UNKNOWN_FAMILY, Family
from glmcore.models.prompt_forms import template_hash

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(kw_only=True)
class LoadedModel:
    """What `load_model` gives; `notes` are things its user should know."""

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
    notes: tuple[Note, ...] = ()
    family: Family = UNKNOWN_FAMILY
    adapter: str | None = None  # the name of the one that is attached

    def prompt_ids(self, messages: Sequence[Message], *, continue_last: bool = False) -> list[int]:
        """The token ids that ask for the next answer, or for more of the last message.

        Raises:
            DataError: the model's prompt form does not accept the conversation.
        """
        form = self.family.prompt_form
        if not continue_last:
            return form.prompt_ids(self.tokenizer, messages)
        if not messages or messages[-1].role != "assistant":
            raise DataError("There is no answer to continue; the last message must be one of the model's.")
        # The ids that the first part was generated from, as far as its cleaned text tells, so that the cached
        # prefix serves again.
        begun = form.answer_ids(self.tokenizer, messages[-1].content)
        return [*form.prompt_ids(self.tokenizer, messages[:-1]), *begun]

    @cached_property
    def template_hash(self) -> str:
        """What the prompt form makes of a fixed conversation; an adapter is tuned for one."""
        return template_hash(self.family.prompt_form, self.tokenizer)

    @property
    def held_bytes(self) -> dict[str, int]:
        """Bytes of memory that the weights take, by device."""
        held: Counter[str] = Counter()
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            if not tensor.is_meta:  # on the disk, or read into a device when it is needed
                held[str(tensor.device)] += tensor.nbytes
        return dict(held)

    @property
    def as_base(self) -> Base:
        """What an adapter must fit."""
        return Base(self.name, self.model, self.family, self.template_hash)

    def clean_answer(self, text: str) -> str:
        """A whole answer as it is to be shown; most families need nothing done.

        Args:
            text: as the tokenizer decodes it, control tokens included: of several messages in one answer the
                last counts.
        """
        token = self.family.message_token
        return self.family.clean(text.rpartition(token)[2] if token else text)

    def settled_answer(self, text: str) -> str:
        """The beginning of the cleaned answer that further text cannot change."""
        return settled(self.family.clean, text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated ids, without control tokens and with every space as it was generated."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def with_adapter(self, adapter: str | Path, settings: Settings | None = None) -> "LoadedModel":
        """This model with an adapter, sharing its weights; the model itself stays as it is.

        Raises:
            ModelLoadError: the adapter is broken, or of another model.
            NotFoundError: there is none of that name.
        """
        from glmcore.models.adapters.attach import attach_adapter

        entry = find_adapter(adapter, settings or load_settings())
        if self.adapter is not None:
            raise ModelLoadError(
                "{path} cannot be attached on top of the adapter {attached}; attach it to the base model.",
                path=entry.path,
                attached=self.adapter,
            )
        model, can_batch = attach_adapter(self.as_base, entry)
        return replace(self, model=model, adapter=entry.name, can_batch=can_batch and self.can_batch)
