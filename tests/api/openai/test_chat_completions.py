"""`/v1/chat/completions`, asked by OpenAI's own client."""

import json

import openai as openai_package
import pytest

from glmcore.chat.engine import TokenLogprob
from glmcore.core.errors import DataError, EngineError
from glmcore.core.messages import Message
from glmcore.core.settings import EMBEDDED_MODEL
from tests.fakes import FakeEngine, FakeStream

HELLO = [{"role": "user", "content": "Hello there"}]


def ask(openai, **more):
    return openai.chat.completions.create(**{"model": EMBEDDED_MODEL, "messages": HELLO, **more})


def test_an_answer_comes_whole_with_its_usage(openai, engine) -> None:
    completion = ask(openai)
    choice = completion.choices[0]
    assert completion.object == "chat.completion" and completion.model == EMBEDDED_MODEL
    assert (choice.message.role, choice.message.content) == ("assistant", "An answer.")
    assert choice.finish_reason == "stop" and choice.logprobs is None
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (2, 2, 4)


def test_an_answer_is_streamed_with_usage_at_the_end(openai) -> None:
    chunks = list(ask(openai, stream=True, stream_options={"include_usage": True}))
    *answer, last = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == "An answer."
    assert answer[0].choices[0].delta.role == "assistant"
    assert answer[-1].choices[0].finish_reason == "stop"
    assert last.choices == [] and last.usage.total_tokens == 4
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_ends_with_done_and_is_not_cached(client) -> None:
    response = client.post(
        "/v1/chat/completions", json={"model": EMBEDDED_MODEL, "messages": HELLO, "stream": True}
    )
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.text.endswith("data: [DONE]\n\n")


def test_parameters_reach_the_engine_on_top_of_the_models_own(openai, engine) -> None:
    ask(
        openai,
        temperature=0,
        top_p=0.5,
        seed=-1,
        stop="END",
        max_completion_tokens=7,
        extra_body={"top_k": -1},
    )
    params = engine.requests[-1].params
    assert (params.temperature, params.top_p, params.top_k) == (0.0, 0.5, 0)
    assert params.seed == 2**32 - 1 and params.stop == ("END",) and params.max_new_tokens == 7
    ask(openai)
    params = engine.requests[-1].params
    assert params.temperature == engine.default_params.temperature
    assert params.max_new_tokens == 32768, "the engine takes what the window leaves"


def test_messages_may_have_parts_and_a_developer(openai, engine) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    ask(openai, messages=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}])
    request = engine.requests[-1]
    assert request.messages == (Message("system", "Be brief."), Message("user", "one\ntwo"))
    assert not request.may_leave_out


def test_several_answers_have_seeds_of_their_own(openai, engine) -> None:
    completion = ask(openai, n=3, seed=5)
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert sorted(request.params.seed for request in engine.requests[-3:]) == [5, 6, 7]
    assert completion.usage.prompt_tokens == 2 and completion.usage.completion_tokens == 6


def test_several_answers_are_streamed_side_by_side(openai) -> None:
    texts = {0: "", 1: ""}
    for chunk in ask(openai, n=2, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == {0: "An answer.", 1: "An answer."}


def test_an_answer_that_was_cut_says_length(openai) -> None:
    assert ask(openai, max_tokens=1).choices[0].finish_reason == "length"


def test_an_answer_is_continued_only_where_that_is_asked_for(openai, engine) -> None:
    begun = [*HELLO, {"role": "assistant", "content": "I say"}]
    with pytest.raises(openai_package.BadRequestError, match="continue_final_message"):
        ask(openai, messages=begun)
    more = {"continue_final_message": True, "add_generation_prompt": False}
    completion = ask(openai, messages=begun, extra_body=more)
    assert engine.requests[-1].messages[-1] == Message("assistant", "I say")
    assert completion.choices[0].message.content == "An answer.", "what was there is not said again"


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_at_once_has_a_status_of_its_own(openai, engine, monkeypatch, stream) -> None:
    fault = DataError("Too long for {window} tokens.", window=10, param="messages")
    monkeypatch.setattr(engine, "submit", FakeEngine([fault]).submit)
    with pytest.raises(openai_package.BadRequestError, match="Too long for 10 tokens") as raised:
        ask(openai, stream=stream)
    assert raised.value.param == "messages"
    assert raised.value.code == "context_length_exceeded"


def test_what_fails_later_is_an_error_event_and_no_end(openai, client, engine, monkeypatch) -> None:
    broken = ["One", " two", EngineError("The model stopped.")]
    monkeypatch.setattr(engine, "submit", FakeEngine([broken]).submit)
    stream = ask(openai, stream=True)
    with pytest.raises(openai_package.APIError, match="The model stopped"):
        list(stream)
    with pytest.raises(openai_package.InternalServerError, match="The model stopped"):
        ask(openai)
    body = {"model": EMBEDDED_MODEL, "messages": HELLO, "stream": True}
    text = client.post("/v1/chat/completions", json=body).text
    assert "[DONE]" not in text and '"finish_reason":"stop"' not in text


def test_likelihoods_come_with_the_tokens(openai, engine, monkeypatch) -> None:
    stream = FakeStream(["Hi", " you"])
    stream.token_logprobs += [
        TokenLogprob("Hi", -0.5, (("Hi", -0.5), ("Ho", float("-inf")))),
        TokenLogprob("\ufffd", -1.0),
    ]
    monkeypatch.setattr(engine, "submit", lambda request: stream)
    first, second = ask(openai, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert (first.token, first.logprob, first.bytes) == ("Hi", -0.5, [72, 105])
    assert [(each.token, each.logprob) for each in first.top_logprobs] == [("Hi", -0.5), ("Ho", -9999.0)]
    assert second.bytes is None and second.top_logprobs == []


def test_likelihoods_are_streamed_once_each(openai, engine, monkeypatch) -> None:
    stream = FakeStream(["Hi", " you"])
    stream.token_logprobs += [TokenLogprob("Hi", -0.5), TokenLogprob(" you", -1.0)]
    monkeypatch.setattr(engine, "submit", lambda request: stream)
    chunks = ask(openai, logprobs=True, stream=True)
    tokens = [token.token for chunk in chunks for token in chunk.choices[0].logprobs.content]
    assert tokens == ["Hi", " you"]


def test_an_unknown_model_is_not_found_and_near_ones_are_named(openai) -> None:
    with pytest.raises(openai_package.NotFoundError, match=EMBEDDED_MODEL) as raised:
        ask(openai, model="SmolLM2-135M")
    assert (raised.value.param, raised.value.code) == ("model", "model_not_found")


def test_no_path_and_no_name_of_a_hub_is_a_model(openai, tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    for name in (str(tmp_path), "org/model", f"{EMBEDDED_MODEL}:{tmp_path}", "../x"):
        with pytest.raises(openai_package.NotFoundError):
            ask(openai, model=name)
