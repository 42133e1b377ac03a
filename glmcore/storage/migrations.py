"""Brings a database to the present schema of a room, one numbered step after the other.

A list of steps only grows: a step that was ever released is never changed, and spells out its own tables,
since the room's `schema` tells how they are now and a step how they were then. To change a schema, append a
step and edit `schema`. Each room counts its steps in a table of its own: one changes without the others.
"""

import logging
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Column, Connection, Double, Integer, MetaData, Table, Text, func, inspect, select

from glmcore.core.errors import StorageError
from glmcore.storage.database import Database

Migration = Callable[[Connection], None]
logger = logging.getLogger(__name__)


def open_database(url: str, steps: Sequence[Migration], ledger: str) -> Database:
    """A database at the present schema of a room, made or migrated as needed.

    Raises:
        ConfigError: the URL names no database that this program can open.
        StorageError: the database cannot be read or written, is damaged, or was made by a newer version.
    """
    database = Database(url)
    try:
        migrate(database, steps, ledger)
    except BaseException:
        database.close()
        raise
    return database


def migrate(database: Database, steps: Sequence[Migration], ledger: str) -> None:
    """Apply the steps that are missing, all or none, after a backup of what is there.

    Args:
        ledger: the table that counts the steps taken.

    Raises:
        StorageError: the database was made by a newer version of this program.
    """
    versions = _ledger(ledger)
    with database.reading() as connection:
        if _present_version(connection, versions, database.place, len(steps)) == len(steps):
            return
    with database.writing() as connection:
        # Asked again under the write lock: a second server may have migrated while this one waited.
        version = _present_version(connection, versions, database.place, len(steps))
        if 0 < version < len(steps):
            copy = database.back_up(connection, f"{ledger.removesuffix('_migrations')}-{version}")
            logger.info("migrating %s from %s %d; backup: %s", database.place, ledger, version, copy)
        versions.create(connection, checkfirst=True)
        for number, step in enumerate(steps[version:], start=version + 1):
            step(connection)
            connection.execute(
                versions.insert().values(version=number, name=step.__name__, applied_at=time.time())
            )


def _ledger(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("name", Text, nullable=False),
        Column("applied_at", Double, nullable=False),
    )


def _present_version(connection: Connection, versions: Table, place: str, newest: int) -> int:
    if not inspect(connection).has_table(versions.name):
        return 0
    version = connection.execute(select(func.coalesce(func.max(versions.c.version), 0))).scalar_one()
    if version > newest:
        raise StorageError(
            "{place} has schema {version}, made by a newer version of this program; this one knows "
            "schemas up to {newest}. Update the program, or put a backup of the older database in its place.",
            place=place,
            version=version,
            newest=newest,
        )
    return int(version)
