"""What a .gguf file may hold so that OpenVINO's reader of such files makes the right model of it.

The reader ignores what it does not know (scaled positions, sliding windows, experts), and such a model would
answer wrongly without a word. So everything that a header says of the model has to be listed here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glmcore.models.fetch.embedded import GGUF_NAME
from glmcore.models.files.checkpoint import OPENVINO_GRAPH

# Keys of the header, each after the architecture's name: those that the reader takes, and those that say no
# more than these.
READ_KEYS = (
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "rope.freq_base",
)
NEEDED_KEYS = ("block_count", "embedding_length", "attention.head_count", "attention.layer_norm_rms_epsilon")
KNOWN_KEYS = (*READ_KEYS, "rope.dimension_count", "vocab_size")
NEUTRAL = (0, "none")  # what other keys may say

EMBEDDING, HEAD = "token_embd.weight", "output.weight"
# The matrices of a layer in the order in which the reader makes them, by their names in transformers.
MATRICES: Mapping[str, str] = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# By architecture, what a layer has besides its matrices and its two norms.
ARCHITECTURES: Mapping[str, tuple[str, ...]] = {
    "llama": (),
    "qwen2": ("attn_q.bias", "attn_k.bias", "attn_v.bias"),
    "qwen3": ("attn_q_norm.weight", "attn_k_norm.weight"),
}


def gguf_of(model: Path) -> Path | None:
    """The file that a model's weights are converted from; None for an OpenVINO folder, which has its own."""
    if model.is_file():
        return model
    return None if (model / OPENVINO_GRAPH).is_file() else model / GGUF_NAME


def value_of(metadata: Mapping[str, Any], key: str) -> Any:
    """What a header says under its architecture's name; None where it says nothing."""
    return metadata.get(f"{metadata['general.architecture']}.{key}")


def head_size(metadata: Mapping[str, Any]) -> int:
    """Numbers of one attention head."""
    length = value_of(metadata, "attention.key_length")
    return int(length or value_of(metadata, "embedding_length") // value_of(metadata, "attention.head_count"))


def matrix_names(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The matrices of all layers in the order in which the reader makes them, with transformers' names."""
    return {
        f"blk.{layer}.{name}.weight": f"model.layers.{layer}.{module}"
        for layer in range(value_of(metadata, "block_count"))
        for name, module in MATRICES.items()
    }


def tensor_names(metadata: Mapping[str, Any]) -> set[str]:
    """All tensors that the model has to have; its head may be its embedding."""
    vectors = ("attn_norm.weight", "ffn_norm.weight", *ARCHITECTURES[metadata["general.architecture"]])
    layers = range(value_of(metadata, "block_count"))
    names = {f"blk.{layer}.{vector}" for layer in layers for vector in vectors}
    return {EMBEDDING, "output_norm.weight", *matrix_names(metadata), *names}
