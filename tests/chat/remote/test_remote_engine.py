"""A model of another server answers behind the same Protocol as one that is loaded here."""

import json
import threading
import time

import pytest

from glmcore.chat.remote.body import Dialect, build_body
from glmcore.core.errors import ConfigError, EngineError
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from tests.chat.remote.fake_server import DONE, piece, usage

QUESTION = (Message("user", "Why?"),)


def asked(*messages, plain_text=None, logprobs=None, **params):
    params = GenerationParams(**{"top_k": 0, **params})
    messages = messages or (QUESTION if plain_text is None else ())
    return ChatRequest(
        messages=messages, params=params, model="chat@lab", plain_text=plain_text, logprobs=logprobs
    )


def answer(engine, *messages, **options):
    """The text and the stream of an answer."""
    stream = engine.submit(asked(*messages, **options))
    return "".join(stream), stream


def test_answer_comes_with_the_servers_own_count_of_tokens(engine, server):
    text, stream = answer(engine, temperature=0.3, top_p=0.8, seed=7, max_new_tokens=9)
    assert (text, stream.stop_reason) == ("An answer.", StopReason.END)
    assert (stream.usage.prompt_tokens, stream.usage.completion_tokens) == (5, 2)
    assert server.bodies == [
        {
            "model": "chat",
            "messages": [{"role": "user", "content": "Why?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 9,
            "temperature": 0.3,
            "top_p": 0.8,
            "seed": 7,
        }
    ]


def test_what_not_every_server_takes_is_sent_where_it_is_set_only(engine, server):
    answer(engine, top_k=5, repetition_penalty=1.1)
    assert (server.bodies[0]["top_k"], server.bodies[0]["repetition_penalty"]) == (5, 1.1)
    assert engine.default_params.top_k == 0


def test_greedy_is_said_as_temperature_0_however_it_is_set():
    for params in ({"temperature": 0.0}, {"top_k": 1}, {"top_p": 0.0}):
        body = build_body(asked(**params), "chat", Dialect())
        assert body["temperature"] == 0 and "top_p" not in body and "extra_body" not in body


def test_plain_text_is_gone_on_with_by_the_other_form(engine, server):
    server.streams(
        {"choices": [{"text": " upon", "logprobs": {"tokens": [" upon"], "token_logprobs": [-0.5]}}]},
        {"choices": [{"text": "", "finish_reason": "length"}]},
        DONE,
    )
    text, stream = answer(engine, plain_text="Once", logprobs=0)
    assert (text, stream.stop_reason) == (" upon", StopReason.LENGTH)
    assert server.seen[-1].path == "/v1/completions" and server.bodies[0]["prompt"] == "Once"
    assert [(token.text, token.logprob) for token in stream.token_logprobs] == [(" upon", -0.5)]


def test_logprobs_come_with_their_alternatives(engine, server):
    others = [{"token": "An", "logprob": -0.1}, {"token": "The", "logprob": -2.0}]
    content = [{"token": "An", "logprob": -0.1, "top_logprobs": others}]
    server.streams(piece("An", logprobs={"content": content}), piece(finish="stop"), DONE)
    _, stream = answer(engine, logprobs=2)
    assert stream.token_logprobs[0].alternatives == (("An", -0.1), ("The", -2.0))
    assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 2)


def test_server_that_tells_no_logprobs_is_found_out(engine):
    with pytest.raises(ConfigError, match="does not tell how likely") as refused:
        answer(engine, logprobs=0)
    assert refused.value.values["param"] == "logprobs"


def test_pieces_are_counted_where_the_server_counts_nothing_and_a_note_says_so(engine, server):
    server.streams(piece("a"), piece("b"), piece("c"), piece(finish="stop"), DONE)
    _, stream = answer(engine)
    assert stream.usage.completion_tokens == 3
    assert any("does not tell how many tokens" in note.text for note in engine.notes)
    server.streams(piece("a"), piece(finish="stop"), usage(1, 1), DONE)
    answer(engine)
    assert not any("does not tell how many tokens" in note.text for note in engine.notes)


@pytest.mark.parametrize(
    ("complaint", "gone", "instead"),
    [
        ({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs"}]}, "stream_options", None),
        (
            {"error": {"message": "Use 'max_completion_tokens' instead."}},
            "max_tokens",
            "max_completion_tokens",
        ),
    ],
)
def test_what_an_old_or_a_new_server_does_not_know_is_left_out_from_then_on(
    engine, server, complaint, gone, instead
):
    answers = server.on_ask
    server.on_ask = lambda asked: asked.json(complaint, 422) if gone in asked.body else answers(asked)
    assert answer(engine)[0] == answer(engine)[0] == "An answer."
    assert [gone in body for body in server.bodies] == [True, False, False]
    assert instead is None or instead in server.bodies[-1]


def test_stop_strings_end_the_answer_where_the_server_ignores_them(engine, server):
    def talk_on(asked):
        asked.stream(piece("One. Q"), piece("uestion: two"), piece(" and"))
        asked.wait_until_left()

    server.on_ask = talk_on
    text, stream = answer(engine, stop=("Question:",))
    assert (text, stream.stop_reason) == ("One. ", StopReason.STOP_STRING)
    assert server.bodies[0]["stop"] == ["Question:"] and server.left.wait(5)


def test_stop_string_that_the_server_tells_is_told(engine, server):
    server.streams(piece("One."), piece(finish="stop", stop_reason="\n"), DONE)
    assert answer(engine, stop=("\n",))[1].stop_reason is StopReason.STOP_STRING
    server.streams(piece("One."), piece(finish="stop", stop_reason=151643), DONE)
    assert answer(engine, stop=("\n",))[1].stop_reason is StopReason.END


def test_begun_answer_is_gone_on_with(engine, server):
    answer(engine, *QUESTION, Message("assistant", "Because"))
    assert (server.bodies[0]["continue_final_message"], server.bodies[0]["add_generation_prompt"]) == (
        True,
        False,
    )
    server.refuses(422, {"detail": "Unexpected fields in the request: {'continue_final_message'}"})
    with pytest.raises(ConfigError, match="cannot go on with an answer"):
        answer(engine, *QUESTION, Message("assistant", "Because"))


def test_half_characters_are_joined_and_never_sent(engine, server):
    server.streams(piece("a\ud83d"), piece("\ude00b\ud83d"), piece(finish="stop"), DONE)
    text, _ = answer(engine, Message("user", "x\ud800y"))
    assert text == "a\U0001f600b\ufffd"
    assert server.bodies[0]["messages"][0]["content"] == "x\ufffdy"


def test_what_a_model_only_thinks_is_counted_but_not_shown(engine, server):
    thought = {"choices": [{"delta": {"reasoning_content": "Hmm."}}]}
    server.streams(thought, piece("Yes."), piece(finish="stop"), DONE)
    text, stream = answer(engine)
    assert (text, stream.usage.completion_tokens) == ("Yes.", 2)


def stuck_before_the_first_token(asked):
    asked.wait_until_left()


def stuck_after_the_headers(asked):
    asked.stream()
    asked.wait_until_left()


def stuck_in_the_middle(asked):
    asked.stream(piece("One"))
    asked.wait_until_left()


@pytest.mark.parametrize(
    "stuck", [stuck_before_the_first_token, stuck_after_the_headers, stuck_in_the_middle]
)
def test_cancel_closes_the_connection_at_once(engine, server, stuck):
    server.on_ask = stuck
    stream = engine.submit(asked())
    while len(server.bodies) == 0:
        time.sleep(0.005)
    texts = []
    reader = threading.Thread(target=lambda: texts.extend(stream))
    reader.start()
    began = time.monotonic()
    stream.cancel()
    reader.join(5)
    assert not reader.is_alive() and server.left.wait(5) and time.monotonic() - began < 1
    assert stream.stop_reason is StopReason.CANCELLED and engine.num_running() == 0


def test_many_answers_run_at_once(engine, server):
    together = threading.Barrier(20)
    answers = server.on_ask

    def wait_for_all(asked):
        together.wait(5)
        answers(asked)

    server.on_ask = wait_for_all
    streams = [engine.submit(asked()) for _ in range(20)]
    assert engine.num_running() == 20
    assert ["".join(stream) for stream in streams] == ["An answer."] * 20
    assert engine.num_running() == 0


def test_closing_ends_what_runs_and_takes_no_more(engine, server):
    server.on_ask = stuck_in_the_middle
    stream = engine.submit(asked())
    reading = iter(stream)
    assert next(reading) == "One"
    engine.close()
    assert server.left.wait(5) and stream.stop_reason is StopReason.CANCELLED
    with pytest.raises(EngineError, match="was unloaded"):
        engine.submit(asked())
    assert not any(thread.name == "remote-lab" for thread in threading.enumerate())


def test_tokens_of_a_prompt_are_estimated(engine):
    assert 10 <= engine.count_tokens([Message("user", "word " * 10)]) <= 20
    assert engine.held_bytes == {}


def test_server_that_never_ends_its_stream_holds_nobody_up(engine, server, monkeypatch):
    monkeypatch.setattr("glmcore.chat.remote.stream.USAGE_SECONDS", 0.05)

    def say_all_and_stay(asked):
        asked.stream(piece("All."), piece(finish="stop"))
        asked.wait_until_left()

    server.on_ask = say_all_and_stay
    text, stream = answer(engine)
    assert (text, stream.stop_reason) == ("All.", StopReason.END) and json.dumps(text)
