"""ChatGLM-6B (THUDM, March 2023): a prefix language model with two-dimensional rotary positions.

Tokens before `<sop>` see each other in both directions; from `<sop>` on the model is causal. The first half
of each head is rotated by the place in the prompt, the second by the place in the answer. Input is batch
first; tensor names are the published ones.
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

from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.native.chatglm_positions import (
    attention_mask_of,
    next_positions,
    positions_of,
    without_left_padding,
)
from glmcore.models.native.prefix import PrefixEncoder, attach_prefix

# The published code scales the skip path by sqrt(2 * 28) in every model, whatever its number of layers.
SKIP_SCALE = math.sqrt(2 * 28)
ROPE_BASE = 10000.0


class ChatGLMRotaryEmbedding(nn.Module):
    """Cosine and sine of both positions. Frequencies are rounded to float16, as in training."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("inv_freq", self.frequencies(), persistent=False)

    def frequencies(self) -> Tensor:
        """(head size / 4,): half of a head per position, two dimensions per frequency."""
        width = self.config.head_size // 2
        exponents = torch.arange(0, width, 2, dtype=torch.float32, device="cpu") / width
        return (1.0 / ROPE_BASE**exponents).half().float()

    @torch.no_grad()
    def forward(self, position_ids: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """position_ids (B, 2, S) -> cos and sin, each (B, 1, S, 2, head size / 2)."""
        angles = position_ids.transpose(1, 2)[..., None].float() * self.inv_freq  # (B, S, 2, width / 2)
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each half of the heads (B, heads, S, d) by its own position; pairs are (j, j + d/4)."""
    halves = states.unflatten(-1, (2, -1))
    first, second = halves.chunk(2, dim=-1)
    return (halves * cos + torch.cat((-second, first), dim=-1) * sin).flatten(-2)


class ChatGLMAttention(nn.Module):
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
            attach_prefix(self, new_prefix_encoder(config))
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.word_embeddings = value

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
    ) -> BaseModelOutputWithPast:
        """See `ChatGLMForConditionalGeneration.forward`."""
        past_tokens = past_key_values.get_seq_length() if past_key_values is not None else 0
        if position_ids is None:
            if attention_mask is None:
                attention_mask = without_left_padding(input_ids, self.config.pad_token_id)
            position_ids = positions_of(input_ids, self.config, attention_mask, past_tokens=past_tokens)
        if inputs_embeds is None:
            inputs_embeds = self.word_embeddings(input_ids)
        if past_key_values is None and self._wants_cache(use_cache):
            past_key_values = DynamicCache(config=self.config)
        mask = attention_mask_of(position_ids, attention_mask, past_tokens)
        if mask is not None and self.config._attn_implementation == "eager":  # adds its mask to the scores
            lowest = torch.finfo(inputs_embeds.dtype).min
            mask = torch.zeros_like(mask, dtype=inputs_embeds.dtype).masked_fill(~mask, lowest)
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
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """One pass.

        Args:
            input_ids: (B, S), each row with a `<sop>` after a `[gMASK]` or `[MASK]`, padded on either side.
            attention_mask: (B, past + S), 0 where a row is padded; needed for padding on the left only.
            position_ids: (B, 2, S), the place in the prompt and in the answer; found from the ids by default.
            labels: (B, S), -100 where nothing is learnt; shifted by one inside.

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
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=outputs.past_key_values)

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


def new_prefix_encoder(config: ChatGLMConfig) -> PrefixEncoder:
    """A prefix of the size that the config names."""
    return PrefixEncoder(
        pre_seq_len=config.pre_seq_len or 0,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        head_size=config.head_size,
        projection=(config.hidden_size, config.hidden_size) if config.prefix_projection else None,
    )


AutoModelForCausalLM.register(ChatGLMConfig, ChatGLMForConditionalGeneration)
