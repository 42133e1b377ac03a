"""Which models the openvino engine can have, told from outside."""

import os

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.models import find_model
from glmcore.models.fetch.embedded import GGUF_NAME
from glmcore.models.openvino import reason_against
from tests.models.openvino.tiny_gguf import write_tiny_gguf


@pytest.fixture
def reason_for(settings):
    def reason(path):
        return reason_against(find_model(path, settings), settings)

    return reason


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_plain_files_of_the_known_architectures_are_taken(reason_for, tmp_path, architecture):
    assert reason_for(write_tiny_gguf(tmp_path / "tiny.gguf", architecture, "Q5_1")) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rope.scaling.type", "yarn"),
        ("rope.scaling.factor", 4.0),
        ("rope.dimension_count", 32),
        ("attention.sliding_window", 128),
        ("attention.value_length", 32),
        ("expert_count", 8),
        ("final_logit_softcapping", 30.0),
        ("attention.key_length", [64, 64]),
    ],
)
def test_what_the_reader_would_ignore_is_a_reason(reason_for, tmp_path, key, value):
    found = reason_for(write_tiny_gguf(tmp_path / "tiny.gguf", extra_keys=[(key, value)]))
    assert isinstance(found, ModelLoadError)
    assert f"because of llama.{key} = " in str(found)


@pytest.mark.parametrize(("key", "value"), [("rope.scaling.type", "none"), ("expert_count", 0)])
def test_what_says_nothing_is_no_reason(reason_for, tmp_path, key, value):
    assert reason_for(write_tiny_gguf(tmp_path / "tiny.gguf", extra_keys=[(key, value)])) is None


def test_other_architectures_and_tensors_are_a_reason(reason_for, tmp_path):
    phi = write_tiny_gguf(tmp_path / "phi.gguf", "phi3")
    assert "has the architecture phi3; of GGUF files" in str(reason_for(phi))
    less = write_tiny_gguf(tmp_path / "less.gguf", leave_out="blk.1.ffn_up.weight")
    assert "because of blk.1.ffn_up.weight" in str(reason_for(less))


def test_damaged_file_is_a_reason_and_not_an_error(reason_for, tmp_path):
    (tmp_path / "page.gguf").write_text("<html>")
    assert "is not a readable GGUF file" in str(reason_for(tmp_path / "page.gguf"))


def test_a_changed_file_is_judged_anew(reason_for, tmp_path):
    path = write_tiny_gguf(tmp_path / "tiny.gguf", extra_keys=[("expert_count", 8)])
    assert reason_for(path) is not None
    write_tiny_gguf(path)
    os.utime(path, (1, 1))
    assert reason_for(path) is None


def test_embedded_model_can_be_had_before_it_is_there(settings):
    assert reason_against(find_model(EMBEDDED_MODEL, settings), settings) is None


def test_embedded_model_without_its_file_is_a_reason(settings):
    folder = settings.models_dir / EMBEDDED_MODEL
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert f"{GGUF_NAME} cannot be read" in str(
        reason_against(find_model(EMBEDDED_MODEL, settings), settings)
    )


def test_safetensors_folder_is_a_reason(reason_for, tiny_model_dir):
    assert "neither a .gguf file nor an OpenVINO folder" in str(reason_for(tiny_model_dir))


@pytest.mark.parametrize("missing", ["openvino_model.bin", "tokenizer.json"])
def test_openvino_folder_has_to_be_whole(reason_for, tmp_path, missing):
    for name in ("config.json", "openvino_model.xml", "openvino_model.bin", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    assert reason_for(tmp_path) is None
    (tmp_path / missing).unlink()
    assert f"has no {missing}" in str(reason_for(tmp_path))
