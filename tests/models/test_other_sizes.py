"""Checkpoints of other sizes than the published ones, compared with a forward pass that is written out."""

import pytest
import torch

from glmcore.core.errors import ModelLoadError
from glmcore.models import Message, load_model
from glmcore.models.files.checkpoint import read_json
from glmcore.models.files.tensor_files import iter_tensors
from tests.models.original_folders import make_original
from tests.models.reference import (
    expected,
    expected_logits,
    folder_of,
    one_thread,
    relative_error,
    tensors,
)
from tests.models.written_out import chatglm2_logits, chatglm_logits

CLOSE = 1e-5
PROMPT = [Message("user", "What is the capital of France? 你好")]
LONG = [Message("user", "今天天气很好，我们去公园吧！ Hello world. " * 6)]
V1_SIZES = [
    {"num_layers": 1},
    {"num_layers": 3, "num_attention_heads": 2},
    {"num_layers": 5, "inner_hidden_size": 40},
    {"hidden_size": 48, "num_attention_heads": 6, "inner_hidden_size": 100},
    {"hidden_size": 24, "num_attention_heads": 1, "inner_hidden_size": 24, "layernorm_epsilon": 1e-3},
]
V2_SIZES = [
    {"num_layers": 1, "multi_query_group_num": 1},
    {"num_layers": 3, "multi_query_group_num": 4},
    {"kv_channels": 12, "num_attention_heads": 6, "ffn_hidden_size": 20},
    {"hidden_size": 40, "kv_channels": 16, "layernorm_epsilon": 1e-3},
]

on_one_thread = pytest.fixture(autouse=True, scope="module")(one_thread)


def logits_of(loaded, ids):
    with torch.no_grad():
        return loaded.model(input_ids=torch.tensor([ids])).logits[0]


def load(folder, **options):
    return load_model(folder, dtype="float32", device="cpu", **options)


def assert_exact(folder, written_out, **options):
    """Whole, and token by token over a cache."""
    loaded, weights = load(folder), dict(iter_tensors(folder))
    config = expected_config(folder)
    for messages in (PROMPT, LONG):
        prompt = loaded.prompt_ids(messages)
        wanted = written_out(weights, config, prompt, **options)
        assert relative_error(logits_of(loaded, prompt), wanted) < CLOSE
        answer = loaded.model.generate(
            input_ids=torch.tensor([prompt]), max_new_tokens=6, min_new_tokens=6, do_sample=False,
            return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
        ids = answer.sequences[0].tolist()
        wanted = written_out(weights, config, ids[:-1], **options)[-6:]
        assert relative_error(torch.cat(answer.logits), wanted) < CLOSE


def expected_config(folder):
    return read_json(folder / "config.json")


@pytest.mark.parametrize("written_out", [chatglm_logits, chatglm2_logits])
def test_written_out_forward_is_the_original(written_out):
    family = "chatglm-6b" if written_out is chatglm_logits else "chatglm2-6b"
    weights, config = dict(iter_tensors(folder_of(family))), expected_config(folder_of(family))
    for row, logits in enumerate(expected_logits(family, "full")):
        ids = tensors(family)["input_ids"][row, : expected(family)["lengths"][row]].tolist()
        assert relative_error(written_out(weights, config, ids), logits) < CLOSE


@pytest.mark.parametrize("sizes", V1_SIZES, ids=str)
def test_chatglm_of_any_size_is_exact(tmp_path, sizes):
    assert_exact(make_original(tmp_path / "chatglm-6b", "chatglm", **sizes), chatglm_logits)


@pytest.mark.parametrize("family", ["chatglm2", "chatglm3"])
@pytest.mark.parametrize("sizes", V2_SIZES, ids=str)
def test_chatglm2_and_3_of_any_size_are_exact(tmp_path, family, sizes):
    assert_exact(make_original(tmp_path / f"{family}-6b", family, **sizes), chatglm2_logits)


def test_longer_window_of_chatglm3_scales_the_base_of_the_frequencies(tmp_path):
    folder = make_original(tmp_path / "chatglm3-6b-32k", "chatglm3", rope_ratio=50)
    assert_exact(folder, chatglm2_logits, base=500_000.0)


def test_longer_window_of_chatglm2_stretches_the_positions(tmp_path):
    folder = make_original(tmp_path / "chatglm2-6b-32k", "chatglm2", rope_ratio=16)
    assert_exact(folder, chatglm2_logits, stretch=16.0)


def test_chatglm2_without_biases_is_exact(tmp_path):
    folder = make_original(tmp_path / "chatglm2-6b", "chatglm2", add_qkv_bias=False, shards=1)
    weights = {name: tensor for name, tensor in iter_tensors(folder) if not name.endswith("bias")}
    replace_weights(folder, weights)
    assert_exact(folder, chatglm2_logits)


def test_mask_token_serves_where_there_is_no_gmask(tmp_path):
    folder = make_original(tmp_path / "chatglm-6b", "chatglm")
    loaded, config = load(folder), expected_config(folder)
    prompt = loaded.prompt_ids(PROMPT)
    gmask, mask = config["gmask_token_id"], config["mask_token_id"]
    rest = [token for token in prompt if token != gmask]
    for ids in ([mask if token == gmask else token for token in prompt], [rest[0], mask, *rest[1:], rest[2]]):
        wanted = chatglm_logits(dict(iter_tensors(folder)), config, ids)
        assert relative_error(logits_of(loaded, ids), wanted) < CLOSE


@pytest.mark.parametrize(
    "other",
    [
        {"add_bias_linear": True},
        {"multi_query_attention": False},
        {"rmsnorm": False},
        {"apply_residual_connection_post_layernorm": True},
        {"post_layer_norm": False},
        {"original_rope": False},
    ],
    ids=str,
)
def test_architecture_that_was_never_published_is_refused_not_ignored(tmp_path, other):
    folder = make_original(tmp_path / "chatglm2-6b", "chatglm2", **other)
    with pytest.raises(ModelLoadError, match=f"config.json does not describe .*{next(iter(other))}"):
        load(folder)


def test_one_dimensional_positions_are_refused(tmp_path):
    folder = make_original(tmp_path / "chatglm-6b", "chatglm", position_encoding_2d=False)
    with pytest.raises(ModelLoadError, match="position_encoding_2d is false"):
        load(folder)


@pytest.mark.parametrize("family", ["chatglm", "chatglm2"])
def test_order_and_number_of_files_make_no_difference(tmp_path, family):
    one, many = (make_original(tmp_path / f"{family}-{n}", family, shards=n) for n in (1, 7))
    ids = load(one).prompt_ids(PROMPT)
    assert torch.equal(logits_of(load(one), ids), logits_of(load(many), ids))


def test_head_that_is_stored_differs_from_the_embedding_and_is_not_used(tmp_path):
    """The published code ties them whenever it loads a ChatGLM-6B."""
    folder = make_original(tmp_path / "chatglm-6b", "chatglm", shards=1)
    weights = dict(iter_tensors(folder))
    replace_weights(folder, weights | {"lm_head.weight": torch.zeros_like(weights["lm_head.weight"])})
    assert_exact(folder, chatglm_logits)
    replace_weights(folder, {name: weight for name, weight in weights.items() if name != "lm_head.weight"})
    assert_exact(folder, chatglm_logits)


def replace_weights(folder, weights):
    for path in folder.glob("pytorch_model*"):
        path.unlink()
    torch.save(weights, folder / "pytorch_model.bin")
