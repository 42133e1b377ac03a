"""A second tree of modules over the same numbers: what is done to it does not reach the first."""

import pytest
import torch
from accelerate import cpu_offload, disk_offload, dispatch_model
from transformers import LlamaConfig, LlamaForCausalLM

from glmcore.models.native.sharing import on_same_weights

IDS = torch.tensor([[5, 6, 7, 8]])


def small_model(**changes):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        initializer_range=0.4,
        bos_token_id=None,
        eos_token_id=None,
        **changes,
    )
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def logits(model):
    return model(input_ids=IDS).logits


def numbers(model):
    return {name: tensor.clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_the_copy_has_the_same_numbers_in_the_same_memory_and_nothing_else():
    model = small_model()
    copy = on_same_weights(model)
    assert torch.equal(logits(copy), logits(model))
    for (name, ours), (other, theirs) in zip(model.named_parameters(), copy.named_parameters(), strict=True):
        assert name == other
        assert ours is not theirs
        assert ours.data_ptr() == theirs.data_ptr()
    assert not set(map(id, model.modules())) & set(map(id, copy.modules()))
    assert copy.config is not model.config
    assert copy.generation_config is not model.generation_config
    assert copy.model.layers[0].self_attn.config is copy.config


def test_what_is_done_to_the_copy_does_not_reach_the_model():
    model = small_model()
    model.model.embed_tokens.weight.requires_grad_(False)
    flags = {name: weight.requires_grad for name, weight in model.named_parameters()}
    before, answers = numbers(model), logits(model)
    copy = on_same_weights(model)
    assert flags == {name: weight.requires_grad for name, weight in copy.named_parameters()}
    copy.requires_grad_(True)
    copy.train()
    copy.config._attn_implementation = "eager"
    copy.config.use_cache = False
    copy.generation_config.max_new_tokens = 3
    copy.register_forward_pre_hook(lambda *_: pytest.fail("a hook of the copy"))
    copy.model.layers[0].mlp = torch.nn.Identity()
    copy.lm_head.weight = torch.nn.Parameter(torch.zeros(64, 16))
    copy.model.norm.to(torch.float64)
    assert same(before, numbers(model))
    assert torch.equal(logits(model), answers)
    assert flags == {name: weight.requires_grad for name, weight in model.named_parameters()}
    assert not any(module.training for module in model.modules())
    assert model.config._attn_implementation == "sdpa"
    assert model.config.use_cache is True


def test_tied_weights_stay_tied_and_untied_ones_apart():
    tied = on_same_weights(small_model(tie_word_embeddings=True))
    assert tied.lm_head.weight is tied.model.embed_tokens.weight
    untied = on_same_weights(small_model())
    assert untied.lm_head.weight is not untied.model.embed_tokens.weight


def test_a_copy_of_a_copy_and_quantized_weights_work():
    from glmcore.models.native.quantized import QuantizedLinear, quantize

    model = small_model()
    for layer in model.model.layers:
        full = layer.mlp.down_proj
        layer.mlp.down_proj = QuantizedLinear(full.in_features, full.out_features, 4, bias=False)
        layer.mlp.down_proj.weight.data, scale = quantize(full.weight.data, 4)
        layer.mlp.down_proj.weight_scale.data = scale.float()
    copy = on_same_weights(on_same_weights(model))
    assert torch.equal(logits(copy), logits(model))
    packed = copy.model.layers[0].mlp.down_proj.weight
    assert packed.dtype == torch.int8
    assert not packed.requires_grad
    assert packed.data_ptr() == model.model.layers[0].mlp.down_proj.weight.data_ptr()


def spread(model, folder):
    device_map = {
        "model.embed_tokens": "cpu",
        "model.rotary_emb": "cpu",
        "model.norm": "cpu",
        "lm_head": "cpu",
    }
    device_map |= {"model.layers.0": "cpu", "model.layers.1": "disk"}
    return dispatch_model(model, device_map, offload_dir=str(folder), main_device="cpu")


OFFLOADED = {
    "in memory": lambda model, folder: cpu_offload(model, torch.device("cpu")),
    "on disk": lambda model, folder: disk_offload(model, str(folder), torch.device("cpu")),
    "spread": spread,
}


@pytest.mark.parametrize("offload", OFFLOADED.values(), ids=OFFLOADED.keys())
def test_offloaded_models_work_and_their_weights_are_not_read_again(offload, tmp_path):
    expected = logits(small_model())
    model = offload(small_model(), tmp_path)
    copy = on_same_weights(model)
    for _ in range(2):
        assert torch.equal(logits(copy), expected)
        assert torch.equal(logits(model), expected)
    maps = [find_map(tree) for tree in (model, copy)]
    assert maps[0] is maps[1]
    assert maps[0] is not None
    for name, weight in copy.named_parameters():
        assert weight.device == model.get_parameter(name).device


def find_map(model):
    hooks = (getattr(module, "_hf_hook", None) for module in model.modules())
    parts = (part for hook in hooks for part in getattr(hook, "hooks", [hook]))
    maps = (getattr(part, "weights_map", None) for part in parts)
    return next((found for found in maps if found is not None), None)
