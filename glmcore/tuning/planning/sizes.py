"""What of a model decides over the memory that tuning it takes: counted on a model without weights."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from glmcore.models.blueprint import Blueprint

if TYPE_CHECKING:
    from glmcore.tuning.methods.tuned import TunedModel

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizes:
    """Widths count numbers per token, bytes are as the weights lie in memory."""

    num_parameters: int
    frozen_bytes: int
    learnt_shapes: tuple[Shape, ...]
    num_layers: int
    hidden: int
    inner: int  # of the feed-forward part, all experts of a token together
    is_gated: bool
    query_width: int
    key_width: int
    vocabulary: int
    unpacked: int = 0  # numbers of the largest quantized matrix, which is unpacked at every use
    adapter_inputs: int = 0  # widths of what the LoRA of all layers read, together
    adapter_ranks: int = 0
    prefix_length: int = 0
    may_checkpoint: bool = True

    @property
    def num_trainable(self) -> int:
        return sum(map(prod, self.learnt_shapes))


def sizes_of(tuned: "TunedModel", blueprint: Blueprint) -> ModelSizes:
    """Count what the method made of a model; the model may be without weights (on the device "meta")."""
    from glmcore.models.native.prefix import cache_shape
    from glmcore.models.native.quantized import QuantizedLinear

    model = tuned.model
    config: Any = tuned.loaded.model.config.get_text_config()
    num_layers, num_heads, head_size = cache_shape(config)
    adapted = [module for module in model.modules() if getattr(module, "lora_A", None)]
    packed = [module for module in model.modules() if isinstance(module, QuantizedLinear)]
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    return ModelSizes(
        num_parameters=tuned.num_parameters,
        frozen_bytes=_frozen_bytes(model, blueprint),
        learnt_shapes=tuple(tuple(weight.shape) for weight in learnt),
        num_layers=num_layers,
        hidden=config.hidden_size,
        inner=_inner_width(config),
        is_gated=any("gate" in name for name, _ in tuned.loaded.model.named_modules()),
        query_width=config.num_attention_heads * head_size,
        key_width=num_heads * head_size,
        vocabulary=config.vocab_size,
        unpacked=max((module.in_features * module.out_features for module in packed), default=0),
        adapter_inputs=sum(module.in_features for module in adapted),
        adapter_ranks=sum(sum(module.r.values()) for module in adapted),
        prefix_length=_prefix_length(tuned),
        may_checkpoint=tuned.allows_checkpointing,
    )


def _frozen_bytes(model: Any, blueprint: Blueprint) -> int:
    """bitsandbytes packs linear layers, but the head, as they are loaded; an empty model has them whole."""
    from torch import nn

    packed: set[int] = set()
    if blueprint.bits and blueprint.source is None:
        head = model.get_output_embeddings()
        packed = {
            id(module.weight)
            for module in model.modules()
            if isinstance(module, nn.Linear) and module is not head
        }
    return sum(
        weight.numel() * blueprint.bits // 8
        if blueprint.bits and id(weight) in packed
        else weight.numel() * weight.element_size()
        for weight in model.parameters()
        if not weight.requires_grad
    )


def _inner_width(config: Any) -> int:
    experts = getattr(config, "num_experts_per_tok", None)
    width = getattr(config, "moe_intermediate_size", None) if experts else None
    if experts and width:
        return int(experts * width)
    return int(getattr(config, "intermediate_size", None) or 4 * config.hidden_size)


def _prefix_length(tuned: "TunedModel") -> int:
    configs = getattr(tuned.model, "peft_config", None)
    if configs:
        return int(getattr(configs["default"], "num_virtual_tokens", None) or 0)
    return int(getattr(tuned.loaded.model.config, "pre_seq_len", None) or 0)
