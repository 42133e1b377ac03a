"""Finding the columns of question, answer, history, messages."""

from pathlib import Path

import pytest

from glmcore.core.errors import DataError
from glmcore.tuning.data.columns import Columns, find_columns
from glmcore.tuning.job_config.fields import DataConfig

PATH = Path("rows.jsonl")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["content", "summary"], Columns(prompt="content", response="summary")),  # ADGEN
        (
            ["prompt", "response", "history"],
            Columns(prompt="prompt", response="response", history="history"),
        ),
        (
            ["instruction", "input", "output"],
            Columns(prompt="instruction", prompt_input="input", response="output"),
        ),
        (
            ["System", "Instruction", "Output"],
            Columns(prompt="Instruction", response="Output", system="System"),
        ),
        (["input", "output"], Columns(prompt="input", response="output")),
        (["id", "输入", "输出"], Columns(prompt="输入", response="输出")),
        (["QUESTION", "Answer"], Columns(prompt="QUESTION", response="Answer")),
        (["prompt", "messages", "response"], Columns(messages="messages")),
        (["id", "conversations", "system"], Columns(messages="conversations", system="system")),
        (["Prompt", "prompt", "answer", "response"], Columns(prompt="prompt", response="response")),
    ],
)
def test_usual_names_are_known(names, found):
    assert find_columns(names, DataConfig(), PATH) == found


def test_named_columns_go_before_usual_names():
    data = DataConfig(prompt_column="a", response_column="prompt", history_column="b")
    names = ["a", "b", "prompt", "messages", "history", "input"]
    assert find_columns(names, data, PATH) == Columns(prompt="a", response="prompt", history="b")
    assert find_columns(names, DataConfig(messages_column="b"), PATH) == Columns(messages="b")


def test_one_named_column_leaves_the_other_to_be_found():
    assert find_columns(["answer", "text"], DataConfig(prompt_column="text"), PATH) == Columns(
        prompt="text", response="answer"
    )
    assert find_columns(["prompt", "summary"], DataConfig(response_column="summary"), PATH) == Columns(
        prompt="prompt", response="summary"
    )
    assert find_columns(["prompt", "content"], DataConfig(response_column="prompt"), PATH) == Columns(
        prompt="content", response="prompt"
    )


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (
            DataConfig(prompt_column="promt"),
            "rows.jsonl has no column 'promt', which prompt_column names; did you mean 'prompt'? "
            "Found: prompt, answer.",
        ),
        (DataConfig(messages_column="x"), "rows.jsonl has no column 'x', which messages_column names"),
        (DataConfig(response_column="prompt", prompt_column="prompt"), "rows.jsonl: prompt_column and"),
    ],
)
def test_fault_names_the_option(data, fault):
    with pytest.raises(DataError) as caught:
        find_columns(["prompt", "answer"], data, PATH)
    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize(
    ("names", "option"),
    [
        (["prompt", "chosen", "rejected"], "response_column"),
        (["a", "answer"], "prompt_column"),
        ([], "prompt"),
    ],
)
def test_unknown_names_are_listed_with_the_option_to_set(names, option):
    with pytest.raises(DataError) as caught:
        find_columns(names, DataConfig(), PATH)
    assert ", ".join(names) in str(caught.value)
    assert f"Name it with {option}" in str(caught.value)
