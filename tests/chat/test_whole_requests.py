"""Requests of which nothing may be left out, and texts that are gone on with as they are."""

import pytest
import torch

from glmcore.core.errors import DataError
from glmcore.core.messages import ChatRequest, StopReason
from tests.chat.conftest import greedy, request_for


def text_request(text, **changes):
    return ChatRequest(messages=(), params=greedy(**changes), model="tiny", plain_text=text)


def whole_request(*contents, **changes):
    asked = request_for(*contents, params=greedy(**changes))
    return ChatRequest(messages=asked.messages, params=asked.params, model="tiny", may_leave_out=False)


def continued(loaded, text):
    ids = torch.tensor([loaded.text_ids(text)])
    out = loaded.model.generate(ids, do_sample=False, max_new_tokens=24, pad_token_id=0)
    return loaded.decode(out[0].tolist())


@pytest.mark.parametrize("text", ["Once upon", "x <|end|> y", "你"])
@pytest.mark.parametrize("changes", [{}, {"repetition_penalty": 1.0 + 1e-9}], ids=["batch", "queue"])
def test_a_text_is_gone_on_with_as_it_is(engine, loaded, text, changes):
    stream = engine.submit(text_request(text, **changes))
    assert text + "".join(stream) == continued(loaded, text)
    assert stream.usage.prompt_tokens == len(loaded.text_ids(text))


def test_what_follows_a_text_gets_what_the_window_leaves(engine):
    stream = engine.submit(text_request("x" * (engine.window - 20), max_new_tokens=400))
    assert "".join(stream)
    assert stream.stop_reason is StopReason.LENGTH
    assert stream.usage.completion_tokens == 20


@pytest.mark.parametrize(("text", "reason"), [("x" * 600, "600 tokens"), ("", "no text")])
def test_a_text_that_does_not_fit_is_refused(engine, text, reason):
    with pytest.raises(DataError, match=reason) as refused:
        engine.submit(text_request(text))
    assert refused.value.values["param"] == "prompt"


def test_where_nothing_may_be_left_out_a_long_conversation_is_refused(engine):
    old = ["old question " * 12, "old answer " * 12] * 3
    assert engine.submit(request_for(*old, "new")).usage.turns_left_out
    with pytest.raises(DataError, match=f"window is {engine.window}") as refused:
        engine.submit(whole_request(*old, "new"))
    assert refused.value.values["param"] == "messages"
    stream = engine.submit(whole_request("old", "answer", "new"))
    assert "".join(stream)
    assert stream.usage.turns_left_out == 0


def test_where_nothing_may_be_left_out_the_answer_gets_what_is_left(engine):
    stream = engine.submit(whole_request("x" * 200, "y" * 200, "z" * 50, max_new_tokens=400))
    assert "".join(stream)
    assert stream.usage.turns_left_out == 0
    assert stream.usage.prompt_tokens + stream.usage.completion_tokens == engine.window
