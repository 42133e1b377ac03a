"""Safetensors files written tensor by tensor."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from glmcore.models.files.tensor_files import iter_tensors, list_tensors
from glmcore.models.native.shards import ShardWriter

TENSORS = {
    "half": torch.arange(3, dtype=torch.float16),
    "full": torch.linspace(0, 1, 6).reshape(2, 3),
    "brain": torch.ones(5, dtype=torch.bfloat16),
    "whole": torch.tensor([-7, 7], dtype=torch.int8),
    "empty": torch.empty(0, 4),
    "scalar": torch.tensor(2.5),
}


def write(folder, shard_bytes=None):
    announced = {name: torch.empty_like(tensor, device="meta") for name, tensor in TENSORS.items()}
    writer = ShardWriter(folder, announced, shard_bytes)
    for name in reversed(TENSORS):
        writer.write(name, TENSORS[name])
    writer.finish()
    return writer.files


def test_one_file_holds_every_tensor_written_in_any_order(tmp_path):
    (path,) = write(tmp_path)
    assert path.name == "model.safetensors"
    found = load_file(path)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    assert all(found[name].dtype == tensor.dtype for name, tensor in TENSORS.items())
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_shards_have_an_index_and_keep_to_their_size(tmp_path):
    files = write(tmp_path, shard_bytes=24)
    assert [path.name for path in files][:2] == [
        f"model-{number:05d}-of-{len(files):05d}.safetensors" for number in (1, 2)
    ]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in TENSORS.values())
    assert index["weight_map"].keys() == TENSORS.keys()
    assert list_tensors(tmp_path).keys() == TENSORS.keys()  # checks the index too
    assert all(torch.equal(tensor, TENSORS[name]) for name, tensor in iter_tensors(tmp_path))


def test_part_of_a_larger_tensor_is_written_alone(tmp_path):
    rows = torch.arange(12.0).reshape(4, 3)
    writer = ShardWriter(tmp_path, {"part": torch.empty(2, 3, device="meta")})
    writer.write("part", rows[1:3])
    writer.finish()
    assert torch.equal(load_file(writer.files[0])["part"], rows[1:3])


def test_forgotten_tensor_is_noticed(tmp_path):
    writer = ShardWriter(tmp_path, {"one": torch.empty(2, device="meta")})
    with pytest.raises(AssertionError, match="one"):
        writer.finish()
