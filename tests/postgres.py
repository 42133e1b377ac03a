"""Which database a test runs on; an empty one on the server that GLMCORE_TEST_POSTGRES names."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

SERVER = "GLMCORE_TEST_POSTGRES"  # postgresql://user@host/name; `make test-postgres` starts one

# For a test about files, pragmas or damage; the fixture `url` has no PostgreSQL for it.
only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@contextmanager
def fresh_database() -> Iterator[str]:
    """The URL of a database that is dropped at the end."""
    if not os.environ.get(SERVER):
        pytest.fail(f"{SERVER} names no server; run these tests with: make test-postgres")
    server = make_url(os.environ[SERVER]).set(drivername="postgresql+psycopg")
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


@contextmanager
def another_like(url: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of the same kind."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{folder / 'another.db'}"
        return
    with fresh_database() as other:
        yield other
