"""What is left out of a conversation that is too long for the window. One token per character here."""

import pytest

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from glmcore.models.prompts import fit_text, fit_window, split_turns


class CountingPrompt:
    """Token ids are characters; remembers how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, messages):
        self.calls += 1
        return [ord(character) for message in messages for character in message.content]


def conversation(num_turns, length=10, system=""):
    head = [Message("system", system)] if system else []
    turns = [(Message("user", "q" * length), Message("assistant", "a" * length)) for _ in range(num_turns)]
    return [*head, *(message for turn in turns for message in turn), Message("user", "?" * length)]


def test_short_conversation_is_asked_once_and_kept_whole():
    prompt = CountingPrompt()
    fitted = fit_window(prompt, conversation(3), 20, 100)
    assert (len(fitted.ids), fitted.turns_left_out, fitted.max_new_tokens) == (70, 0, 20)
    assert prompt.calls == 1


@pytest.mark.parametrize("window", range(50, 150))
def test_as_few_turns_as_possible_are_left_out(window):
    fitted = fit_window(CountingPrompt(), conversation(5, system="system"), 30, window)
    assert len(fitted.ids) + 30 <= window
    assert len(fitted.ids) == 6 + 10 + 20 * (5 - fitted.turns_left_out)
    assert fitted.turns_left_out == 0 or len(fitted.ids) + 20 + 30 > window


def test_system_prompt_and_last_question_are_always_kept():
    fitted = fit_window(CountingPrompt(), conversation(5, system="S"), 16, 30)
    assert "".join(map(chr, fitted.ids)) == "S" + "?" * 10


def test_long_conversation_is_not_tokenized_once_per_turn():
    prompt = CountingPrompt()
    fitted = fit_window(prompt, conversation(1000), 100, 5000)
    assert len(fitted.ids) > 4800
    assert prompt.calls <= 12


def test_answer_gets_what_the_question_leaves():
    fitted = fit_window(CountingPrompt(), conversation(2), 500, 100)
    assert fitted.max_new_tokens == 90
    assert fitted.turns_left_out == 2


def test_question_that_fills_the_window_is_refused_with_the_numbers():
    with pytest.raises(DataError, match=r"has 90 tokens with its system prompt, .* window is 100"):
        fit_window(CountingPrompt(), conversation(1, length=90), 500, 100)


def test_short_answer_may_use_the_last_tokens():
    assert fit_window(CountingPrompt(), conversation(0, length=90), 5, 95).max_new_tokens == 5


def test_nothing_to_answer_is_refused():
    with pytest.raises(DataError, match="no question"):
        fit_window(CountingPrompt(), [Message("system", "be kind")], 5, 95)


@pytest.mark.parametrize("window", range(50, 120))
def test_nothing_is_left_out_where_it_may_not_be(window):
    def fitted():
        return fit_window(CountingPrompt(), conversation(3), 30, window, may_leave_out=False)

    if window < 70 + 16:
        with pytest.raises(DataError, match=f"has 70 tokens, .* window is {window} ") as refused:
            fitted()
        assert refused.value.values["param"] == "messages"
    else:
        assert (len(fitted().ids), fitted().turns_left_out) == (70, 0)
        assert fitted().max_new_tokens == min(30, window - 70)


@pytest.mark.parametrize(
    ("wanted", "window", "allowed"), [(30, 200, 30), (30, 120, 20), (30, 116, 16), (5, 105, 5)]
)
def test_what_follows_a_text_gets_what_it_leaves(wanted, window, allowed):
    fitted = fit_text([1] * 100, wanted, window)
    assert (len(fitted.ids), fitted.turns_left_out, fitted.max_new_tokens) == (100, 0, allowed)


@pytest.mark.parametrize(("length", "reason"), [(100, "has 100 tokens, .* window is 110"), (0, "no text")])
def test_text_that_fills_the_window_or_is_none_is_refused(length, reason):
    with pytest.raises(DataError, match=reason) as refused:
        fit_text([1] * length, 30, 110)
    assert refused.value.values["param"] == "prompt"


def test_turn_is_a_question_with_what_follows_it():
    roles = ["system", "assistant", "user", "assistant", "assistant", "user", "assistant"]
    head, turns = split_turns([Message(role, "") for role in roles])
    assert len(head) == 1
    assert [[message.role for message in turn] for turn in turns] == [
        ["assistant"],
        ["user", "assistant", "assistant"],
        ["user", "assistant"],
    ]
