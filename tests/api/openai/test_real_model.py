"""The embedded model over HTTP, asked by OpenAI's own client."""

import pytest
from openai import BadRequestError, OpenAI

from glmcore.core.settings import EMBEDDED_MODEL
from tests.api.real_api import real_api

pytestmark = pytest.mark.slow
COUNT = [{"role": "user", "content": "Count from one to twenty in words."}]


@pytest.fixture(scope="module")
def api(embedded_home):
    with real_api(embedded_home) as api:
        yield api


@pytest.fixture(scope="module")
def real_openai(api):
    with OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def ask(client, **more):
    values = {"model": EMBEDDED_MODEL, "messages": COUNT, "temperature": 0, "max_tokens": 24}
    return client.chat.completions.create(**values | more)


def test_a_stream_says_what_the_whole_answer_says(real_openai) -> None:
    whole = ask(real_openai)
    chunks = list(ask(real_openai, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content for chunk in chunks[:-1])
    assert text == whole.choices[0].message.content and text
    assert chunks[-1].usage == whole.usage and whole.usage.completion_tokens == 24
    assert whole.choices[0].finish_reason == chunks[-2].choices[0].finish_reason == "length"


def test_one_seed_gives_one_answer_and_answers_beside_each_other_differ(real_openai) -> None:
    first, second = (ask(real_openai, temperature=1, seed=7, n=2) for _again in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in second.choices]
    assert texts[0] != texts[1]


def test_a_stop_string_ends_the_answer_and_is_not_said(real_openai) -> None:
    whole = ask(real_openai).choices[0].message.content
    word = whole.split()[3]
    choice = ask(real_openai, stop=[word]).choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content == whole[: whole.index(word)]


def test_likelihoods_and_completions(real_openai) -> None:
    tokens = ask(real_openai, logprobs=True, top_logprobs=2, max_tokens=5).choices[0].logprobs.content
    assert len(tokens) == 5 and all(token.top_logprobs[0].token == token.token for token in tokens)
    completion = real_openai.completions.create(
        model=EMBEDDED_MODEL, prompt=["The capital of France is", "1, 2, 3,"], temperature=0, max_tokens=4
    )
    assert "Paris" in completion.choices[0].text and "4" in completion.choices[1].text


def test_a_conversation_that_does_not_fit_is_refused(real_openai) -> None:
    long = [{"role": "user", "content": "word " * 20_000}]
    with pytest.raises(BadRequestError, match="window") as raised:
        ask(real_openai, messages=long, stream=True)
    assert raised.value.code == "context_length_exceeded"


def test_a_client_that_leaves_gives_everything_back(real_openai, api) -> None:
    stream = ask(real_openai, max_tokens=1000, stream=True, n=2)
    next(iter(stream))
    stream.close()
    api.wait_until_idle()
    assert ask(real_openai, max_tokens=2).usage.completion_tokens == 2
