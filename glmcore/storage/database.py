"""A database opened by its URL, whose faults come out as sentences (`StorageError`)."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from glmcore.core.errors import ConfigError, StorageError
from glmcore.storage import postgres, sqlite

IN_MEMORY = "sqlite://"


class Database:
    """An engine that reads and writes in transactions; may be used from any thread.

    Raises:
        ConfigError: the URL names no database that this program can open.
        StorageError: the database or its disk refuses; also from `reading` and `writing`.
    """

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            parsed = sqlite.prepare_url(parsed)
        # A password may also stand in the query of the URL.
        named = parsed.difference_update_query(["password"]).render_as_string(hide_password=True)
        self.place = str(parsed.database) if self.is_sqlite else named
        self._one_at_a_time: AbstractContextManager[Any] = nullcontext()
        self._open(_engine(parsed))

    @classmethod
    def in_memory(cls) -> Self:
        """A database that never reaches a disk and is gone with this value; one transaction at a time."""
        database = cls.__new__(cls)
        database.is_sqlite = True
        database.place = "memory"
        database._one_at_a_time = threading.RLock()
        # Each further connection to memory would open a database of its own.
        only_connection = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        database._open(create_engine(IN_MEMORY, hide_parameters=True, **only_connection))
        return database

    def _open(self, engine: Engine) -> None:
        (sqlite if self.is_sqlite else postgres).attach(engine)
        self._engine = engine
        self._writer = engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction in which all queries see the same moment."""
        with self._one_at_a_time, self._explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is stored whole when the block ends, or not at all when it raises."""
        with self._one_at_a_time, self._explained(), self._writer.begin() as connection:
            yield connection

    def back_up(self, connection: Connection, label: str) -> Path | None:
        """Copy the database to a file beside it; None where a server keeps it and its own backups."""
        return sqlite.back_up(connection, label) if self.is_sqlite else None

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as fault:
            if isinstance(fault.orig, sqlite3.Error):
                raise sqlite.explain(fault.orig, self.place) from fault
            raise postgres.explain(fault.orig, self.place) from fault
        except UnicodeDecodeError as fault:
            # Of Python's sqlite3, for a complaint of SQLite that repeats bytes of a broken file.
            raise sqlite.damaged(self.place) from fault
        except PoolTimeoutError as fault:
            raise StorageError(
                "{place}: too many requests wait for the database; nothing was stored. "
                "Try again in a moment.",
                place=self.place,
            ) from fault


def _engine(url: URL) -> Engine:
    try:
        # hide_parameters keeps what people wrote out of tracebacks and logs.
        return create_engine(url, hide_parameters=True)
    except (NoSuchModuleError, ImportError) as fault:
        raise ConfigError(
            "database_url: no driver for {backend!r} is installed ({fault}); "
            "use sqlite:///data/glmcore.db, or postgresql+psycopg://user@host/name.",
            backend=url.drivername,
            fault=fault,
        ) from fault


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The URL is not repeated: it may hold a password. `from None` for the same reason.
        raise ConfigError(
            "database_url is not a database URL; expected one such as sqlite:///data/glmcore.db "
            "or postgresql+psycopg://user@host/name."
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):  # the driver that is installed
        return parsed.set(drivername="postgresql+psycopg")
    return parsed
