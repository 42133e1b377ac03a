"""P-tuning v2 (Liu et al. 2021, arXiv:2110.07602): trained keys and values before every layer's own.

The prefix is not rotated, shifts no position and is open to every token. It is added inside the attention
function, so caches hold real tokens only, and gradient checkpointing and beams need nothing special.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PREFIX_ATTENTION = "glmcore_prefix_sdpa"
DROPOUT = 0.1  # of the original's training

KeyValue = tuple[Tensor, Tensor]  # each (1, key/value heads, prefix length, head size)


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
        self._computed: tuple[Any, list[KeyValue]] | None = None

    @property
    def pre_seq_len(self) -> int:
        return self.embedding.num_embeddings

    def forward(self, dtype: torch.dtype) -> list[KeyValue]:
        """Keys and values of every layer, computed once while the weights stay as they are."""
        if self.training or torch.is_grad_enabled():
            self._computed = None  # a training step need not leave a trace in `_version`
            return self._compute(dtype)
        state = (dtype, *((weight.data_ptr(), weight._version) for weight in self.parameters()))
        if self._computed is None or self._computed[0] != state:
            self._computed = (state, self._compute(dtype))
        return self._computed[1]

    def _compute(self, dtype: torch.dtype) -> list[KeyValue]:
        prefix = self.embedding.weight  # every row, in order
        if hasattr(self, "trans"):
            prefix = self.trans(prefix)
        prefix = prefix.to(dtype).view(1, -1, 2 * self.num_layers, self.num_heads, self.head_size)
        pairs = self.dropout(prefix).permute(2, 0, 3, 1, 4).split(2)
        return [(keys, values) for keys, values in pairs]


def attach_prefix(decoder: nn.Module, encoder: PrefixEncoder) -> None:
    """Give a decoder (`GlmModel`, `ChatGLMModel`) a prefix; its config must be its own from here on."""
    device = decoder.get_input_embeddings().weight.device
    decoder.prefix_encoder = encoder if device.type == "meta" else encoder.to(device)  # meta: on disk
    decoder.config._attn_implementation = PREFIX_ATTENTION
    decoder.register_forward_pre_hook(_hand_out_prefix)


def attention_modules(decoder: nn.Module) -> Iterator[nn.Module]:
    """The attention of every layer, in order."""
    found = [
        module
        for module in decoder.modules()
        if hasattr(module, "layer_idx") and hasattr(module, "is_causal")
    ]
    yield from sorted(found, key=lambda module: module.layer_idx)


def _hand_out_prefix(decoder: Any, inputs: Any) -> None:
    dtype = decoder.get_input_embeddings().weight.dtype
    for attention, pair in zip(attention_modules(decoder), decoder.prefix_encoder(dtype), strict=True):
        attention.prefix = pair


def _prefix_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """sdpa over the prefix and what the layer has. query (B, heads, Q, d), key (B, kv heads, K, d)."""
    batch, num_queries, num_keys = query.shape[0], query.shape[2], key.shape[2]
    keys, values = (part.to(key).expand(batch, -1, -1, -1) for part in module.prefix)
    length = keys.shape[2]
    if attention_mask is not None:
        attention_mask = nn.functional.pad(attention_mask, (length, 0), value=_open(attention_mask))
    elif num_queries > 1:
        open_ = torch.ones(num_queries, length + num_keys, dtype=torch.bool, device=query.device)
        attention_mask = open_.tril(length + num_keys - num_queries)[None, None]
    return sdpa_attention_forward(
        module, query, torch.cat([keys, key], 2), torch.cat([values, value], 2), attention_mask, **options
    )


def _open(mask: Tensor) -> Any:
    """What lets a column be seen: True in a boolean mask, 0 in one that is added."""
    return mask.dtype == torch.bool


AttentionInterface.register(PREFIX_ATTENTION, _prefix_attention)
AttentionMaskInterface.register(PREFIX_ATTENTION, sdpa_mask)
