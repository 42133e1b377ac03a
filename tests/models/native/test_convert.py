"""Conversion of original folders: the same model, for this program and for any other."""

import base64
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from glmcore.core.errors import ConfigError, ModelLoadError, StorageError
from glmcore.models import Message, load_model
from glmcore.models.adapters.folders import entry_of
from glmcore.models.native.convert import convert_folder
from glmcore.models.native.shards import ShardWriter
from glmcore.models.tokenizers.tiktoken_file import CONTROLS
from tests.models.reference import (
    FAMILIES,
    change_json,
    copy_of,
    folder_of,
    loaded_model,
    prefix_folder,
    prompts_of,
)

CONVERSATION = [
    Message("system", "Be kind."),
    Message("user", "你好"),
    Message("assistant", "Hi!"),
    Message("user", "  2 + 2 = <|user|>?"),
]
WITHOUT_GLMCORE = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from safetensors.torch import save_file
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
messages = [{"role": "user", "content": "你好"}]
ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
save_file({"logits": model(input_ids=torch.tensor([ids])).logits.detach()}, sys.argv[2])
ends = model.generation_config.eos_token_id
print(json.dumps([ids, ends, type(model).__name__, "glmcore" in sys.modules]))
"""


def load(folder):
    return load_model(folder, dtype="float32", device="cpu")


def answers(loaded):
    """The logits of some prompts, and what is generated greedily after them."""
    ends = list(loaded.eos_token_ids)
    found = []
    with torch.no_grad():
        for prompt in prompts_of(loaded.path.name)[:3]:
            ids = torch.tensor([prompt])
            found.append(loaded.model(input_ids=ids).logits)
            found.append(
                loaded.model.generate(input_ids=ids, do_sample=False, max_new_tokens=8, eos_token_id=ends)
            )
    return found


def assert_same(converted, direct):
    assert converted.prompt_ids(CONVERSATION) == direct.prompt_ids(CONVERSATION)
    assert converted.eos_token_ids == direct.eos_token_ids
    assert converted.default_params == direct.default_params
    assert converted.window == direct.window
    assert all(
        torch.equal(one, other) for one, other in zip(answers(converted), answers(direct), strict=True)
    )


@pytest.fixture
def original(tmp_path):
    """A ChatGLM2 folder to damage."""
    return copy_of("chatglm2-6b", "full", tmp_path / "original" / "chatglm2-6b")


@pytest.mark.parametrize("family", FAMILIES)
def test_converted_model_equals_the_original(family, tmp_path):
    seen = []
    done = convert_folder(
        folder_of(family),
        tmp_path / family,
        shard_bytes=60_000,
        progress=lambda stage, fraction: seen.append(fraction),
    )
    assert done.num_files > 2 and done.dtype == "float16" and done.prefix is None
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert not list((tmp_path / family).glob("*.bin"))
    assert_same(load(tmp_path / family), loaded_model(family))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", ["int8", "int4"])
def test_quantized_model_becomes_a_full_one(family, form, tmp_path):
    convert_folder(folder_of(family, form), tmp_path / family, dtype="float32")
    direct = loaded_model(family, form)
    converted = load(tmp_path / family)
    ids = torch.tensor([prompts_of(family)[0]])
    assert torch.equal(converted.model(input_ids=ids).logits, direct.model(input_ids=ids).logits)
    config = json.loads((tmp_path / family / "config.json").read_text())
    assert "quantization_bit" not in config and config["dtype"] == "float32"


def test_scale_may_come_from_another_file_before_its_weight(tmp_path):
    source = copy_of("chatglm2-6b", "int4", tmp_path / "chatglm2-6b")
    (path,) = source.glob("*.bin")
    tensors = torch.load(path, weights_only=True)
    index = {}
    for number, is_scale in enumerate((True, False)):
        part = {name: value for name, value in tensors.items() if name.endswith("_scale") == is_scale}
        torch.save(part, source / f"part-{number}.bin")
        index |= dict.fromkeys(part, f"part-{number}.bin")
    path.unlink()
    (source / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    convert_folder(folder_of("chatglm2-6b", "int4"), tmp_path / "one")
    convert_folder(source, tmp_path / "two")
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert one["lm_head.weight"].dtype == one["model.layers.0.mlp.down_proj.weight"].dtype == torch.float16


@pytest.mark.slow
@pytest.mark.parametrize("family", ["chatglm2-6b", "chatglm3-6b"])
def test_other_programs_load_it_without_this_one(family, tmp_path):
    change = copy_of(family, "full", tmp_path / "source" / family)
    change_json(change / "config.json", rope_ratio=4)
    target = tmp_path / family
    convert_folder(change, target)
    program = [sys.executable, "-c", WITHOUT_GLMCORE, str(target), str(tmp_path / "found.safetensors")]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    ids, ends, kind, knows_glmcore = json.loads(done.stdout)
    direct = load(change)
    assert (kind, knows_glmcore) == ("GlmForCausalLM", False)
    assert ids == direct.prompt_ids([Message("user", "你好")])
    assert tuple(ends if isinstance(ends, list) else [ends]) == direct.eos_token_ids
    found = load_file(tmp_path / "found.safetensors")["logits"]
    # Another process may sum in another order.
    torch.testing.assert_close(found, direct.model(input_ids=torch.tensor([ids])).logits)


@pytest.fixture
def glm4(original):
    """The folder form of GLM-4-9B: a tiktoken vocabulary, and several ends."""
    lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
    (original / "tokenizer.model").write_text("\n".join(lines))
    (original / "tokenizer_config.json").write_text("{}")
    ends = [256 + CONTROLS.index(name) for name in ("<|endoftext|>", "<|user|>", "<|observation|>")]
    change_json(
        original / "config.json",
        _name_or_path="THUDM/glm-4-9b-chat",
        eos_token_id=ends,
        pad_token_id=ends[0],
        rope_ratio=500,
    )
    return original


def test_glm4_in_its_first_form_is_converted(glm4, tmp_path):
    done = convert_folder(glm4, tmp_path / "chatglm2-6b")
    assert done.family.name == "glm-4-9b"
    assert_same(load(done.folder), load(glm4))


def test_files_have_names_that_older_programs_know(glm4, tmp_path):
    convert_folder(glm4, tmp_path / "new")
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert (config["torch_dtype"], config["rope_theta"]) == ("float16", 5_000_000.0)
    assert config["partial_rotary_factor"] == 0.5
    tokenizer = json.loads((tmp_path / "new" / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast" and tokenizer["chat_template"]


def test_tied_head_is_written_once(tmp_path):
    convert_folder(folder_of("chatglm-6b"), tmp_path / "chatglm-6b")
    names = load_file(tmp_path / "chatglm-6b" / "model.safetensors").keys()
    assert "transformer.word_embeddings.weight" in names and "lm_head.weight" not in names
    assert not [name for name in names if "inv_freq" in name]


@pytest.mark.parametrize("family", ["chatglm-6b", "chatglm2-6b"])
def test_prefix_among_the_weights_becomes_an_adapter(family, tmp_path):
    source = copy_of(family, "full", tmp_path / "source" / family)
    extra = torch.load(prefix_folder(family, "prefix_projection") / "pytorch_model.bin", weights_only=True)
    torch.save(extra, source / "prefix.bin")
    index = json.loads((source / "pytorch_model.bin.index.json").read_text())
    index["weight_map"] |= dict.fromkeys(extra, "prefix.bin")
    (source / "pytorch_model.bin.index.json").write_text(json.dumps(index))

    done = convert_folder(source, tmp_path / family)
    assert done.prefix == tmp_path / family / "ptuning"
    assert load_file(done.prefix / "model.safetensors").keys() == extra.keys()
    entry = entry_of(done.prefix, "ptuning")
    assert (entry.method, entry.base_model) == ("ptuning_v2", family)
    config = json.loads((done.prefix / "config.json").read_text())
    assert (config["pre_seq_len"], config["prefix_projection"]) == (5, True)
    base = load(tmp_path / family)
    assert all(torch.equal(*pair) for pair in zip(answers(base), answers(loaded_model(family)), strict=True))
    assert_same(base.with_adapter(done.prefix), load(source))


def test_converted_model_needs_no_conversion(tmp_path, tiny_model_dir):
    convert_folder(folder_of("chatglm-6b"), tmp_path / "once")
    convert_folder(folder_of("chatglm2-6b"), tmp_path / "glm")
    for folder in (tmp_path / "once", tmp_path / "glm", tiny_model_dir):
        with pytest.raises(ConfigError, match="needs no conversion"):
            convert_folder(folder, tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_refused_targets_and_formats(original, tmp_path):
    with pytest.raises(ConfigError, match="the folder to convert itself"):
        convert_folder(original, original)
    with pytest.raises(ConfigError, match="is not an empty folder"):
        convert_folder(original, original.parent)
    with pytest.raises(ConfigError, match="dtype is 'int3'"):
        convert_folder(original, tmp_path / "new", dtype="int3")


def test_broken_source_leaves_no_target(original, tmp_path):
    change_json(original / "config.json", padded_vocab_size=600)
    with pytest.raises(ModelLoadError, match="shape"):
        convert_folder(original, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["original"]


def test_vocabulary_of_a_larger_model_is_refused(original, tmp_path):
    change_json(original / "config.json", _name_or_path="THUDM/chatglm3-6b")  # which has more control tokens
    with pytest.raises(ModelLoadError, match="the tokenizer has 630 tokens, the model 626"):
        convert_folder(original, tmp_path / "new")


def test_disk_that_fills_up_leaves_no_target(original, tmp_path, monkeypatch):
    def fail(writer, name, tensor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ShardWriter, "write", fail)
    with pytest.raises(StorageError, match="is full"):
        convert_folder(original, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["original"]
