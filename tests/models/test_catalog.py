"""Families are recognised by what the published folders say, whatever they are called."""

import json

import pytest

from glmcore.models.catalog import FAMILIES, find_family, named_family

V1 = {
    "_name_or_path": "THUDM/chatglm-6b",
    "architectures": ["ChatGLMModel"],
    "auto_map": {"AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration"},
    "model_type": "chatglm",
    "vocab_size": 130528,
    "hidden_size": 4096,
    "inner_hidden_size": 16384,
    "num_layers": 28,
    "bos_token_id": 130004,
    "eos_token_id": 130005,
    "position_encoding_2d": True,
}
V2 = {
    "_name_or_path": "THUDM/chatglm2-6b",
    "architectures": ["ChatGLMModel"],
    "model_type": "chatglm",
    "padded_vocab_size": 65024,
    "hidden_size": 4096,
    "ffn_hidden_size": 13696,
    "multi_query_group_num": 2,
    "num_layers": 28,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
V3 = V2 | {"_name_or_path": "THUDM/chatglm3-6b"}
GLM4 = V2 | {
    "_name_or_path": "THUDM/glm-4-9b-chat",
    "padded_vocab_size": 151552,
    "num_layers": 40,
    "rope_ratio": 500,
    "eos_token_id": [151329, 151336, 151338],
    "pad_token_id": 151329,
}
PUBLISHED = {
    "chatglm-6b": (V1, "chatglm"),
    "chatglm-6b of March 2023": (
        V1 | {"vocab_size": 150528, "bos_token_id": 150004, "eos_token_id": 150005},
        "chatglm",
    ),
    "chatglm-6b-int4": (V1 | {"_name_or_path": "THUDM/chatglm-6b-int4", "quantization_bit": 4}, "chatglm"),
    "chatglm-6b saved by this program": (
        {"model_type": "glmcore_chatglm", "num_hidden_layers": 28},
        "chatglm",
    ),
    "chatglm2-6b": (V2, "chatglm2"),
    "chatglm2-6b-int4": (V2 | {"_name_or_path": "THUDM/chatglm2-6b-int4"}, "chatglm2"),
    "chatglm2-6b-32k": (V2 | {"_name_or_path": "THUDM/chatglm2-6b-32k", "rope_ratio": 50}, "chatglm2"),
    "codegeex2-6b": (V2 | {"_name_or_path": "THUDM/codegeex2-6b"}, "chatglm2"),
    "chatglm3-6b": (V3, "chatglm3"),
    "chatglm3-6b-base": (V3 | {"_name_or_path": "THUDM/chatglm3-6b-base"}, "chatglm3"),
    "chatglm3-6b-32k": (V3 | {"_name_or_path": "THUDM/chatglm3-6b-32k", "rope_ratio": 50}, "chatglm3"),
    "chatglm3-6b-128k": (V3 | {"_name_or_path": "THUDM/chatglm3-6b-128k", "rope_ratio": 500}, "chatglm3"),
    "glm-4-9b-chat": (GLM4, "glm-4-9b"),
    "glm-4-9b-chat-1m": (GLM4 | {"rope_ratio": 10000, "multi_query_group_num": 4}, "glm-4-9b"),
    "codegeex4-all-9b": (GLM4 | {"_name_or_path": "THUDM/codegeex4-all-9b"}, "glm-4-9b"),
    "glm-4-9b-chat-hf": ({"model_type": "glm", "eos_token_id": [151329, 151336, 151338]}, "glm"),
    "GLM-4-9B-0414": ({"model_type": "glm4", "architectures": ["Glm4ForCausalLM"]}, "glm4"),
    "GLM-4.5": ({"model_type": "glm4_moe"}, "glm4_moe"),
    "Llama-3.2-1B": ({"model_type": "llama"}, "llama"),
    "Qwen3-0.6B": ({"model_type": "qwen3"}, "qwen"),
    "gpt2": ({"model_type": "gpt2"}, "other"),
}


@pytest.mark.parametrize("config, family", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_configs_are_recognised(config, family, tmp_path):
    assert find_family(config).name == family
    assert find_family(config, tmp_path).name == family


def folder_with(path, tokenizer_config):
    path.mkdir()
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config), encoding="utf-8")
    return path


@pytest.mark.parametrize("config, family", [(V2, "chatglm2"), (V3, "chatglm3"), (GLM4, "glm-4-9b")])
def test_a_renamed_folder_keeps_its_family(config, family, tmp_path):
    assert find_family(config, folder_with(tmp_path / "chatglm2-or-3", {})).name == family
    moved = config | {"_name_or_path": "/data/my-model"}
    tokenizer = {"name_or_path": config["_name_or_path"]}
    assert find_family(moved, folder_with(tmp_path / "my-model", tokenizer)).name == family


def test_without_any_name_the_role_tokens_of_the_tokenizer_tell(tmp_path):
    config = {name: value for name, value in V2.items() if name != "_name_or_path"}
    added = {"added_tokens_decoder": {"64795": {"content": "<|user|>"}}}
    assert find_family(config, folder_with(tmp_path / "a", added)).name == "chatglm3"
    assert find_family(config, folder_with(tmp_path / "b", {})).name == "chatglm2"
    assert find_family(config).name == "chatglm2"


def test_the_folder_tells_what_the_config_does_not(tmp_path):
    config = V2 | {"_name_or_path": ""}
    assert find_family(config, tmp_path / "ChatGLM3-6B-mine").name == "chatglm3"
    assert find_family(config | {"eos_token_id": 2}, tmp_path / "GLM-4-9B").name == "glm-4-9b"


def test_a_path_through_a_folder_called_glm_does_not_hide_the_tokenizers_name(tmp_path):
    config = V2 | {"_name_or_path": "/glm/checkpoints/run-7"}
    folder = folder_with(tmp_path / "run-7", {"name_or_path": "THUDM/chatglm3-6b"})
    assert find_family(config, folder).name == "chatglm3"


def test_a_chatglm3_that_lists_its_ends_is_no_glm4():
    assert find_family(V3 | {"eos_token_id": [2, 64795, 64797]}).name == "chatglm3"


STRANGE = [None, [], {}, "", 0, True, ["chatglm"], {"a": 1}, "chatglm", float("nan")]


@pytest.mark.parametrize("value", STRANGE, ids=repr)
@pytest.mark.parametrize("name", ["model_type", "_name_or_path", "padded_vocab_size", "eos_token_id"])
def test_a_strange_value_is_never_an_error(name, value, tmp_path):
    assert find_family(V2 | {name: value}, tmp_path) in FAMILIES
    assert find_family({name: value}, tmp_path / "missing") in FAMILIES


@pytest.mark.parametrize(
    "content",
    ["", "nonsense", "[]", '"x"', "null", '{"name_or_path": 3}', "\udcff", "[" * 100_000],
    ids=["empty", "nonsense", "list", "text", "null", "number", "not UTF-8", "deep"],
)
def test_a_strange_tokenizer_config_is_never_an_error(content, tmp_path):
    (tmp_path / "tokenizer_config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    config = {name: value for name, value in V2.items() if name != "_name_or_path"}
    assert find_family(config, tmp_path).name == "chatglm2"


def test_every_family_has_a_name_of_its_own_and_the_last_takes_anything():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert find_family({}) is FAMILIES[-1]
    assert [family.name for family in FAMILIES if family.is_original] == [
        "chatglm",
        "glm-4-9b",
        "chatglm3",
        "chatglm2",
    ]
    assert all(family.vocabulary for family in FAMILIES if family.is_original)


def test_family_is_uncertain_only_where_chatglm2_is_left_over(tmp_path):
    config = {"model_type": "chatglm", "padded_vocab_size": 65024}
    assert named_family(config, tmp_path) is None
    assert named_family(config | {"_name_or_path": "my/chatglm2-6b"}).name == "chatglm2"
    assert named_family(config | {"eos_token_id": [1, 2]}, tmp_path).name == "glm-4-9b"
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "<|user|>"}')
    assert named_family(config, tmp_path).name == "chatglm3"
