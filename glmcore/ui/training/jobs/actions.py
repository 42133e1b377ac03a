"""What a click does to jobs. Each looks at the job as it is now: others work with the same ones.

A job that is not any more what somebody saw when they chose is left alone, and that is said.
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import streamlit as st

from glmcore.core.errors import GlmcoreError, JobError
from glmcore.jobs.job import Job, JobState, StopWish
from glmcore.jobs.service import JobService
from glmcore.ui.text import error_text

NOTICE_KEY = "jobs_notice"  # faults of one run that the next ones say
NOTICE_SECONDS = 15.0  # so long they are said: what is live is drawn again every other second
MAX_FILES = 200_000  # looked at to tell the size of a folder


def still(jobs: JobService, seen: Job) -> Job:
    """The job as it is now.

    Raises:
        JobError: its state is another by now.
        NotFoundError: somebody has deleted it.
    """
    now = jobs.queue.get(seen.id)
    both_live = now.state.is_live and seen.state.is_live
    if now.attempt != seen.attempt or (now.state is not seen.state and not both_live):
        raise JobError(
            "{name} has changed meanwhile: it was {before} and is {now}. Nothing was done to it; look again.",
            name=now.name,
            before=str(seen.state),
            now=str(now.state),
        )
    return now


def stop(jobs: JobService, seen: Job, wish: StopWish) -> None:
    still(jobs, seen)
    jobs.stop(seen.id, wish)


def archive(jobs: JobService, seen: Job, is_archived: bool) -> None:
    still(jobs, seen)
    jobs.archive(seen.id, is_archived)


def delete(jobs: JobService, seen: Job, *, with_files: bool) -> None:
    still(jobs, seen)
    jobs.delete(seen.id, with_files=with_files)


def rename(jobs: JobService, seen: Job, name: str) -> None:
    now = jobs.queue.get(seen.id)
    if now.name != seen.name:
        raise JobError(
            "{before} is called {now} by now: somebody renamed it meanwhile. Close this and look again.",
            before=seen.name,
            now=now.name,
        )
    jobs.rename(seen.id, name.strip())


def annotate(jobs: JobService, seen: Job, note: str) -> None:
    now = jobs.queue.get(seen.id)
    if now.note != seen.note:
        raise JobError(
            "The note on {name} was changed meanwhile; it says now: {note}", name=now.name, note=now.note
        )
    jobs.annotate(seen.id, note)


def move_up(jobs: JobService, seen: Job) -> None:
    """One place earlier, of the order as it is now."""
    still(jobs, seen)
    order = [job.id for job in jobs.queue.queued()]
    place = order.index(seen.id) if seen.id in order else 0
    if place > 0:
        jobs.move(seen.id, order[place - 1])


def move_down(jobs: JobService, seen: Job) -> None:
    """One place later, of the order as it is now."""
    still(jobs, seen)
    order = [job.id for job in jobs.queue.queued()]
    after = order[order.index(seen.id) + 2 :] if seen.id in order else []
    jobs.move(seen.id, after[0] if after else None)


def for_each(seen: Iterable[Job], action: Callable[[Job], None]) -> list[GlmcoreError]:
    """Do it to every job, also after a fault with one. Gives the faults."""
    faults = []
    for job in seen:
        try:
            action(job)
        except GlmcoreError as error:
            faults.append(error)
    return faults


def tried(action: Callable[[], None]) -> bool:
    """Do it; a fault is said by the next runs of the page."""
    faults: list[GlmcoreError] = []
    try:
        action()
    except GlmcoreError as error:
        faults.append(error)
    leave_notice(faults)
    return not faults


def leave_notice(faults: list[GlmcoreError]) -> None:
    """What went wrong with this click, in place of what did with the one before it."""
    st.session_state[NOTICE_KEY] = (time.monotonic() + NOTICE_SECONDS, faults)


def show_notice() -> None:
    """What went wrong with the last click, for a while."""
    until, faults = st.session_state.get(NOTICE_KEY, (0.0, []))
    with st.container():  # one place, whether something is said or not
        for error in faults if time.monotonic() < until else ():
            st.warning(error_text(error), icon=":material/warning:")


def can_be_deleted(job: Job) -> bool:
    return not job.state.is_live


def can_be_stopped(job: Job) -> bool:
    return job.state.is_live or job.state is JobState.QUEUED


def folder_bytes(path: Path) -> int:
    """The size of all files in a folder, without following links; of very many files the first."""
    total = count = 0
    for folder, _folders, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # removed just now
                continue
        count += len(names)
        if count > MAX_FILES:
            break
    return total
