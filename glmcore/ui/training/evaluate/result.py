"""One evaluation: how far it is, how good the answers are, and its rows."""

import re
from dataclasses import dataclass

import streamlit as st

from glmcore.core.errors import NotFoundError
from glmcore.jobs.job import Job, JobState, StopWish
from glmcore.jobs.prediction_table import PredictionTable
from glmcore.jobs.predictions import PredictionReader, PredictionSet, list_predictions, newest_pair
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.evaluate.rows import show_rows
from glmcore.ui.training.evaluate.scores import show_scores
from glmcore.ui.training.jobs.actions import can_be_stopped, show_notice, still, stop, tried
from glmcore.ui.training.jobs.address import EVALUATE, JOBS, go
from glmcore.ui.training.jobs.failure_view import show_failure
from glmcore.ui.training.jobs.queue_panel import show_runners, working
from glmcore.ui.training.jobs.words import duration_text, name_text, share_done, state_text

LIVE_SECONDS = 2.0
FAULTY = (JobState.FAILED, JobState.LOST)
PREFIX = "evaluation_"


@dataclass(frozen=True, slots=True)
class _Found:
    tuned: PredictionSet
    base: PredictionSet | None
    table: PredictionTable


@st.cache_resource(show_spinner=False)
def answer_reader() -> PredictionReader:
    """What was read of answers, for all sessions."""
    return PredictionReader()


def show_result(services: Services, job: Job) -> None:
    with st.container(horizontal=True):
        if st.button(
            _("All evaluations"), icon=":material/arrow_back:", type="tertiary", key=PREFIX + "back"
        ):
            go(EVALUATE)
        if st.button(_("Log and settings"), icon=":material/terminal:", type="tertiary", key=PREFIX + "job"):
            go(JOBS, **{JOB_PARAM: job.id})
    table = follow(services, job)
    if table is not None:
        show_rows(table, file_stem(job))


def follow(services: Services, job: Job, scores_title: str = "") -> PredictionTable | None:
    """Draw state, progress and scores, again and again until the job has ended; the rows so far, if any.

    Args:
        scores_title: folds the scores away under it.
    """
    every = None if job.state.has_ended else LIVE_SECONDS
    found = _look(services, job)
    st.fragment(_show_head, run_every=every)(services, job, found is not None, scores_title)
    if found is None:
        return None
    st.subheader(_("Rows"), anchor=False)
    if not job.state.has_ended:
        with st.container(horizontal=True, vertical_alignment="center"):
            text = plural(
                "{count} row was answered when this was drawn.",
                "{count} rows were answered when this was drawn.",
                len(found.table),
            )
            st.caption(text, width="content")
            st.button(_("Show the newer rows"), key=PREFIX + "newer", type="tertiary")
    return found.table


def file_stem(job: Job) -> str:
    """For files to download."""
    return re.sub(r"[^\w.-]+", "-", job.name).strip("-") or job.id


def _show_head(services: Services, seen: Job, had_rows: bool, scores_title: str) -> None:
    """State, progress and scores so far; the rows below stay as they are, so that one can read them."""
    show_notice()
    try:
        job = services.jobs.queue.get(seen.id)
    except NotFoundError as error:
        st.info(error_text(error), icon=":material/search_off:")
        return
    found = _look(services, job)
    if (job.state, job.attempt, found is not None) != (seen.state, seen.attempt, had_rows):
        st.rerun()
    st.subheader(name_text(job), anchor=False)
    _show_state(services, job)
    if found is not None:
        with st.expander(scores_title, icon=":material/grading:") if scores_title else st.container():
            show_scores(found.tuned, found.base, found.table)
    elif job.state is JobState.FINISHED:
        st.info(_("Its answers are not there any more."), icon=":material/folder_off:")


def _show_state(services: Services, job: Job) -> None:
    jobs = services.jobs
    progress = jobs.progress(job)
    parts = [state_text(job, progress)]
    if progress.total:
        parts.append(_("{count} of {total} answers", count=progress.step, total=progress.total))
    if job.state.is_live and progress.eta_seconds is not None:
        parts.append(_("{time} to go", time=duration_text(progress.eta_seconds)))
    parts += [plain(part) for part in (job.base_model, job.data) if part]
    st.markdown(" · ".join(parts))
    if job.state is JobState.QUEUED:
        show_runners(working(jobs.queue.runners()), jobs.queue.live(), is_needed=True)
    share = share_done(progress)
    if share is not None and job.state is not JobState.FINISHED:
        st.progress(share)
    if job.state in FAULTY:
        show_failure(jobs.folder(job.id), job)
    if can_be_stopped(job) and st.button(_("Stop"), icon=":material/stop_circle:", key=PREFIX + "stop"):
        tried(lambda: stop(jobs, job, StopWish.SAVE))
        st.rerun()
    if job.state in (JobState.STOPPED, *FAULTY) and st.button(
        _("Go on"), icon=":material/play_arrow:", key=PREFIX + "resume", help=_("After the rows answered.")
    ):
        tried(lambda: _resume(services, job))
        st.rerun()


def _resume(services: Services, seen: Job) -> None:
    services.jobs.resume(still(services.jobs, seen).id)


def _look(services: Services, job: Job) -> _Found | None:
    """The answers so far, read to the end, which may take a while at first; None where there is none."""
    tuned, base = newest_pair(list_predictions(services.jobs.folder(job.id)))
    if tuned is None:
        return None
    reader = answer_reader()
    table = reader.read_pairs(tuned, base)
    if not table.is_whole:
        with st.spinner(_("Reading the answers")):
            told = st.empty()
            while not table.is_whole:
                told.caption(plural("{count} row", "{count} rows", len(table)))
                table = reader.read_pairs(tuned, base)
            told.empty()
    return _Found(tuned, base, table) if len(table) else None
