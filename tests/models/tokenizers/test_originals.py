"""The tokenizer of an original folder, checked against the config that it lies beside."""

import base64
import json

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.models.catalog import FAMILIES
from glmcore.models.native.architectures import config_of
from glmcore.models.tokenizers.chatglm import ChatGLM2Tokenizer, ChatGLM3Tokenizer, ChatGLMTokenizer
from glmcore.models.tokenizers.originals import original_tokenizer
from tests.models.original_folders import VOCABULARY_FILES, published_config, vocabulary

FAMILY = {family.name: family for family in FAMILIES}
KINDS = {"chatglm": ChatGLMTokenizer, "chatglm2": ChatGLM2Tokenizer, "chatglm3": ChatGLM3Tokenizer}
IDS = ("bos_token_id", "eos_token_id", "mask_token_id", "gmask_token_id", "pad_token_id")


def folder_of(path, family, **tokenizer_config):
    (path / VOCABULARY_FILES[family]).write_bytes(vocabulary(family))
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    return path


def tokenizer_of(path, family, **changes):
    values = published_config(family) | changes
    return original_tokenizer(path, FAMILY[family], config_of(FAMILY[family], values, path))


@pytest.mark.parametrize("family", KINDS)
def test_every_family_gets_its_own(family, tmp_path):
    tokenizer = tokenizer_of(folder_of(tmp_path, family), family)
    assert type(tokenizer) is KINDS[family]
    assert tokenizer.eos_token_id == published_config(family)["eos_token_id"]


def test_glm4s_vocabulary_is_read_too(tmp_path):
    lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
    (tmp_path / "tokenizer.model").write_text("\n".join(lines))
    values = published_config("chatglm2") | {"eos_token_id": [256, 263, 265]}
    config = config_of(FAMILY["glm-4-9b"], values, tmp_path)
    tokenizer = original_tokenizer(tmp_path, FAMILY["glm-4-9b"], config)
    assert tokenizer.convert_tokens_to_ids("<|endoftext|>") == 256
    assert tokenizer.decode(tokenizer("你好", add_special_tokens=False)["input_ids"]) == "你好"


def shifted(by):
    return {name: published_config("chatglm")[name] + by for name in IDS}


def test_the_old_form_with_its_image_tokens_is_told_from_the_config(tmp_path):
    for said in ({}, {"num_image_tokens": 20000}):
        tokenizer = tokenizer_of(folder_of(tmp_path, "chatglm", **said), "chatglm", **shifted(20000))
        assert tokenizer.bos_token_id == shifted(20000)["bos_token_id"]
        assert min(tokenizer.text_ids("hello")) >= 20000
    tokenizer = tokenizer_of(folder_of(tmp_path, "chatglm", num_image_tokens=0), "chatglm")
    assert max(tokenizer.text_ids("hello")) < 20000


def test_a_vocabulary_of_the_other_release_is_refused(tmp_path):
    folder = folder_of(tmp_path, "chatglm", num_image_tokens=0)
    with pytest.raises(
        ModelLoadError, match=r"ice_text\.model: <sop> has the id 8, but config\.json expects 20008"
    ):
        tokenizer_of(folder, "chatglm", **shifted(20000))
    folder = folder_of(tmp_path, "chatglm", num_image_tokens=20000)
    with pytest.raises(ModelLoadError, match=r"<sop> has the id 20008, but config\.json expects 8"):
        tokenizer_of(folder, "chatglm")
    with pytest.raises(ModelLoadError, match=r"\[gMASK\] has the id 5, but config.json expects 6"):
        tokenizer_of(folder_of(tmp_path, "chatglm"), "chatglm", gmask_token_id=6)
    with pytest.raises(ModelLoadError, match=r"</s> has the id 2, but config\.json expects 3"):
        tokenizer_of(folder_of(tmp_path, "chatglm2"), "chatglm2", eos_token_id=3)


def test_chatglm2s_vocabulary_under_chatglms_name_is_refused(tmp_path):
    (tmp_path / "ice_text.model").write_bytes(vocabulary("chatglm2"))
    with pytest.raises(ModelLoadError, match=r"ice_text\.model"):
        tokenizer_of(tmp_path, "chatglm")


@pytest.mark.parametrize("family", KINDS)
def test_a_missing_or_damaged_file_is_named(family, tmp_path):
    file = VOCABULARY_FILES[family]
    with pytest.raises(ModelLoadError, match=f"{file} is missing, the vocabulary of {FAMILY[family].title}"):
        tokenizer_of(tmp_path, family)
    (tmp_path / file).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2706249\n")
    with pytest.raises(ModelLoadError, match=f"{file} is not a SentencePiece vocabulary"):
        tokenizer_of(tmp_path, family)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"num_image_tokens": "0"}',
        '{"num_image_tokens": null}',
        "[" * 100_000,
        "\udcff",
    ],
    ids=["empty", "cut", "list", "number", "null", "text", "none", "deep", "not UTF-8"],
)
def test_a_strange_tokenizer_config_says_nothing(content, tmp_path):
    folder = folder_of(tmp_path, "chatglm")
    (folder / "tokenizer_config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert tokenizer_of(folder, "chatglm").bos_token_id == published_config("chatglm")["bos_token_id"]


def test_a_negative_number_of_image_tokens_is_refused(tmp_path):
    with pytest.raises(ModelLoadError, match=r"<sop> has the id 1, but config\.json expects 8"):
        tokenizer_of(folder_of(tmp_path, "chatglm", num_image_tokens=-7), "chatglm")
