"""An empty PostgreSQL database for a test, on the server that GLMCORE_TEST_POSTGRES names."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, make_url, text

SERVER = "GLMCORE_TEST_POSTGRES"  # postgresql://user@host/name; `make test-postgres` starts one


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
