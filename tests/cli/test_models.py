"""`models`: lists of models and adapters, and converting an old folder."""

import pytest

from glmcore.cli import main
from tests.models.reference import DATA, copy_of


@pytest.mark.parametrize("arguments", [["models"], ["models", "list"]])
def test_models_are_listed_with_their_family(arguments, monkeypatch, capsys):
    monkeypatch.setenv("GLMCORE_MODEL_ROOTS", str(DATA / "chatglm3-6b"))
    assert main(arguments) == 0
    embedded, old = capsys.readouterr().out.splitlines()
    assert embedded.split() == ["SmolLM2-135M-Instruct", "embedded", "–", "–", "not", "fetched", "yet"]
    assert old.split()[:3] == ["chatglm3-6b", "folder", "ChatGLM3-6B"] and old.endswith(" MB  ready")


def test_model_with_a_broken_config_is_listed_without_a_family(monkeypatch, tmp_path, capsys):
    (tmp_path / "config.json").write_text("{")
    monkeypatch.setenv("GLMCORE_MODEL_ROOTS", str(tmp_path))
    assert main(["models"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[1:] == ["folder", "–", "–", "ready"]


def test_adapters_are_listed(monkeypatch, capsys):
    monkeypatch.setenv("GLMCORE_MODEL_ROOTS", str(DATA / "chatglm2-6b"))
    assert main(["models", "adapters"]) == 0
    first = capsys.readouterr().out.splitlines()[0].split()
    assert first == ["ptuning/prefix/checkpoint-3000", "ptuning_v2", "chatglm2", "THUDM/chatglm2-6b"]


def test_no_adapter_is_said(capsys):
    assert main(["models", "adapters"]) == 0
    assert capsys.readouterr().out.startswith("There is no adapter")


def test_conversion_says_what_it_wrote(tmp_path, capsys):
    source = copy_of("chatglm2-6b", "full", tmp_path / "old")
    assert main(["models", "convert", str(source), str(tmp_path / "new"), "--dtype", "bfloat16"]) == 0
    out, err = capsys.readouterr()
    assert out == f"ChatGLM2-6B is in {tmp_path / 'new'}: 0.00 GiB as bfloat16, 1 weight file(s).\n"
    assert err == "Converting the weights\n"
    assert (tmp_path / "new" / "model.safetensors").is_file()


def test_conversion_into_a_folder_in_use_is_one_sentence(tmp_path, capsys):
    source = copy_of("chatglm2-6b", "full", tmp_path / "old")
    assert main(["models", "convert", str(source), str(source)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "is the folder to convert itself" in err
