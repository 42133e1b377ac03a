"""Adapters are found by their files, wherever they lie, and nothing that lies there is an error."""

import json

import pytest

from glmcore.core.errors import ModelLoadError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.models.adapters.folders import adapters_for, entry_of, find_adapter, is_adapter, list_adapters
from glmcore.models.adapters.manifest import AdapterManifest, write_manifest
from tests.models.original_folders import make_ptuning, prefix_tensors, published_config, write_json


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", model_roots=(tmp_path / "root",), allow_hub=False)


def peft(folder, kind="LORA", base="THUDM/chatglm3-6b"):
    folder.mkdir(parents=True)
    write_json(folder / "adapter_config.json", {"peft_type": kind, "base_model_name_or_path": base})
    return folder


def model(folder, **config):
    folder.mkdir(parents=True)
    write_json(folder / "config.json", {"model_type": "llama"} | config)
    return folder


def names(settings):
    return {entry.name: entry.method for entry in list_adapters(settings)}


def test_adapters_are_listed_from_the_home_folder_and_the_model_folders(settings, tmp_path):
    root = tmp_path / "root"
    write_json(peft(settings.home / "jobs" / "7" / "checkpoints" / "checkpoint-100") / "complete.json", {})
    peft(settings.home / "adapters" / "mine", "PREFIX_TUNING")
    model(root / "chatglm-6b")
    config = published_config("chatglm")
    make_ptuning(root / "chatglm-6b" / "ptuning" / "checkpoint-3000", config)
    assert names(settings) == {
        "jobs/7/checkpoints/checkpoint-100": "lora",
        "adapters/mine": "prefix_tuning",
        "chatglm-6b/ptuning/checkpoint-3000": "ptuning_v2",
    }


def test_what_lies_too_deep_or_hidden_or_inside_an_adapter_is_not_listed(settings, tmp_path):
    peft(tmp_path / "root" / "a" / "b" / "c" / "d" / "e" / "f")
    peft(tmp_path / "root" / ".hidden" / "adapter")
    peft(tmp_path / "root" / "outer")
    peft(tmp_path / "root" / "outer" / "inner")
    assert list(names(settings)) == ["outer"]


def test_the_same_name_in_two_places_is_told_apart_and_the_same_place_listed_once(tmp_path):
    home = tmp_path / "home"
    first, second = peft(home / "models" / "x"), peft(tmp_path / "other" / "x")
    settings = Settings(home=home, model_roots=(tmp_path / "other", home / "models", second), allow_hub=False)
    entries = {entry.name: entry.path for entry in list_adapters(settings)}
    assert entries == {"x": first, str(second): second}
    for name, path in entries.items():
        assert find_adapter(name, settings).path == path


def test_a_model_folder_may_be_an_adapter_itself(tmp_path):
    folder = peft(tmp_path / "mine")
    settings = Settings(home=tmp_path / "home", model_roots=(folder,), allow_hub=False)
    assert [(entry.name, entry.path) for entry in list_adapters(settings)] == [("mine", folder)]


def test_a_folder_that_leads_back_to_itself_is_listed_to_an_end(settings, tmp_path):
    peft(tmp_path / "root" / "lora")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root", target_is_directory=True)
    assert "lora" in names(settings)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '"text"', "3", "[" * 100_000, "\udcff"],
    ids=["empty", "cut", "list", "null", "text", "number", "deep", "not UTF-8"],
)
@pytest.mark.parametrize(
    "file", ["config.json", "adapter_config.json", "glmcore_adapter.json", "model.safetensors"]
)
def test_a_strange_file_is_never_an_error_of_the_list(file, content, settings, tmp_path):
    good, strange = peft(tmp_path / "root" / "good"), tmp_path / "root" / "strange"
    make_ptuning(strange, published_config("chatglm"))
    if file == "model.safetensors":
        (strange / "pytorch_model.bin").unlink()
    (strange / file).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert good in [entry.path for entry in list_adapters(settings)]
    assert entry_of(strange, "strange").path == strange


def test_unreadable_folders_are_skipped(settings, tmp_path, monkeypatch):
    from pathlib import Path

    peft(tmp_path / "root" / "good")
    locked = model(tmp_path / "root" / "locked")
    listed = Path.iterdir

    def refuse(folder):
        if folder == locked:
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert list(names(settings)) == ["good"]


def test_a_prefix_alone_is_an_adapter_and_a_whole_model_with_one_is_not(tmp_path):
    import torch
    from safetensors.torch import save_file

    config = published_config("chatglm2")
    for projection in (False, True):
        assert is_adapter(make_ptuning(tmp_path / f"bin-{projection}", config, projection=projection))
        folder = make_ptuning(tmp_path / f"safe-{projection}", config, projection=projection)
        (folder / "pytorch_model.bin").unlink()
        save_file(prefix_tensors(config, projection=projection), folder / "model.safetensors")
        assert is_adapter(folder)
    whole = make_ptuning(tmp_path / "whole", config)
    tensors = prefix_tensors(config) | {f"transformer.{number}": torch.zeros(2) for number in range(9)}
    torch.save(tensors, whole / "pytorch_model.bin")
    assert not is_adapter(whole)
    plain = model(tmp_path / "plain", **config)
    torch.save(prefix_tensors(config), plain / "pytorch_model.bin")
    assert is_adapter(plain), "what its config leaves out, its tensors tell"
    write_json(plain / "config.json", {"model_type": "llama"})
    assert not is_adapter(plain), "a few tensors of another kind of model"
    assert not is_adapter(tmp_path / "missing")


def test_an_entry_says_what_the_files_tell(tmp_path):
    folder = peft(tmp_path / "lora")
    entry = entry_of(folder, "lora")
    assert (entry.method, entry.family, entry.base_model) == ("lora", "", "THUDM/chatglm3-6b")
    manifest = AdapterManifest(base_model="b", family="f", template_hash="h", method="m")
    write_manifest(folder, manifest)
    entry = entry_of(folder, "lora")
    assert (entry.method, entry.family, entry.base_model) == ("m", "f", "b")
    config = published_config("chatglm3")
    entry = entry_of(make_ptuning(tmp_path / "p", config), "p")
    assert (entry.method, entry.family, entry.base_model) == ("ptuning_v2", "chatglm3", "THUDM/chatglm3-6b")
    config |= {"_name_or_path": "/data/my-base"}
    entry = entry_of(make_ptuning(tmp_path / "q", config), "q")
    assert (entry.family, entry.base_model) == ("", "/data/my-base"), "ChatGLM2 and 3 look alike"
    for strange in (3, ["x"], None, {"a": 1}):
        assert entry_of(peft(tmp_path / f"{strange}", strange, strange), "x").method == str(strange)


def test_a_model_is_offered_what_may_fit_it(settings, tmp_path):
    root = tmp_path / "root"
    peft(root / "same-name", base="/models/chatglm3-6b/")
    peft(root / "another", base="THUDM/chatglm2-6b")
    peft(root / "unknown", base="")
    make_ptuning(root / "third", published_config("chatglm3"))
    make_ptuning(root / "second", published_config("chatglm2"))
    manifest = AdapterManifest(base_model="elsewhere", family="chatglm3", template_hash="h", method="lora")
    write_manifest(peft(root / "written", base="elsewhere"), manifest)
    offered = {entry.name for entry in adapters_for("THUDM/chatglm3-6b", "chatglm3", settings)}
    assert offered == {"same-name", "unknown", "third", "written"}


def test_a_name_or_a_path_finds_an_adapter(settings, tmp_path):
    inside, outside = peft(tmp_path / "root" / "org" / "mine"), peft(tmp_path / "elsewhere" / "lora")
    assert find_adapter("org/mine", settings).path == inside
    assert find_adapter(" org/mine ", settings).path == inside
    assert find_adapter(str(outside), settings).name == "lora"
    assert find_adapter(outside, settings).path == outside


@pytest.mark.parametrize(
    "name", ["", " ", "nothing", "/no/such/folder", "a\0b", "x" * 5000, "~no-such-user/x", "\ud800"]
)
def test_an_unknown_name_is_answered_with_the_known_ones(name, settings, tmp_path):
    peft(tmp_path / "root" / "mine")
    with pytest.raises(NotFoundError, match=r"There is no adapter .*; choose one of: mine"):
        find_adapter(name, settings)


def test_a_folder_without_an_adapter_says_what_was_expected(settings, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", model(tmp_path / "model")):
        with pytest.raises(ModelLoadError, match=r"holds no adapter; expected adapter_config.json"):
            find_adapter(folder, settings)
    (tmp_path / "model" / "pytorch_model.bin").write_text(json.dumps({}))
    assert find_adapter(tmp_path / "model", settings).method == "ptuning_v2", (
        "its tensors are read when it is loaded"
    )


def test_a_prefix_in_safetensors_needs_no_config(tmp_path):
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "models" / "tuned"
    folder.mkdir(parents=True)
    save_file(
        {"transformer.prefix_encoder.embedding.weight": torch.zeros(5, 8)}, folder / "model.safetensors"
    )
    found = list_adapters(Settings(home=tmp_path))
    assert [(entry.name, entry.method) for entry in found] == [("tuned", "ptuning_v2")]
