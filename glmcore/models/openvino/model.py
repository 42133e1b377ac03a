"""What the openvino engine needs to know of a model: its folder, its words and its limits."""

from dataclasses import dataclass
from pathlib import Path

from glmcore.core.messages import GenerationParams
from glmcore.core.notes import Note
from glmcore.models.chat_tokenizer import ChatTokenizer


@dataclass(frozen=True, kw_only=True)
class OpenVinoModel:
    """A model folder with openvino_model.xml, ready to be computed with."""

    name: str
    folder: Path
    text: ChatTokenizer
    window: int  # tokens of prompt and answer together
    eos_token_ids: tuple[int, ...]
    default_params: GenerationParams
    kv_numbers_per_token: int  # that the key/value cache keeps, over all layers
    weight_bytes: int  # of openvino_model.bin
    notes: tuple[Note, ...] = ()
