from pathlib import Path

import pytest
from sqlalchemy import text

from glmcore.history import Conversation, ConversationFilter, HistoryStore, open_history
from glmcore.history.migrations import LEDGER, MIGRATIONS, add_search
from glmcore.history.schema import search_entries
from glmcore.storage import Database, migrate
from tests.postgres import only_sqlite

OWNER = "ann"


def num_found(store: HistoryStore, words: str) -> int:
    return store.search.find(OWNER, ConversationFilter(words=words)).total


def test_removed_words_leave_the_index(store: HistoryStore, talk: Conversation) -> None:
    store.messages.add_question(OWNER, talk.id, None, "zebrafinch 斑胸草雀")
    assert num_found(store, "斑胸草雀") == 1
    store.conversations.remove(OWNER, [talk.id])
    assert num_found(store, "斑胸草雀") == 0
    with store.database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM search_words")).scalar_one() == 0
        assert connection.execute(search_entries.select()).all() == []


@only_sqlite
def test_removed_words_leave_the_file_as_well(store: HistoryStore, talk: Conversation) -> None:
    for number in range(3):
        store.messages.add_question(OWNER, talk.id, None, f"zebrafinch number {number}")
    kept = store.conversations.create(OWNER, model="tiny", title="kept")
    store.conversations.remove(OWNER, [talk.id])
    store.search.forget_removed()
    store.search.forget_removed()
    with store.database.reading() as connection:
        blocks = connection.execute(text("SELECT block FROM search_words_data")).scalars().all()
    assert not any(b"zebrafinch" in block or b"ebrafinch" in block for block in blocks)
    assert any(b"kept" in block for block in blocks)
    assert store.search.find(OWNER, ConversationFilter(words="kept")).hits[0].listed.conversation == kept


@only_sqlite
def test_the_words_and_their_index_agree_after_changes(store: HistoryStore, talk: Conversation) -> None:
    store.messages.add_question(OWNER, talk.id, None, "long, " * 3_000)
    for title in ("one 一", "two 二"):
        store.conversations.rename(OWNER, talk.id, title)
    with store.database.writing() as connection:
        connection.execute(text("INSERT INTO search_words(search_words) VALUES ('integrity-check')"))
        rows = "SELECT (SELECT count(*) FROM search_words), (SELECT count(*) FROM search_entries)"
        words, entries = connection.execute(text(rows)).one()
    assert words == entries > 2


def test_what_was_stored_before_there_was_a_search_is_found(url: str) -> None:
    older = Database(url)
    migrate(older, MIGRATIONS[: MIGRATIONS.index(add_search)], LEDGER)
    values = "'c', 'ann', '一个标题', 'm', 0, 0, ''"
    rest = "'ann', 'c', 1, 'assistant', 0, 0"
    with older.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO conversations (id, owner, title, model, created_at, updated_at, system_prompt) "
                f"VALUES ({values})"
            )
        )
        for number, state in enumerate(("done", "interrupted", "running")):
            connection.execute(
                text(
                    "INSERT INTO messages (id, state, content, owner, conversation_id, depth, role, "
                    f"created_at, saved_at) VALUES ('{number}', '{state}', 'an old {state} answer', {rest})"
                )
            )
    older.close()
    store = open_history(url)
    found = [num_found(store, words) for words in ("标题", "old", "interrupted", "running")]
    store.close()
    assert found == [1, 1, 1, 0]


@pytest.mark.slow
def test_a_message_of_36_megabytes_is_stored_found_and_shown_quickly(tmp_path: Path) -> None:
    import time

    store = open_history(f"sqlite:///{tmp_path / 'glmcore.db'}")
    talk = store.conversations.create(OWNER, model="tiny")
    content = "some words, " * 1_500_000 + " needle " + "其它的文字，" * 3_000_000
    store.messages.add_question(OWNER, talk.id, None, content)
    began = time.perf_counter()
    for words in ("needle", "其它", "some 文字", "needle -absent"):
        assert num_found(store, words) == 1
    seconds = time.perf_counter() - began
    store.close()
    assert seconds < 4
