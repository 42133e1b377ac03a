"""The queue: who runs next, and what becomes of it. Processes and files are the runner's affair.

A change of a job that somebody else has changed meanwhile does nothing and says so: each start of a job is an
attempt with a number, and whoever speaks for an earlier attempt is not heard.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from glmcore.core.errors import JobError, StorageError
from glmcore.jobs.job import LIVE, Job, JobState, StopWish
from glmcore.jobs.job_table import JobTable, get_job, last_position, live_jobs, queued_jobs
from glmcore.jobs.processes import ProcessId
from glmcore.jobs.rows import job_of, to_json
from glmcore.jobs.runner_book import RunnerBook, RunnerSeen
from glmcore.jobs.schema import LEDGER, MIGRATIONS, jobs, slots
from glmcore.storage import Database, open_database

# Of the queued jobs in order and the live ones of a machine: which comes next, on which devices.
Picker = Callable[[Sequence[Job], Sequence[Job]], tuple[Job, tuple[str, ...]] | None]

Runners = list[RunnerSeen]
_STRENGTH = list(StopWish)


def open_queue(url: str) -> "JobQueue":
    """The queue in a database, made or migrated as needed. Raises as `history.open_history`."""
    return JobQueue(open_database(url, MIGRATIONS, LEDGER))


class JobQueue(JobTable):
    """May be used from any thread."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.book = RunnerBook(database)

    def runners(self) -> Runners:
        return self.book.seen()

    def claim(self, host: str, runner: str, pick: Picker) -> Job | None:
        """Take the next job that `pick` chooses, with its devices; None where none can start."""
        try:
            with self._database.writing() as connection:
                queued = [job_of(row) for row in connection.execute(queued_jobs())]
                live = [job_of(row) for row in connection.execute(live_jobs(host))]
                picked = pick([job for job in queued if not job.state.has_ended], live)  # no damaged one
                if picked is None:
                    return None
                job, devices = picked
                rows = [{"host": host, "device": device, "job_id": job.id} for device in devices]
                is_held = slots.c.job_id.in_(select(jobs.c.id).where(jobs.c.state.in_(list(LIVE))))
                connection.execute(slots.delete().where(~is_held))  # of rows that somebody deleted by hand
                connection.execute(slots.insert(), rows)
                claimed = jobs.update().where(jobs.c.id == job.id, jobs.c.state == JobState.QUEUED)
                changed = connection.execute(
                    claimed.values(
                        state=JobState.RUNNING,
                        attempt=jobs.c.attempt + 1,
                        host=host,
                        runner=runner,
                        devices=to_json(devices),
                        claimed_at=time.time(),
                    )
                ).rowcount
                if changed != 1:
                    raise _TakenError
                return get_job(connection, job.id)
        except _TakenError:
            return None
        except StorageError as error:
            if isinstance(error.__cause__, IntegrityError):  # somebody was quicker with one of the devices
                return None
            raise

    def started(self, job: Job, process: ProcessId) -> bool:
        """Remember the process of an attempt; False where the attempt is over."""
        return self._advance(job, pid=process.pid, pid_started=process.started)

    def put_back(self, job: Job) -> bool:
        """Undo a claim that started nothing; the job keeps its place."""
        if job.stop is not None:
            return self.end(job, JobState.STOPPED, None)
        return self._advance(job, free=True, state=JobState.QUEUED, devices="[]", pid=None, pid_started=None)

    def end(
        self,
        job: Job,
        state: JobState,
        exit_code: int | None,
        reason: Any = None,
        summary: Any = None,
    ) -> bool:
        """An attempt is over; False where somebody else has said so already."""
        return self._advance(
            job,
            free=True,
            state=state,
            exit_code=exit_code,
            reason=to_json(reason),
            summary=to_json(summary),
            ended_at=time.time(),
            pid=None,
            pid_started=None,
        )

    def ask_stop(self, job_id: str, wish: StopWish) -> Job:
        """Ask a live job to stop, or cancel a queued one.

        Raises:
            JobError: it has ended already.
        """
        with self._database.writing() as connection:
            job, now = get_job(connection, job_id), time.time()
            change = jobs.update().where(jobs.c.id == job_id)
            if job.state is JobState.QUEUED:
                connection.execute(change.values(state=JobState.STOPPED, ended_at=now))
            elif job.state.is_live:
                strongest = max(wish, job.stop or wish, key=_STRENGTH.index)
                asked_at = job.stop_asked_at or now
                connection.execute(
                    change.values(state=JobState.STOPPING, stop=strongest, stop_asked_at=asked_at)
                )
            else:
                raise JobError("{name} has ended already: it is {state}.", name=job.name, state=job.state)
            return get_job(connection, job_id)

    def requeue(self, job_id: str, config: str | None = None) -> Job:
        """Queue an ended job again, to go on where it ended.

        Args:
            config: the job file from now on, where it changes.

        Raises:
            JobError: it has not ended.
        """
        with self._database.writing() as connection:
            job = get_job(connection, job_id)
            if not job.state.has_ended:
                raise JobError("{name} has not ended: it is {state}.", name=job.name, state=job.state)
            values: dict[str, Any] = {
                "state": JobState.QUEUED,
                "position": last_position(connection) + 1,
                "queued_at": time.time(),
                "devices": "[]",
                "is_archived": 0,
                "config": config or job.config,
            }
            gone = ("stop", "stop_asked_at", "exit_code", "reason", "claimed_at", "ended_at")
            change = jobs.update().where(jobs.c.id == job_id)
            connection.execute(change.values(values | dict.fromkeys(gone)))
            return get_job(connection, job_id)

    def _advance(self, job: Job, *, free: bool = False, **values: Any) -> bool:
        """Change the row of a live attempt; `free` gives its devices back."""
        change = jobs.update().where(
            jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state.in_(list(LIVE))
        )
        with self._database.writing() as connection:
            if connection.execute(change.values(values)).rowcount != 1:
                return False
            if free:
                connection.execute(slots.delete().where(slots.c.job_id == job.id))
            return True


class _TakenError(Exception):
    """Somebody was quicker; the transaction is undone."""
