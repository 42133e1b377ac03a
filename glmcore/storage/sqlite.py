"""Everything that only SQLite needs: pragmas, transactions, backup, and its fault codes in words."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from glmcore.core.errors import ConfigError, StorageError

BUSY_SECONDS = 10  # how long to wait for another program's write; `?timeout=` in the URL changes it


def prepare_url(url: URL) -> URL:
    """Set the waiting time and make the folder of the database file."""
    if url.database in (None, "", ":memory:"):
        raise ConfigError(
            "{url}: a database in memory forgets everything; name a file, such as sqlite:///data/glmcore.db.",
            url=url.render_as_string(),
        )
    if not url.database.startswith("file:"):
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise StorageError(
                "{place}: the folder of the database cannot be made ({fault}); "
                "name a folder that can be written.",
                place=url.database,
                fault=fault.strerror,
            ) from fault
    return url.update_query_dict({"timeout": str(BUSY_SECONDS), **url.query})


def attach(engine: Engine) -> None:
    """Set the pragmas on each new connection and begin transactions ourselves.

    Python's sqlite3 begins late and always for reading; a reader that turns writer can be refused at once
    instead of waiting. So an engine with the option `writes` takes the write lock when it begins.
    """

    @event.listens_for(engine, "connect")
    def set_pragmas(dbapi_connection: Any, _entry: ConnectionPoolEntry) -> None:
        dbapi_connection.isolation_level = None
        _keep_a_log_ahead(dbapi_connection)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            dbapi_connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _keep_a_log_ahead(connection: sqlite3.Connection) -> None:
    """Turn to WAL mode; while another program turns the same new file, SQLite refuses without waiting."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as fault:
            is_busy = fault.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def back_up(connection: Connection, label: str) -> Path:
    """Copy the database beside itself, whole or not at all, while the given connection keeps writers away."""
    database = Path(connection.exec_driver_sql("PRAGMA database_list").one()[2])
    copy = database.with_name(f"{database.name}.{label}.{time.strftime('%Y%m%dT%H%M%S')}.bak")
    unfinished = copy.with_suffix(".part")
    try:
        # A connection that holds the write lock cannot itself be copied from.
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(unfinished)) as target:
            source.backup(target)
        os.replace(unfinished, copy)
    except (sqlite3.Error, OSError) as fault:
        unfinished.unlink(missing_ok=True)
        raise StorageError(
            "{copy}: the backup before the migration of the database failed ({fault}), so nothing was "
            "migrated; free some space or make the folder writable, then start again.",
            copy=copy,
            fault=fault,
        ) from fault
    return copy


def explain(fault: sqlite3.Error, place: str) -> StorageError:
    """The sentence for a fault of the database at `place`."""
    if str(fault).startswith("Could not decode"):  # Python's own, without a code, and it repeats the text
        return damaged(place)
    code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the primary code is the low byte
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StorageError(
                "{place}: another program keeps the database locked; nothing was stored. "
                "End that program or wait, then try again.",
                place=place,
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(place)
        case sqlite3.SQLITE_FULL:
            return StorageError(
                "{place}: the disk is full; nothing was stored. Free some space, then try again.", place=place
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return StorageError(
                "{place} can only be read; nothing was stored. "
                "Make the file and its folder writable for this server.",
                place=place,
            )
        case sqlite3.SQLITE_CANTOPEN:
            return StorageError(
                "{place} cannot be opened as a database; name a file in a folder that this server may write.",
                place=place,
            )
        case sqlite3.SQLITE_IOERR:
            return StorageError(
                "{place}: the disk failed ({fault}); nothing was stored. "
                "Check its space and health, then try again.",
                place=place,
                fault=fault,
            )
    return StorageError(
        "{place}: the database refused ({fault}); nothing was stored.", place=place, fault=fault
    )


def damaged(place: str) -> StorageError:
    return StorageError(
        "{place} is damaged or is not a database. Put a backup in its place, "
        "or move it away to start with an empty one.",
        place=place,
    )
