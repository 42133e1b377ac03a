"""How much memory a model needs, known before it is loaded. Pure arithmetic on what its files say."""

from collections.abc import Mapping
from typing import Any

from glmcore.core.errors import NotEnoughMemoryError
from glmcore.models.files.number_formats import NUMBER_BYTES
from glmcore.models.places.devices import GIB

SMALLEST_CACHE_TOKENS = 1024  # a model that cannot keep this many tokens of conversation is of no use


def kv_bytes_per_token(config: Mapping[str, Any], dtype: str) -> int:
    """Bytes of one token in the key/value cache; 0 where the config does not tell."""
    text = config.get("text_config") or config
    num_layers = text.get("num_hidden_layers") or text.get("n_layer") or text.get("num_layers") or 0
    num_heads = text.get("num_attention_heads") or text.get("n_head") or 0
    if not num_layers or not num_heads:
        return 0
    num_kv_heads = text.get("num_key_value_heads") or num_heads
    hidden_size = text.get("hidden_size") or text.get("n_embd") or 0
    head_size = text.get("head_dim") or hidden_size // num_heads
    return 2 * num_layers * num_kv_heads * head_size * NUMBER_BYTES[dtype]


def needed_bytes(weight_bytes: int, kv_bytes: int) -> int:
    """The least memory to answer with: the weights and a small cache."""
    return weight_bytes + kv_bytes * SMALLEST_CACHE_TOKENS


def check_fits(name: str, *, dtype: str, place: str, needed: int, free: int) -> None:
    """Refuse a model before it is loaded; `needed` and `free` are bytes.

    Raises:
        NotEnoughMemoryError: with both numbers and what would help.
    """
    if needed <= free:
        return
    raise NotEnoughMemoryError(
        "{name} needs {needed:.1f} GiB as {dtype}, but {place} has {free:.1f} GiB free; choose a smaller "
        "model or number format (dtype), unload other models, or use a device with more memory.",
        name=name,
        needed=needed / GIB,
        dtype=dtype,
        place=place,
        free=free / GIB,
    )
