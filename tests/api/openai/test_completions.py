"""`/v1/completions`, asked by OpenAI's own client."""

from glmcore.chat.engine import TokenLogprob
from glmcore.core.settings import EMBEDDED_MODEL
from tests.fakes import FakeStream


def test_a_text_is_gone_on_with_without_a_prompt_form(openai, engine) -> None:
    completion = openai.completions.create(model=EMBEDDED_MODEL, prompt="Once upon", logprobs=None)
    request = engine.requests[-1]
    assert completion.object == "text_completion" and completion.choices[0].text == "An answer."
    assert (request.plain_text, request.messages) == ("Once upon", ())
    assert request.params.max_new_tokens == 16, "OpenAI's own default"


def test_each_prompt_has_its_answers_in_order(openai, engine) -> None:
    completion = openai.completions.create(model=EMBEDDED_MODEL, prompt=["a", "b"], n=2)
    assert [choice.index for choice in completion.choices] == [0, 1, 2, 3]
    assert sorted(request.plain_text for request in engine.requests[-4:]) == ["a", "a", "b", "b"]
    assert completion.usage.completion_tokens == 8


def test_a_text_is_streamed(openai) -> None:
    chunks = list(openai.completions.create(model=EMBEDDED_MODEL, prompt="a", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "An answer."
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_likelihoods_have_the_older_form(openai, engine, monkeypatch) -> None:
    stream = FakeStream(["Hi", " you"])
    stream.token_logprobs += [TokenLogprob("Hi", -0.5, (("Ho", -0.1),)), TokenLogprob(" you", -1.0)]
    monkeypatch.setattr(engine, "submit", lambda request: stream)
    told = openai.completions.create(model=EMBEDDED_MODEL, prompt="a", logprobs=1).choices[0].logprobs
    assert told.tokens == ["Hi", " you"] and told.token_logprobs == [-0.5, -1.0]
    assert told.top_logprobs == [{"Ho": -0.1, "Hi": -0.5}, {" you": -1.0}]
    assert told.text_offset == [0, 2]
