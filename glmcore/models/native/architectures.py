"""From a published folder to a transformers model: its config, its class, its tensors under today's names.

The architectures of chatglm2-6b, chatglm3-6b and glm-4-9b are GlmForCausalLM's with query, key and value
fused in that order; a prefix and the rotary frequencies are stored beside the model.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import GlmConfig, GlmForCausalLM, PreTrainedConfig, PreTrainedModel

from glmcore.core.errors import ModelLoadError
from glmcore.models.catalog import Family
from glmcore.models.files.tensor_files import PREFIX
from glmcore.models.native.chatglm import ChatGLMForConditionalGeneration
from glmcore.models.native.chatglm_config import ChatGLMConfig

ROPE_BASE = 10000.0

# Names in ChatGLM2's files -> in GlmForCausalLM, of what stands outside the layers and inside one.
OUTER = {
    "transformer.embedding.word_embeddings": "model.embed_tokens",
    "transformer.encoder.final_layernorm": "model.norm",
    "transformer.output_layer": "lm_head",
}
INNER = {
    "input_layernorm": "input_layernorm",
    "post_attention_layernorm": "post_attention_layernorm",
    "self_attention.dense": "self_attn.o_proj",
    "mlp.dense_h_to_4h": "mlp.gate_up_proj",  # the gate is the first half in both
    "mlp.dense_4h_to_h": "mlp.down_proj",
}
FUSED = "self_attention.query_key_value"
LAYERS = "transformer.encoder.layers."

# What the published models have in common; another value means another architecture.
PUBLISHED = {
    "rmsnorm": True,
    "post_layer_norm": True,
    "apply_residual_connection_post_layernorm": False,
    "multi_query_attention": True,
    "add_bias_linear": False,
    "original_rope": True,
}
REQUIRED = {
    "chatglm": ("vocab_size", "hidden_size", "num_layers", "num_attention_heads", "inner_hidden_size"),
    "chatglm2": ("padded_vocab_size", "hidden_size", "num_layers", "num_attention_heads", "ffn_hidden_size"),
}
OPTIONAL = ("kv_channels", "multi_query_group_num", "seq_length", "max_sequence_length")


def model_class(weights: str) -> type[PreTrainedModel]:
    return ChatGLMForConditionalGeneration if weights == "chatglm" else GlmForCausalLM


def config_of(family: Family, values: Mapping[str, Any], path: Path) -> PreTrainedConfig:
    """The transformers config of a folder's config.json.

    Raises:
        ModelLoadError: a value is missing or of no use.
    """
    try:
        weights = family.weights or ""
        if weights == "glm":
            return GlmConfig.from_dict(dict(values))
        if values.get("model_type") == ChatGLMConfig.model_type:
            return ChatGLMConfig.from_dict(dict(values))
        _check_values(values, weights, path)
        config = _chatglm_config(values) if weights == "chatglm" else _glm_config(values, family)
    except ModelLoadError:
        raise
    except Exception as fault:  # the library's validation raises several kinds
        raise ModelLoadError(
            "{path} does not describe a model that can be built: {fault}.",
            path=path / "config.json",
            fault=str(fault).strip().splitlines()[-1].strip().rstrip("."),
        ) from fault
    return config


def fused_rows(weights: str, name: str, config: PreTrainedConfig) -> int | None:
    """How many rows a stored tensor of queries, keys and values together must have; None for others."""
    if weights != "chatglm2" or f".{FUSED}." not in name:
        return None
    return int((config.num_attention_heads + 2 * config.num_key_value_heads) * config.head_dim)


def convert_tensor(
    weights: str, name: str, tensor: Tensor, config: PreTrainedConfig
) -> Iterator[tuple[str, Tensor]]:
    """A stored tensor as the model has it: renamed, or cut into three, or nothing where it is not needed.

    Works on weights, biases and quantization scales alike, as all have one row per output.
    """
    if weights == "glm" or name.startswith(PREFIX):
        yield name, tensor
    elif name.endswith("inv_freq"):
        return  # computed
    elif weights == "chatglm":
        if not (name == "lm_head.weight" and config.tie_word_embeddings and _is_embedding(tensor, config)):
            yield name, tensor
    else:
        yield from _convert_fused(name, tensor, config)


def _is_embedding(tensor: Tensor, config: PreTrainedConfig) -> bool:
    """Whether a stored head may be the embedding once more; any other is left for the check to refuse."""
    return tuple(tensor.shape) == (config.vocab_size, config.hidden_size)


def _convert_fused(name: str, tensor: Tensor, config: PreTrainedConfig) -> Iterator[tuple[str, Tensor]]:
    module, _, kind = name.rpartition(".")  # kind: weight, bias, weight_scale
    if module in OUTER:
        yield f"{OUTER[module]}.{kind}", tensor
        return
    number, _, inner = module.removeprefix(LAYERS).partition(".")
    layer = f"model.layers.{number}"
    if module.startswith(LAYERS) and inner in INNER:
        yield f"{layer}.{INNER[inner]}.{kind}", tensor
    elif module.startswith(LAYERS) and inner == FUSED:
        heads = (config.num_attention_heads, config.num_key_value_heads, config.num_key_value_heads)
        parts = tensor.split([count * config.head_dim for count in heads])
        for projection, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
            yield f"{layer}.self_attn.{projection}.{kind}", part
    else:
        yield name, tensor


def _check_values(values: Mapping[str, Any], weights: str, path: Path) -> None:
    whole = (*REQUIRED[weights], *(name for name in OPTIONAL if values.get(name) is not None))
    for name in whole:
        if type(values.get(name)) is not int or values[name] <= 0:  # True is an int too
            raise ModelLoadError(
                "{path}: {name} is {value!r}, expected a positive whole number; copy the file again.",
                path=path / "config.json",
                name=name,
                value=values.get(name),
            )
    for name in ("layernorm_epsilon", "rope_ratio"):
        value = values.get(name)
        if value is not None and (type(value) not in (int, float) or value <= 0):
            raise ModelLoadError(
                "{path}: {name} is {value!r}, expected a positive number; copy the file again.",
                path=path / "config.json",
                name=name,
                value=value,
            )


def _chatglm_config(values: Mapping[str, Any]) -> ChatGLMConfig:
    if values.get("position_encoding_2d") is False:
        raise ValueError("position_encoding_2d is false, which no published ChatGLM-6B has")
    width, heads = values["hidden_size"], values["num_attention_heads"]
    if width % (4 * heads):
        raise ValueError(
            f"hidden_size is {width} and num_attention_heads {heads}; expected heads of 4, 8, 12, …"
        )
    return ChatGLMConfig.from_published(dict(values) | {"tie_word_embeddings": True})


def _glm_config(values: Mapping[str, Any], family: Family) -> GlmConfig:
    for name, expected in PUBLISHED.items():
        if values.get(name, expected) != expected:
            raise ValueError(
                f"{name} is {values[name]}, which no published ChatGLM2, ChatGLM3 or GLM-4-9B has"
            )
    num_heads = values["num_attention_heads"]
    return GlmConfig(
        vocab_size=values["padded_vocab_size"],
        hidden_size=values["hidden_size"],
        intermediate_size=values["ffn_hidden_size"],
        num_hidden_layers=values["num_layers"],
        num_attention_heads=num_heads,
        num_key_value_heads=values.get("multi_query_group_num", 2),
        head_dim=values.get("kv_channels", values["hidden_size"] // num_heads),
        max_position_embeddings=values.get("seq_length") or family.window,
        rms_norm_eps=float(values.get("layernorm_epsilon", 1e-5)),
        attention_bias=values.get("add_qkv_bias", False),
        tie_word_embeddings=False,
        eos_token_id=values.get("eos_token_id", 2),
        pad_token_id=values.get("pad_token_id", 0),
        rope_parameters=_rope_parameters(values.get("rope_ratio") or 1, family.rope_ratio_divides),
    )


def _rope_parameters(ratio: float, divides_positions: bool) -> dict[str, Any]:
    """The longer windows: chatglm2-6b-32k stretches the positions, the later models the base."""
    parameters = {"rope_type": "default", "rope_theta": ROPE_BASE, "partial_rotary_factor": 0.5}
    if ratio == 1:
        return parameters
    if divides_positions:
        return parameters | {"rope_type": "linear", "factor": float(ratio)}
    return parameters | {"rope_theta": ROPE_BASE * ratio}
