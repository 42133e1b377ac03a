"""What the form is filled from: a template, an earlier job, a job file; or nothing."""

import time
from pathlib import PurePath

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.core.notes import Note
from glmcore.jobs.job import Job, JobKind
from glmcore.jobs.templates import ReadJob, Template, Templates, read_job_text
from glmcore.tuning.job_config import flat_values
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text
from glmcore.ui.training.new_job.draft import PREFIX, Draft, begin_anew, draft, fill

JOB_KEY = PREFIX + "earlier_job"
FILE_KEY, TEXT_KEY = PREFIX + "file", PREFIX + "text"
JOBS_OPEN_KEY, FILE_OPEN_KEY = PREFIX + "jobs_open", PREFIX + "file_open"
ENDINGS = ("yaml", "yml", "json")
EXAMPLE = "train_file: rows.jsonl"
MOST_JOBS = 200  # offered to start from


def show(services: Services) -> None:
    """Draw the ways to fill the form, and what was said about the one that was taken."""
    templates = Templates(services.settings)
    listed = {template.name: template for template in templates.list()}
    filled = draft()
    key = filled.key("template")
    st.pills(
        _("Start from a template"),
        list(listed),
        default=filled.template if filled.template in listed else None,
        key=key,
        wrap=True,
        on_change=_take_template,
        args=(templates, key),
    )
    if chosen := listed.get(filled.template):
        _describe(templates, chosen)
    else:
        st.caption(_("New here? The demo teaches the embedded model to sort letters, in a few minutes."))
    with st.container(horizontal=True):
        _offer_jobs(services)
        _offer_file()
        st.button(_("Empty form"), key=PREFIX + "empty", icon=":material/ink_eraser:", on_click=begin_anew)
    _show_remarks(filled)


def read_upload(content: bytes, name: str) -> ReadJob:
    """What a file of somebody says, in whatever encoding."""
    return read_job_text(content.decode("utf-8-sig", errors="replace"), name)


def _describe(templates: Templates, chosen: Template) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(chosen.description), width="stretch")
        if chosen.is_own:
            with st.popover(_("Delete"), icon=":material/delete:", type="tertiary"):
                st.button(
                    _("Delete the template {name}", name=plain(chosen.name)),
                    key=PREFIX + "delete_template",
                    on_click=_delete_template,
                    args=(templates, chosen.name),
                )


def _offer_jobs(services: Services) -> None:
    opened = st.popover(_("An earlier job"), icon=":material/history:", key=JOBS_OPEN_KEY, on_change="rerun")
    if not opened.open:
        return
    with opened:
        jobs = services.jobs.queue.list(archived=None, kinds=[JobKind.TRAIN])[:MOST_JOBS]
        by_id = {job.id: job for job in jobs}
        st.selectbox(
            _("Job"),
            list(by_id),
            index=None,
            key=JOB_KEY,
            format_func=lambda job_id: _job_label(by_id[job_id]),
            placeholder=_("Choose a job") if jobs else _("There is none yet"),
            on_change=_take_job,
            args=(services,),
        )


def _job_label(job: Job) -> str:
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created_at))
    return " · ".join([job.name, day, job.method])


def _offer_file() -> None:
    opened = st.popover(_("A job file"), icon=":material/upload_file:", key=FILE_OPEN_KEY, on_change="rerun")
    if not opened.open:
        return
    with opened:
        st.file_uploader(
            _("YAML or JSON; the names of the ptuning scripts of 2023 are understood too"),
            type=ENDINGS,
            key=FILE_KEY,
            on_change=_take_file,
        )
        st.text_area(_("or its text"), key=TEXT_KEY, height=160, placeholder=EXAMPLE)
        st.button(_("Fill the form"), key=PREFIX + "take_text", on_click=_take_text)


def _show_remarks(filled: Draft) -> None:
    """What was translated or refused; the rest of the file is in the form."""
    notes = [_(one.template, **one.values) for one in filled.remarks if isinstance(one, Note)]
    refused = [error_text(one) for one in filled.remarks if isinstance(one, GlmcoreError)]
    if notes:
        st.info("\n".join(f"- {plain(note)}" for note in notes), icon=":material/translate:")
    if refused:
        head = _("This could not be taken over; everything else is in the form.")
        st.warning("\n".join([head, "", *(f"- {text}" for text in refused)]), icon=":material/warning:")
    if filled.refusals:
        st.error("\n".join(f"- {error_text(one)}" for one in filled.refusals), icon=":material/error:")
    if filled.remarks or filled.refusals:
        st.button(_("Understood"), key=PREFIX + "understood", type="tertiary", on_click=_forget_remarks)


# What happens before the page is drawn again.


def _take(found: ReadJob, name: str, template: str = "") -> None:
    if found.problems and not found.values:  # what somebody wrote so far is worth more than nothing
        _refuse(*found.problems)
        return
    fill(found.values, name=name, template=template, remarks=(*found.notes, *found.problems))


def _take_template(templates: Templates, key: str) -> None:
    if key != draft().key("template"):  # a form that was filled anew in the same moment
        return
    name = st.session_state[key]
    if name is None:  # a second click; what was written meanwhile is not to be lost by it
        draft().template = ""
        return
    try:
        _take(templates.read(name), name, template=name)
    except GlmcoreError as error:
        _refuse(error)


def _delete_template(templates: Templates, name: str) -> None:
    try:
        templates.delete(name)
    except GlmcoreError as error:
        _refuse(error)


def _take_job(services: Services) -> None:
    job_id = st.session_state[JOB_KEY]
    if job_id is None:
        return
    try:
        job = services.jobs.queue.get(job_id)
        fill(flat_values(services.jobs.config_of(job)), name=job.name, parent_id=job.id)
    except GlmcoreError as error:
        _refuse(error)
    st.session_state[JOBS_OPEN_KEY] = False


def _take_file() -> None:
    upload = st.session_state[FILE_KEY]
    if upload is not None:
        _take(read_upload(upload.getvalue(), upload.name), PurePath(upload.name).stem)
        st.session_state[FILE_OPEN_KEY] = False


def _take_text() -> None:
    if text := st.session_state[TEXT_KEY].strip():
        _take(read_job_text(text, _("the text")), "")
        st.session_state[FILE_OPEN_KEY] = False


def _refuse(*faults: GlmcoreError) -> None:
    draft().refusals = faults
    draft().versions["template"] += 1  # the choice shows what the form was filled from


def _forget_remarks() -> None:
    draft().remarks = ()
    draft().refusals = ()
