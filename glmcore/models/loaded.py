"""A model that is ready to generate, with what the rest of the program needs to know about it."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glmcore.core.errors import ModelLoadError
from glmcore.core.messages import GenerationParams
from glmcore.core.notes import Note
from glmcore.core.settings import Settings, load_settings
from glmcore.models.adapters.base import Base
from glmcore.models.adapters.folders import find_adapter
from glmcore.models.chat_tokenizer import ChatTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(kw_only=True)
class LoadedModel(ChatTokenizer):
    """What `load_model` gives; `notes` are things its user should know."""

    name: str
    path: Path
    model: "PreTrainedModel"
    device: str  # "cpu", "cuda:0"; of the first layers where it is spread
    dtype: str
    window: int  # tokens of prompt and answer together
    eos_token_ids: tuple[int, ...]
    default_params: GenerationParams
    weight_bytes: int
    kv_bytes_per_token: int
    can_batch: bool  # whether transformers' continuous batching can run it
    notes: tuple[Note, ...] = ()
    adapter: str | None = None  # the name of the one that is attached

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
