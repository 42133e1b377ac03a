import time

import pytest
from sqlalchemy import event

from glmcore.core.errors import NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.history import Conversation, HistoryStore
from glmcore.history.conversations import one_line

OWNER = "ann"


def test_new_conversation_has_what_it_was_made_with(store: HistoryStore) -> None:
    params = GenerationParams(temperature=0.1, stop=("a", "b"), seed=2**32 - 1)
    before = time.time()
    talk = store.conversations.create(
        OWNER, model="m", title=" a \n b ", system_prompt="be\nbrief", params=params
    )
    assert (talk.owner, talk.model, talk.system_prompt) == (OWNER, "m", "be\nbrief")
    assert talk.title == "a"
    assert talk.params == params
    assert talk.leaf_id is None
    assert before <= talk.created_at == talk.updated_at <= time.time()
    assert talk.id.isalnum()
    assert store.conversations.get(OWNER, talk.id) == talk


def test_list_begins_with_the_conversation_used_last(store: HistoryStore) -> None:
    old, middle, new = (store.conversations.create(OWNER, model="m", title=title) for title in "abc")
    store.messages.add_question(OWNER, old.id, None, "again")
    assert [talk.id for talk in store.conversations.list(OWNER)] == [old.id, new.id, middle.id]
    assert [talk.id for talk in store.conversations.list(OWNER, limit=1, offset=1)] == [new.id]
    assert store.conversations.count(OWNER) == 3


def test_pages_of_conversations_of_the_same_moment_neither_repeat_nor_skip(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    made = {store.conversations.create(OWNER, model="m").id for _ in range(7)}
    pages = [store.conversations.list(OWNER, limit=2, offset=offset) for offset in range(0, 8, 2)]
    seen = [talk.id for page in pages for talk in page]
    assert len(seen) == 7
    assert set(seen) == made


def test_list_does_not_touch_the_messages(store: HistoryStore, talk: Conversation) -> None:
    store.messages.add_question(OWNER, talk.id, None, "long " * 1000)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(store.database._engine, "before_cursor_execute", note)
    assert len(store.conversations.list(OWNER)) == 1
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 1
    assert not any("messages" in statement for statement in statements)


def test_rename_and_update_change_only_what_is_named(store: HistoryStore, talk: Conversation) -> None:
    store.conversations.rename(OWNER, talk.id, "  New   name ")
    store.conversations.update(OWNER, talk.id, model="other")
    store.conversations.update(OWNER, talk.id, params=GenerationParams(top_k=1))
    store.conversations.update(OWNER, talk.id, system_prompt="x")
    store.conversations.update(OWNER, talk.id, system_prompt="")
    store.conversations.update(OWNER, talk.id)
    changed = store.conversations.get(OWNER, talk.id)
    assert changed.title == "New name"
    assert (changed.model, changed.params, changed.system_prompt) == ("other", GenerationParams(top_k=1), "")
    assert changed.updated_at == talk.updated_at


def test_removing_takes_the_messages_along_however_long_the_branch(
    store: HistoryStore, long_talk: Conversation
) -> None:
    # A foreign key from message to message would fail here: SQLite cascades 1,000 levels deep and no further.
    assert store.conversations.remove(OWNER, [long_talk.id]) == 1
    assert store.conversations.count(OWNER) == 0
    for message_id in ("0", "5000", "9999"):
        with pytest.raises(NotFoundError):
            store.messages.get(OWNER, message_id)


def test_what_is_taken_back_leaves_alone_what_somebody_moved_since(
    store: HistoryStore, talk: Conversation
) -> None:
    store.conversations.put_on(OWNER, [talk.id], "archived")
    store.conversations.put_on(OWNER, [talk.id], "deleted")  # in another window
    assert store.conversations.put_on(OWNER, [talk.id], "open", only_from="archived") == 0
    assert store.conversations.put_on(OWNER, [talk.id], "open", only_from="deleted") == 1


def test_another_owner_finds_nothing(store: HistoryStore, talk: Conversation) -> None:
    conversations = store.conversations
    assert conversations.list("bob") == []
    assert conversations.count("bob") == 0
    for attempt in (
        lambda: conversations.get("bob", talk.id),
        lambda: conversations.rename("bob", talk.id, "mine"),
        lambda: conversations.update("bob", talk.id, model="mine"),
        lambda: conversations.update("bob", talk.id),
        lambda: conversations.delete("bob", talk.id),
    ):
        with pytest.raises(NotFoundError, match="no conversation"):
            attempt()
    assert conversations.get(OWNER, talk.id) == talk


@pytest.mark.parametrize("nonsense", ["", "x", "\x00", "\ud800", "' or 1=1 --", "%", "a" * 100_000])
def test_an_id_from_a_broken_link_is_not_found(
    store: HistoryStore, talk: Conversation, nonsense: str
) -> None:
    with pytest.raises(NotFoundError):
        store.conversations.get(OWNER, nonsense)
    with pytest.raises(NotFoundError):
        store.messages.path(OWNER, nonsense)
    with pytest.raises(NotFoundError):
        store.messages.get(OWNER, nonsense)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("\n\n Hello \t  world \nsecond", "Hello world"),
        ("first\rsecond", "first"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("x" * 10_000_000, "x" * 59 + "…"),
        ("word " * 12 + "last", "word " * 11 + "word…"),
        ("你好" * 40, "你好" * 29 + "你…"),
    ],
)
def test_title_is_the_first_line_cut_with_an_ellipsis(text: str, line: str) -> None:
    assert one_line(text, 60) == line


def test_another_version_of_a_deleted_conversation_is_not_shown(
    store: HistoryStore, talk: Conversation
) -> None:
    first, second = (store.messages.add_question(OWNER, talk.id, None, text) for text in ("a", "b"))
    store.conversations.delete(OWNER, talk.id)
    with pytest.raises(NotFoundError):
        store.messages.select_sibling(OWNER, first.id)
    store.conversations.put_on(OWNER, [talk.id], "open")
    assert store.conversations.get(OWNER, talk.id).leaf_id == second.id
