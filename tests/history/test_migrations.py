from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from glmcore.core.errors import StorageError
from glmcore.history import ConversationFilter, open_history
from glmcore.history.migrations import LEDGER, MIGRATIONS
from glmcore.history.schema import metadata
from glmcore.storage import Database, migrate
from tests.postgres import only_sqlite

OWNER = "ann"


def add_pinned(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0"))


def fail(connection: Connection) -> None:
    add_pinned(connection)
    connection.execute(text("SELECT * FROM no_such_table"))


def backups(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if ".bak" in path.suffixes or ".part" in path.suffixes)


def shape(url: str) -> dict[str, Any]:
    engine = create_engine(url)
    found = inspect(engine)
    tables = {
        name: (
            [{**column, "type": str(column["type"])} for column in found.get_columns(name)],
            found.get_pk_constraint(name),
            sorted(found.get_indexes(name), key=lambda index: str(index["name"])),
            found.get_foreign_keys(name),
            found.get_unique_constraints(name),
        )
        for name in found.get_table_names()
        if not name.startswith("search_words")  # FTS5's tables
    }
    engine.dispose()
    return tables


@only_sqlite
def test_migrations_lead_to_the_schema_the_code_uses(url: str, tmp_path: Path) -> None:
    open_history(url).close()
    direct_url = f"sqlite:///{tmp_path / 'direct.db'}"
    direct = create_engine(direct_url)
    metadata.create_all(direct)
    direct.dispose()
    migrated = shape(url)
    assert migrated.pop("schema_migrations")
    assert migrated == shape(direct_url)


@only_sqlite
def test_new_database_is_made_without_a_backup(url: str, tmp_path: Path) -> None:
    open_history(url).close()
    open_history(url).close()
    assert [path.name for path in tmp_path.iterdir()] == ["glmcore.db"]


@only_sqlite
def test_older_database_is_migrated_after_a_backup_and_keeps_its_rows(url: str, tmp_path: Path) -> None:
    older = Database(url)
    migrate(older, MIGRATIONS, LEDGER)
    older.close()
    store = open_history(url)
    talk = store.conversations.create(OWNER, model="m", title="kept")
    store.close()
    database = Database(url)
    migrate(database, (*MIGRATIONS, add_pinned), LEDGER)
    migrate(database, (*MIGRATIONS, add_pinned), LEDGER)
    with database.reading() as connection:
        assert connection.execute(text("SELECT id, pinned FROM conversations")).all() == [(talk.id, 0)]
        steps = connection.execute(text("SELECT version, name FROM schema_migrations ORDER BY version")).all()
    database.close()
    assert steps[-1] == (len(MIGRATIONS) + 1, "add_pinned")
    (backup,) = backups(tmp_path)
    assert backup.name.startswith(f"glmcore.db.schema-{len(MIGRATIONS)}.")
    restored = open_history(f"sqlite:///{backup}")
    assert restored.conversations.get(OWNER, talk.id) == talk
    restored.close()


def test_failing_migration_leaves_the_database_as_it_was(url: str) -> None:
    open_history(url).close()
    before = shape(url)
    database = Database(url)
    with pytest.raises(StorageError, match="no_such_table"):
        migrate(database, (*MIGRATIONS, fail), LEDGER)
    database.close()
    assert shape(url) == before
    open_history(url).close()


@only_sqlite
def test_without_a_backup_nothing_is_migrated(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_history(url).close()
    before = shape(url)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    database = Database(url)
    with pytest.raises(StorageError, match=r"backup.*No space left.*nothing was migrated"):
        migrate(database, (*MIGRATIONS, add_pinned), LEDGER)
    database.close()
    assert shape(url) == before
    assert backups(tmp_path) == []


def test_database_of_a_newer_version_is_refused_untouched(url: str, tmp_path: Path) -> None:
    open_history(url).close()
    database = Database(url)
    with database.writing() as connection:
        connection.execute(text("INSERT INTO schema_migrations VALUES (99, 'from_the_future', 0)"))
    database.close()
    before = shape(url)
    with pytest.raises(StorageError, match=rf"schema 99.*newer version.*up to {len(MIGRATIONS)}.*Update"):
        open_history(url)
    assert shape(url) == before
    assert backups(tmp_path) == []


FACTS = """{"model": "m", "adapter": "a", "stop_reason": "end", "params": {}, "prompt_tokens": 3}"""


def test_first_schema_is_filled_up_of_its_messages_and_damaged_facts_stop_nothing(url: str) -> None:
    database = Database(url)
    migrate(database, MIGRATIONS[:1], LEDGER)
    with database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO conversations (id, owner, title, model, leaf_id, created_at, updated_at, "
                "system_prompt) VALUES ('c', 'ann', '熊猫', 'm', '2', 0, 0, '')"
            )
        )
        for number, facts in enumerate((None, FACTS, "{", "[]", "{}", FACTS.replace("3", '"3"'))):
            values = {"id": str(number + 1), "depth": number + 1, "facts": facts}
            connection.execute(
                text(
                    "INSERT INTO messages (id, owner, conversation_id, depth, role, state, created_at, "
                    "saved_at, facts, content) VALUES (:id, 'ann', 'c', :depth, 'assistant', 'done', 0, "
                    "7200, :facts, '竹子')"
                ),
                values,
            )
    database.close()
    store = open_history(url)
    talk = store.conversations.get(OWNER, "c")
    (hour,) = store.usage.hours(OWNER)
    found = store.search.find(OWNER, ConversationFilter(words="竹子"))
    store.close()
    assert (talk.leaf_depth, talk.adapter, talk.shelf) == (2, "a", "open")
    assert (hour.start, hour.conversations, hour.answers, hour.prompt_tokens) == (7200.0, 1, 1, 3)
    assert found.hits[0].num_messages == 6
