"""The shape of a ChatGLM-6B, in today's field names; the published ones are read too."""

from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

MODEL_TYPE = "glmcore_chatglm"  # not "chatglm", which also names three other architectures


class ChatGLMConfig(PreTrainedConfig):
    """Defaults are those of the published chatglm-6b v1.1 (slim vocabulary)."""

    model_type = MODEL_TYPE
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]
    attribute_map: ClassVar[dict[str, str]] = {
        "num_layers": "num_hidden_layers",
        "inner_hidden_size": "intermediate_size",
        "layernorm_epsilon": "layer_norm_eps",
        "max_sequence_length": "max_position_embeddings",
    }

    vocab_size: int = 130528
    hidden_size: int = 4096
    num_hidden_layers: int = 28
    num_attention_heads: int = 32
    intermediate_size: int = 16384
    layer_norm_eps: float = 1e-5
    max_position_embeddings: int = 2048
    initializer_range: float = 0.02
    bos_token_id: int | None = 130004  # <sop>
    eos_token_id: int | list[int] | None = 130005  # <eop>
    pad_token_id: int | None = 3
    mask_token_id: int | None = 130000
    gmask_token_id: int | None = 130001
    use_cache: bool = True
    tie_word_embeddings: bool = True
    pre_seq_len: int | None = None  # tokens of the prefix that the model was saved with
    prefix_projection: bool = False

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_published(cls, values: dict[str, Any]) -> "ChatGLMConfig":
        """From the config.json of an original folder, without what belongs to its code.

        Token ids that it does not name are None: the vocabulary knows them.
        """
        known = {*cls.attribute_map, *cls.__annotations__}
        ids = dict.fromkeys(name for name in known if name.endswith("_token_id"))
        return cls(**ids | {name: value for name, value in values.items() if name in known})


AutoConfig.register(MODEL_TYPE, ChatGLMConfig)
