"""The steps by which the history's tables came to be; how they are taken is `storage.migrations`."""

import json

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
        facts = json.loads(written)
        adapters[conversation_id] = facts.get("adapter")
        key = (owner, int(saved_at // 3600), str(facts["model"]), facts.get("adapter") or "")
        counts = hours.setdefault(key, [0, 0, 0, 0, 0.0])
        counts[0] += (conversation_id, key[1]) not in seen
        seen.add((conversation_id, key[1]))
        counts[1] += 1
        counts[2] += facts.get("prompt_tokens", 0)
        counts[3] += facts.get("completion_tokens", 0)
        counts[4] += facts.get("seconds", 0.0)
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


MIGRATIONS: tuple[Migration, ...] = (create_first_schema, add_shelves_tags_judgements_and_usage)
