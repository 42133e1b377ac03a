"""P-tuning v2 (Liu et al. 2021, arXiv:2110.07602): trained keys and values before every layer's own.

The prefix is not rotated, shifts no position and is open to every token. It is added inside the attention
function, so caches hold real tokens only, and gradient checkpointing and beams need nothing special.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PREFIX_ATTENTION = "glmcore_prefix_sdpa"
DROPOUT = 0.1  # of the original's training

KeyValue = tuple[Tensor, Tensor]  # each (1, key/value heads, prefix length, head size)


class _Fleeting:
    """A computed value that belongs to one module tree: copies of the tree, and files of it, leave it out."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Fleeting":
        return _Fleeting()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return _Fleeting, ()


class PrefixEncoder(nn.Module):
    """The prefix of all layers: an embedding, or a smaller one through a two-layer projection.

    Parameters are named as in the original (`embedding`, `trans.0`, `trans.2`), so its checkpoints load.
    """

    def __init__(
        self,
        *,
        pre_seq_len: int,
        num_layers: int,
        num_heads: int,
        head_size: int,
        projection: tuple[int, int] | None = None,
    ) -> None:
        """`num_heads` counts key/value heads; `projection` is (embedding width, inner width)."""
        super().__init__()
        self.num_layers, self.num_heads, self.head_size = num_layers, num_heads, head_size
        width = num_layers * 2 * num_heads * head_size
        if projection is None:
            self.embedding = nn.Embedding(pre_seq_len, width)
        else:
            narrow, inner = projection
            self.embedding = nn.Embedding(pre_seq_len, narrow)
            self.trans = nn.Sequential(nn.Linear(narrow, inner), nn.Tanh(), nn.Linear(inner, width))
        self.dropout = nn.Dropout(DROPOUT)
        self._computed = _Fleeting()  # the state of the weights, and the keys and values that came of it

    @property
    def pre_seq_len(self) -> int:
        return self.embedding.num_embeddings

    @property
    def is_projected(self) -> bool:
        return hasattr(self, "trans")

    def forward(self, dtype: torch.dtype) -> list[KeyValue]:
        """Keys and values of every layer, computed once while the weights stay as they are."""
        if self.training or torch.is_grad_enabled():
            self._computed.value = None  # a training step need not leave a trace in `_version`
            return self._compute(dtype)
        state = (dtype, *((weight.data_ptr(), weight._version) for weight in self.parameters()))
        if self._computed.value is None or self._computed.value[0] != state:
            self._computed.value = (state, self._compute(dtype))
        pairs: list[KeyValue] = self._computed.value[1]
        return pairs

    def _compute(self, dtype: torch.dtype) -> list[KeyValue]:
        prefix = self.embedding.weight  # every row, in order
        if self.is_projected:
            prefix = self.trans(prefix)
        prefix = prefix.to(dtype).view(1, -1, 2 * self.num_layers, self.num_heads, self.head_size)
        pairs = self.dropout(prefix).permute(2, 0, 3, 1, 4).split(2)
        return [(keys, values) for keys, values in pairs]


def cache_shape(config: PreTrainedConfig) -> tuple[int, int, int]:
    """What a decoder keeps of a token: number of layers, key/value heads of each, size of a head."""
    num_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_hidden_layers, num_heads, head_size


def empty_prefix(config: PreTrainedConfig) -> PrefixEncoder:
    """A prefix of the size that a config names."""
    num_layers, num_heads, head_size = cache_shape(config)
    return PrefixEncoder(
        pre_seq_len=config.pre_seq_len,
        num_layers=num_layers,
        num_heads=num_heads,
        head_size=head_size,
        projection=(config.hidden_size, config.hidden_size) if config.prefix_projection else None,
    )


def attach_prefix(decoder: nn.Module, encoder: PrefixEncoder) -> None:
    """Give a decoder (`GlmModel`, `ChatGLMModel`) a prefix; its config must be its own from here on."""
    device = decoder.get_input_embeddings().weight.device
    decoder.prefix_encoder = encoder if device.type == "meta" else encoder.to(device)  # meta: on disk
    decoder.config.pre_seq_len, decoder.config.prefix_projection = encoder.pre_seq_len, encoder.is_projected
    decoder.config._attn_implementation = PREFIX_ATTENTION
    decoder.register_forward_pre_hook(_hand_out_prefix)


def _attention_modules(decoder: nn.Module) -> Iterator[nn.Module]:
    """The attention of every layer, in order."""
    found = [
        module
        for module in decoder.modules()
        if hasattr(module, "layer_idx") and hasattr(module, "is_causal")
    ]
    yield from sorted(found, key=lambda module: module.layer_idx)


def _hand_out_prefix(decoder: Any, inputs: Any) -> None:
    dtype = decoder.get_input_embeddings().weight.dtype
    for attention, pair in zip(_attention_modules(decoder), decoder.prefix_encoder(dtype), strict=True):
        attention.prefix = _Fleeting(pair)


def _prefix_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """sdpa over the prefix and what the layer has. query (B, heads, Q, d), key (B, kv heads, K, d)."""
    batch, num_queries, num_keys = query.shape[0], query.shape[2], key.shape[2]
    keys, values = (part.to(key).expand(batch, -1, -1, -1) for part in module.prefix.value)
    length = keys.shape[2]
    if attention_mask is not None:
        attention_mask = nn.functional.pad(attention_mask, (length, 0), value=_seen(attention_mask))
    elif num_queries > 1:
        everything = torch.ones(num_queries, length + num_keys, dtype=torch.bool, device=query.device)
        attention_mask = everything.tril(length + num_keys - num_queries)[None, None]
    return sdpa_attention_forward(
        module, query, torch.cat([keys, key], 2), torch.cat([values, value], 2), attention_mask, **options
    )


def _seen(mask: Tensor) -> bool:
    """What lets a column be seen: True in a boolean mask, 0 (False) in one that is added."""
    return mask.dtype == torch.bool


AttentionInterface.register(PREFIX_ATTENTION, _prefix_attention)
AttentionMaskInterface.register(PREFIX_ATTENTION, sdpa_mask)
