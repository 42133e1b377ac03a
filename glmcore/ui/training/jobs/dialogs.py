"""Dialogs about jobs: stop, go on, rename, note, delete, restart.

A dialog is opened by a run of the whole page, and stays until the next one. What is drawn again every few
seconds therefore asks for it here and runs the page, and never runs the page while one is open.
"""

import secrets
from collections.abc import Callable, Sequence

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.job import Job, JobState, StopWish
from glmcore.jobs.service import JobService
from glmcore.ui.dialogs import close_after
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.jobs import actions
from glmcore.ui.training.jobs.address import JOBS, go, open_job
from glmcore.ui.training.jobs.words import name_text, size_text, state_names, wish_names

ASKED_KEY, OPEN_KEY = "jobs_dialog_asked", "jobs_dialog_open"
MAX_NAMES = 10  # listed in a dialog
NAME_CHARACTERS, NOTE_CHARACTERS = 120, 2_000


def ask(dialog: Callable[[], None]) -> None:
    """Let the page open a dialog."""
    st.session_state[ASKED_KEY] = dialog
    st.rerun()


def open_asked() -> None:
    """At the start of a run of the page: open the dialog that was asked for."""
    dialog = st.session_state.pop(ASKED_KEY, None)
    st.session_state[OPEN_KEY] = dialog is not None
    if dialog is not None:
        dialog()


def run_page() -> None:
    """Run the whole page, unless that would close a dialog somebody is reading."""
    if not st.session_state.get(OPEN_KEY):
        st.rerun()


def stop_jobs(jobs: JobService, seen: Sequence[Job]) -> None:
    @st.dialog(_("Stop"), on_dismiss=_dismissed)
    def dialog() -> None:
        _list_names(seen)
        wish = StopWish.SAVE
        if any(job.state.is_live for job in seen):
            help_texts = [
                _("at the end of this step; it can go on from there"),
                _("at the end of this step; what came after its last checkpoint is lost"),
                _("at once, without waiting for the step; for a run that does not answer"),
            ]
            names = wish_names()
            wish = st.radio(
                _("How"),
                list(names),
                format_func=lambda one: names[one],
                captions=help_texts,
                key="jobs_stop_wish",
                label_visibility="collapsed",
            )
        else:
            st.write(_("It has not begun; it is taken out of the queue and can be queued again."))
        with st.container(horizontal=True):
            if st.button(_("Stop"), type="primary", key="jobs_stop_now"):
                _end_with(actions.for_each(seen, lambda job: actions.stop(jobs, job, wish)))
            _offer_to_leave()

    dialog()


def delete_jobs(jobs: JobService, seen: Sequence[Job], *, leads_away: bool = False) -> None:
    """`leads_away`: from the page of the job that is gone then."""

    @st.dialog(_("Delete"), on_dismiss=_dismissed)
    def dialog() -> None:
        deleted = [job for job in seen if actions.can_be_deleted(job)]
        sizes = {job.id: actions.folder_bytes(jobs.folder(job.id).path) for job in deleted}
        _list_names(deleted, {job_id: size_text(size) for job_id, size in sizes.items()})
        if left := len(seen) - len(deleted):
            st.info(
                plural(
                    "{count} of them runs and is left alone.", "{count} of them run and are left alone.", left
                )
            )
        with_files = st.checkbox(
            _("Also delete their folders ({size})", size=size_text(sum(sizes.values()))),
            value=True,
            key="jobs_delete_files",
            help=_(
                "Checkpoints, curves, logs, answers. Otherwise they stay on the disk, outside of this list."
            ),
        )
        st.caption(_("This cannot be undone."))
        with st.container(horizontal=True):
            if st.button(_("Delete"), type="primary", key="jobs_delete_now", disabled=not deleted):
                faults = actions.for_each(
                    deleted, lambda job: actions.delete(jobs, job, with_files=with_files)
                )
                if leads_away and not faults:
                    go(JOBS)
                _end_with(faults)
            _offer_to_leave()

    dialog()


def rename_job(jobs: JobService, seen: Job) -> None:
    @st.dialog(_("Rename"), on_dismiss=_dismissed)
    def dialog() -> None:
        name = st.text_input(_("Name"), seen.name, max_chars=NAME_CHARACTERS, key="jobs_new_name")
        if st.button(_("Save"), type="primary", disabled=not name.strip(), key="jobs_rename_now"):
            close_after(lambda: actions.rename(jobs, seen, name))

    dialog()


def annotate_job(jobs: JobService, seen: Job) -> None:
    @st.dialog(_("Note"), on_dismiss=_dismissed)
    def dialog() -> None:
        note = st.text_area(
            _("Note"), seen.note, max_chars=NOTE_CHARACTERS, key="jobs_new_note", label_visibility="collapsed"
        )
        if st.button(_("Save"), type="primary", key="jobs_note_now"):
            close_after(lambda: actions.annotate(jobs, seen, note))

    dialog()


def go_on_to_step(jobs: JobService, seen: Job, step: int) -> None:
    """A finished job is given more steps."""

    @st.dialog(_("Go on"), on_dismiss=_dismissed)
    def dialog() -> None:
        st.write(
            _("It was trained up to step {step}. The learning rate is planned anew for all steps.", step=step)
        )
        last = st.number_input(
            _("Go on to step"),
            min_value=step + 1,
            value=max(step + 1, 2 * step),
            step=1,
            key="jobs_last_step",
        )
        if st.button(_("Go on"), type="primary", key="jobs_go_on_now"):
            close_after(lambda: _resume(jobs, seen, int(last)))

    dialog()


def restart_job(jobs: JobService, seen: Job, step: int) -> None:
    """A new job from one of its checkpoints."""
    request_id = secrets.token_hex(8)  # of this dialog: two presses make one job

    @st.dialog(_("Restart from step {step}", step=step), on_dismiss=_dismissed)
    def dialog() -> None:
        st.write(_("A new job goes on from this checkpoint with the same settings; this one stays as it is."))
        name = st.text_input(
            _("Name"), f"{seen.name} @{step}", max_chars=NAME_CHARACTERS, key="jobs_restart_name"
        )
        if st.button(_("Start"), type="primary", disabled=not name.strip(), key="jobs_restart_now"):
            try:
                made = jobs.restart(seen.id, step, name=name.strip(), owner=OWNER, request_id=request_id)
            except GlmcoreError as error:
                st.error(error_text(error), icon=":material/error:")
            else:
                open_job(made.id)

    dialog()


def _resume(jobs: JobService, seen: Job, last_step: int) -> None:
    actions.still(jobs, seen)
    jobs.resume(seen.id, max_steps=last_step)


def _list_names(seen: Sequence[Job], facts: dict[str, str] | None = None) -> None:
    states = state_names()
    lines = [
        f"- **{name_text(job)}** :gray[· {states[job.state]}"
        + (f" · {facts[job.id]}]" if facts and job.id in facts else "]")
        for job in seen[:MAX_NAMES]
    ]
    if len(seen) > MAX_NAMES:
        lines.append("- " + _("and {count} more", count=len(seen) - MAX_NAMES))
    st.markdown("\n".join(lines))


def _offer_to_leave() -> None:
    if st.button(_("Cancel"), key="jobs_dialog_cancel"):
        st.rerun()


def _end_with(faults: list[GlmcoreError]) -> None:
    """Close the dialog; the page says what went wrong."""
    actions.leave_notice(faults)
    st.rerun()


def _dismissed() -> None:
    st.session_state[OPEN_KEY] = False


def resume_now(jobs: JobService, seen: Job) -> None:
    """No dialog: queue an ended job again, to go on from its last checkpoint."""

    def resume() -> None:
        actions.still(jobs, seen)
        jobs.resume(seen.id)

    assert seen.state is not JobState.FINISHED, "a finished job needs to be told how far"
    actions.tried(resume)
    st.rerun()
