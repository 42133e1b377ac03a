"""Storing an import: whole conversations, nothing twice, nothing of anybody else touched."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from glmcore.core.errors import DataError
from glmcore.history import ConversationFilter, HistoryStore, open_temporary
from glmcore.history.carry import carry_out, read_import, writing
from glmcore.history.judgements import JudgementStore
from glmcore.history.schema import messages, usage
from glmcore.history.search.index import SearchText
from tests.history.carry.samples import (
    CHATGPT,
    EVERY,
    OPENAI,
    OWNER,
    SHAREGPT,
    exported,
    fill,
    imported,
    written,
)


def everything(store: HistoryStore) -> Any:
    return json.loads(exported(store))["conversations"]


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    source = open_temporary()
    fill(source)
    return written(tmp_path, exported(source), "ours.json")


def test_a_second_import_adds_nothing(store: HistoryStore, ours: Path, tmp_path: Path) -> None:
    foreign = written(tmp_path, [SHAREGPT, SHAREGPT, OPENAI], "foreign.json")
    reports = [imported(store, path) for path in (ours, foreign, ours, foreign)]
    assert [(report.imported, report.known) for report in reports] == [(2, 0), (2, 1), (0, 2), (0, 3)]


def test_an_import_brings_back_what_was_deleted_and_only_once(
    store: HistoryStore, ours: Path, tmp_path: Path
) -> None:
    foreign = written(tmp_path, [OPENAI], "foreign.json")
    kept = [imported(store, path) for path in (ours, foreign)]
    for report in kept:
        store.conversations.put_on(OWNER, report.ids, "deleted")
    deleted = written(tmp_path, exported(store, chosen=ConversationFilter(shelf="deleted")), "deleted.json")
    again = [imported(store, path) for path in (ours, foreign, ours, foreign, deleted)]
    assert [(report.imported, report.known) for report in again] == [(2, 0), (1, 0), (0, 2), (0, 1), (0, 3)]


def test_an_imported_tree_can_be_gone_on_with(store: HistoryStore, tmp_path: Path) -> None:
    imported(store, written(tmp_path, CHATGPT))
    (found,) = store.conversations.page(OWNER, EVERY)
    told = found.conversation
    assert (told.title, told.model, told.shelf, told.leaf_depth) == ("熊猫", "gpt-4", "archived", 2)
    assert (told.created_at, told.updated_at) == (1_700_000_000.5, 1_700_000_100.0)
    path = store.messages.path(OWNER, told.id)
    assert [entry.message.content for entry in path] == ["Where do pandas live?", "In Sichuan."]
    assert len(path[1].sibling_ids) == 2 and path[1].sibling_ids[1] == path[1].message.id
    store.messages.select_sibling(OWNER, path[1].sibling_ids[0])
    assert store.messages.path(OWNER, told.id)[1].message.content == "In China."
    store.messages.add_question(OWNER, told.id, path[1].message.id, "And what do they eat?")
    assert store.messages.path_length(OWNER, told.id) == 3


def test_judgements_come_along_and_nothing_counts_as_used(store: HistoryStore, ours: Path) -> None:
    imported(store, ours)
    failed = everything(store)[0]["messages"][2]
    judgement = JudgementStore(store.database).get(OWNER, failed["id"])
    assert (judgement.stars, judgement.repair) == (2, "In Sichuan.") and judgement.version > 0
    with store.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(usage)).scalar_one() == 0


def test_ids_that_somebody_else_has_are_given_anew_and_still_known_later(
    store: HistoryStore, ours: Path
) -> None:
    carry_out(store, "bob", read_import(store, "bob", ours), skip_problems=False)
    report = imported(store, ours)
    assert report.imported == 2 and imported(store, ours).known == 2
    (mine, _empty), theirs = everything(store), json.loads(ours.read_text())["conversations"][0]
    assert mine["id"] != theirs["id"] and mine["messages"][0]["id"] != theirs["messages"][0]["id"]
    assert [each["content"] for each in mine["messages"]] == [each["content"] for each in theirs["messages"]]
    assert mine["messages"][2]["judgement"]["stars"] == 2


def test_what_says_something_else_under_a_known_id_is_added_once(
    store: HistoryStore, ours: Path, tmp_path: Path
) -> None:
    imported(store, ours)
    values = json.loads(ours.read_text())
    values["conversations"][0]["messages"][1]["content"] = "In Chile."
    changed = written(tmp_path, values)
    assert [imported(store, changed).imported for _time in range(3)] == [1, 0, 0]
    assert len(everything(store)) == 3


def test_an_older_state_of_a_conversation_is_known(store: HistoryStore, ours: Path) -> None:
    imported(store, ours)
    talk = everything(store)[0]
    store.messages.add_question(OWNER, talk["id"], talk["shown"], "More?")
    assert imported(store, ours).imported == 0


def test_an_import_with_problems_is_refused_until_they_are_to_be_skipped(
    store: HistoryStore, tmp_path: Path
) -> None:
    path = written(tmp_path, [SHAREGPT, {"messages": 1}, {"messages": 2}])
    with pytest.raises(DataError, match="2 conversations that cannot be read"):
        imported(store, path)
    assert not everything(store)
    report = imported(store, path, skip_problems=True)
    assert (report.imported, report.problems) == (1, 2) and len(everything(store)) == 1


def test_an_import_that_breaks_off_leaves_whole_conversations_and_can_be_repeated(
    store: HistoryStore, tmp_path: Path
) -> None:
    many = [
        {"messages": [{"role": "user", "content": f"{number} {at}"} for at in range(100)]}
        for number in range(20)
    ]
    preview = read_import(store, OWNER, written(tmp_path, many))

    def break_off(done: int) -> None:
        if done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(store, OWNER, preview, skip_problems=False, on_progress=break_off)
    there = everything(store)
    assert len(there) == 10 and {len(each["messages"]) for each in there} == {100}
    report = carry_out(store, OWNER, preview, skip_problems=False)
    assert (report.imported, report.known) == (10, 10) and len(everything(store)) == 20


def test_a_conversation_is_stored_whole_or_not_at_all(
    store: HistoryStore, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_texts: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(writing, "add_texts", fail)
    with pytest.raises(ZeroDivisionError):
        imported(store, ours)
    assert not everything(store)


def test_titles_and_texts_are_told_to_the_search(
    store: HistoryStore, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[SearchText] = []
    monkeypatch.setattr(writing, "add_texts", lambda _connection, texts: told.extend(texts))
    imported(store, ours)
    assert [each.text for each in told if each.message_id is None] == ["=Pandas & <b>", "empty"]
    with store.database.reading() as connection:
        stored = {row.id: row.content for row in connection.execute(select(messages))}
    assert {each.message_id: each.text for each in told if each.message_id} == stored


def test_an_answer_that_was_being_written_is_interrupted(store: HistoryStore, tmp_path: Path) -> None:
    source = open_temporary()
    talk = source.conversations.create(OWNER, model="tiny")
    question = source.messages.add_question(OWNER, talk.id, None, "?")
    source.messages.start_answer(OWNER, talk.id, question.id, content="Half an")
    imported(store, written(tmp_path, exported(source)))
    assert everything(store)[0]["messages"][1]["state"] == "interrupted"
    assert store.messages.interrupt_running() == 0


def test_markup_stays_text(store: HistoryStore, tmp_path: Path) -> None:
    imported(store, written(tmp_path, [SHAREGPT]))
    assert everything(store)[0]["messages"][0]["content"] == "Hello <script>alert(1)</script>"
