"""Headers of GGUF files, sound and damaged."""

import random

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.gguf_file import read_gguf


def refusal_of(path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelLoadError) as caught:
        read_gguf(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_header_tells_size_and_config(tiny_gguf):
    checkpoint = read_gguf(tiny_gguf)
    assert checkpoint.config["model_type"] == "llama"
    assert checkpoint.config["num_hidden_layers"] == 2
    assert checkpoint.config["num_key_value_heads"] == 2
    assert checkpoint.num_weights > 2 * 264 * 32


@pytest.mark.parametrize("length", [0, 3, 10, 30, 500])
def test_truncated_header_is_refused(tiny_gguf, tmp_path, length):
    assert "announces" in refusal_of(tmp_path / "short.gguf", tiny_gguf.read_bytes()[:length])


def test_truncated_data_is_refused(tiny_gguf, tmp_path):
    assert "ends at byte" in refusal_of(tmp_path / "short.gguf", tiny_gguf.read_bytes()[:-1000])


def test_other_files_are_refused(tmp_path):
    assert "does not begin with GGUF" in refusal_of(tmp_path / "page.gguf", b"<html>" * 100)


@pytest.mark.parametrize("place", [8, 16, 24])
def test_impossible_counts_end_at_once(tiny_gguf, tmp_path, place):
    data = bytearray(tiny_gguf.read_bytes())
    data[place : place + 8] = b"\xff" * 7 + b"\x7f"
    assert "announce" in refusal_of(tmp_path / "flipped.gguf", data)


def test_flipped_bytes_in_the_header_never_raise_anything_else(tiny_gguf, tmp_path):
    sound = tiny_gguf.read_bytes()
    path = tmp_path / "flipped.gguf"
    draw = random.Random(0)
    refused = 0
    for _ in range(200):
        data = bytearray(sound)
        for _ in range(3):
            data[draw.randrange(8000)] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        try:
            read_gguf(path)
        except ModelLoadError:
            refused += 1
    assert refused > 50
