"""Copies a whole database to another one, SQLite to PostgreSQL or back, and makes its words findable there.

Other rooms that keep something in the same database say so by a `Part` of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Integer, Table, func, inspect, literal_column, select, table

from glmcore.core.errors import ConfigError, StorageError
from glmcore.history.migrations import LEDGER, MIGRATIONS
from glmcore.history.schema import metadata
from glmcore.history.search.index import index_all
from glmcore.storage import Database, Migration, migrate
from glmcore.storage.copying import Progress, copy_tables

INDEX_TABLES = "search_"  # how the names of those begin that are made anew instead of copied


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one room keeps in the database.

    Attributes:
        check: raises an error when the source, which is read, must not be copied now.
    """

    ledger: str
    steps: Sequence[Migration]
    tables: Sequence[Table]
    check: Callable[[Connection], None] | None = None


HISTORY = Part(
    ledger=LEDGER,
    steps=MIGRATIONS,
    tables=[each for each in metadata.sorted_tables if not each.name.startswith(INDEX_TABLES)],
)


def copy_database(
    source_url: str, target_url: str, others: Sequence[Part], progress: Progress
) -> Mapping[str, int]:
    """Copy the history, and the other parts that are there, into an empty database; all or nothing.

    Returns:
        The number of rows of each table; as many arrived, each as it was.

    Raises:
        ConfigError: a URL names no database, or both name the same.
        StorageError: the source is of another version of this program, the target holds something already,
            or a database refuses. The target has nothing of the source then.
    """
    with closing(Database(source_url)) as source, closing(Database(target_url)) as target:
        _check_source(source, target)
        parts = [part for part in (HISTORY, *others) if _is_kept(source, part)]
        if HISTORY not in parts:
            raise StorageError("{place} holds no history; name another database.", place=source.place)
        for part in parts:
            if part.check is not None:
                with source.reading() as connection:
                    part.check(connection)
            migrate(target, part.steps, part.ledger)
        tables = [each for part in parts for each in part.tables]
        return copy_tables(source, target, tables, then=index_all, progress=progress)


def _check_source(source: Database, target: Database) -> None:
    # A file that is not there would be made, empty, by opening it.
    if source.is_sqlite and not source.place.startswith("file:") and not Path(source.place).is_file():
        raise ConfigError("{place}: there is no such database to copy.", place=source.place)
    if source.place == target.place:
        raise ConfigError("{place} cannot be copied to itself; name another database.", place=source.place)


def _is_kept(source: Database, part: Part) -> bool:
    """Whether the source has these tables, and as they are now.

    Raises:
        StorageError: it has older or newer ones.
    """
    newest = select(func.max(literal_column("version", Integer))).select_from(table(part.ledger))
    with source.reading() as connection:
        version = connection.execute(newest).scalar() if inspect(connection).has_table(part.ledger) else 0
    if version not in (0, None, len(part.steps)):
        raise StorageError(
            "{place} has schema {version} and this program works with {newest}, so nothing was copied. Start "
            "the newest version of the dashboard on it once, which brings it up to date, then copy.",
            place=source.place,
            version=version,
            newest=len(part.steps),
        )
    return bool(version)
