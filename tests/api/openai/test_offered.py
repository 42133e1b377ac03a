"""Which models can be asked over HTTP, and under which ids."""

import json

import openai as openai_package
import pytest

from glmcore.api.openai.offered import find_offered, list_offered
from glmcore.core.settings import EMBEDDED_MODEL


def make_model(services, name):
    folder = services.settings.models_dir / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))


def make_adapter(services, name, base):
    folder = services.settings.models_dir / name
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def test_models_are_listed_and_shown(openai) -> None:
    assert [model.id for model in openai.models.list()] == [EMBEDDED_MODEL]
    assert openai.models.retrieve(EMBEDDED_MODEL).owned_by == "glmcore"
    with pytest.raises(openai_package.NotFoundError, match="no model 'nothing'"):
        openai.models.retrieve("nothing")


def test_an_adapter_is_a_model_of_its_own(services, openai, engine, monkeypatch) -> None:
    make_model(services, "base")
    make_adapter(services, "team/kind", "base")
    ids = {model.id: model for model in openai.models.list()}
    assert set(ids) == {EMBEDDED_MODEL, "base", "base:team/kind"}
    assert openai.models.retrieve("base:team/kind").parent == "base"
    monkeypatch.setattr(services.models, "engine", lambda *arguments: engine)
    asked = services.answers
    monkeypatch.setattr(asked, "_engine_for", lambda request, cancelled: engine)
    messages = [{"role": "user", "content": "Hi"}]
    assert openai.chat.completions.create(model="base:team/kind", messages=messages).model == "base:team/kind"
    assert (engine.requests[-1].model, engine.requests[-1].adapter) == ("base", "team/kind")


def test_a_colon_in_a_name_is_no_adapter(services) -> None:
    make_model(services, "odd")
    make_model(services, "odd:name")
    make_adapter(services, "name", "odd")
    make_adapter(services, "tuned", "odd:name")
    offered = list_offered(services)
    assert offered["odd:name"].adapter is None
    assert offered["odd:name:tuned"].entry.name == "odd:name"
    assert find_offered(services, "odd:name").entry.name == "odd:name"
