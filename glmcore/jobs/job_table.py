"""Jobs in the database: found, added, named, arranged. What happens to them while they run is `queue`.

Every change is one transaction that first looks whether it still holds: two dashboards and two people may do
things at once, and what came too late changes nothing and says so.
"""

import time
from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.exc import IntegrityError

from glmcore.core.errors import JobError, NotFoundError, StorageError
from glmcore.jobs.job import LIVE, Job, JobKind, JobState, NewJob
from glmcore.jobs.rows import job_of, values_of
from glmcore.jobs.schema import jobs
from glmcore.storage import Database

NAME_CHARACTERS, NOTE_CHARACTERS = 120, 10_000
Jobs = list[Job]


class JobTable:
    """The rows of jobs; may be used from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        self._database.close()

    # Reading.

    def get(self, job_id: str) -> Job:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return get_job(connection, job_id)

    def has(self, job_id: str) -> bool:
        with self._database.reading() as connection:
            return connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None

    def list(
        self,
        *,
        archived: bool | None = False,
        kinds: Collection[JobKind] | None = None,
        states: Collection[JobState] | None = None,
    ) -> Jobs:
        """The newest first; `archived` None gives both."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id)
        if archived is not None:
            query = query.where(jobs.c.is_archived == int(archived))
        if kinds is not None:
            query = query.where(jobs.c.kind.in_(list(kinds)))
        if states is not None:
            query = query.where(jobs.c.state.in_(list(states)))
        return self._jobs(query)

    def queued(self) -> Jobs:
        """In their order."""
        return self._jobs(queued_jobs())

    def live(self, host: str | None = None) -> Jobs:
        return self._jobs(live_jobs(host))

    def children(self, job_id: str) -> Jobs:
        """The jobs that were made from one, the newest first."""
        return self._jobs(
            select(jobs).where(jobs.c.parent_id == job_id).order_by(jobs.c.created_at.desc(), jobs.c.id)
        )

    def counts(self) -> dict[JobState, int]:
        query = select(jobs.c.state, func.count()).where(jobs.c.is_archived == 0).group_by(jobs.c.state)
        counts: Counter[JobState] = Counter()
        with self._database.reading() as connection:
            for state, count in connection.execute(query):  # one that nobody knows is read as `rows` does
                counts[JobState(state) if state in list(JobState) else JobState.FAILED] += count
        return dict(counts)

    def find_request(self, owner: str, request_id: str) -> Job | None:
        """The job that a request has made already."""
        found = self._jobs(select(jobs).where(jobs.c.owner == owner, jobs.c.request_id == request_id))
        return found[0] if found else None

    # Adding and arranging.

    def add(self, new: NewJob, job_id: str) -> Job:
        """Put a job at the end of the queue; the job of the same request where there is one."""
        if new.request_id is not None and (same := self.find_request(new.owner, new.request_id)):
            return same
        now = time.time()
        values = values_of(new) | {
            "id": job_id,
            "name": one_line(new.name),
            "batch": one_line(new.batch),
            "note": new.note.strip()[:NOTE_CHARACTERS],
            "state": JobState.QUEUED,
            "is_archived": 0,
            "attempt": 0,
            "host": "",
            "runner": "",
            "devices": "[]",
            "created_at": now,
            "queued_at": now,
        }
        try:
            with self._database.writing() as connection:
                connection.execute(jobs.insert().values(values | {"position": last_position(connection) + 1}))
        except StorageError as error:
            if isinstance(error.__cause__, IntegrityError) and new.request_id is not None:
                same = self.find_request(new.owner, new.request_id)  # sent twice at the same moment
                if same is not None:
                    return same
            raise
        return self.get(job_id)

    def rename(self, job_id: str, name: str) -> None:
        self._set(job_id, name=one_line(name) or job_id)

    def annotate(self, job_id: str, note: str) -> None:
        self._set(job_id, note=note.strip()[:NOTE_CHARACTERS])

    def archive(self, job_id: str, is_archived: bool) -> None:
        self._set(job_id, is_archived=int(is_archived))

    def move(self, job_id: str, before: str | None) -> None:
        """Let a queued job come before another one; `before` None: last.

        Raises:
            JobError: it is not queued any more.
        """
        with self._database.writing() as connection:
            order = [row.id for row in connection.execute(queued_jobs())]
            if job_id not in order:
                job = get_job(connection, job_id)
                raise JobError(
                    "{name} does not wait any more; it is {state}.", name=job.name, state=job.state
                )
            order.remove(job_id)
            order.insert(order.index(before) if before in order else len(order), job_id)
            for position, queued_id in enumerate(order):
                connection.execute(jobs.update().where(jobs.c.id == queued_id).values(position=position))

    def forget(self, job_id: str) -> None:
        """Remove a job that is not live. Raises JobError, NotFoundError."""
        with self._database.writing() as connection:
            job = get_job(connection, job_id)
            if job.state.is_live:
                raise JobError(
                    "{name} is {state}; stop it before it is deleted.", name=job.name, state=job.state
                )
            connection.execute(jobs.delete().where(jobs.c.id == job_id))

    def _jobs(self, query: Select[Any]) -> Jobs:
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def _set(self, job_id: str, **values: Any) -> None:
        with self._database.writing() as connection:
            if connection.execute(jobs.update().where(jobs.c.id == job_id).values(values)).rowcount == 0:
                raise no_job(job_id)


def get_job(connection: Connection, job_id: str) -> Job:
    """Raises NotFoundError."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise no_job(job_id)
    return job_of(row)


def queued_jobs() -> Select[Any]:
    """In the order in which they come."""
    return (
        select(jobs)
        .where(jobs.c.state == JobState.QUEUED)
        .order_by(jobs.c.position, jobs.c.queued_at, jobs.c.id)
    )


def live_jobs(host: str | None) -> Select[Any]:
    query = select(jobs).where(jobs.c.state.in_(list(LIVE))).order_by(jobs.c.claimed_at, jobs.c.id)
    return query if host is None else query.where(jobs.c.host == host)


def last_position(connection: Connection) -> float:
    query = select(func.max(jobs.c.position)).where(jobs.c.state == JobState.QUEUED)
    return float(connection.execute(query).scalar_one() or 0.0)


def no_job(job_id: str) -> NotFoundError:
    return NotFoundError("There is no job {id!r} (any more); choose another one from the list.", id=job_id)


def one_line(text: str) -> str:
    return " ".join(text.split())[:NAME_CHARACTERS]
