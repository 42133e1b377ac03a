"""The pipe from token ids to text: ends, errors, cancels, and readers that go away."""

import threading

import pytest

from glmcore.chat.engine import Usage
from glmcore.chat.text import CleanedText
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import DataError, EngineError
from glmcore.core.messages import StopReason
from glmcore.models.answer_text import clean_chatglm, settled

END = 0


def decode(ids):
    return bytes(ids).decode(errors="replace")


def make_stream(**options):
    """A stream of bytes; `cancels` notes what the engine is told."""
    stream = TokenStream(decode, prompt_tokens=7, **options)
    cancels = []
    stream.attach(cancel=lambda: cancels.append(True), requests_ahead=lambda: 3)
    return stream, cancels


def put(stream, text):
    for byte in text.encode():
        stream.put([byte])


def test_text_comes_in_whole_characters_and_is_counted():
    stream, cancels = make_stream(turns_left_out=2)
    assert stream.requests_ahead() == 3
    put(stream, "a你")
    stream.finish(StopReason.LENGTH)
    assert list(stream) == ["a", "你"]
    assert stream.stop_reason is StopReason.LENGTH
    assert stream.usage == Usage(prompt_tokens=7, completion_tokens=4, turns_left_out=2)
    assert stream.requests_ahead() == 0
    assert not cancels
    assert list(stream) == []


def test_an_unfinished_character_is_shown_at_the_end():
    stream, _ = make_stream()
    stream.put(list("x你".encode()[:3]))
    stream.finish(StopReason.LENGTH)
    assert list(stream) == ["x", "\ufffd"]


def test_the_end_token_is_counted_but_not_shown():
    stream, _ = make_stream(end_ids=(END,))
    put(stream, "ok")
    stream.put([END])
    stream.finish(StopReason.END)
    assert "".join(stream) == "ok"
    assert stream.usage.completion_tokens == 3


def test_a_stop_string_ends_the_answer_in_the_engine_too():
    stream, cancels = make_stream(stop=("END",))
    put(stream, "well. END never")
    assert "".join(stream) == "well. "
    assert stream.stop_reason is StopReason.STOP_STRING
    assert cancels == [True]


def test_what_was_held_back_is_shown_when_no_stop_string_comes():
    stream, _ = make_stream(stop=("END",))
    put(stream, "the EN")
    stream.finish(StopReason.END)
    assert "".join(stream) == "the EN"
    assert stream.stop_reason is StopReason.END


def test_text_before_an_error_is_given_out():
    stream, _ = make_stream(stop=("END",))
    put(stream, "half EN")
    stream.fail(DataError("no"))
    text = ""
    with pytest.raises(DataError, match="no"):
        for piece in stream:
            text += piece
    assert text == "half EN"
    assert stream.stop_reason is StopReason.ERROR


def test_an_unknown_error_becomes_a_sentence():
    stream, _ = make_stream()
    stream.fail(RuntimeError("out of luck"))
    with pytest.raises(EngineError, match="out of luck"):
        list(stream)


def test_cancel_wakes_a_waiting_reader():
    stream, cancels = make_stream()
    put(stream, "so far")
    pieces: list[str] = []
    reader = threading.Thread(target=lambda: pieces.extend(stream))
    reader.start()
    stream.cancel()
    reader.join(timeout=5)
    assert not reader.is_alive()
    assert "".join(pieces) == "so far"
    assert stream.stop_reason is StopReason.CANCELLED
    stream.cancel()
    assert cancels == [True]


def test_the_first_end_counts():
    stream, _ = make_stream()
    stream.cancel()
    stream.finish(StopReason.END)
    assert list(stream) == []
    assert stream.stop_reason is StopReason.CANCELLED


def test_a_reader_that_goes_away_frees_the_place_in_the_engine():
    stream, cancels = make_stream()
    put(stream, "abc")
    with pytest.raises(ValueError, match="broken reader"):
        for _piece in stream:
            raise ValueError("broken reader")
    assert cancels == [True]
    assert stream.stop_reason is StopReason.CANCELLED


def cleaning(begun=""):
    return CleanedText(clean_chatglm, lambda text: settled(clean_chatglm, text), begun)


@pytest.mark.parametrize("reason", [StopReason.END, StopReason.LENGTH, StopReason.CANCELLED])
def test_an_answer_is_cleaned_as_it_comes(reason):
    stream, _ = make_stream(cleaned=cleaning())
    put(stream, "\n你好,word, 好! \n")
    stream.finish(reason)
    assert list(stream) == ["你", "好", "，", "w", "o", "r", "d", ",", " 好", "！"]
    assert stream.stop_reason is reason


def test_of_a_continued_answer_only_the_continuation_comes():
    stream, _ = make_stream(cleaned=cleaning("你好"))
    put(stream, ",再见")
    stream.finish(StopReason.END)
    assert "".join(stream) == "，再见"


@pytest.mark.parametrize(("stop", "shown"), [("，", "你好"), (",", "你好，再见"), ("\n", "你好，再见")])
def test_stop_strings_are_looked_for_in_the_cleaned_text(stop, shown):
    stream, _ = make_stream(cleaned=cleaning(), stop=(stop,))
    put(stream, "\n你好,再见\n")
    stream.finish(StopReason.END)
    assert "".join(stream) == shown
    assert (stream.stop_reason is StopReason.STOP_STRING) == (stop == "，")


def test_cleaned_text_before_an_error_is_given_out():
    stream, _ = make_stream(cleaned=cleaning())
    put(stream, "你好!")
    stream.fail(DataError("no"))
    pieces = []
    with pytest.raises(DataError, match="no"):
        for piece in stream:
            pieces.append(piece)
    assert "".join(pieces) == "你好！"
