"""Everything that only PostgreSQL needs: transactions like SQLite's, and its fault codes in words."""

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from glmcore.core.errors import StorageError

BUSY_SECONDS = 10  # how long to wait for another program's write
WRITER_LOCK = 0x676C6D63  # "glmc": the advisory lock that writers of this program share


def attach(engine: Engine) -> None:
    """Make transactions as they are in SQLite: writers one after the other, readers at one moment.

    A team's dashboard writes a few rows a second. One writer at a time costs nothing there, and whatever is
    read before it is changed is still so when it is changed.
    """

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection: Any, _entry: ConnectionPoolEntry) -> None:
        with dbapi_connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
            # A plan for any value reads a whole index where a rare word needs a few rows of it.
            cursor.execute("SET plan_cache_mode = force_custom_plan")
        dbapi_connection.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def explain(fault: BaseException | None, place: str) -> StorageError:
    """The sentence for a fault of the server at `place`, by its SQLSTATE."""
    code = getattr(fault, "sqlstate", None)
    match code:
        case "55P03":
            return StorageError(
                "{place}: another program keeps the database locked; nothing was stored. "
                "End that program or wait, then try again.",
                place=place,
            )
        case "53100":
            return StorageError(
                "{place}: the disk is full; nothing was stored. Free some space, then try again.", place=place
            )
        case "25006" | "42501":
            return StorageError(
                "{place} can only be read; nothing was stored. "
                "Give this server's database user the right to write and to make tables.",
                place=place,
            )
        case None | "57P01" | "57P02" | "57P03" | "08006" | "08001":
            return StorageError(
                "{place}: the database server cannot be reached ({fault}); nothing was stored. "
                "Start it, or correct database_url.",
                place=place,
                fault=_first_line(fault),
            )
    return StorageError(
        "{place}: the database refused ({fault}); nothing was stored.", place=place, fault=_first_line(fault)
    )


def _first_line(fault: BaseException | None) -> str:
    return (str(fault).strip().splitlines() or [""])[0]
