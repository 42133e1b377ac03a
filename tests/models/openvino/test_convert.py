"""Converted tiny models hold the file's weights and compute what transformers computes."""

import numpy as np
import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.core.messages import Message
from glmcore.models import load_model
from glmcore.models.files.gguf_file import read_header
from glmcore.models.openvino import graph, read_model
from glmcore.models.openvino.convert import convert
from tests.models.openvino.tiny_gguf import VOCABULARY, write_tiny_gguf

EXACTLY = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    "KV_CACHE_PRECISION": "f32",
}
FORMATS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", "<|end|> ab 你好"),
    Message("assistant", "ab"),
]


def converted(folder, architecture, quantization):
    path = write_tiny_gguf(folder / "tiny.gguf", architecture, quantization)
    (folder / "made").mkdir()
    convert(path, folder / "made", lambda part: None)
    return path, folder / "made"


def computed_logits(folder, ids):
    import openvino as ov

    request = ov.Core().compile_model(folder / "openvino_model.xml", "CPU", EXACTLY).create_infer_request()
    inputs = {
        "input_ids": np.array([ids]),
        "attention_mask": np.ones((1, len(ids)), np.int64),
        "position_ids": np.arange(len(ids))[None],
        "beam_idx": np.zeros(1, np.int32),
    }
    return request.infer(inputs)["logits"][0]


def expected_logits(path, ids):
    import torch

    loaded = load_model(path, dtype="float32", device="cpu")
    with torch.no_grad():
        return loaded.model(input_ids=torch.tensor([ids])).logits[0].numpy(), loaded


def check_against_transformers(tmp_path, architecture, quantization):
    path, made = converted(tmp_path, architecture, quantization)
    ids = np.random.default_rng(1).integers(0, VOCABULARY, 300).tolist()
    found = computed_logits(made, ids)
    expected, loaded = expected_logits(path, ids)
    most = {"Q8_0": 1e-4, "Q4_0": 1e-4, "F16": 0.01, "BF16": 0.01, "F32": 0.01}.get(quantization, 0.3)
    assert np.abs(found - expected).max() < most
    assert (found.argmax(-1) == expected.argmax(-1)).mean() > 0.95
    return loaded, read_model(made, "tiny")


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("quantization", FORMATS)
@pytest.mark.slow
def test_every_architecture_and_format_computes_what_transformers_does(tmp_path, architecture, quantization):
    loaded, read = check_against_transformers(tmp_path, architecture, quantization)
    assert read.text.prompt_ids(CONVERSATION[:2]) == loaded.prompt_ids(CONVERSATION[:2])


def test_converted_model_agrees_with_the_transformers_engine(tmp_path):
    loaded, read = check_against_transformers(tmp_path, "llama", "Q8_0")
    assert read.text.prompt_ids(CONVERSATION[:2]) == loaded.prompt_ids(CONVERSATION[:2])
    assert read.text.prompt_ids(CONVERSATION, continue_last=True) == loaded.prompt_ids(
        CONVERSATION, continue_last=True
    )
    assert read.text.template_hash == loaded.template_hash
    assert read.text.family is loaded.family
    for name in ("window", "eos_token_ids", "default_params", "notes"):
        assert getattr(read, name) == getattr(loaded, name), name
    assert read.kv_numbers_per_token == 2 * 2 * 2 * 64  # keys and values, layers, heads, numbers of a head
    assert read.weight_bytes == (tmp_path / "made" / "openvino_model.bin").stat().st_size


def test_layers_have_the_names_that_adapters_ask_for(tmp_path):
    import openvino as ov

    _, made = converted(tmp_path, "qwen2", "Q4_1")
    model = ov.Core().read_model(made / "openvino_model.xml")
    names = {node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"}
    linear = "/ov_ext::linear/MatMul"
    assert f"__module.model.layers.1.self_attn.k_proj{linear}" in names
    assert f"__module.model.layers.0.mlp.down_proj{linear}" in names
    assert f"__module.lm_head{linear}" in names


@pytest.fixture(scope="module")
def read_graph(tmp_path_factory):
    """A converted graph, and how to hold it against a file."""
    import openvino as ov

    _, made = converted(tmp_path_factory.mktemp("graph"), "llama", "Q8_0")

    def check(path):
        from gguf import GGUFReader

        model = ov.Core().read_model(made / "openvino_model.xml")
        for index, node in enumerate(graph_matmuls(model)):
            node.set_friendly_name(f"MatMul_{index}")
        graph.check_and_name(model, GGUFReader(path), read_header(path).metadata, lambda part: None)

    return check


def graph_matmuls(model):
    order = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

    def place(node):
        parts = node.get_friendly_name().split("/")[0].split(".")
        return (int(parts[3]), order.index(parts[-1])) if "layers" in parts else (99, 0)

    found = [node for node in model.get_ordered_ops() if "ov_ext::linear" in node.get_friendly_name()]
    return sorted(found, key=place)


def test_graph_of_the_same_file_is_taken(read_graph, tmp_path):
    assert read_graph(write_tiny_gguf(tmp_path / "same.gguf", quantization="Q8_0")) is None


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ("token_embd.weight", "weights token_embd.weight came out wrong"),
        ("output.weight", "weights output.weight came out wrong"),
        ("blk.1.attn_k.weight", "weights blk.1.attn_k.weight came out wrong"),
        ("blk.0.ffn_norm.weight", r"another model of it than expected \(blk.0.ffn_norm.weight\)"),
    ],
)
def test_graph_that_differs_in_one_tensor_is_refused(read_graph, tmp_path, changed, complaint):
    path = write_tiny_gguf(tmp_path / "other.gguf", quantization="Q8_0", spoilt=changed)
    with pytest.raises(ModelLoadError, match=complaint):
        read_graph(path)


def test_other_positions_are_refused(read_graph, tmp_path):
    path = write_tiny_gguf(tmp_path / "other.gguf", quantization="Q8_0", rope_base=500_000.0)
    with pytest.raises(ModelLoadError, match="rope"):
        read_graph(path)
