import random
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, text

from glmcore.core.errors import ConfigError, GlmcoreError, StorageError
from glmcore.history import Conversation, HistoryStore, open_history
from glmcore.history.schema import messages
from glmcore.storage.database import Database
from tests.postgres import only_sqlite

OWNER = "ann"


def test_folder_of_the_database_is_made(tmp_path: Path) -> None:
    open_history(f"sqlite:///{tmp_path / 'new' / 'folder' / 'x.db'}").close()
    assert (tmp_path / "new" / "folder" / "x.db").is_file()


@only_sqlite
def test_connections_have_the_pragmas(store: HistoryStore) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    with store.database.reading() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]
    assert found == ["wal", 1, 1, 10_000]


def test_block_that_raises_stores_nothing(store: HistoryStore, talk: Conversation) -> None:
    with pytest.raises(RuntimeError, match="on the way"), store.database.writing() as connection:
        connection.execute(text("DELETE FROM conversations"))
        raise RuntimeError("on the way")
    assert store.conversations.get(OWNER, talk.id) == talk


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "not a database URL"),
        ("data/glmcore.db", "not a database URL"),
        ("sqlite://", "in memory forgets"),
        ("sqlite:///:memory:", "in memory forgets"),
        ("nonsense://host/name", "no driver for 'nonsense'"),
    ],
)
def test_unusable_url_is_a_config_error(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        open_history(url)


def test_password_is_never_shown() -> None:
    for url in ("postgresql+psycopg://ann:hunter2@host:port/x", "nonsense://ann:hunter2@host/x"):
        with pytest.raises(ConfigError) as caught:
            Database(url)
        assert "hunter2" not in str(caught.value)


@only_sqlite
def test_file_that_is_no_database_is_refused_untouched(url: str, tmp_path: Path) -> None:
    path = tmp_path / "glmcore.db"
    path.write_bytes(b"my shopping list\n" * 1000)
    with pytest.raises(StorageError, match=r"glmcore\.db is damaged or is not a database.*backup"):
        open_history(url)
    assert path.read_bytes() == b"my shopping list\n" * 1000


def test_folder_in_place_of_the_file_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened as a database"):
        open_history(f"sqlite:///{tmp_path}")


def test_file_in_place_of_the_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="folder of the database cannot be made"):
        open_history(f"sqlite:///{tmp_path / 'file' / 'x.db'}")


@only_sqlite
def test_flipped_bytes_never_end_in_anything_but_our_errors(url: str, tmp_path: Path) -> None:
    store = open_history(url)
    talk = store.conversations.create(OWNER, model="m")
    question = None
    for number in range(40):
        question = store.messages.add_question(OWNER, talk.id, question and question.id, str(number) * 500)
    store.close()
    path = tmp_path / "glmcore.db"
    whole = path.read_bytes()
    chance = random.Random(0)
    faults = 0
    for _ in range(60):
        damaged = bytearray(whole)
        start = chance.randrange(len(whole) - 64)
        damaged[start : start + 64] = chance.randbytes(64)
        path.write_bytes(damaged)
        try:
            store = open_history(url)
            try:
                store.conversations.list(OWNER)
                store.messages.path(OWNER, talk.id)
                store.messages.add_question(OWNER, talk.id, None, "new")
            finally:
                store.close()
        except GlmcoreError as fault:
            assert str(fault)
            faults += 1
    assert 0 < faults < 60


@only_sqlite
def test_text_that_is_not_utf8_any_more_is_damage_and_is_not_repeated(
    store: HistoryStore, talk: Conversation
) -> None:
    message = store.messages.add_question(OWNER, talk.id, None, "a secret")
    with store.database.writing() as connection:
        connection.execute(text("UPDATE messages SET content = CAST(X'61ff62' || content AS TEXT)"))
    with pytest.raises(StorageError, match=r"glmcore\.db is damaged") as caught:
        store.messages.get(OWNER, message.id)
    assert "secret" not in str(caught.value)


@only_sqlite
def test_broken_table_definition_is_damage(store: HistoryStore, url: str, tmp_path: Path) -> None:
    store.close()
    path = tmp_path / "glmcore.db"
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE presets", b"CREAT\x8d\xc3 TABLE presets"[:20]))
    with pytest.raises(StorageError, match=r"glmcore\.db is damaged"):
        open_history(url)


def test_cycle_in_a_damaged_tree_does_not_hang(store: HistoryStore, talk: Conversation) -> None:
    question = store.messages.add_question(OWNER, talk.id, None, "q")
    answer = store.messages.start_answer(OWNER, talk.id, question.id)
    with store.database.writing() as connection:
        connection.execute(messages.update().where(messages.c.id == question.id).values(parent_id=answer.id))
    assert len(store.messages.path(OWNER, talk.id)) == 2
    store.messages.select_sibling(OWNER, question.id)
    assert store.conversations.get(OWNER, talk.id).leaf_id == answer.id


@only_sqlite
def test_locked_database_says_so_and_works_again_later(url: str, tmp_path: Path) -> None:
    store = open_history(f"{url}?timeout=0.05")
    other = sqlite3.connect(tmp_path / "glmcore.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another program keeps the database locked"):
        store.conversations.create(OWNER, model="m")
    assert store.conversations.list(OWNER) == []
    other.execute("ROLLBACK")
    other.close()
    store.conversations.create(OWNER, model="m")
    assert store.conversations.count(OWNER) == 1
    store.close()


@only_sqlite
def test_writer_waits_for_another_one(store: HistoryStore, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "glmcore.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["COMMIT"])
    release.start()
    assert store.conversations.create(OWNER, model="m").model == "m"
    release.join()
    other.close()


@only_sqlite
def test_server_waits_while_another_one_makes_the_database(url: str, tmp_path: Path) -> None:
    """Turning a new file to WAL is refused at once while somebody writes to it; SQLite does not wait."""
    other = sqlite3.connect(tmp_path / "glmcore.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE theirs (value)")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["COMMIT"])
    release.start()
    store = open_history(url)
    assert store.conversations.create(OWNER, model="m").model == "m"
    store.close()
    release.join()
    other.close()


@only_sqlite
def test_full_disk_says_so_and_works_again_later(store: HistoryStore, talk: Conversation) -> None:
    question = store.messages.add_question(OWNER, talk.id, None, "kept")
    limit = 60

    def fill(dbapi_connection: sqlite3.Connection, *_: object) -> None:
        dbapi_connection.execute(f"PRAGMA max_page_count={limit}")

    event.listen(store.database._engine, "checkout", fill)
    with pytest.raises(
        StorageError, match=r"glmcore\.db: the disk is full; nothing was stored\. Free some space"
    ):
        store.messages.add_question(OWNER, talk.id, question.id, "x" * 1_000_000)
    assert [entry.message.content for entry in store.messages.path(OWNER, talk.id)] == ["kept"]
    limit = 100_000
    store.messages.add_question(OWNER, talk.id, question.id, "x" * 1_000_000)
    assert store.messages.path_length(OWNER, talk.id) == 2


@only_sqlite
def test_read_only_database_can_be_read_and_says_why_it_cannot_be_written(
    store: HistoryStore, talk: Conversation, tmp_path: Path
) -> None:
    read_only = open_history(f"sqlite:///file:{tmp_path / 'glmcore.db'}?mode=ro&uri=true")
    assert read_only.conversations.get(OWNER, talk.id) == talk
    with pytest.raises(StorageError, match=r"can only be read.*writable"):
        read_only.conversations.delete(OWNER, talk.id)
    read_only.close()


def test_what_people_wrote_is_not_in_the_error(store: HistoryStore, talk: Conversation) -> None:
    with store.database.writing() as connection:
        connection.execute(text("ALTER TABLE messages RENAME TO gone"))
    with pytest.raises(StorageError) as caught:
        store.messages.add_question(OWNER, talk.id, None, "a secret")
    assert "a secret" not in f"{caught.value} {caught.value.__cause__}"
