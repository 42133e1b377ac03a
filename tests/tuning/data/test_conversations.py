"""Rows of every usual form as conversations, and rows of none."""

import json
from typing import Any

import pytest

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from glmcore.tuning.data.columns import Columns
from glmcore.tuning.data.conversations import Conversation, Dropped, read_conversation

SINGLE = Columns(prompt="p", response="r", history="h")
LETTERS = {"s": "system", "u": "user", "a": "assistant"}


def talk(*parts: str) -> Conversation:
    """`u:hello` is a message of the user."""
    return Conversation(tuple(Message(LETTERS[part[0]], part[2:]) for part in parts))


def read(values: dict[str, Any], columns: Columns = SINGLE, prefix: str = "") -> Conversation | Dropped:
    return read_conversation(values, columns, prefix, "a.csv: row 7")


def read_messages(messages: Any, prefix: str = "", **others: Any) -> Conversation | Dropped:
    return read({"m": messages, **others}, Columns(messages="m", system="s"), prefix)


def openai(*parts: str) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in talk(*parts).messages]


def test_question_and_answer_are_taken_as_they_are():
    assert read({"p": " q\n", "r": "\ta "}) == talk("u: q\n", "a:\ta ")


def test_numbers_become_their_text():
    assert read({"p": 2.5, "r": 7}) == talk("u:2.5", "a:7")
    assert read({"p": True, "r": "0"}) == talk("u:true", "a:0")


@pytest.mark.parametrize("empty", [None, "", " \n\t　", float("nan")])
def test_empty_rows_are_dropped_with_the_reason(empty):
    assert read({"p": empty, "r": "a"}, prefix="say: ") is Dropped.EMPTY_QUESTION
    assert read({"p": "q", "r": empty}) is Dropped.EMPTY_ANSWER
    assert read({"p": "q"}) is Dropped.EMPTY_ANSWER


@pytest.mark.parametrize(
    "history",
    [
        [["q1", "a1"], ["q2", "a2"]],
        json.dumps([["q1", "a1"], ["q2", "a2"]]),
        openai("u:q1", "a:a1", "u:q2", "a:a2"),
    ],
)
def test_history_comes_before_the_question(history):
    found = read({"p": "q", "r": "a", "h": history}, prefix="say: ")
    assert found == talk("u:q1", "a:a1", "u:q2", "a:a2", "u:say: q", "a:a")


@pytest.mark.parametrize("history", [None, "", " ", [], "[]"])
def test_empty_history_is_none(history):
    assert read({"p": "q", "r": "a", "h": history}) == talk("u:q", "a:a")


def test_input_follows_its_instruction_on_a_new_line():
    alpaca = Columns(prompt="instruction", prompt_input="input", response="output", system="system")
    row = {"instruction": "Add.", "input": "2 + 2", "output": "4", "system": "Be brief."}
    assert read(row, alpaca, "say: ") == talk("s:Be brief.", "u:say: Add.\n2 + 2", "a:4")
    assert read({**row, "input": "", "system": None}, alpaca) == talk("u:Add.", "a:4")
    assert read({**row, "instruction": "", "system": None}, alpaca) == talk("u:2 + 2", "a:4")


@pytest.mark.parametrize(
    "messages",
    [
        openai("s:be brief", "u:q1", "a:a1", "u:q2", "a:a2"),
        json.dumps(openai("s:be brief", "u:q1", "a:a1", "u:q2", "a:a2")),
        [
            {
                "role": "developer",
                "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}],
            },
            {"role": "User", "content": "q1", "name": "x"},
            {"role": "assistant", "content": "a1", "tool_calls": None},
            {"role": "user", "content": "q2"},
            {"role": "model", "content": "a2"},
        ],
        [
            {"from": "system", "value": "be brief", "role": None, "content": None},
            {"from": "human", "value": "q1"},
            {"from": "gpt", "value": "a1"},
            {"from": "user", "value": "q2"},
            {"from": "bing", "value": "a2"},
        ],
    ],
)
def test_forms_of_messages_are_known(messages):
    assert read_messages(messages) == talk("s:be brief", "u:q1", "a:a1", "u:q2", "a:a2")


def test_system_column_comes_before_messages():
    assert read_messages(openai("s:two", "u:q", "a:a"), s="one") == talk("s:one\n\ntwo", "u:q", "a:a")


def test_prefix_is_put_before_the_first_question_of_a_conversation():
    found = read_messages(openai("a:hi", "u:q1", "u:more", "a:a1", "u:q2", "a:a2"), prefix="say: ")
    assert found == talk("u:say: q1\n\nmore", "a:a1", "u:q2", "a:a2")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (("a:hello", "u:q", "a:a"), ("u:q", "a:a")),
        (("s:be brief", "a:hello", "u:q", "a:a"), ("s:be brief", "u:q", "a:a")),
        (("u:q", "a:a", "u:unanswered", "u:still"), ("u:q", "a:a")),
        (("u:q", "a:", "u:q2", "a:a2"), ("u:q\n\nq2", "a:a2")),
        (("u:q", "a:a", "a:more"), ("u:q", "a:a\n\nmore")),
        (("u:q", "s: ", "a:a"), ("u:q", "a:a")),
    ],
)
def test_conversation_is_questions_and_answers_in_turn(given, kept):
    assert read_messages(openai(*given)) == talk(*kept)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((), Dropped.NO_ANSWER),
        (("s:be brief", "u:q"), Dropped.NO_ANSWER),
        (("u:q", "a: ", "u:q2"), Dropped.EMPTY_ANSWER),
        (("u: ", "a:a"), Dropped.EMPTY_QUESTION),
        (("a:hello", "u:q"), Dropped.EMPTY_QUESTION),
        (("u:q", "a:a", "s:be long", "u:q2", "a:a2"), Dropped.LATE_SYSTEM),
        (("u:q", "s:be long", "a:a"), Dropped.LATE_SYSTEM),
    ],
)
def test_conversation_without_a_use_is_dropped_with_the_reason(given, reason):
    assert read_messages(openai(*given)) is reason


@pytest.mark.parametrize(
    "message",
    [
        {"role": "observation", "content": "21 °C"},
        {"role": "tool", "content": "21 °C"},
        {"from": "function_call", "value": "{}"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "system", "content": "be brief", "tools": [{"name": "weather"}]},
    ],
)
def test_rows_with_tools_are_dropped(message):
    assert read_messages([*openai("u:q"), message, *openai("a:a")]) is Dropped.HAS_TOOLS


def test_tools_of_the_row_count_where_there_are_some():
    messages = openai("u:q", "a:a")
    assert read_messages(messages, tools=[{"name": "weather"}]) is Dropped.HAS_TOOLS
    assert [read_messages(messages, tools=none) for none in (None, "", [], "[]")] == [talk("u:q", "a:a")] * 4


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ("hello", "found 'hello' in the column 'm'; expected a list"),
        ('{"role": "user"}', "found {'role': 'user'} in the column 'm'; expected a list"),
        (5, "found 5 in the column 'm'; expected a list"),
        (["hello"], "found the message 'hello'; expected role and content"),
        ([{"role": "narrator", "content": "x"}], "found the message {'role': 'narrator', 'content': 'x'};"),
        ([{"role": ["user"], "content": "x"}], "found the message {'role': ['user'], 'content': 'x'};"),
        ([{"content": "x"}], "found the message {'content': 'x'};"),
        ([{"role": "user", "content": {"a": 1}}], "found {'a': 1}; expected a text."),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}],
            "found the part {'type': 'image_url'} of a message; only text can be taught.",
        ),
        ([{"role": "user", "content": "\ud83d"}], "'\\ud83d' holds half a character"),
        ("[" * 100_000, "found '[[[["),
    ],
)
def test_malformed_messages_are_shown_with_their_row(messages, fault):
    with pytest.raises(DataError) as caught:
        read_messages(messages)
    assert str(caught.value).startswith(f"a.csv: row 7: {fault}")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("history", [[["q"]], ["q", "a"], [None], [["q", "a", "b"]]])
def test_malformed_history_is_shown_with_its_row(history):
    with pytest.raises(
        DataError, match=r"a.csv: row 7: found .* in the history; expected \[question, answer\]"
    ):
        read({"p": "q", "r": "a", "h": history})
