"""The model hub: which files are wanted, and what is said when it cannot be reached."""

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.models.fetch.hub import choose_files, fetch_from_hub
from glmcore.models.progress import ignore_progress

DATA = ["config.json", "tokenizer.json", "chat_template.jinja"]


def test_safetensors_are_preferred_and_code_is_never_fetched():
    files = [
        *DATA,
        "modeling_own.py",
        "model.safetensors",
        "pytorch_model.bin",
        "onnx/model.onnx",
        "README.md",
    ]
    assert choose_files(files) == [*DATA, "model.safetensors"]


def test_pickled_weights_are_taken_where_there_is_nothing_else():
    assert choose_files([*DATA, "pytorch_model.bin"]) == [*DATA, "pytorch_model.bin"]


def test_repository_without_weights_gives_nothing():
    assert choose_files([*DATA, "dataset.parquet"]) == []


def test_unreachable_hub_is_one_sentence(monkeypatch, tmp_path):
    import huggingface_hub

    def fail(*_, **__):
        raise ConnectionError("Name or service not known\nmore")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    with pytest.raises(
        ModelLoadError, match=r"cannot be fetched from the model hub \(Name or service not known\)"
    ):
        fetch_from_hub("nobody/no-such-model", ignore_progress)
