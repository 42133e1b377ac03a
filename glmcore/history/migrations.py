"""The steps by which the history's tables came to be; how they are taken is `storage.migrations`."""

import json
from operator import add

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

from glmcore.history.search.index import index_all
from glmcore.storage import Migration

LEDGER = "schema_migrations"


def create_first_schema(connection: Connection) -> None:
    first = MetaData()
    Table(
        "conversations",
        first,
        Column("id", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("title", Text, nullable=False),
        Column("model", Text, nullable=False),
        Column("leaf_id", Text),
        Column("created_at", Double, nullable=False),
        Column("updated_at", Double, nullable=False),
        Column("params", Text),
        Column("system_prompt", Text, nullable=False),
        Index("conversations_by_time", "owner", "updated_at", "id"),
    )
    Table(
        "messages",
        first,
        Column("sequence", Integer, primary_key=True),
        Column("id", Text, nullable=False, unique=True),
        Column("owner", Text, nullable=False),
        Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
        Column("parent_id", Text),
        Column("depth", Integer, nullable=False),
        Column("role", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("server_id", Text),
        Column("created_at", Double, nullable=False),
        Column("saved_at", Double, nullable=False),
        Column("facts", Text),
        Column("content", Text, nullable=False),
        Index("messages_by_parent", "conversation_id", "parent_id"),
        Index("messages_by_state", "state"),
    )
    Table(
        "presets",
        first,
        Column("owner", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("params", Text, nullable=False),
        Column("system_prompt", Text, nullable=False),
    )
    first.create_all(connection, checkfirst=False)


def add_shelves_tags_judgements_and_usage(connection: Connection) -> None:
    for column in (
        "adapter TEXT",
        "version INTEGER DEFAULT 0 NOT NULL",
        "leaf_depth INTEGER DEFAULT 0 NOT NULL",
        "shelf TEXT DEFAULT 'open' NOT NULL",
        "is_pinned INTEGER DEFAULT 0 NOT NULL",
        f"deleted_at {Double().compile(connection.dialect)}",
        "fingerprint TEXT",
        f"imported_at {Double().compile(connection.dialect)}",
    ):
        connection.execute(text(f"ALTER TABLE conversations ADD COLUMN {column}"))
    connection.execute(text("DROP INDEX conversations_by_time"))
    for index, columns in (
        ("conversations_by_shelf", "owner, shelf, is_pinned, updated_at, id"),
        ("conversations_by_fingerprint", "owner, fingerprint"),
    ):
        connection.execute(text(f"CREATE INDEX {index} ON conversations ({columns})"))
    _make_second_tables(connection)
    _fill_new_columns(connection)


def _make_second_tables(connection: Connection) -> None:
    second = MetaData()
    Table("conversations", second, Column("id", Text, primary_key=True))
    Table("messages", second, Column("id", Text, unique=True))
    tags = Table(
        "conversation_tags",
        second,
        Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
        Column("tag", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Index("conversations_by_tag", "owner", "tag"),
    )
    judgements = Table(
        "judgements",
        second,
        Column("message_id", Text, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
        Column("conversation_id", Text, nullable=False),
        Column("owner", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("thumb", Integer),
        Column("stars", Integer),
        Column("reason", Text),
        Column("judged_at", Double, nullable=False),
        Column("comment", Text),
        Column("repair", Text),
        Index("judgements_by_conversation", "owner", "conversation_id"),
    )
    usage = Table(
        "usage_hours",
        second,
        Column("owner", Text, primary_key=True),
        Column("hour", Integer, primary_key=True, autoincrement=False),
        Column("model", Text, primary_key=True),
        Column("adapter", Text, primary_key=True),
        Column("conversations", Integer, nullable=False),
        Column("answers", Integer, nullable=False),
        Column("prompt_tokens", BigInteger, nullable=False),
        Column("completion_tokens", BigInteger, nullable=False),
        Column("seconds", Double, nullable=False),
    )
    second.create_all(connection, tables=[tags, judgements, usage], checkfirst=False)


def _fill_new_columns(connection: Connection) -> None:
    """Lengths, adapters and usage, of what the messages tell."""
    connection.execute(
        text(
            "UPDATE conversations SET leaf_depth = coalesce("
            "(SELECT depth FROM messages WHERE messages.id = conversations.leaf_id), 0)"
        )
    )
    told = text(
        "SELECT owner, conversation_id, saved_at, facts FROM messages "
        "WHERE facts IS NOT NULL ORDER BY sequence"
    )
    adapters: dict[str, str | None] = {}
    hours: dict[tuple[str, int, str, str], list[float]] = {}
    seen: set[tuple[str, int]] = set()
    for owner, conversation_id, saved_at, written in connection.execute(told):
        try:
            facts = json.loads(written)
            model, adapter = str(facts["model"]), facts.get("adapter")
            numbers = [facts.get(name, 0) + 0 for name in ("prompt_tokens", "completion_tokens", "seconds")]
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # damaged, which is said when the conversation is opened
        adapters[conversation_id] = adapter
        hour = int(saved_at // 3600)
        is_first = (conversation_id, hour) not in seen
        seen.add((conversation_id, hour))
        counts = hours.setdefault((owner, hour, model, adapter or ""), [0, 0, 0, 0, 0.0])
        counts[:] = map(add, counts, (is_first, 1, *numbers))
    if adapters:
        connection.execute(
            text("UPDATE conversations SET adapter = :adapter WHERE id = :id"),
            [{"id": key, "adapter": adapter} for key, adapter in adapters.items()],
        )
    names = ("owner", "hour", "model", "adapter")
    counted = ("conversations", "answers", "prompt_tokens", "completion_tokens", "seconds")
    rows = [
        {**dict(zip(names, key, strict=True)), **dict(zip(counted, counts, strict=True))}
        for key, counts in hours.items()
    ]
    if rows:
        places = ", ".join(f":{name}" for name in (*names, *counted))
        connection.execute(
            text(f"INSERT INTO usage_hours ({', '.join((*names, *counted))}) VALUES ({places})"), rows
        )


def add_search(connection: Connection) -> None:
    third = MetaData()
    Table("conversations", third, Column("id", Text, primary_key=True))
    entries = Table(
        "search_entries",
        third,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("owner", Text, nullable=False),
        Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
        Column("message_id", Text),
        Column("start", Integer, nullable=False),
        Index("search_entries_by_text", "conversation_id", "message_id"),
    )
    third.create_all(connection, tables=[entries], checkfirst=False)
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in _WORDS_IN_SQLITE if is_sqlite else _WORDS_IN_POSTGRESQL:
        connection.execute(text(statement))
    # Words are derived: a later step that changes their form indexes all anew, and takes this line over.
    index_all(connection)


# The words are cut already; the tokenizer only has to leave what is not ASCII alone. The index of beginnings
# finds a single Chinese character, which begins thousands of words, in 3 ms instead of 90. Merging later and
# more at once takes a third off the time of an import.
_WORDS_IN_SQLITE = (
    "CREATE VIRTUAL TABLE search_words USING fts5(words, tokenize='ascii', prefix='1')",
    "INSERT INTO search_words(search_words, rank) VALUES ('automerge', 16)",
    "INSERT INTO search_words(search_words, rank) VALUES ('hashsize', 33554432)",
    "CREATE TRIGGER search_entries_removed AFTER DELETE ON search_entries "
    "BEGIN DELETE FROM search_words WHERE rowid = old.id; END",
)
# Written at once (no fastupdate), so that a search has no backlog to read.
_WORDS_IN_POSTGRESQL = (
    "CREATE TABLE search_words (rowid INTEGER PRIMARY KEY REFERENCES search_entries ON DELETE CASCADE, "
    "words TSVECTOR NOT NULL)",
    "CREATE INDEX search_words_by_word ON search_words USING gin (words) WITH (fastupdate = off)",
)


MIGRATIONS: tuple[Migration, ...] = (
    create_first_schema,
    add_shelves_tags_judgements_and_usage,
    add_search,
)
