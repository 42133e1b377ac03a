"""The head of one job, drawn again while it is live: state, progress, what can be done, why it failed."""

from collections.abc import Callable

import streamlit as st

from glmcore.core.errors import NotFoundError
from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.jobs.progress import JobProgress
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import flat_values
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.jobs import actions, dialogs
from glmcore.ui.training.jobs.address import EVALUATE, NEW, go
from glmcore.ui.training.jobs.failure_view import show_failure
from glmcore.ui.training.jobs.queue_panel import needs_text, show_runners, working
from glmcore.ui.training.jobs.words import (
    duration_text,
    method_name,
    moment_text,
    name_text,
    number_text,
    share_done,
    size_text,
    state_text,
)
from glmcore.ui.training.new_job import draft

FAULTY = (JobState.FAILED, JobState.LOST)


def show_header(services: Services, seen: Job) -> None:
    """The job as it is now, which may be another state than the page was drawn with."""
    jobs = services.jobs
    actions.show_notice()
    try:
        job = jobs.queue.get(seen.id)
    except NotFoundError as error:
        dialogs.run_page()
        st.info(error_text(error))
        return
    if (job.state, job.attempt) != (seen.state, seen.attempt):
        dialogs.run_page()  # the tabs below belong to what it was
    progress = jobs.progress(job)
    st.subheader(name_text(job), anchor=False)
    with st.container():  # however much it says, the buttons keep their place: moved, they were seen twice
        _show_state(jobs, job, progress)
        if job.note:
            st.markdown(f":gray[:material/sticky_note_2:] {plain(job.note)}")
    _show_buttons(services, job, progress)
    if job.state in FAULTY:
        show_failure(jobs.folder(job.id), job)


def _show_state(jobs: JobService, job: Job, progress: JobProgress) -> None:
    share = share_done(progress)
    parts = [state_text(job, progress)]
    if progress.total:
        parts.append(_("step {step} of {total}", step=progress.step, total=progress.total))
    elif progress.step:
        parts.append(_("step {step}", step=progress.step))
    if job.state.is_live and progress.eta_seconds is not None:
        parts.append(_("{time} to go", time=duration_text(progress.eta_seconds)))
    if progress.seconds is not None:
        parts.append(_("worked {time}", time=duration_text(progress.seconds)))
    if job.is_archived:
        parts.append(_("archived"))
    st.markdown(" · ".join(parts))
    if share is not None and not (job.state is JobState.FINISHED and share == 1):
        st.progress(share)
    if job.state is JobState.QUEUED:
        _show_waiting(jobs, job)
    st.caption(" · ".join(_facts(job, progress)))


def _facts(job: Job, progress: JobProgress) -> list[str]:
    device = ", ".join(job.devices) or needs_text(job.needs)
    if job.host and job.devices:
        device = _("{device} of {host}", device=device, host=job.host)
    facts = [method_name(job), job.base_model, job.data, device]
    facts.append(_("{owner}, {time}", owner=job.owner, time=moment_text(job.created_at)))
    if progress.last_loss is not None:
        facts.append(_("loss {value}", value=number_text(progress.last_loss)))
    if progress.best_eval_loss is not None:
        facts.append(_("best evaluation {value}", value=number_text(progress.best_eval_loss)))
    if job.state.is_live and progress.tokens_per_second:
        facts.append(_("{count} tokens/s", count=f"{progress.tokens_per_second:.0f}"))
    if job.state.is_live and progress.memory_bytes:
        facts.append(_("{size} in use", size=size_text(progress.memory_bytes)))
    if job.attempt > 1:
        facts.append(_("attempt {count}", count=job.attempt))
    return [plain(fact) for fact in facts if fact]


def _show_waiting(jobs: JobService, job: Job) -> None:
    order = [other.id for other in jobs.queue.queued()]
    before = order.index(job.id) if job.id in order else 0
    if before:
        st.caption(plural("{count} job comes before it.", "{count} jobs come before it.", before))
    show_runners(working(jobs.queue.runners()), jobs.queue.live(), is_needed=True)


def _show_buttons(services: Services, job: Job, progress: JobProgress) -> None:
    jobs = services.jobs
    with st.container(horizontal=True):
        if job.state is JobState.STOPPING:
            st.caption(_("Asked to stop; it ends its step first."), width="content")
        if actions.can_be_stopped(job):
            _button(
                "stop", _("Stop"), "stop_circle", lambda: dialogs.ask(lambda: dialogs.stop_jobs(jobs, [job]))
            )
        if job.state.has_ended:
            _show_going_on(jobs, job, progress)
        if job.kind is JobKind.PREDICT:
            _button(
                "answers", _("See the answers"), "table_view", lambda: go(EVALUATE, **{JOB_PARAM: job.id})
            )
        else:
            _button("duplicate", _("Duplicate"), "content_copy", lambda: _duplicate(jobs, job))
        _button("rename", _("Rename"), "edit", lambda: dialogs.ask(lambda: dialogs.rename_job(jobs, job)))
        _button(
            "note", _("Note"), "sticky_note_2", lambda: dialogs.ask(lambda: dialogs.annotate_job(jobs, job))
        )
        label = _("Out of the archive") if job.is_archived else _("Archive")
        _button("archive", label, "archive", lambda: _archive(jobs, job))
        if actions.can_be_deleted(job):
            _button(
                "delete",
                _("Delete"),
                "delete",
                lambda: dialogs.ask(lambda: dialogs.delete_jobs(jobs, [job], leads_away=True)),
            )


def _show_going_on(jobs: JobService, job: Job, progress: JobProgress) -> None:
    """Resume; a finished training is asked how far. Grey with the reason where it cannot."""
    problem = jobs.resume_problem(job)
    reason = error_text(problem) if problem else None
    if job.state is not JobState.FINISHED:
        _button("resume", _("Resume"), "play_arrow", lambda: dialogs.resume_now(jobs, job), reason)
    elif job.kind is JobKind.TRAIN:
        step = max(progress.step, progress.total or 0)
        _button(
            "go_on",
            _("Go on"),
            "fast_forward",
            lambda: dialogs.ask(lambda: dialogs.go_on_to_step(jobs, job, step)),
            reason,
        )


def _button(name: str, label: str, icon: str, action: Callable[[], None], problem: str | None = None) -> None:
    pressed = st.button(
        label,
        icon=f":material/{icon}:",
        key=f"job_{name}",
        disabled=problem is not None,
        help=problem,
    )
    if pressed:
        action()


def _duplicate(jobs: JobService, job: Job) -> None:
    """The form filled with the settings of this job."""

    def fill() -> None:
        draft.fill(flat_values(jobs.config_of(job)), name=job.name, parent_id=job.id)

    if actions.tried(fill):
        go(NEW)
    st.rerun()


def _archive(jobs: JobService, job: Job) -> None:
    actions.tried(lambda: actions.archive(jobs, job, not job.is_archived))
    st.rerun()
