"""Brings a database to the present schema, one numbered step after the other.

The list only grows: a step that was ever released is never changed, and spells out its own tables, since
`schema` tells how they are now and a step how they were then. To change the schema, append a step and
edit `schema`.
"""

import logging
import time
from collections.abc import Callable, Sequence

from sqlalchemy import (
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    inspect,
    select,
)

from glmcore.core.errors import StorageError
from glmcore.history.database import Database

Migration = Callable[[Connection], None]
logger = logging.getLogger(__name__)

_versions = Table(
    "schema_migrations",
    MetaData(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("applied_at", Double, nullable=False),
)


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


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply the steps that are missing, all or none, after a backup of what is there.

    Raises:
        StorageError: the database was made by a newer version of this program.
    """
    with database.reading() as connection:
        if _present_version(connection, database.place, len(migrations)) == len(migrations):
            return
    with database.writing() as connection:
        # Asked again under the write lock: a second server may have migrated while this one waited.
        version = _present_version(connection, database.place, len(migrations))
        if 0 < version < len(migrations):
            copy = database.back_up(connection, f"schema-{version}")
            logger.info("migrating %s from schema %d; backup: %s", database.place, version, copy)
        _versions.create(connection, checkfirst=True)
        for number, step in enumerate(migrations[version:], start=version + 1):
            step(connection)
            connection.execute(
                _versions.insert().values(version=number, name=step.__name__, applied_at=time.time())
            )


def _present_version(connection: Connection, place: str, newest: int) -> int:
    if not inspect(connection).has_table(_versions.name):
        return 0
    version = connection.execute(select(func.coalesce(func.max(_versions.c.version), 0))).scalar_one()
    if version > newest:
        raise StorageError(
            "{place} has schema {version}, made by a newer version of this program; this one knows "
            "schemas up to {newest}. Update the program, or put a backup of the older database in its place.",
            place=place,
            version=version,
            newest=newest,
        )
    return int(version)
