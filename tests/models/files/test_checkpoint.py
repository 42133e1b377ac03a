"""What a folder tells before it is loaded."""

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.checkpoint import (
    glance_at_json,
    read_checkpoint,
    read_json,
    weight_files,
)
from tests.models.reference import folder_of


def test_folder_tells_its_kind(tiny_model_dir):
    checkpoint = read_checkpoint(tiny_model_dir)
    assert checkpoint.config["model_type"] == "llama"
    assert not checkpoint.is_pickle


def test_glance_at_what_cannot_be_read_shows_nothing(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert glance_at_json(tmp_path / "deep.json") == glance_at_json(tmp_path / "missing.json") == {}


def test_folder_of_2023_is_told_by_its_config():
    checkpoint = read_checkpoint(folder_of("chatglm-6b"))
    assert checkpoint.is_pickle
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


def test_openvino_model_is_named_as_what_it_is(tiny_model_dir, tmp_path):
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_model_dir / name).read_bytes())
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    with pytest.raises(ModelLoadError, match="is an OpenVINO model, which the openvino engine answers with"):
        read_checkpoint(tmp_path)
