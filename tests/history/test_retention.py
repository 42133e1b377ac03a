"""What is forgotten, what is kept, and the thread that does it."""

import time

import pytest

from glmcore.core.settings import Settings
from glmcore.history import HistoryStore, retention
from glmcore.history.retention import DAY, RetentionClock, RetentionRules, forget, plan, retention_notes
from glmcore.history.schema import conversations, judgements, messages
from tests.history.conftest import OWNER

NOW = 1_000 * DAY
RULES = RetentionRules(history_days=90, trash_days=30)
OLD, YOUNG = NOW - 91 * DAY, NOW - 89 * DAY


def add(store: HistoryStore, title: str, used_at: float, owner: str = OWNER, **values: object) -> str:
    """A conversation with an answer, last used then."""
    made = store.conversations.create(owner, model="tiny", title=title)
    question = store.messages.add_question(owner, made.id, None, f"{title}?")
    answer = store.messages.start_answer(owner, made.id, question.id, content="so")
    with store.database.writing() as connection:
        done = messages.update().where(messages.c.id == answer.id)
        connection.execute(done.values(state="done", server_id=None))
        change = conversations.update().where(conversations.c.id == made.id)
        connection.execute(change.values(updated_at=used_at, **values))
    return made.id


def titles(store: HistoryStore) -> set[str]:
    with store.database.reading() as connection:
        return set(connection.execute(conversations.select()).scalars("title"))


def rate(store: HistoryStore, conversation_id: str, **values: object) -> None:
    answer = store.messages.path(OWNER, conversation_id)[-1].message
    with store.database.writing() as connection:
        connection.execute(
            judgements.insert().values(
                message_id=answer.id,
                conversation_id=conversation_id,
                owner=OWNER,
                version=1,
                judged_at=0.0,
                **values,
            )
        )


def test_unused_ones_of_all_owners_go_and_pinned_rated_and_young_ones_stay(store: HistoryStore) -> None:
    add(store, "old", OLD)
    add(store, "of another owner", OLD - 1, owner="bob")
    add(store, "archived", OLD, shelf="archived")
    add(store, "young", YOUNG)
    add(store, "pinned", OLD, is_pinned=1)
    rate(store, add(store, "rated", OLD), thumb=-1)
    rate(store, add(store, "repaired", OLD), repair="better")
    found = plan(store.database, RULES, NOW)
    assert (found.count, found.num_deleted, found.oldest) == (3, 0, OLD - 1)
    assert forget(store.database, RULES, NOW) == 3
    assert titles(store) == {"young", "pinned", "rated", "repaired"}
    assert plan(store.database, RULES, NOW).count == forget(store.database, RULES, NOW) == 0


def test_what_was_old_when_it_was_imported_stays_for_as_long_as_others(store: HistoryStore) -> None:
    add(store, "imported lately", OLD, imported_at=YOUNG)
    add(store, "imported long ago", OLD, imported_at=OLD)
    assert plan(store.database, RULES, NOW).count == 1
    forget(store.database, RULES, NOW)
    assert titles(store) == {"imported lately"}


def test_a_deleted_conversation_stays_as_long_as_it_can_be_brought_back(store: HistoryStore) -> None:
    add(store, "deleted lately", OLD, shelf="deleted", deleted_at=NOW - DAY)
    assert plan(store.database, RULES, NOW).count == 0


def test_messages_go_with_their_conversation(store: HistoryStore) -> None:
    add(store, "old", OLD)
    forget(store.database, RULES, NOW)
    with store.database.reading() as connection:
        assert connection.execute(messages.select()).all() == []


def test_deleted_ones_go_some_days_after_they_were_deleted_even_rated_ones(store: HistoryStore) -> None:
    thrown_away = {"shelf": "deleted", "deleted_at": NOW - 31 * DAY}
    add(store, "deleted", YOUNG, **thrown_away)
    rate(store, add(store, "rated", YOUNG, is_pinned=1, **thrown_away), stars=5)
    add(store, "deleted lately", YOUNG, shelf="deleted", deleted_at=NOW - 29 * DAY)
    assert plan(store.database, RULES, NOW).num_deleted == 2
    forget(store.database, RULES, NOW)
    assert titles(store) == {"deleted lately"}


def test_answer_that_runs_keeps_its_conversation(store: HistoryStore) -> None:
    conversation = add(store, "busy", OLD, shelf="deleted", deleted_at=OLD)
    with store.database.writing() as connection:
        connection.execute(messages.update().where(messages.c.role == "assistant").values(state="running"))
    assert forget(store.database, RULES, NOW) == 0
    with store.database.writing() as connection:
        connection.execute(messages.update().values(state="interrupted"))
    assert plan(store.database, RULES, NOW).ids == [conversation]


def test_nothing_goes_where_the_settings_keep_all(store: HistoryStore) -> None:
    add(store, "old", 0.0)
    add(store, "deleted", 0.0, shelf="deleted", deleted_at=0.0)
    assert forget(store.database, RetentionRules(history_days=0, trash_days=0), NOW) == 0


def test_what_was_pinned_after_the_plan_was_made_stays(store: HistoryStore, monkeypatch) -> None:
    kept, gone = add(store, "pinned in time", OLD), add(store, "old", OLD)
    planned = plan(store.database, RULES, NOW)
    assert set(planned.ids) == {kept, gone}
    store.conversations.pin(OWNER, kept, True)
    monkeypatch.setattr(retention, "plan", lambda *given: planned)
    assert forget(store.database, RULES, NOW) == 1 and titles(store) == {"pinned in time"}


def test_many_go_in_parts(store: HistoryStore, monkeypatch) -> None:
    monkeypatch.setattr(retention, "REMOVED_AT_ONCE", 2)
    for number in range(5):
        add(store, str(number), OLD)
    assert forget(store.database, RULES, NOW) == 5 and not titles(store)


def wait_until(is_so) -> bool:
    give_up = time.monotonic() + 5
    while not is_so() and time.monotonic() < give_up:
        time.sleep(0.01)
    return bool(is_so())


def test_clock_forgets_at_once_and_each_day_and_ends(store: HistoryStore, monkeypatch, caplog) -> None:
    monkeypatch.setattr(retention, "DAY", 0.01)
    add(store, "one", 0.0)
    clock = RetentionClock()
    clock.start(store.database, RULES)
    assert wait_until(lambda: not titles(store))
    add(store, "another", 0.0)
    assert wait_until(lambda: not titles(store))
    clock.close()
    assert "1 conversations were removed for good" in caplog.text
    add(store, "after the end", 0.0)
    assert titles(store) == {"after the end"}


def test_clock_goes_on_after_a_fault(store: HistoryStore, monkeypatch, caplog) -> None:
    monkeypatch.setattr(retention, "DAY", 0.01)
    real, faults = retention.forget, iter([RuntimeError("a bug")])

    def fail_once(*given):
        for fault in faults:
            raise fault
        return real(*given)

    monkeypatch.setattr(retention, "forget", fail_once)
    add(store, "old", 0.0)
    clock = RetentionClock()
    clock.start(store.database, RULES)
    assert wait_until(lambda: not titles(store)) and "a bug" in caplog.text
    clock.close()


@pytest.mark.parametrize(
    ("history_days", "trash_days", "sentences"),
    [
        (0, 30, ["until somebody deletes them", "for 30 days"]),
        (90, 0.5, ["unused for 90 days", "for 0.5 days"]),
        (0, 0, ["until somebody deletes them", "until they are removed by hand"]),
    ],
)
def test_what_is_kept_is_told(history_days, trash_days, sentences) -> None:
    notes = retention_notes(Settings(history_days=history_days, trash_days=trash_days))
    assert len(notes) == len(sentences)
    assert all(part in note.text for note, part in zip(notes, sentences, strict=True))
