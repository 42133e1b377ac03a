"""Copies tables from one database to another, whatever the two are: all of it, proven equal, or nothing.

One transaction writes everything, so that a copy that ends early (by a fault, a full disk, a kill) leaves the
target as it was. The source is read at one moment and never written.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, select, text
from sqlalchemy.types import TypeDecorator

from glmcore.core.errors import StorageError
from glmcore.storage.columns import SafeText
from glmcore.storage.database import Database

ROWS_AT_ONCE = 500
CHARACTERS_AT_ONCE = 4_000_000  # of their texts: a batch of long ones is shorter

Rows = Sequence[dict[str, Any]]
# Rows done of rows in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sum:
    """Number of rows and the sum of their hashes, which does not depend on their order."""

    rows: int = 0
    hashes: int = 0

    def plus(self, rows: Rows) -> "Sum":
        hashes = (hashlib.sha256(repr(tuple(row.values())).encode()).digest() for row in rows)
        added = sum(int.from_bytes(one[:16], "big") for one in hashes)
        return Sum(self.rows + len(rows), (self.hashes + added) % (1 << 128))


def copy_tables(
    source: Database,
    target: Database,
    tables: Sequence[Table],
    *,
    then: Callable[[Connection], None],
    progress: Progress,
) -> Mapping[str, int]:
    """Copy the tables, in this order, into those of the same names, which are there and empty.

    Args:
        then: what else is to be written to the target, in the same transaction.

    Returns:
        The number of rows of each table.

    Raises:
        StorageError: a table of the target holds something, what arrived differs from what was sent, or a
            database refuses. Nothing was copied then.
    """
    raw = [_as_stored(table) for table in tables]
    done = 0
    sums: dict[str, Sum] = {}
    with source.reading() as reader, target.writing() as writer:
        for table in raw:
            _check_empty(writer, table, target.place)
        total = sum(_count(reader, table) for table in raw)
        for table in raw:
            sent = Sum()
            for rows in _batches(reader, table):
                writer.execute(table.insert(), rows)
                sent = sent.plus(rows)
                done += len(rows)
                progress(done, total)
            sums[table.name] = sent
        then(writer)
        for table in raw:
            _go_on_counting(writer, table)
            arrived = Sum()
            for rows in _batches(writer, table):
                arrived = arrived.plus(rows)
            if arrived != sums[table.name]:
                raise _differs(target.place, table.name, sums[table.name], arrived)
    return {name: sent.rows for name, sent in sums.items()}


def _check_empty(connection: Connection, table: Table, place: str) -> None:
    if count := _count(connection, table):
        raise StorageError(
            "{place} is not empty: its table {table} has {count} rows. Nothing was copied; "
            "name an empty database.",
            place=place,
            table=table.name,
            count=count,
        )


def _as_stored(table: Table) -> Table:
    """The table without the meaning of its columns: JSON stays the text that it is."""
    columns = (
        Column(
            column.name,
            SafeText if isinstance(column.type, TypeDecorator) else column.type,
            primary_key=column.primary_key,
            autoincrement=False,
        )
        for column in table.columns
    )
    return Table(table.name, MetaData(), *columns)


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _batches(connection: Connection, table: Table) -> Iterator[Rows]:
    """The rows of a table by and by: numbered ones in the order in which they were made."""
    query = select(table).order_by(*table.primary_key)
    rows: list[dict[str, Any]] = []
    characters = 0
    for row in connection.execute(query, execution_options={"yield_per": 50}).mappings():
        rows.append(dict(row))
        characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(rows) == ROWS_AT_ONCE or characters > CHARACTERS_AT_ONCE:
            yield rows
            rows, characters = [], 0
    if rows:
        yield rows


def _go_on_counting(connection: Connection, table: Table) -> None:
    """PostgreSQL numbers new rows by a sequence that has not seen the numbers that came along."""
    key = list(table.primary_key)
    if connection.dialect.name != "postgresql" or len(key) != 1 or not isinstance(key[0].type, Integer):
        return
    highest = connection.execute(select(func.max(key[0]))).scalar_one()
    values = {"table": table.name, "column": key[0].name, "highest": highest}
    if highest is not None:
        connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)"), values)


def _differs(place: str, table: str, sent: Sum, arrived: Sum) -> StorageError:
    return StorageError(
        "{place}: of {sent} rows sent to the table {table}, {arrived} arrived, and not all as they were. "
        "Nothing was copied; the source has its data as before.",
        place=place,
        table=table,
        sent=sent.rows,
        arrived=arrived.rows,
    )
