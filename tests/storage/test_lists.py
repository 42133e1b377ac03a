"""Conditions on more texts than a statement has room for."""

from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, Text, select

from glmcore.storage import Database
from glmcore.storage.lists import is_one_of
from tests.postgres import fresh_database

NAMES = Table("names", MetaData(), Column("name", Text))


def found_among(database: Database, wanted: list[str]) -> set[str]:
    query = select(NAMES.c.name).where(is_one_of(NAMES.c.name, wanted))
    with database.reading() as connection:
        return set(connection.execute(query).scalars())


def check(database: Database) -> None:
    with database.writing() as connection:
        NAMES.create(connection)
        connection.execute(NAMES.insert(), [{"name": name} for name in ("a'\"\\", "模型", "\ufffd", "b")])
    assert found_among(database, []) == set()
    assert found_among(database, ["a'\"\\", "模型", "no"]) == {"a'\"\\", "模型"}
    assert found_among(database, ["\0", "\ud800"]) == {"\ufffd"}
    assert found_among(database, ["b", *map(str, range(70_000))]) == {"b"}
    database.close()


def test_any_number_of_texts_can_be_asked_for(tmp_path: Path) -> None:
    check(Database(f"sqlite:///{tmp_path / 'names.db'}"))
    assert tmp_path.exists()


@pytest.mark.postgres
def test_any_number_of_texts_can_be_asked_for_in_postgresql() -> None:
    with fresh_database() as url:
        check(Database(url))
        assert url
