"""Adapters made with PEFT and by the original trainer, attached to models that stay as they are."""

import gc
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from glmcore.core.messages import Message
from glmcore.models import load_model
from tests.models.adapters.making import (
    BASES,
    GLM_LAYERS,
    as_peft_loads,
    assert_same_numbers,
    generated,
    layers_of,
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


@pytest.mark.parametrize("name", BASES)
def test_a_lora_answers_as_peft_loads_it_and_leaves_the_base_alone(name, bases, attach, tmp_path):
    base = bases[name]
    before, plain = numbers(base.model), logits(base)
    folder = make_lora(tmp_path / "lora", base, layers_of(name))
    adapted = attach(base, folder)
    assert adapted.adapter == "lora"
    torch.testing.assert_close(logits(adapted), as_peft_loads(base, folder))
    assert (logits(adapted) - plain).abs().max() > 0.01
    assert torch.equal(logits(base), plain)
    assert_same_numbers(base.model, before)
    assert base.adapter is None


OPTIONS = {
    "biases": {"bias": "all"},
    "biases of its layers": {"bias": "lora_only"},
    "rank-stabilised": {"use_rslora": True},
    "weight-decomposed": {"use_dora": True},
    "rank by layer": {"rank_pattern": {"dense": 2, "o_proj": 2}, "alpha_pattern": {"dense": 3, "o_proj": 3}},
    "one layer": {"layers_to_transform": [1]},
    "whole head": {"modules_to_save": ["lm_head"]},
}


@pytest.mark.parametrize("name", ["chatglm", "chatglm2"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_every_kind_of_lora_is_loaded_as_peft_loads_it(name, options, bases, attach, tmp_path):
    base = bases[name]
    if name == "chatglm" and "modules_to_save" in options:
        options = {"modules_to_save": ["final_layernorm"]}  # its head is tied to the embedding
    before, plain = numbers(base.model), logits(base)
    folder = make_lora(tmp_path / "lora", base, layers_of(name), **options)
    adapted = attach(base, folder)
    torch.testing.assert_close(logits(adapted), as_peft_loads(base, folder))
    assert_same_numbers(base.model, before)
    assert torch.equal(logits(base), plain)


@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize("name", ["chatglm2", "chatglm2-int4"])
def test_a_prefix_of_peft_answers_as_peft_loads_it(name, projection, bases, attach, tmp_path):
    base = bases[name]
    plain = logits(base)
    folder = make_peft_prefix(tmp_path / "prefix", base, projection)
    adapted = attach(base, folder)
    torch.testing.assert_close(logits(adapted), as_peft_loads(base, folder))
    assert (logits(adapted) - plain).abs().max() > 0.01
    assert len(generated(adapted)) == 6
    assert not adapted.can_batch
    assert torch.equal(logits(base), plain)


@pytest.mark.parametrize("name", ["chatglm", "chatglm2"])
def test_base_and_adapters_alternate_and_run_side_by_side(name, bases, attach, tmp_path):
    base = bases[name]
    family = name.partition("-")[0]
    adapted = [
        attach(base, make_lora(tmp_path / "one", base, layers_of(name), seed=1)),
        attach(base, make_lora(tmp_path / "two", base, layers_of(name), seed=2)),
        attach(base, make_ptuning(tmp_path / "three", published_config(family))),
    ]
    models = [base, *adapted]
    expected = [(logits(loaded), generated(loaded, count=10)) for loaded in models]
    assert len({str(answer) for answer, _ in expected}) == len(models)
    for _ in range(2):
        for loaded, (answer, _) in zip(models, expected, strict=True):
            assert torch.equal(logits(loaded), answer)
    with ThreadPoolExecutor(len(models)) as pool:
        found = list(pool.map(lambda loaded: generated(loaded, count=10), models * 3))
    assert found == [ids for _, ids in expected] * 3


def test_a_lora_is_batched_with_the_tokens_of_generate(bases, attach, tmp_path):
    from glmcore.chat.transformers_engine import TransformersEngine
    from glmcore.core.messages import ChatRequest, GenerationParams

    base = bases["chatglm2"]
    adapted = attach(base, make_lora(tmp_path / "lora", base, GLM_LAYERS))
    assert adapted.can_batch
    questions = ["你好", "the capital of France", "print('hello world')"]
    models = [replace(loaded, eos_token_ids=(1,)) for loaded in (base, adapted)]  # nobody says <s>
    expected = [[model.decode(generated(model, text, 12)) for text in questions] for model in models]
    assert expected[0] != expected[1]
    engines = [TransformersEngine(model, kv_cache_gib=0.002) for model in models]
    try:
        requests = [
            ChatRequest(
                messages=(Message("user", text),),
                params=GenerationParams(temperature=0.0, max_new_tokens=12),
                model="x",
            )
            for text in questions
        ]
        streams = [[engine.submit(request) for request in requests] for engine in engines]
        found = [["".join(stream) for stream in of_engine] for of_engine in streams]
    finally:
        for engine in engines:
            engine.close()
    assert found == [
        [model.clean_answer(text) for text in texts] for model, texts in zip(models, expected, strict=True)
    ]


@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize("name", BASES)
def test_an_original_ptuning_checkpoint_changes_the_answer_and_not_the_base(
    name, projection, bases, attach, tmp_path
):
    base = bases[name]
    before, plain = numbers(base.model), logits(base)
    config = published_config(name.partition("-")[0])
    adapted = attach(base, make_ptuning(tmp_path / "p", config, projection=projection))
    assert (logits(adapted) - plain).abs().max() > 0.01
    assert adapted.model.base_model.prefix_encoder.pre_seq_len == 5
    assert not adapted.can_batch
    assert torch.equal(logits(base), plain)
    assert_same_numbers(base.model, before)


def test_sizes_that_the_checkpoints_config_gets_wrong_are_read_off_the_tensors(bases, attach, tmp_path):
    config = published_config("chatglm")
    right = make_ptuning(tmp_path / "right", config, projection=True)
    wrong = make_ptuning(tmp_path / "wrong", config, projection=True)
    values = read_json(wrong / "config.json")
    for changes in ({"pre_seq_len": 77, "prefix_projection": False}, {"prefix_projection": [True]}):
        (wrong / "config.json").write_text(json.dumps(values | changes))
        expected = logits(attach(bases["chatglm"], right))
        assert torch.equal(logits(attach(bases["chatglm"], wrong)), expected)
    (wrong / "config.json").unlink()
    assert torch.equal(logits(attach(bases["chatglm"], wrong)), expected)


def test_a_lora_that_was_saved_as_a_pickle_of_weights_is_loaded(bases, attach, tmp_path):
    base = bases["chatglm2"]
    folder = make_lora(tmp_path / "lora", base, GLM_LAYERS)
    expected = logits(attach(base, folder))
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    assert torch.equal(logits(attach(base, folder)), expected)


def spread_map(loaded):
    names = loaded.family.layer_names
    places = dict.fromkeys((names.embedding, names.norm, names.head, *names.beside_embedding), "cpu")
    return places | {f"{names.layers}.0": "cpu", f"{names.layers}.1": "disk"}


@pytest.mark.parametrize("name", ["chatglm", "chatglm2", "chatglm2-int4"])
def test_adapters_work_on_a_base_that_is_partly_on_disk(name, bases, attach, settings, tmp_path):
    base = bases[name]
    lora = make_lora(tmp_path / "lora", base, layers_of(name))
    ptuning = make_ptuning(tmp_path / "ptuning", published_config(name.partition("-")[0]))
    spread = load_model(base.path, dtype="float32", device_map=spread_map(base), settings=settings)
    assert torch.equal(logits(spread), logits(base))
    for folder in (lora, ptuning):
        adapted, expected = attach(spread, folder), logits(attach(base, folder))
        for _ in range(2):
            torch.testing.assert_close(logits(adapted), expected)
            assert torch.equal(logits(spread), logits(base))
        assert len(generated(adapted)) == 6


def test_an_adapter_keeps_the_weights_on_disk_that_it_shares(bases, settings, tmp_path):
    base = bases["chatglm2"]
    folder = make_lora(tmp_path / "lora", base, GLM_LAYERS)
    adapted = load_model(
        base.path, dtype="float32", device_map=spread_map(base), adapter=folder, settings=settings
    )
    gc.collect()  # the base without the adapter is gone
    torch.testing.assert_close(logits(adapted), logits(base.with_adapter(folder, settings)))


def test_a_base_that_is_wholly_on_disk_takes_a_prefix(bases, settings, tmp_path):
    base = bases["chatglm"]
    folder = make_ptuning(tmp_path / "ptuning", published_config("chatglm"))
    loaded = load_model(base.path, dtype="float32", device_map={"": "disk"}, settings=settings)
    expected = logits(base.with_adapter(folder, settings))
    torch.testing.assert_close(logits(loaded.with_adapter(folder, settings)), expected)


def test_a_prefix_among_the_models_own_weights_is_not_batched_without_it(bases, tmp_path, settings):
    base = bases["chatglm2"]
    folder = make_original(tmp_path / "own", "chatglm2")
    index = read_json(folder / "pytorch_model.bin.index.json")
    tensors = prefix_tensors(read_json(folder / "config.json"))
    torch.save(tensors, folder / "prefix.bin")
    index["weight_map"] |= dict.fromkeys(tensors, "prefix.bin")
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    own = load_model(folder, dtype="float32", device="cpu")
    adapter = base.with_adapter(make_ptuning(tmp_path / "p", published_config("chatglm2")), settings)
    assert torch.equal(logits(own), logits(adapter))
    assert not own.can_batch
