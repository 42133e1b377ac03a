"""What is refused before any work, by the name of the field."""

import json

import pytest
from pydantic import ValidationError

from glmcore.api.openai.bodies import ChatBody, CompletionBody
from glmcore.core.settings import EMBEDDED_MODEL

CHAT = {"model": EMBEDDED_MODEL, "messages": [{"role": "user", "content": "Hello"}]}
TEXT = {"model": EMBEDDED_MODEL, "prompt": "Hello"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}
REFUSED = [
    ("tools", [{"type": "function"}]),
    ("tool_choice", "required"),
    ("functions", [{"name": "f"}]),
    ("response_format", {"type": "json_object"}),
    ("frequency_penalty", 0.5),
    ("presence_penalty", -1),
    ("logit_bias", {"1": 5}),
    ("audio", {"voice": "x"}),
    ("modalities", ["text", "audio"]),
    ("prediction", {"type": "content", "content": "x"}),
    ("reasoning_effort", "high"),
    ("service_tier", "priority"),
    ("min_p", 0.1),
    ("temperature", 2.1),
    ("temperature", "1"),
    ("temperature", float("nan")),
    ("temperature", float("inf")),
    ("top_p", -0.1),
    ("n", 0),
    ("n", 17),
    ("max_tokens", 0),
    ("max_completion_tokens", 10**9),
    ("seed", 2**63),
    ("stop", ""),
    ("stop", [""]),
    ("stop", ["x"] * 17),
    ("top_logprobs", 3),
    ("stream_options", {"include_usage": True}),
    ("messages", []),
    ("messages", [{"role": "tool", "content": "x"}]),
    ("messages", [{"role": "user", "content": [IMAGE]}]),
    ("messages", [{"role": "user", "content": None}]),
    ("messages", [{"role": "user", "content": "\ud800"}]),
    ("continue_final_message", True),
    ("add_generation_prompt", False),
]


REFUSED_TEXT = [
    ("prompt", [1, 2, 3]),
    ("prompt", [[1, 2]]),
    ("prompt", ""),
    ("prompt", ["x"] * 17),
    ("best_of", 2),
    ("echo", True),
    ("suffix", "x"),
    ("logprobs", 6),
    ("messages", []),
]


def first_wrong(body_type, values):
    with pytest.raises(ValidationError) as raised:
        body_type.model_validate(values)
    return raised.value.errors()[0]["loc"][0]


def post(client, body):
    path = "/v1/chat/completions"
    return client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda value: str(value)[:30])
def test_a_wrong_value_is_refused_by_name(name, value) -> None:
    assert first_wrong(ChatBody, CHAT | {name: value}) == name


@pytest.mark.parametrize(("name", "value"), REFUSED_TEXT, ids=lambda value: str(value)[:30])
def test_a_wrong_value_of_a_completion_is_refused_by_name(name, value) -> None:
    assert first_wrong(CompletionBody, TEXT | {name: value}) == name


def test_a_refusal_is_a_400_before_any_work(client, engine) -> None:
    for name, value in (("tools", [{"type": "function"}]), ("top_p", float("nan"))):
        response = post(client, CHAT | {name: value})
        error = response.json()["error"]
        assert response.status_code == 400
        assert error["param"] == name and error["message"].startswith(f"{name}: ")
    assert engine.requests == []


def test_an_image_is_refused_for_what_it_is(client) -> None:
    body = CHAT | {"messages": [{"role": "user", "content": [IMAGE]}]}
    assert "image_url" in post(client, body).json()["error"]["message"]


def test_two_lengths_must_be_one(client) -> None:
    body = CHAT | {"max_tokens": 5, "max_completion_tokens": 6}
    assert post(client, body).json()["error"]["param"] == "max_completion_tokens"
    assert post(client, body | {"max_completion_tokens": 5}).status_code == 200


def test_what_asks_for_nothing_is_taken(client) -> None:
    body = CHAT | {
        "user": "u",
        "metadata": {"a": "b"},
        "store": False,
        "service_tier": "auto",
        "parallel_tool_calls": True,
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "tools": [],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "modalities": ["text"],
        "frequency_penalty": 0.0,
        "presence_penalty": 0,
        "logit_bias": {},
        "n": None,
        "stop": None,
        "temperature": None,
    }
    assert post(client, body).status_code == 200


def test_an_answer_may_be_sent_back_as_it_came(client) -> None:
    answer = post(client, CHAT).json()["choices"][0]["message"]
    more = {"tool_calls": None, "audio": None, "annotations": []}
    messages = [*CHAT["messages"], answer | more, {"role": "user", "content": "And?"}]
    assert post(client, CHAT | {"messages": messages}).status_code == 200
