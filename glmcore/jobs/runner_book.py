"""Who looks after jobs: dashboards and workers, as they were last seen."""

import json
from dataclasses import dataclass

from sqlalchemy import select

from glmcore.jobs.rows import to_json
from glmcore.jobs.schema import runners
from glmcore.storage import Database

FORGET_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class RunnerSeen:
    """One of them: `what` is "dashboard" or "worker"; `seen_at` in seconds since 1970."""

    id: str
    host: str
    what: str
    devices: tuple[str, ...]
    seen_at: float


class RunnerBook:
    """Runners sign in here again and again; who has not for long is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, runner: RunnerSeen) -> None:
        """Say that a runner is alive."""
        values = {
            "host": runner.host,
            "what": runner.what,
            "devices": to_json(runner.devices),
            "seen_at": runner.seen_at,
        }
        with self._database.writing() as connection:
            change = runners.update().where(runners.c.id == runner.id)
            if connection.execute(change.values(values)).rowcount == 0:
                connection.execute(runners.insert().values(id=runner.id, **values))
            old = runners.c.seen_at < runner.seen_at - FORGET_SECONDS
            connection.execute(runners.delete().where(old))

    def leave(self, runner_id: str) -> None:
        """A runner ends."""
        with self._database.writing() as connection:
            connection.execute(runners.delete().where(runners.c.id == runner_id))

    def seen(self) -> list[RunnerSeen]:
        """Those of the last day, the last seen first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(runners).order_by(runners.c.seen_at.desc())).all()
        return [
            RunnerSeen(row.id, row.host, row.what, tuple(json.loads(row.devices)), row.seen_at)
            for row in rows
        ]
