"""Saved answers become rows that the trainer's own reader takes as one question each."""

import json
from collections import Counter
from pathlib import Path

import pytest

from glmcore.core.errors import DataError, StorageError
from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import Conversation, ConversationFilter, HistoryStore
from glmcore.history.replay_rows import read_saved_answers, write_replay_rows
from glmcore.tuning.data.columns import find_columns
from glmcore.tuning.data.conversations import read_conversation
from glmcore.tuning.data.rows import iter_rows, read_names
from glmcore.tuning.job_config import DataConfig
from tests.history.conftest import OWNER


def say(store: HistoryStore, talk: Conversation, *turns: str, parent: str | None = None, **facts) -> str:
    """Questions and answers in turn; an empty answer has failed. The id of the last message."""
    for place, text in enumerate(turns):
        if place % 2 == 0:
            parent = store.messages.add_question(OWNER, talk.id, parent, text).id
            continue
        parent = store.messages.start_answer(OWNER, talk.id, parent).id
        reason = StopReason.END if text else StopReason.ERROR
        params = GenerationParams(**facts)
        told = AnswerFacts(model="tiny", adapter="a/b", stop_reason=reason, params=params)
        store.messages.finish_answer(OWNER, parent, text, told)
    return parent


def write(store, path, which="every", most_rows=100, most_characters=10_000, chosen=None):
    return write_replay_rows(
        store.database,
        OWNER,
        chosen or ConversationFilter(),
        path,
        which=which,
        most_rows=most_rows,
        most_characters=most_characters,
    )


def asked(path: Path) -> list[list[tuple[str, str]]]:
    """What the trainer makes of each row."""
    columns = find_columns(read_names(path), DataConfig(), path)
    assert columns.history == "history"  # by which only the last answer of a row is asked for
    found = [read_conversation(row.values, columns, "", "row") for row in iter_rows(path)]
    return [[(message.role, message.content) for message in each.messages] for each in found]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_answer_is_a_row_with_all_that_was_said_before(store, talk, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    store.conversations.update(OWNER, talk.id, system_prompt="Be brief.")
    answer_id = say(store, talk, "你好", "你好!", "Who\nare you?", "<b>GLM</b>")
    written = write(store, path)
    assert (written.num_rows, written.num_conversations) == (2, 1)
    first = [("system", "Be brief."), ("user", "你好"), ("assistant", "你好!")]
    assert asked(path) == [first, [*first, ("user", "Who\nare you?"), ("assistant", "<b>GLM</b>")]]
    saved = read_saved_answers(path, [2, 3])
    assert list(saved) == [2]
    assert (saved[2].conversation_id, saved[2].message_id) == (talk.id, answer_id)
    assert (saved[2].model, saved[2].adapter) == ("tiny", "a/b")


def test_the_last_whole_answer_of_the_shown_branch_alone(store, talk, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    first = say(store, talk, "a", "1")
    say(store, talk, "b", "2", parent=first)
    say(store, talk, "c", "3", "d", "", parent=first)  # shown, with an answer that failed at its end
    write(store, path, "last")
    assert asked(path) == [[("user", "a"), ("assistant", "1"), ("user", "c"), ("assistant", "3")]]


def test_a_question_whose_answer_failed_is_left_out_as_in_the_chat(store, talk, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    say(store, talk, "a", "", "b", "2")
    write(store, path)
    assert asked(path) == [[("user", "b"), ("assistant", "2")]]


def test_what_was_said_long_ago_is_left_out(store, talk, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    say(store, talk, *["x" * 100] * 40, "last question", "last answer")
    write(store, path, "last", most_characters=250)
    (row,) = lines(path)
    assert len(row["history"]) == 2 and row["prompt"] == "last question"


def test_no_more_rows_than_wanted_and_only_what_is_meant(store, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    ids = []
    for number in range(4):
        talk = store.conversations.create(OWNER, model="tiny", title=f"talk {number}")
        say(store, talk, "a", f"{number}", "b", f"{number}!")
        ids.append(talk.id)
    assert write(store, path, most_rows=3).num_rows == 3
    assert Counter(row["title"] for row in lines(path)) == {"talk 0": 2, "talk 1": 1}
    write(store, path, chosen=ConversationFilter(ids=(ids[2],)))
    assert {row["conversation_id"] for row in lines(path)} == {ids[2]}


def test_the_parameters_are_those_of_most_answers(store, talk, tmp_path) -> None:
    last = say(store, talk, "a", "1", "b", "2", temperature=0.3)
    say(store, talk, "c", "3", parent=last, temperature=1.5)
    assert write(store, tmp_path / "rows.jsonl").params == GenerationParams(temperature=0.3)


def test_without_any_answer_there_is_a_sentence(store, talk, tmp_path) -> None:
    say(store, talk, "a", "", "b")
    with pytest.raises(DataError, match="whole answer"):
        write(store, tmp_path / "rows.jsonl")
    with pytest.raises(StorageError, match="nothing was queued"):
        write(store, tmp_path / "none" / "rows.jsonl")


def test_rows_that_somebody_changed_are_passed_over(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'[]\n{"conversation_id": 1}\n\xff\n' + b"[" * 100_000 + b"\n")
    assert read_saved_answers(path, range(10)) == {} == read_saved_answers(tmp_path / "none", [1])
