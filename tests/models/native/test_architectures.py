"""Published configs and tensor names under today's."""

from pathlib import Path

import pytest
import torch
from transformers import GlmForCausalLM

from glmcore.core.errors import ModelLoadError
from glmcore.models.catalog import FAMILIES
from glmcore.models.native.architectures import config_of, convert_tensor, fused_rows, model_class
from glmcore.models.native.chatglm import ChatGLMForConditionalGeneration
from glmcore.models.native.chatglm_config import ChatGLMConfig
from tests.models.original_folders import published_config, random_tensors

FOLDER = Path("somewhere")
FAMILY = {family.name: family for family in FAMILIES}
V2_SIZES = {
    "padded_vocab_size": 65024,
    "hidden_size": 4096,
    "num_layers": 28,
    "num_attention_heads": 32,
    "ffn_hidden_size": 13696,
    "kv_channels": 128,
    "multi_query_group_num": 2,
    "seq_length": 32768,
    "layernorm_epsilon": 1e-5,
    "add_qkv_bias": True,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def converted(weights, tensors, config):
    return dict(
        pair for name, tensor in tensors.items() for pair in convert_tensor(weights, name, tensor, config)
    )


@pytest.mark.parametrize("family, weights", [("chatglm", "chatglm"), ("chatglm2", "chatglm2")])
def test_every_published_tensor_has_its_place_in_the_model(family, weights):
    values = published_config(family)
    config = config_of(FAMILY[weights], values, FOLDER)
    found = converted(weights, random_tensors(values), config)
    expected = {name: tensor.shape for name, tensor in model_class(weights)(config).state_dict().items()}
    if family == "chatglm":
        expected.pop("lm_head.weight")  # tied, whatever the file holds
    assert {name: tensor.shape for name, tensor in found.items()} == expected


def test_the_fused_weight_is_cut_into_queries_keys_and_values():
    config = config_of(
        FAMILY["chatglm2"], V2_SIZES | {"hidden_size": 8, "num_attention_heads": 4, "kv_channels": 2}, FOLDER
    )
    for kind, shape in (("weight", (16, 3)), ("bias", (16,)), ("weight_scale", (16,))):
        rows = torch.arange(16).view(-1, *[1] * (len(shape) - 1)).expand(shape)
        name = f"transformer.encoder.layers.11.self_attention.query_key_value.{kind}"
        found = converted("chatglm2", {name: rows}, config)
        assert {name: part.flatten()[:: part[0].numel()].tolist() for name, part in found.items()} == {
            f"model.layers.11.self_attn.q_proj.{kind}": list(range(8)),
            f"model.layers.11.self_attn.k_proj.{kind}": [8, 9, 10, 11],
            f"model.layers.11.self_attn.v_proj.{kind}": [12, 13, 14, 15],
        }


def test_what_is_computed_is_dropped_and_what_is_unknown_kept_for_the_check():
    v2 = config_of(FAMILY["chatglm2"], V2_SIZES, FOLDER)
    v1 = config_of(FAMILY["chatglm"], published_config("chatglm"), FOLDER)
    tensor = torch.zeros(3, 2)
    assert converted("chatglm2", {"transformer.rotary_pos_emb.inv_freq": tensor}, v2) == {}
    assert converted("chatglm", {"transformer.layers.0.attention.rotary_emb.inv_freq": tensor}, v1) == {}
    for weights, config in (("chatglm2", v2), ("chatglm", v1)):
        for name in (
            "transformer.vision.weight",
            "nonsense",
            "",
            "transformer.prefix_encoder.embedding.weight",
        ):
            assert list(converted(weights, {name: tensor}, config)) == [name]


def test_the_rows_of_the_fused_weight_are_those_of_all_its_heads():
    v2 = config_of(FAMILY["chatglm2"], V2_SIZES, FOLDER)
    name = "transformer.encoder.layers.0.self_attention.query_key_value.weight"
    assert fused_rows("chatglm2", name, v2) == (32 + 2 * 2) * 128
    assert fused_rows("chatglm2", "transformer.output_layer.weight", v2) is None
    assert fused_rows("chatglm", "transformer.layers.0.attention.query_key_value.weight", v2) is None


def test_chatglm2s_config_is_glms():
    config = config_of(FAMILY["chatglm2"], V2_SIZES, FOLDER)
    assert model_class("chatglm2") is GlmForCausalLM
    assert (config.vocab_size, config.intermediate_size, config.num_hidden_layers) == (65024, 13696, 28)
    assert (config.num_key_value_heads, config.head_dim, config.max_position_embeddings) == (2, 128, 32768)
    assert (config.rms_norm_eps, config.attention_bias, config.tie_word_embeddings) == (1e-5, True, False)
    assert (config.eos_token_id, config.pad_token_id) == (2, 0)
    assert config.rope_parameters["rope_theta"] == 10000
    assert config.rope_parameters["partial_rotary_factor"] == 0.5


@pytest.mark.parametrize("ratio, theta", [(None, 1e4), (1, 1e4), (50, 5e5), (500, 5e6), (10000, 1e8)])
@pytest.mark.parametrize("family", ["chatglm3", "glm-4-9b"])
def test_the_rope_ratio_of_long_windows_is_honoured(family, ratio, theta):
    config = config_of(FAMILY[family], V2_SIZES | {"rope_ratio": ratio}, FOLDER)
    assert config.rope_parameters["rope_theta"] == theta
    assert config.rope_parameters["rope_type"] == "default"


def test_chatglm2s_rope_ratio_stretches_the_positions():
    config = config_of(FAMILY["chatglm2"], V2_SIZES | {"rope_ratio": 50}, FOLDER)
    assert config.rope_parameters["rope_theta"] == 10000
    assert (config.rope_parameters["rope_type"], config.rope_parameters["factor"]) == ("linear", 50)


def test_options_that_are_left_out_have_the_published_defaults():
    left_out = ("kv_channels", "seq_length", "layernorm_epsilon", "eos_token_id", "multi_query_group_num")
    config = config_of(FAMILY["chatglm2"], {k: v for k, v in V2_SIZES.items() if k not in left_out}, FOLDER)
    assert (config.head_dim, config.num_key_value_heads, config.eos_token_id) == (128, 2, 2)


def test_chatglms_config_keeps_its_ids_and_its_own_name():
    values = published_config("chatglm")
    config = config_of(FAMILY["chatglm"], values | {"auto_map": {"x": "y.z"}, "pre_seq_len": 128}, FOLDER)
    assert type(config) is ChatGLMConfig
    assert model_class("chatglm") is ChatGLMForConditionalGeneration
    assert config.model_type == "glmcore_chatglm"
    assert not hasattr(config, "auto_map")
    assert config.intermediate_size == config.inner_hidden_size == values["inner_hidden_size"]
    for name in (
        "vocab_size",
        "bos_token_id",
        "eos_token_id",
        "gmask_token_id",
        "mask_token_id",
        "pad_token_id",
    ):
        assert getattr(config, name) == values[name]
    again = config_of(FAMILY["chatglm"], config.to_dict(), FOLDER)
    assert again.to_dict() == config.to_dict()


@pytest.mark.parametrize("weights", ["chatglm", "chatglm2"])
@pytest.mark.parametrize("value", [None, "28", 2.5, 0, -1, [28]])
def test_a_size_of_no_use_is_named(weights, value):
    values = V2_SIZES if weights == "chatglm2" else published_config("chatglm")
    with pytest.raises(
        ModelLoadError, match=r"config.json: num_layers is .*, expected a positive whole number"
    ):
        config_of(FAMILY[weights], values | {"num_layers": value}, FOLDER)


@pytest.mark.parametrize(
    "weights, changes",
    [
        ("chatglm2", {"multi_query_group_num": "two"}),
        ("chatglm2", {"layernorm_epsilon": "small"}),
        ("chatglm2", {"rope_ratio": "long"}),
        ("chatglm2", {"kv_channels": [1]}),
        ("chatglm", {"position_encoding_2d": False}),
    ],
)
def test_other_values_of_no_use_are_one_sentence(weights, changes):
    values = V2_SIZES if weights == "chatglm2" else published_config("chatglm")
    with pytest.raises(ModelLoadError, match=r"config\.json") as caught:
        config_of(FAMILY[weights], values | changes, FOLDER)
    assert "\n" not in str(caught.value)
