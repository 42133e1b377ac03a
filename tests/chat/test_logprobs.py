"""How likely the tokens of an answer were, against a plain forward pass."""

import pytest
import torch

from glmcore.chat.text import CleanedText
from glmcore.chat.token_stream import TokenScore, TokenStream
from glmcore.core.errors import ConfigError
from glmcore.core.messages import ChatRequest, StopReason
from tests.chat.conftest import answer, greedy, request_for


def request(question="hello", logprobs=3, **changes):
    asked = request_for(question, params=greedy(**changes))
    return ChatRequest(messages=asked.messages, params=asked.params, model="tiny", logprobs=logprobs)


def reference(loaded, text_request, new_ids):
    """log_softmax of the raw logits at each new token, from one forward pass over everything."""
    prompt = loaded.prompt_ids(text_request.messages)
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([[*prompt, *new_ids]])).logits[0].float()
    return logits.log_softmax(-1)[len(prompt) - 1 : -1]


def generated(loaded, text_request, num_new):
    ids = torch.tensor([loaded.prompt_ids(text_request.messages)])
    out = loaded.model.generate(ids, do_sample=False, max_new_tokens=num_new, pad_token_id=0)
    return out[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("logprobs", [0, 5, 20])
def test_logprobs_are_those_of_a_plain_forward_pass(engine, loaded, logprobs):
    asked = request(logprobs=logprobs)
    stream = engine.submit(asked)
    text = "".join(stream)
    ids = generated(loaded, asked, 24)
    rows = reference(loaded, asked, ids)
    assert text == answer(engine, "hello")
    assert [entry.text for entry in stream.token_logprobs] == [loaded.token_text(token) for token in ids]
    found = torch.tensor([entry.logprob for entry in stream.token_logprobs])
    assert torch.allclose(found, rows[range(24), ids], atol=1e-4)
    best = rows.topk(logprobs)
    for entry, values, indices in zip(stream.token_logprobs, best.values, best.indices, strict=True):
        assert len(entry.alternatives) == logprobs
        assert torch.allclose(torch.tensor([value for _, value in entry.alternatives]), values, atol=1e-4)
        assert [name for name, _ in entry.alternatives] == [loaded.token_text(int(i)) for i in indices]


@pytest.mark.parametrize(
    "changes", [{"temperature": 1.5, "seed": 3, "top_k": 5}, {"repetition_penalty": 1.8}], ids=str
)
def test_limits_and_penalties_do_not_change_what_is_told(engine, loaded, changes):
    asked = request(**changes)
    stream = engine.submit(asked)
    text = "".join(stream)
    assert text == answer(engine, "hello", **changes) != answer(engine, "hello")
    first = stream.token_logprobs[0]
    row = reference(loaded, asked, [0])[0]
    assert [value for _, value in first.alternatives] == pytest.approx(row.topk(3).values.tolist(), abs=1e-4)


def test_without_being_asked_nothing_is_told(engine):
    stream = engine.submit(request_for("hello"))
    assert "".join(stream)
    assert stream.token_logprobs == []


@pytest.mark.parametrize("logprobs", [-1, 21])
def test_more_alternatives_than_there_may_be_are_refused(engine, logprobs):
    with pytest.raises(ConfigError, match="from 0 to 20") as refused:
        engine.submit(request(logprobs=logprobs))
    assert refused.value.values["param"] == "logprobs"


# In step with the text, on a stream of bytes.


def decode(ids):
    return bytes(ids).decode(errors="replace")


def make_stream(**options):
    return TokenStream(decode, prompt_tokens=1, token_text=lambda token: decode([token]), **options)


def put(stream, text):
    for byte in text.encode():
        stream.put([byte], [TokenScore(-1.0, ((byte, -1.0), (65, -2.0)))])


def told(stream):
    return "".join(entry.text for entry in stream.token_logprobs)


@pytest.mark.parametrize(
    ("stop", "shown"), [(("END",), "well. "), (("l. END",), "wel"), ((), "well. END it")]
)
def test_what_a_stop_string_cuts_off_is_not_told(stop, shown):
    stream = make_stream(stop=stop)
    put(stream, "well. END it")
    stream.finish(StopReason.LENGTH)
    assert "".join(stream) == told(stream) == shown


def test_what_was_held_back_is_told_when_no_stop_string_comes():
    stream = make_stream(stop=("END",))
    put(stream, "the EN")
    stream.finish(StopReason.END)
    seen = [(piece, told(stream)) for piece in stream]
    assert seen[-2:] == [(" ", "the "), ("EN", "the EN")]


def test_tokens_of_one_character_are_told_with_it():
    stream = make_stream()
    put(stream, "a你b")
    stream.finish(StopReason.END)
    seen = [(piece, len(stream.token_logprobs)) for piece in stream]
    assert seen == [("a", 1), ("你", 4), ("b", 5)]
    assert told(stream) == "a\ufffd\ufffd\ufffdb"


def test_the_end_token_is_not_told_but_may_be_an_alternative():
    stream = make_stream(end_ids=(65,))
    put(stream, "ok")
    stream.put([65], [TokenScore(-0.1, ())])
    stream.finish(StopReason.END)
    assert "".join(stream) == told(stream) == "ok"
    assert stream.token_logprobs[0].alternatives == (("o", -1.0), ("A", -2.0))


def test_tokens_of_cleaned_text_are_all_told():
    stream = make_stream(cleaned=CleanedText(str.strip, str.strip))
    put(stream, "  hi you ")
    stream.finish(StopReason.END)
    assert "".join(stream) == "hi you"
    assert told(stream) == "  hi you "
