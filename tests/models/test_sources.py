"""Listing and finding models by name."""

import json
import zipfile
from pathlib import Path

import pytest

from glmcore.core.errors import ModelLoadError, NotFoundError
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.models import find_model, list_models


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_type": "glm"}))
    (path / "model.safetensors").write_bytes(bytes(100))
    (path / "pytorch_model.bin").write_bytes(bytes(900))
    return path


@pytest.fixture
def filled(tmp_path) -> Settings:
    settings = Settings(home=tmp_path / "home", model_roots=(tmp_path / "shared", tmp_path / "absent"))
    make_folder(settings.models_dir / "org" / "glm-4")
    make_folder(settings.models_dir / ".half-built")
    make_folder(tmp_path / "shared" / "org" / "glm-4")
    make_folder(tmp_path / "shared" / "a" / "b" / "c" / "too-deep")
    (tmp_path / "shared" / "small.gguf").write_bytes(bytes(7))
    (tmp_path / "shared" / "notes.txt").write_text("no model")
    return settings


def test_embedded_model_is_offered_first_before_it_is_there(settings):
    (entry,) = list_models(settings)
    assert (entry.name, entry.kind, entry.is_ready, entry.path) == (EMBEDDED_MODEL, "embedded", False, None)


def test_embedded_model_is_ready_once_it_is_made(settings):
    make_folder(settings.models_dir / EMBEDDED_MODEL)
    (entry,) = list_models(settings)
    assert entry.is_ready
    assert entry.kind == "embedded"


def test_folders_and_files_of_all_roots_are_listed(filled, tmp_path):
    entries = {entry.name: entry for entry in list_models(filled)}
    same_name = str(tmp_path / "shared" / "org" / "glm-4")
    assert set(entries) == {EMBEDDED_MODEL, "org/glm-4", same_name, "small.gguf"}
    assert (entries["org/glm-4"].bytes, entries["org/glm-4"].detail) == (100, "GLM-4 (2024)")
    assert (entries["small.gguf"].kind, entries["small.gguf"].bytes) == ("gguf", 7)


@pytest.mark.parametrize(
    ("config", "detail", "family"),
    [
        ({"model_type": "chatglm", "inner_hidden_size": 8}, "ChatGLM-6B", "chatglm"),
        ({"model_type": "chatglm", "padded_vocab_size": 8}, "ChatGLM2-6B", "chatglm2"),
        ({"model_type": "gpt2"}, "gpt2", "other"),
        ({}, "", "other"),
    ],
)
def test_family_is_told_by_the_folder(settings, config, detail, family):
    folder = make_folder(settings.models_dir / "model")
    (folder / "config.json").write_text(json.dumps(config))
    entry = list_models(settings)[1]
    assert (entry.detail, entry.family) == (detail, family)


@pytest.mark.parametrize("kind", ["lora", "prefix"])
def test_adapters_are_no_models(settings, kind):
    folder = make_folder(settings.models_dir / "adapter")
    if kind == "lora":
        (folder / "adapter_config.json").write_text("{}")
    else:
        (folder / "config.json").write_text(json.dumps({"model_type": "chatglm", "pre_seq_len": 4}))
        (folder / "model.safetensors").unlink()
        with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as file:
            file.writestr("archive/data/0", b"\0\0")
    assert [entry.name for entry in list_models(settings)] == [EMBEDDED_MODEL]


def test_root_that_is_a_model_itself_is_listed(tmp_path):
    settings = Settings(home=tmp_path / "home", model_roots=(make_folder(tmp_path / "chat-model"),))
    assert [entry.name for entry in list_models(settings)][1:] == ["chat-model"]


def test_unreadable_folders_are_skipped(filled, monkeypatch):
    iterdir = Path.iterdir

    def refuse(path):
        if path.name == "org":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert [entry.name for entry in list_models(filled)] == [EMBEDDED_MODEL, "small.gguf"]


def test_config_that_is_no_json_does_not_break_the_list(filled):
    (filled.models_dir / "org" / "glm-4" / "config.json").write_text("{")
    assert "org/glm-4" in [entry.name for entry in list_models(filled)]


def test_model_is_found_by_name_and_by_any_path(filled, tmp_path):
    assert find_model("org/glm-4", filled).path == filled.models_dir / "org" / "glm-4"
    elsewhere = make_folder(tmp_path / "elsewhere")
    assert find_model(str(elsewhere), filled).path == elsewhere
    assert find_model(elsewhere, filled).name == "elsewhere"


def test_unknown_name_offers_the_nearest(filled):
    with pytest.raises(NotFoundError, match=r"no model 'smal'; choose one of: small\.gguf"):
        find_model("smal", filled)


@pytest.mark.parametrize("name", ["./absent", "/absent", "absent.gguf", "~/absent", "a/b/c", "../absent"])
def test_path_that_does_not_exist_is_named(settings, name):
    with pytest.raises(ModelLoadError, match="no such model folder or file"):
        find_model(name, settings)


@pytest.mark.parametrize("name", ["", "  ", "x" * 5000, "a\x00b", "what is this?"])
def test_nonsense_is_an_unknown_model(settings, name):
    with pytest.raises(NotFoundError):
        find_model(name, settings)


def test_hub_name_is_taken_only_where_the_hub_is_allowed(tmp_path, settings):
    entry = find_model("zai-org/glm-4-9b-chat-hf", Settings(home=tmp_path))
    assert (entry.kind, entry.path, entry.is_ready) == ("hub", None, False)
    with pytest.raises(NotFoundError, match="switched off"):
        find_model("zai-org/glm-4-9b-chat-hf", settings)


def test_model_that_vanished_is_no_longer_listed(filled):
    (filled.model_roots[0] / "small.gguf").unlink()
    assert "small.gguf" not in [entry.name for entry in list_models(filled)]


def test_openvino_folder_is_listed_as_such_with_the_size_of_its_weights(settings):
    folder = settings.models_dir / "small-ov"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "openvino_model.bin").write_bytes(bytes(70))
    (folder / "openvino_tokenizer.bin").write_bytes(bytes(900))
    entry = find_model("small-ov", settings)
    assert (entry.kind, entry.detail, entry.bytes, entry.family) == ("folder", "OpenVINO", 70, "llama")
    (folder / "model.safetensors").write_bytes(bytes(100))
    entry = find_model("small-ov", settings)
    assert (entry.detail, entry.bytes) == ("Llama", 100)
