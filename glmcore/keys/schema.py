"""The table of keys as it is now, and the steps by which it came to be."""

from sqlalchemy import Column, Connection, Double, Integer, MetaData, Table, Text

from glmcore.storage import Migration
from glmcore.storage.columns import SafeText

LEDGER = "keys_migrations"
metadata = MetaData()

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("name", SafeText, nullable=False),
    Column("user", SafeText, nullable=False),
    Column("hint", SafeText, nullable=False),
    Column("secret_hash", SafeText, nullable=False, unique=True),
    Column("rights", SafeText, nullable=False),  # separated by spaces
    Column("requests_per_minute", Integer, nullable=False),
    Column("answers_at_once", Integer, nullable=False),
    Column("stores_chats", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("revoked_at", Double),
)


def create_keys(connection: Connection) -> None:
    first = MetaData()
    Table(
        "api_keys",
        first,
        Column("id", Text, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("name", "user", "hint")),
        Column("secret_hash", Text, nullable=False, unique=True),
        Column("rights", Text, nullable=False),
        *(Column(name, Integer, nullable=False) for name in ("requests_per_minute", "answers_at_once")),
        Column("stores_chats", Integer, nullable=False),
        Column("created_at", Double, nullable=False),
        *(Column(name, Double) for name in ("last_used_at", "revoked_at")),
    )
    first.create_all(connection, checkfirst=False)


MIGRATIONS: tuple[Migration, ...] = (create_keys,)
