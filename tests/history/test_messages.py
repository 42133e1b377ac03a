import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from glmcore.core.errors import NotFoundError
from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import Conversation, HistoryStore, StoredMessage
from glmcore.history.schema import messages as message_table
from tests.postgres import only_sqlite

OWNER = "ann"


def ask(store: HistoryStore, talk: Conversation, parent: StoredMessage | None, text: str) -> StoredMessage:
    return store.messages.add_question(OWNER, talk.id, parent.id if parent else None, text)


def answer(store: HistoryStore, talk: Conversation, parent: StoredMessage, text: str) -> StoredMessage:
    return store.messages.start_answer(OWNER, talk.id, parent.id, content=text)


def shown(store: HistoryStore, talk: Conversation) -> list[str]:
    return [entry.message.content for entry in store.messages.path(OWNER, talk.id)]


@contextmanager
def counted_queries(store: HistoryStore) -> Iterator[list[str]]:
    queries: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            queries.append(statement)

    event.listen(store.database._engine, "before_cursor_execute", note)
    yield queries
    event.remove(store.database._engine, "before_cursor_execute", note)


def test_first_question_names_the_conversation_and_becomes_its_leaf(
    store: HistoryStore, talk: Conversation
) -> None:
    question = ask(store, talk, None, "\n What   is\tGLM?\nTell me.")
    after = store.conversations.get(OWNER, talk.id)
    assert after.title == "What is GLM?"
    assert after.leaf_id == question.id
    assert after.updated_at > talk.updated_at
    assert (question.role, question.state, question.facts, question.parent_id) == ("user", "done", None, None)
    ask(store, talk, question, "Second")
    assert store.conversations.get(OWNER, talk.id).title == "What is GLM?"


def test_a_chosen_title_stays(store: HistoryStore) -> None:
    talk = store.conversations.create(OWNER, model="m", title="Mine")
    ask(store, talk, None, "question")
    assert store.conversations.get(OWNER, talk.id).title == "Mine"


def test_answer_grows_and_ends_with_its_facts(
    store: HistoryStore, talk: Conversation, facts: AnswerFacts
) -> None:
    started = answer(store, talk, ask(store, talk, None, "q"), "")
    assert (started.role, started.state, started.content) == ("assistant", "running", "")
    store.messages.save_text(OWNER, started.id, "so f")
    assert store.messages.get(OWNER, started.id) == replace(started, content="so f")
    before = store.conversations.get(OWNER, talk.id).updated_at
    store.messages.finish_answer(OWNER, started.id, "so far", facts)
    ended = store.messages.get(OWNER, started.id)
    assert (ended.state, ended.content, ended.facts) == ("done", "so far", facts)
    assert store.conversations.get(OWNER, talk.id).updated_at > before


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (StopReason.END, "done"),
        (StopReason.LENGTH, "done"),
        (StopReason.STOP_STRING, "done"),
        (StopReason.CANCELLED, "done"),
        (StopReason.INTERRUPTED, "interrupted"),
        (StopReason.ERROR, "failed"),
    ],
)
def test_why_an_answer_stopped_decides_its_state(
    store: HistoryStore, talk: Conversation, facts: AnswerFacts, reason: StopReason, state: str
) -> None:
    started = answer(store, talk, ask(store, talk, None, "q"), "")
    store.messages.finish_answer(OWNER, started.id, "part", replace(facts, stop_reason=reason, error="why"))
    ended = store.messages.get(OWNER, started.id)
    assert ended.state == state
    assert ended.facts is not None
    assert (ended.facts.stop_reason, ended.facts.error) == (reason, "why")


def test_late_save_does_not_overwrite_the_final_text(
    store: HistoryStore, talk: Conversation, facts: AnswerFacts
) -> None:
    started = answer(store, talk, ask(store, talk, None, "q"), "")
    store.messages.finish_answer(OWNER, started.id, "whole", facts)
    store.messages.save_text(OWNER, started.id, "who")
    assert store.messages.get(OWNER, started.id).content == "whole"


def test_writing_to_an_answer_whose_conversation_was_deleted_is_not_found(
    store: HistoryStore, talk: Conversation, facts: AnswerFacts
) -> None:
    started = answer(store, talk, ask(store, talk, None, "q"), "")
    store.conversations.remove(OWNER, [talk.id])
    with pytest.raises(NotFoundError):
        store.messages.save_text(OWNER, started.id, "text")
    with pytest.raises(NotFoundError):
        store.messages.finish_answer(OWNER, started.id, "text", facts)


def test_regenerated_answer_is_a_sibling_and_both_can_be_shown(
    store: HistoryStore, talk: Conversation
) -> None:
    question = ask(store, talk, None, "q")
    first = answer(store, talk, question, "a1")
    follow_up = ask(store, talk, first, "and?")
    second = answer(store, talk, question, "a2")
    assert shown(store, talk) == ["q", "a2"]
    entries = store.messages.path(OWNER, talk.id)
    assert entries[0].sibling_ids == (question.id,)
    assert entries[1].sibling_ids == (first.id, second.id)
    store.messages.select_sibling(OWNER, first.id)
    assert shown(store, talk) == ["q", "a1", "and?"]
    assert store.conversations.get(OWNER, talk.id).leaf_id == follow_up.id
    store.messages.select_sibling(OWNER, second.id)
    assert shown(store, talk) == ["q", "a2"]


def test_edited_first_question_is_a_sibling_without_a_parent(store: HistoryStore, talk: Conversation) -> None:
    first = ask(store, talk, None, "helo")
    answer(store, talk, first, "?")
    edited = ask(store, talk, None, "hello")
    other = store.conversations.create(OWNER, model="m")
    ask(store, other, None, "elsewhere")
    entries = store.messages.path(OWNER, talk.id)
    assert [entry.message.content for entry in entries] == ["hello"]
    assert entries[0].sibling_ids == (first.id, edited.id)


def test_selecting_a_version_shows_the_youngest_branch_under_it(
    store: HistoryStore, talk: Conversation
) -> None:
    root = ask(store, talk, None, "q")
    left = answer(store, talk, root, "left")
    deep = answer(store, talk, ask(store, talk, left, "deep?"), "deep")
    young = ask(store, talk, left, "young")
    right = answer(store, talk, root, "right")
    store.messages.select_sibling(OWNER, left.id)
    assert store.conversations.get(OWNER, talk.id).leaf_id == young.id
    store.messages.select_sibling(OWNER, deep.id)
    assert shown(store, talk) == ["q", "left", "deep?", "deep"]
    store.messages.select_sibling(OWNER, root.id)
    assert store.conversations.get(OWNER, talk.id).leaf_id == right.id


def test_versions_are_in_the_order_of_their_making_even_when_the_clock_goes_back(
    store: HistoryStore, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = ask(store, talk, None, "q")
    made = []
    for moment in (30.0, 20.0, 20.0, 10.0):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        made.append(answer(store, talk, question, "a").id)
    assert store.messages.path(OWNER, talk.id)[1].sibling_ids == tuple(made)


def test_path_of_a_new_conversation_is_empty(store: HistoryStore, talk: Conversation) -> None:
    assert store.messages.path(OWNER, talk.id) == []
    assert store.messages.path_length(OWNER, talk.id) == 0


def test_path_ends_at_the_leaf_asked_for_and_stops_at_the_limit(
    store: HistoryStore, talk: Conversation
) -> None:
    chain: list[StoredMessage] = []
    for number in range(10):
        chain.append(ask(store, talk, chain[-1] if chain else None, str(number)))
    version = ask(store, talk, chain[4], "other 5")
    path = store.messages.path(OWNER, talk.id, leaf_id=chain[7].id, limit=3)
    assert [entry.message.content for entry in path] == ["5", "6", "7"]
    assert path[0].sibling_ids == (chain[5].id, version.id)
    assert store.messages.path_length(OWNER, talk.id, chain[7].id) == 8
    assert store.messages.path_length(OWNER, talk.id) == 6
    assert len(store.messages.path(OWNER, talk.id, leaf_id=chain[9].id, limit=100)) == 10


def test_path_takes_two_queries_however_long(store: HistoryStore, talk: Conversation) -> None:
    question = None
    for number in range(30):
        question = ask(store, talk, question, str(number))
    with counted_queries(store) as queries:
        assert len(store.messages.path(OWNER, talk.id)) == 30
    assert len([query for query in queries if not query.startswith("SET TRANSACTION")]) == 2


@only_sqlite
def test_page_of_a_long_conversation_costs_only_the_page(
    store: HistoryStore, long_talk: Conversation, thousands_of_steps: list[int]
) -> None:
    page = store.messages.path(OWNER, long_talk.id, limit=60)
    assert [entry.message.id for entry in page] == [str(number) for number in range(9_940, 10_000)]
    assert all(entry.sibling_ids == (entry.message.id,) for entry in page)
    assert store.messages.path_length(OWNER, long_talk.id) == 10_000
    # Of SQLite's own machine; the whole branch takes hundreds of thousands.
    assert 0 < len(thousands_of_steps) < 20
    assert len(store.messages.path(OWNER, long_talk.id)) == 10_000
    assert len(thousands_of_steps) > 200


def test_another_owner_finds_no_message(store: HistoryStore, talk: Conversation, facts: AnswerFacts) -> None:
    question = ask(store, talk, None, "secret")
    started = answer(store, talk, question, "also secret")
    his = store.conversations.create("bob", model="m")
    messages = store.messages
    for attempt in (
        lambda: messages.get("bob", question.id),
        lambda: messages.path("bob", talk.id),
        lambda: messages.path("bob", his.id, leaf_id=question.id),
        lambda: messages.path_length("bob", talk.id),
        lambda: messages.path_length("bob", his.id, question.id),
        lambda: messages.select_sibling("bob", question.id),
        lambda: messages.add_question("bob", talk.id, None, "x"),
        lambda: messages.add_question("bob", his.id, question.id, "x"),
        lambda: messages.start_answer("bob", talk.id, question.id),
        lambda: messages.save_text("bob", started.id, "x"),
        lambda: messages.finish_answer("bob", started.id, "x", facts),
    ):
        with pytest.raises(NotFoundError):
            attempt()
    assert shown(store, talk) == ["secret", "also secret"]
    assert messages.path("bob", his.id) == []


def test_parent_must_be_in_the_same_conversation_and_a_refused_question_changes_nothing(
    store: HistoryStore, talk: Conversation
) -> None:
    elsewhere = ask(store, store.conversations.create(OWNER, model="m"), None, "elsewhere")
    with pytest.raises(NotFoundError, match="no message"):
        ask(store, talk, elsewhere, "here")
    assert store.conversations.get(OWNER, talk.id) == talk


def test_answer_of_a_dead_server_is_interrupted_and_that_of_a_living_one_goes_on(
    store: HistoryStore, talk: Conversation
) -> None:
    store.conversations.update(OWNER, talk.id, params=GenerationParams(top_k=9))
    question = ask(store, talk, None, "q")
    lost = answer(store, talk, question, "so far")
    alive = answer(store, talk, question, "going on")
    with store.database.writing() as connection:
        connection.execute(
            message_table.update()
            .where(message_table.c.id == lost.id)
            .values(server_id="1/0.0/gone-host", saved_at=0)
        )
    assert store.messages.interrupt_running() == 1
    assert store.messages.interrupt_running() == 0
    marked = store.messages.get(OWNER, lost.id)
    assert (marked.state, marked.content) == ("interrupted", "so far")
    assert marked.facts == AnswerFacts(
        model="tiny", stop_reason=StopReason.INTERRUPTED, params=GenerationParams(top_k=9)
    )
    assert store.messages.get(OWNER, alive.id) == alive


def test_answer_marked_too_early_is_healed_when_it_ends(
    store: HistoryStore, talk: Conversation, facts: AnswerFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = answer(store, talk, ask(store, talk, None, "q"), "")
    monkeypatch.setattr("glmcore.history.servers.is_gone", lambda *_: True)
    assert store.messages.interrupt_running() == 1
    store.messages.finish_answer(OWNER, started.id, "whole", facts)
    ended = store.messages.get(OWNER, started.id)
    assert (ended.state, ended.content, ended.facts) == ("done", "whole", facts)


def test_the_engine_is_kept_with_an_answer_and_missing_in_one_of_before_there_were_two(
    store: HistoryStore, talk: Conversation, facts: AnswerFacts
) -> None:
    started = answer(store, talk, ask(store, talk, None, "q"), "")
    store.messages.finish_answer(OWNER, started.id, "a", replace(facts, engine="openvino"))
    assert store.messages.get(OWNER, started.id).facts == replace(facts, engine="openvino")
    stored = facts.to_dict()
    del stored["engine"]
    with store.database.writing() as connection:
        connection.execute(text("UPDATE messages SET facts = :facts"), {"facts": json.dumps(stored)})
    assert store.messages.get(OWNER, started.id).facts == facts
