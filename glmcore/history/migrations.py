"""The steps by which the history's tables came to be; how they are taken is `storage.migrations`."""

from sqlalchemy import Column, Connection, Double, ForeignKey, Index, Integer, MetaData, Table, Text

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


MIGRATIONS: tuple[Migration, ...] = (create_first_schema,)
