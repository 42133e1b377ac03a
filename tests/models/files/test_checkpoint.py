"""What a folder tells before it is loaded."""

from collections import Counter

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.checkpoint import (
    Checkpoint,
    glance_at_json,
    read_checkpoint,
    read_json,
    weight_files,
)
from glmcore.models.files.safetensors_header import count_elements
from tests.models.reference import folder_of


def test_folder_tells_its_format_and_size(tiny_model_dir):
    checkpoint = read_checkpoint(tiny_model_dir)
    assert checkpoint.config["model_type"] == "llama"
    assert checkpoint.dtype == "float32"
    assert checkpoint.weight_bytes("bfloat16") * 2 == checkpoint.weight_bytes("float32")
    assert not checkpoint.is_pickle


def test_header_counts_every_tensor(tiny_model_dir):
    from safetensors.numpy import load_file

    path = tiny_model_dir / "model.safetensors"
    assert count_elements(path) == Counter(F32=sum(tensor.size for tensor in load_file(path).values()))


def test_weights_that_are_no_floats_keep_their_size(tmp_path):
    checkpoint = Checkpoint(tmp_path, {}, {"F16": 10, "I8": 1000, "I32": 5})
    assert checkpoint.weight_bytes("float32") == 40 + 1000 + 20
    assert checkpoint.dtype == "float16"


def test_pickled_weights_are_sized_by_their_file(tiny_model_dir, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_model_dir, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(bytes(4000))
    checkpoint = read_checkpoint(folder)
    assert checkpoint.is_pickle
    assert checkpoint.weight_bytes("float32") == 4000


def test_wide_floats_are_loaded_in_32_bits(tmp_path):
    assert Checkpoint(tmp_path, {}, {"F64": 10, "F16": 1}).dtype == "float32"


def test_glance_at_what_cannot_be_read_shows_nothing(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert glance_at_json(tmp_path / "deep.json") == glance_at_json(tmp_path / "missing.json") == {}


def test_folder_of_2023_is_told_by_its_config():
    checkpoint = read_checkpoint(folder_of("chatglm-6b"))
    assert checkpoint.is_pickle
    assert checkpoint.dtype == "float16"
    assert checkpoint.config["num_layers"] == 2


def test_pickled_checkpoints_lie_in_the_order_of_their_shards():
    names = [path.name for path in weight_files(folder_of("chatglm2-6b"))]
    assert names == ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not valid JSON"), ("[1]", "found a JSON list"), ("\x00", "JSON")]
)
def test_json_that_is_no_object_is_named(tmp_path, text, said):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelLoadError, match=said):
        read_json(tmp_path / "config.json")
