"""The tables of jobs as they are now, and the steps by which they came to be."""

from sqlalchemy import Column, Connection, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint

from glmcore.storage import Migration
from glmcore.storage.columns import SafeText

LEDGER = "jobs_migrations"
metadata = MetaData()

# Values that only people and processes read are JSON texts. The long column is last: SQLite then reads the
# short ones without touching its pages.
jobs = Table(
    "jobs",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("owner", SafeText, nullable=False),
    Column("request_id", SafeText),
    Column("kind", SafeText, nullable=False),
    Column("name", SafeText, nullable=False),
    Column("state", SafeText, nullable=False),
    Column("position", Double, nullable=False),
    Column("method", SafeText, nullable=False),
    Column("base_model", SafeText, nullable=False),
    Column("data", SafeText, nullable=False),
    Column("needs", SafeText, nullable=False),
    Column("options", SafeText, nullable=False),
    Column("parent_id", SafeText),
    Column("batch", SafeText, nullable=False),
    Column("note", SafeText, nullable=False),
    Column("is_archived", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("host", SafeText, nullable=False),
    Column("runner", SafeText, nullable=False),
    Column("devices", SafeText, nullable=False),
    Column("pid", Integer),
    Column("pid_started", SafeText),
    Column("stop", SafeText),
    Column("stop_asked_at", Double),
    Column("exit_code", Integer),
    Column("created_at", Double, nullable=False),
    Column("queued_at", Double, nullable=False),
    Column("claimed_at", Double),
    Column("ended_at", Double),
    Column("reason", SafeText),
    Column("summary", SafeText),
    Column("config", SafeText, nullable=False),
    UniqueConstraint("owner", "request_id", name="one_job_per_request"),
    Index("jobs_by_state", "state"),
)

# Who holds which device of which machine: the primary key lets no two jobs hold one.
slots = Table(
    "job_slots",
    metadata,
    Column("host", SafeText, primary_key=True),
    Column("device", SafeText, primary_key=True),
    Column("job_id", SafeText, nullable=False),
)

# Who looks after jobs: dashboards and workers.
runners = Table(
    "job_runners",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("host", SafeText, nullable=False),
    Column("what", SafeText, nullable=False),
    Column("devices", SafeText, nullable=False),
    Column("seen_at", Double, nullable=False),
)


def create_first_schema(connection: Connection) -> None:
    first = MetaData()
    Table(
        "jobs",
        first,
        Column("id", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("request_id", Text),
        *(Column(name, Text, nullable=False) for name in ("kind", "name", "state")),
        Column("position", Double, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("method", "base_model", "data")),
        *(Column(name, Text, nullable=False) for name in ("needs", "options")),
        Column("parent_id", Text),
        *(Column(name, Text, nullable=False) for name in ("batch", "note")),
        *(Column(name, Integer, nullable=False) for name in ("is_archived", "attempt")),
        *(Column(name, Text, nullable=False) for name in ("host", "runner", "devices")),
        Column("pid", Integer),
        Column("pid_started", Text),
        Column("stop", Text),
        Column("stop_asked_at", Double),
        Column("exit_code", Integer),
        *(Column(name, Double, nullable=False) for name in ("created_at", "queued_at")),
        *(Column(name, Double) for name in ("claimed_at", "ended_at")),
        *(Column(name, Text) for name in ("reason", "summary")),
        Column("config", Text, nullable=False),
        UniqueConstraint("owner", "request_id", name="one_job_per_request"),
        Index("jobs_by_state", "state"),
    )
    Table(
        "job_slots",
        first,
        Column("host", Text, primary_key=True),
        Column("device", Text, primary_key=True),
        Column("job_id", Text, nullable=False),
    )
    Table(
        "job_runners",
        first,
        Column("id", Text, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("host", "what", "devices")),
        Column("seen_at", Double, nullable=False),
    )
    first.create_all(connection, checkfirst=False)


MIGRATIONS: tuple[Migration, ...] = (create_first_schema,)
