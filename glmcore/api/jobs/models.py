"""What is told about jobs, as JSON."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from glmcore.api.bounds import ToldText
from glmcore.core.errors import ConfigError
from glmcore.jobs.failures import explain_failure, read_reason
from glmcore.jobs.job import Job, JobKind, JobState, StopWish
from glmcore.jobs.log_tail import LINES, last_lines
from glmcore.jobs.progress import JobProgress
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import flat_values


def _sentence(stored: Any) -> str | None:
    reason = read_reason(stored)
    return None if reason is None else str(reason)


class JobInfo(BaseModel):
    """A job. Times are seconds since 1970; `data` is the name of its file."""

    id: str
    name: str
    owner: str
    kind: JobKind
    state: JobState
    reason: Annotated[ToldText | None, BeforeValidator(_sentence)]
    method: str
    base_model: str
    data: str
    batch: str
    note: str
    parent_id: str | None
    needs: Annotated[str, BeforeValidator(str)]
    devices: tuple[str, ...]
    host: str
    attempt: int
    stop: StopWish | None
    exit_code: int | None
    is_archived: bool
    created_at: float
    queued_at: float
    claimed_at: float | None
    ended_at: float | None
    progress: JobProgress


class JobPage(BaseModel):
    """Some of the jobs, the newest first, and how many there are."""

    jobs: list[JobInfo]
    total: int


class QueuedJob(JobInfo):
    """A job that was submitted, and what looks odd about it."""

    notes: list[ToldText]


class JobDetail(JobInfo):
    """All that is known of a job.

    `config` is its job file; `explanation` says what happened to a job that failed or was lost, and what to
    do; `resume_problem` why it cannot go on.
    """

    config: dict[str, Any] | None
    explanation: ToldText | None
    resume_problem: ToldText | None


class JobLog(BaseModel):
    """The end of what a job printed."""

    lines: list[str]


def job_info(jobs: JobService, job: Job) -> JobInfo:
    return JobInfo(**_values(jobs, job))


def queued_job(jobs: JobService, job: Job, notes: list[str]) -> QueuedJob:
    return QueuedJob(**_values(jobs, job), notes=notes)


def job_detail(jobs: JobService, job: Job) -> JobDetail:
    problem = jobs.resume_problem(job)
    return JobDetail(
        **_values(jobs, job),
        config=_config(jobs, job),
        explanation=_explanation(jobs, job),
        resume_problem=None if problem is None else str(problem),
    )


def _values(jobs: JobService, job: Job) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in JobInfo.model_fields if name != "progress"}
    return values | {"progress": jobs.progress(job)}


def _config(jobs: JobService, job: Job) -> dict[str, Any] | None:
    try:
        return flat_values(jobs.config_of(job))
    except ConfigError:  # of a damaged row, whose reason says so
        return None


def _explanation(jobs: JobService, job: Job) -> str | None:
    if job.state not in (JobState.FAILED, JobState.LOST):
        return None
    lines = last_lines(jobs.folder(job.id).log, LINES)
    failure = explain_failure(job.exit_code, read_reason(job.reason), lines, job.state)
    said = failure.sentence if isinstance(failure.sentence, Exception) else failure.sentence.text
    return f"{said} {failure.meaning.text}" if failure.meaning else str(said)
