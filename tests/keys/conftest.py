"""Keys on a fresh database: on SQLite and, with `make test-postgres`, on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from glmcore.keys.store import KeyStore, open_keys
from tests.postgres import fresh_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'glmcore.db'}"
        return
    with fresh_database() as url:
        yield url


@pytest.fixture
def keys(url: str) -> Iterator[KeyStore]:
    keys = open_keys(url)
    yield keys
    keys.close()
