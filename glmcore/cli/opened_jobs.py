"""What the commands on jobs have in common: opening the queue, finding a job, telling that none is run."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glmcore.cli.arguments import readable
from glmcore.core.errors import ConfigError, NotFoundError
from glmcore.core.i18n import mark, translate
from glmcore.core.settings import Settings
from glmcore.jobs.job import Job, JobState

if TYPE_CHECKING:
    from glmcore.jobs.service import JobService

SEEN_SECONDS = 60.0  # a runner that has not been seen for so long is gone: they sign in every 10 s
MOST_NAMED = 5  # ids in a sentence
NO_RUNNER = mark(
    "Nobody looks after jobs at the moment, so none starts: open the dashboard, or run "
    "`python -m glmcore jobs work`."
)


@contextmanager
def opened_jobs(settings: Settings) -> Iterator["JobService"]:
    from glmcore.jobs.service import open_jobs

    service = open_jobs(settings)
    try:
        yield service
    finally:
        service.close()


def find_job(service: "JobService", text: str) -> Job:
    """The job with an id, or the only one whose id begins so.

    Raises:
        NotFoundError: there is none.
        ConfigError: there are several.
    """
    found = [job for job in service.queue.list(archived=None) if text and job.id.startswith(text)]
    exact = [job for job in found if job.id == text]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    if not found:
        raise NotFoundError(
            "There is no job {id!r}; `python -m glmcore jobs list --all` shows those there are.",
            id=readable(text),
        )
    ids = [job.id for job in found[:MOST_NAMED]]
    raise ConfigError(
        "{text!r} begins the ids of {count} jobs ({ids}); write more of one.",
        text=readable(text),
        count=len(found),
        ids=", ".join(ids + ["…"] * (len(found) > MOST_NAMED)),
    )


def warn_without_runner(service: "JobService", language: str) -> None:
    """Say on stderr that something waits for a runner and there is none."""
    waits = service.queue.list(archived=None, states=(JobState.QUEUED, JobState.STOPPING))
    if waits and not _has_runner(service):
        print(translate(NO_RUNNER, language), file=sys.stderr)


def _has_runner(service: "JobService") -> bool:
    """Whether somebody looked after jobs just now."""
    return any(time.time() - one.seen_at < SEEN_SECONDS for one in service.queue.runners())
