"""How a job ended, told by what its process left behind: an exit code, a status file, or neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glmcore.jobs.failures import read_reason
from glmcore.jobs.folder import JobFolder, read_told
from glmcore.jobs.job import Job, JobState

CLOCK_SECONDS = 2.0  # a clock may be set back so much between claim and start


@dataclass(frozen=True, slots=True)
class Ending:
    """The state at the end; `reason` is the error that the run told, as `GlmcoreError.to_dict()`."""

    state: JobState
    reason: Mapping[str, Any] | None = None


def told_by(job: Job, folder: JobFolder) -> Mapping[str, Any]:
    """The status file, where this attempt wrote it; empty otherwise."""
    status = read_told(folder.status)
    started = status.get("started")
    if not isinstance(started, (int, float)) or job.claimed_at is None:
        return {}
    return status if started >= job.claimed_at - CLOCK_SECONDS else {}


def ending_of(job: Job, folder: JobFolder, exit_code: int | None) -> Ending:
    """What became of a job whose processes are gone.

    Args:
        exit_code: of its process; None where nobody saw it end.
    """
    status = told_by(job, folder)
    match status.get("state"):
        case "finished":  # also where its process then fell over itself
            return Ending(JobState.FINISHED)
        case "stopped":
            return Ending(JobState.STOPPED)
        case "failed":
            told = read_reason(status.get("reason"))
            return Ending(JobState.FAILED, told.to_dict() if told else None)
    if job.stop is not None:
        return Ending(JobState.STOPPED)
    if exit_code is None:
        return Ending(JobState.LOST)
    return Ending(JobState.FINISHED if exit_code == 0 else JobState.FAILED)
