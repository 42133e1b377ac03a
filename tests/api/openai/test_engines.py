"""The engine that answers: asked for, refused by name, told with the answer and with the models."""

import json
from typing import get_args

import openai as openai_package
import pytest

from glmcore.api.openai.fields import EngineName
from glmcore.chat import engine_choice
from glmcore.core.errors import ModelLoadError
from glmcore.core.settings import EMBEDDED_MODEL, ENGINES
from glmcore.models import openvino

ASKED = {"model": EMBEDDED_MODEL, "messages": [{"role": "user", "content": "Hello"}]}
TEXT = {"model": EMBEDDED_MODEL, "prompt": "Hello"}


@pytest.fixture(autouse=True)
def machine(monkeypatch) -> None:
    """Without a GPU; openvino can have the embedded model and nothing else."""
    monkeypatch.setattr(engine_choice, "has_gpu", lambda: False)
    reason = ModelLoadError("It lies in safetensors.")
    monkeypatch.setattr(
        openvino, "reason_against", lambda entry, settings: reason if entry.kind == "folder" else None
    )


def add_folder(services) -> None:
    folder = services.settings.models_dir / "second"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))


def test_the_names_are_those_that_there_are() -> None:
    assert get_args(EngineName) == ENGINES


def test_an_engine_reaches_the_request_from_each_endpoint(client, engine) -> None:
    wish = {"engine": "transformers"}
    assert client.post("/v1/chat/completions", json=ASKED | wish).status_code == 200
    assert client.post("/v1/completions", json=TEXT | wish).status_code == 200
    assert client.post("/api/chat", json={"prompt": "Hello"} | wish).status_code == 200
    assert client.post("/v1/chat/completions", json=ASKED).status_code == 200
    assert [request.engine for request in engine.requests] == ["transformers"] * 3 + [None]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/api/chat"])
@pytest.mark.parametrize("wish", ["vllm", "", 1, "remote"])
def test_an_engine_that_there_is_not_is_refused_by_name(client, engine, path, wish) -> None:
    body = {"/v1/chat/completions": ASKED, "/v1/completions": TEXT, "/api/chat": {"prompt": "Hello"}}[path]
    response = client.post(path, json=body | {"engine": wish})
    assert response.status_code == (422 if path == "/api/chat" else 400)
    assert response.json()["error"]["param"] == "engine"
    assert engine.requests == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/api/chat"])
def test_an_engine_that_cannot_have_the_model_is_refused_with_the_reason(
    client, services, engine, path
) -> None:
    add_folder(services)
    body = {"/v1/chat/completions": ASKED, "/v1/completions": TEXT, "/api/chat": {"prompt": "Hello"}}[path]
    response = client.post(path, json=body | {"model": "second", "engine": "openvino"})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "engine")
    assert error["message"].endswith("It lies in safetensors.")
    assert services.models.loaded_names() == []


def test_the_fingerprint_of_an_answer_is_its_engine(openai, engine) -> None:
    engine.kind = "openvino"
    assert openai.chat.completions.create(**ASKED).system_fingerprint == "openvino"
    assert openai.completions.create(**TEXT).system_fingerprint == "openvino"
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [*openai.chat.completions.create(**ASKED, **options)]
    assert {chunk.system_fingerprint for chunk in chunks} == {"openvino"}
    assert chunks[-1].usage is not None


def test_models_tell_the_engine_that_answers_by_itself(openai, services) -> None:
    add_folder(services)
    assert {model.id: model.engine for model in openai.models.list()} == {
        EMBEDDED_MODEL: "openvino",
        "second": "transformers",
    }
    assert openai.models.retrieve("second").engine == "transformers"


def test_an_engine_that_the_settings_want_in_vain_is_not_told(openai, services) -> None:
    add_folder(services)
    object.__setattr__(services.settings, "engine", "openvino")
    assert openai.models.retrieve("second").engine is None


def test_likelihoods_that_the_engine_cannot_tell_are_refused_by_name(openai, engine, monkeypatch) -> None:
    from glmcore.core.errors import ConfigError

    refusal = ConfigError("logprobs are not told.", param="logprobs")
    monkeypatch.setattr(engine, "_answers", iter([refusal]))
    with pytest.raises(openai_package.BadRequestError, match="logprobs are not told") as raised:
        openai.chat.completions.create(**ASKED, logprobs=True, extra_body={"engine": "openvino"})
    assert raised.value.param == "logprobs"
