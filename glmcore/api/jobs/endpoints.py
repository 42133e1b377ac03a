"""The endpoints of jobs."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from glmcore.api.bounds import ERRORS, ID_CHARACTERS, Id, Limit, Offset, streams
from glmcore.api.callers import JobsCaller
from glmcore.api.jobs.following import EVENT_ID, Follower, Seen, events_of
from glmcore.api.jobs.models import (
    JobDetail,
    JobInfo,
    JobLog,
    JobPage,
    QueuedJob,
    job_detail,
    job_info,
    queued_job,
)
from glmcore.api.jobs.submitting import SubmitJob, submit
from glmcore.api.shared import Shared
from glmcore.jobs.job import JobState, StopWish
from glmcore.jobs.log_tail import LINES, last_lines

MOST_STEPS, MOST_PASSES = 1_000_000_000, 10_000
LONGEST_EVENT_ID = 200

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses=ERRORS)


class StopJob(BaseModel):
    """How a job ends: `save` after this step with a checkpoint, `discard` without one, `kill` at once."""

    model_config = ConfigDict(extra="forbid")

    how: StopWish = StopWish.SAVE


class ResumeJob(BaseModel):
    """A later end, which a job that has finished needs: a number of steps, or of passes over the data."""

    model_config = ConfigDict(extra="forbid")

    max_steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None
    num_train_epochs: Annotated[float, Field(gt=0, le=MOST_PASSES)] | None = None


@router.get("")
def list_jobs(
    shared: Shared,
    _caller: JobsCaller,
    state: Annotated[list[JobState] | None, Query(max_length=len(JobState))] = None,
    archived: bool | None = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> JobPage:
    """The jobs of everybody, the newest first; archived ones only where they are asked for."""
    found = shared.jobs.queue.list(archived=archived, states=state)
    shown = [job_info(shared.jobs, job) for job in found[offset : offset + limit]]
    return JobPage(jobs=shown, total=len(found))


@router.post("", status_code=201)
def submit_job(
    shared: Shared,
    caller: JobsCaller,
    wanted: SubmitJob,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=ID_CHARACTERS)] = None,
) -> QueuedJob:
    """Queue a training; the same `Idempotency-Key` again gives the job that was made first.

    All that is wrong with a job is said at once, one sentence a line.
    """
    job, notes = submit(shared.jobs, wanted, caller.user, idempotency_key)
    return queued_job(shared.jobs, job, [note.text for note in notes])


@router.get("/{job_id}")
def get_job(shared: Shared, _caller: JobsCaller, job_id: Id) -> JobDetail:
    """Everything about a job: how far it is, its job file, why it ended."""
    return job_detail(shared.jobs, shared.jobs.queue.get(job_id))


@router.delete("/{job_id}", status_code=204)
def delete_job(shared: Shared, _caller: JobsCaller, job_id: Id, files: bool = False) -> None:
    """Take a job that has ended off the list; with `files`, its folder and all that it learnt is removed."""
    shared.jobs.delete(job_id, with_files=files)


@router.post("/{job_id}/stop")
def stop_job(shared: Shared, _caller: JobsCaller, job_id: Id, wish: StopJob | None = None) -> JobInfo:
    """Ask a job to stop, whoever submitted it; one that waits is cancelled."""
    return job_info(shared.jobs, shared.jobs.stop(job_id, (wish or StopJob()).how))


@router.post("/{job_id}/resume")
def resume_job(shared: Shared, _caller: JobsCaller, job_id: Id, to: ResumeJob | None = None) -> JobInfo:
    """Queue a job that has ended again; it goes on from its last checkpoint."""
    end = to or ResumeJob()
    job = shared.jobs.resume(job_id, max_steps=end.max_steps, num_train_epochs=end.num_train_epochs)
    return job_info(shared.jobs, job)


@router.get("/{job_id}/log")
def read_log(
    shared: Shared, _caller: JobsCaller, job_id: Id, lines: Annotated[int, Query(ge=1, le=LINES)] = 100
) -> JobLog:
    """The last lines that a job printed, as a terminal would show them."""
    job = shared.jobs.queue.get(job_id)
    return JobLog(lines=last_lines(shared.jobs.folder(job.id).log, lines))


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses=streams("text/event-stream")
    | {204: {"description": "The job has ended, and all of it was sent."}},
)
async def follow_job(
    request: Request,
    shared: Shared,
    caller: JobsCaller,
    job_id: Id,
    last_event_id: Annotated[
        str, Header(max_length=LONGEST_EVENT_ID, json_schema_extra={"pattern": EVENT_ID})
    ] = "",
) -> Response:
    """Follow a job as server-sent events, until it has ended.

    `state` is the job, whenever its state changes; `metrics` a point of its curves, from the first one on;
    `log` a `line` that it printed, from near the end of its log on. `rewritten` says that one of the two
    files was written anew and is told from its beginning; `fault`, why the server does not go on. `end` is
    the last event. With `Last-Event-ID` it goes on exactly behind that event; after `end` there is nothing
    more, which is told by the status 204.
    """
    seen = Seen.parse(last_event_id) if last_event_id else Seen()
    follower = Follower(shared.jobs, job_id, seen, partial(shared.admission.check_again, caller))
    if await run_in_threadpool(follower.is_done):
        return Response(status_code=204)
    is_ending: Callable[[], bool] = getattr(request.app.state, "is_ending", _never)
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return EventSourceResponse(events_of(follower, is_ending), headers=headers)


def _never() -> bool:
    return False
