"""Adapters that do not fit, are damaged or mean harm: one sentence, and the model stays as it is."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from glmcore.core.errors import GlmcoreError, ModelLoadError, NotFoundError
from glmcore.models import load_model
from glmcore.models.adapters.manifest import AdapterManifest, write_manifest
from tests.models.adapters.making import (
    GLM_LAYERS,
    V1_LAYERS,
    assert_same_numbers,
    logits,
    make_lora,
    make_peft_prefix,
    numbers,
)
from tests.models.original_folders import (
    make_original,
    make_ptuning,
    prefix_tensors,
    published_config,
    read_json,
)


def assert_one_sentence(loaded, folder, attach, *words):
    before = numbers(loaded.model)
    with pytest.raises(GlmcoreError) as caught:
        attach(loaded, folder)
    said = str(caught.value)
    assert folder.name in said
    assert "\n" not in said
    assert len(said) < 600
    assert all(word in said for word in words), said
    assert_same_numbers(loaded.model, before)
    return said


def change_config(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(read_json(path) | changes))


def test_a_prefix_of_peft_on_chatglm_is_refused_with_the_reason(bases, attach, tmp_path):
    folder = make_peft_prefix(tmp_path / "prefix", bases["chatglm"])
    with pytest.raises(ModelLoadError, match="PREFIX_TUNING"):
        attach(bases["chatglm"], folder)


def save_prefix(folder, tensors, config=None):
    folder.mkdir(exist_ok=True)
    torch.save(tensors, folder / "pytorch_model.bin")
    if config:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


PREFIX = "transformer.prefix_encoder."
SPOILED = {
    "no second layer": lambda tensors: tensors.pop(f"{PREFIX}trans.2.weight"),
    "no bias": lambda tensors: tensors.pop(f"{PREFIX}trans.0.bias"),
    "no embedding": lambda tensors: tensors.pop(f"{PREFIX}embedding.weight"),
    "a vector for an embedding": lambda tensors: tensors.update(
        {f"{PREFIX}embedding.weight": torch.zeros(4)}
    ),
    "a narrow embedding": lambda tensors: tensors.update({f"{PREFIX}embedding.weight": torch.zeros(4, 3)}),
    "one tensor too many": lambda tensors: tensors.update({f"{PREFIX}other.weight": torch.zeros(4, 3)}),
    "nothing": lambda tensors: tensors.clear(),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_a_damaged_ptuning_checkpoint_is_one_sentence(spoil, bases, attach, tmp_path):
    config = published_config("chatglm")
    tensors = prefix_tensors(config, projection=True)
    spoil(tensors)
    assert_one_sentence(bases["chatglm"], save_prefix(tmp_path / "spoiled", tensors, config), attach)


def test_a_ptuning_checkpoint_of_another_model_is_refused(bases, attach, tmp_path):
    v1, v2 = published_config("chatglm"), published_config("chatglm2")
    other = make_ptuning(tmp_path / "other", v2)
    assert_one_sentence(bases["chatglm"], other, attach, "ChatGLM2-6B", "ChatGLM-6B")
    longer = make_ptuning(tmp_path / "longer", v1 | {"num_layers": 3})
    assert_one_sentence(bases["chatglm"], longer, attach, "192", "128")
    third = make_ptuning(tmp_path / "third", v2 | {"_name_or_path": "THUDM/chatglm3-6b"})
    assert_one_sentence(bases["chatglm2"], third, attach, "ChatGLM3-6B", "ChatGLM2-6B")


def test_a_checkpoint_that_does_not_say_which_of_two_alike_families_it_is_of_is_tried(attach, tmp_path):
    folder = make_original(tmp_path / "chatglm3-6b", "chatglm3")
    loaded = load_model(folder, dtype="float32", device="cpu")
    config = published_config("chatglm3") | {"_name_or_path": "/data/my-base"}
    assert attach(loaded, make_ptuning(tmp_path / "checkpoint-3000", config)).adapter == "checkpoint-3000"


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_with_code_in_it_is_not_run(bases, attach, tmp_path):
    touched = tmp_path / "touched"
    lora = make_lora(tmp_path / "lora", bases["chatglm2"], GLM_LAYERS)
    (lora / "adapter_model.safetensors").unlink()
    ptuning = make_ptuning(tmp_path / "ptuning", published_config("chatglm2"))
    for folder, file in ((lora, "adapter_model.bin"), (ptuning, "pytorch_model.bin")):
        (folder / file).write_bytes(pickle.dumps({"weight": Harmful(touched)}))
        assert_one_sentence(bases["chatglm2"], folder, attach)
        torch.save({"weight": Harmful(touched)}, folder / file)
        said = assert_one_sentence(bases["chatglm2"], folder, attach)
        assert "pickle" in said
        assert not touched.exists()


HARMLESS = {
    "code to import": {"auto_mapping": {"base_model_class": "X", "parent_library": "no_such_library"}},
    "code to trust": {"trust_remote_code": True},
    "another engine": {"megatron_config": {"a": 1}, "megatron_core": "no_such_library"},
    "an initialisation": {"init_lora_weights": "pissa"},
    "another initialisation": {
        "init_lora_weights": "eva",
        "eva_config": {"rho": 2},
        "loftq_config": {"a": 1},
    },
    "no such base": {"base_model_name_or_path": "/no/such/folder", "revision": "main"},
    "unknown fields": {"something_new": 1, "runtime_config": {"ephemeral_gpu_offload": True}},
    "to be trained": {"inference_mode": False},
    "another task": {"task_type": "SEQ_CLS"},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_does_not_describe_weights_is_left_alone(changes, bases, attach, tmp_path):
    base = bases["chatglm2"]
    folder = make_lora(tmp_path / "lora", base, GLM_LAYERS)
    expected = logits(attach(base, folder))
    change_config(folder, **changes)
    assert torch.equal(logits(attach(base, folder)), expected)


REFUSED = {
    "unknown type": ({"peft_type": "TELEPATHY"}, "TELEPATHY"),
    "known type that is not supported": ({"peft_type": "IA3"}, "IA3"),
    "no type": ({"peft_type": None}, "LORA"),
    "a list for a type": ({"peft_type": ["LORA"]}, "LORA"),
    "rank as text": ({"r": "4"}, ""),
    "rank of zero": ({"r": 0}, ""),
    "another rank": ({"r": 5}, ""),
    "an enormous rank": ({"r": 10**9}, ""),
    "layers that are not there": ({"target_modules": ["nothing"]}, "nothing"),
    "fewer layers than weights": ({"target_modules": ["q_proj"]}, ""),
    "more layers than weights": ({"target_modules": [*GLM_LAYERS, "k_proj"]}, ""),
    "a number for layers": ({"target_modules": 3}, ""),
    "a broken pattern": ({"target_modules": "((("}, ""),
    "alpha as text": ({"lora_alpha": "much"}, ""),
}


@pytest.mark.parametrize("changes, word", REFUSED.values(), ids=REFUSED.keys())
def test_a_config_that_does_not_fit_is_one_sentence(changes, word, bases, attach, tmp_path):
    folder = make_lora(tmp_path / "lora", bases["chatglm2"], GLM_LAYERS)
    change_config(folder, **changes)
    assert_one_sentence(bases["chatglm2"], folder, attach, word)


def test_an_adapter_of_another_model_is_refused(bases, attach, tmp_path):
    deeper = load_model(
        make_original(tmp_path / "deeper", "chatglm2", num_layers=3), dtype="float32", device="cpu"
    )
    folder = make_lora(tmp_path / "lora", deeper, GLM_LAYERS)
    assert_one_sentence(bases["chatglm2"], folder, attach)
    assert_one_sentence(bases["chatglm"], folder, attach)
    shallow = make_lora(tmp_path / "shallow", bases["chatglm2"], GLM_LAYERS)
    assert_one_sentence(deeper, shallow, attach)


def test_files_that_are_missing_or_damaged_are_one_sentence(bases, attach, tmp_path):
    base = bases["chatglm2"]
    folder = make_lora(tmp_path / "lora", base, GLM_LAYERS)
    weights = folder / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    assert_one_sentence(base, folder, attach)
    weights.unlink()
    assert_one_sentence(base, folder, attach, "adapter_model.safetensors")
    for text in ("", "[]", "{", "[" * 100_000):
        (folder / "adapter_config.json").write_text(text)
        assert_one_sentence(base, folder, attach, "adapter_config.json")
    with pytest.raises(NotFoundError, match="no adapter"):
        attach(base, tmp_path / "nothing")


def test_numbers_that_are_none_are_refused(bases, attach, tmp_path):
    folder = make_lora(tmp_path / "lora", bases["chatglm2"], GLM_LAYERS)
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file(
        {f"other.{name}": tensor for name, tensor in tensors.items()}, folder / "adapter_model.safetensors"
    )
    assert_one_sentence(bases["chatglm2"], folder, attach)


def test_weight_decomposition_on_quantized_weights_is_refused(bases, attach, tmp_path):
    folder = make_lora(tmp_path / "lora", bases["chatglm"], V1_LAYERS, use_dora=True)
    assert_one_sentence(bases["chatglm-int8"], folder, attach, "dora")


def test_the_manifest_is_compared_with_the_model(bases, attach, tmp_path):
    base = bases["chatglm2"]
    folder = make_lora(tmp_path / "lora", base, GLM_LAYERS)
    right = AdapterManifest(
        base_model="my-base", family="chatglm2", template_hash=base.template_hash, method="lora"
    )
    write_manifest(folder, right)
    assert attach(base, folder).adapter == "lora"
    write_manifest(folder, replace(right, family="chatglm3"))
    assert_one_sentence(base, folder, attach, "chatglm3", "chatglm2", "my-base")
    write_manifest(folder, replace(right, template_hash="0" * 16))
    assert_one_sentence(base, folder, attach, "0" * 16, base.template_hash)
    (folder / "glmcore_adapter.json").write_text("{")
    assert_one_sentence(base, folder, attach, "glmcore_adapter.json")


def test_a_second_adapter_is_attached_to_the_base_not_on_top(bases, attach, tmp_path):
    base = bases["chatglm2"]
    first = attach(base, make_lora(tmp_path / "one", base, GLM_LAYERS, seed=1))
    second = make_lora(tmp_path / "two", base, GLM_LAYERS, seed=2)
    assert_one_sentence(first, second, attach, "one")
