"""ChatGLM-6B (THUDM, March 2023): a prefix language model with two-dimensional rotary positions.

Tokens before `<sop>` see each other in both directions; from `<sop>` on the model is causal. The first half
of each head is rotated by the place in the prompt, the second by the place in the answer. Input is batch
first; tensor names are the published ones. Shapes: B rows of a batch, S tokens of a pass, d the head size.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.glm.modeling_glm import eager_attention_forward
from transformers.utils.generic import can_return_tuple
from transformers.utils.output_capturing import capture_outputs

from glmcore.core.errors import DataError
from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.native.chatglm_positions import (
    added_to_scores,
    attention_mask_of,
    next_positions,
    positions_of,
    without_left_padding,
)
from glmcore.models.native.chatglm_rotary import ChatGLMRotaryEmbedding, rotate
from glmcore.models.native.prefix import attach_prefix, empty_prefix

# The published code scales the skip path by sqrt(2 * 28) in every model, whatever its number of layers.
SKIP_SCALE = math.sqrt(2 * 28)


class ChatGLMAttention(nn.Module):
    """Attention with one key and value per head, its projection and its scaling as published."""

    def __init__(self, config: ChatGLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        self.head_dim = config.head_size
        self.num_key_value_groups = 1
        # As published: the query is scaled down before the product, further with every layer, and the scores
        # up again after it, which keeps them small in float16.
        self.scaling = float(layer_idx + 1)
        self.query_divisor = math.sqrt(self.head_dim) * self.scaling
        self.is_causal = False  # the mask, where one is needed, says it all
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden_states: Tensor,
        rotation: tuple[Tensor, Tensor],
        attention_mask: Tensor | None,
        past_key_values: DynamicCache | None,
    ) -> Tensor:
        """hidden_states (B, S, hidden size) -> the same shape; attention_mask as of `attention_mask_of`."""
        batch, length, _ = hidden_states.shape
        # Rows of the fused weight are ordered by head: query, key and value of head 0, then of head 1, …
        fused = self.query_key_value(hidden_states).view(batch, length, -1, 3 * self.head_dim)
        query, key, value = fused.transpose(1, 2).chunk(3, dim=-1)
        query, key = rotate(query, *rotation) / self.query_divisor, rotate(key, *rotation)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attended, _ = attend(self, query, key, value, attention_mask, scaling=self.scaling)
        return self.dense(attended.reshape(batch, length, -1))


class ChatGLMMLP(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.intermediate_size)
        self.dense_4h_to_h = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.dense_4h_to_h(nn.functional.gelu(self.dense_h_to_4h(hidden_states), approximate="tanh"))


class ChatGLMLayer(GradientCheckpointingLayer):
    """The skip path carries the normalised input, scaled up."""

    def __init__(self, config: ChatGLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = ChatGLMAttention(config, layer_idx)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = ChatGLMMLP(config)

    def forward(
        self,
        hidden_states: Tensor,
        rotation: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
    ) -> Tensor:
        normed = self.input_layernorm(hidden_states)
        attended = self.attention(normed, rotation, attention_mask, past_key_values)
        normed = self.post_attention_layernorm(torch.add(attended, normed, alpha=SKIP_SCALE))
        return torch.add(self.mlp(normed), normed, alpha=SKIP_SCALE)


class ChatGLMPreTrainedModel(PreTrainedModel):
    config: ChatGLMConfig
    config_class = ChatGLMConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[list[str]] = ["ChatGLMLayer"]
    _skip_keys_device_placement: ClassVar[list[str]] = ["past_key_values"]
    _supports_sdpa = True
    _can_record_outputs: ClassVar[dict[str, type]] = {"hidden_states": ChatGLMLayer}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ChatGLMRotaryEmbedding):
            init.copy_(module.inv_freq, module.frequencies())


class ChatGLMModel(ChatGLMPreTrainedModel):
    """The decoder without its head."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.rotary_emb = ChatGLMRotaryEmbedding(config)
        self.layers = nn.ModuleList(ChatGLMLayer(config, index) for index in range(config.num_hidden_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.gradient_checkpointing = False
        if config.pre_seq_len:
            attach_prefix(self, empty_prefix(config))
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.word_embeddings = value

    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **_: Any,
    ) -> BaseModelOutputWithPast:
        """See `ChatGLMForConditionalGeneration.forward`."""
        if position_ids is None and (input_ids is None or input_ids.ndim != 2):
            raise DataError("ChatGLM-6B needs input_ids of two dimensions (rows, tokens), or position_ids.")
        past_tokens = past_key_values.get_seq_length() if past_key_values is not None else 0
        if position_ids is None:
            if attention_mask is None:
                attention_mask = without_left_padding(input_ids, self.config)
            position_ids = positions_of(input_ids, self.config, attention_mask, past_tokens=past_tokens)
        if inputs_embeds is None:
            inputs_embeds = self.word_embeddings(input_ids)
        if past_key_values is None and self._wants_cache(use_cache):
            past_key_values = DynamicCache(config=self.config)
        mask = attention_mask_of(position_ids, attention_mask, past_tokens)
        if mask is not None and self.config._attn_implementation == "eager":
            mask = added_to_scores(mask, inputs_embeds.dtype)
        rotation = self.rotary_emb(position_ids, inputs_embeds.dtype)
        hidden_states = inputs_embeds
        for layer in self.layers:
            hidden_states = layer(
                hidden_states, rotation, attention_mask=mask, past_key_values=past_key_values
            )
        return BaseModelOutputWithPast(
            last_hidden_state=self.final_layernorm(hidden_states), past_key_values=past_key_values
        )

    def _wants_cache(self, use_cache: bool | None) -> bool:
        if self.gradient_checkpointing and self.training:
            return False
        return self.config.use_cache if use_cache is None else use_cache


class ChatGLMForConditionalGeneration(ChatGLMPreTrainedModel, GenerationMixin):
    """The model with its head, which shares the embedding's weights."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "transformer.word_embeddings.weight"}

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.transformer = ChatGLMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.lm_head = value

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **options: Any,
    ) -> CausalLMOutputWithPast:
        """One pass.

        Args:
            input_ids: (B, S), each row with a `<sop>` after a `[gMASK]` or `[MASK]`, padded on either side.
            attention_mask: (B, past + S), 0 where a row is padded; needed for padding on the left only.
            position_ids: (B, 2, S), the place in the prompt and in the answer; found from the ids by default.
            labels: (B, S), -100 where nothing is learnt; shifted by one inside.
            options: transformers' own: output_hidden_states, return_dict, num_items_in_batch for the loss.

        Raises:
            DataError: a row has no `<sop>` or no mask token.
        """
        outputs = self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **options,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            size = self.config.vocab_size
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=size, **options)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
        )

    def _prepare_position_ids_for_generation(
        self, inputs_tensor: Tensor, model_kwargs: dict[str, Any]
    ) -> Tensor:
        return positions_of(inputs_tensor, self.config, model_kwargs.get("attention_mask"))

    def _expand_inputs_for_generation(
        self, expand_size: int = 1, *args: Any, **model_kwargs: Any
    ) -> tuple[Tensor | None, dict[str, Any]]:
        # transformers 5.23 takes three dimensions of positions for (sections, B, S).
        position_ids = model_kwargs.pop("position_ids", None)
        ids, model_kwargs = super()._expand_inputs_for_generation(expand_size, *args, **model_kwargs)
        if position_ids is not None:
            model_kwargs["position_ids"] = position_ids.repeat_interleave(expand_size, dim=0)
        return ids, model_kwargs

    def _update_model_kwargs_for_generation(
        self, outputs: Any, model_kwargs: dict[str, Any], *args: Any, **options: Any
    ) -> dict[str, Any]:
        position_ids = model_kwargs.pop("position_ids")
        model_kwargs = super()._update_model_kwargs_for_generation(outputs, model_kwargs, *args, **options)
        model_kwargs["position_ids"] = next_positions(position_ids, options.get("num_new_tokens", 1))
        return model_kwargs


AutoModelForCausalLM.register(ChatGLMConfig, ChatGLMForConditionalGeneration)
