"""All jobs: what runs and waits, and the table with its filter and what can be done to several at once."""

from collections.abc import Sequence

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.job import Job, JobState
from glmcore.jobs.service import JobService
from glmcore.jobs.templates import Templates
from glmcore.ui.services import Services
from glmcore.ui.session import CURVES_PAGE
from glmcore.ui.text import _, plural
from glmcore.ui.training.jobs import actions, dialogs
from glmcore.ui.training.jobs.address import NEW, curves_query, go, open_job
from glmcore.ui.training.jobs.queue_panel import show_queue
from glmcore.ui.training.jobs.rows import Filter, build_columns, build_rows, filtered
from glmcore.ui.training.jobs.words import state_names
from glmcore.ui.training.new_job import draft

LIVE_SECONDS, IDLE_SECONDS = 2.0, 10.0  # somebody else may queue a job
DEMO = "demo"  # the name of its template, and of the job
FIND_KEY, STATES_KEY, CALIBRATIONS_KEY, ARCHIVED_KEY = (
    "jobs_find",
    "jobs_states",
    "jobs_with_calibrations",
    "jobs_with_archived",
)
CLICKED_KEY, SELECTED_KEY = "jobs_clicked", "jobs_selected"
ROW_PIXELS, MAX_HEIGHT = 35, 600


def show(services: Services) -> None:
    """The view without a job in the address."""
    dialogs.open_asked()
    jobs = services.jobs
    counts = jobs.queue.counts()
    is_moving = any(counts.get(state) for state in JobState if not state.has_ended)
    chosen = _choose()
    if not counts and not jobs.queue.list(archived=None):
        actions.show_notice()
        _show_nothing(services)
        return
    st.fragment(_show_jobs, run_every=LIVE_SECONDS if is_moving else IDLE_SECONDS)(jobs, chosen, is_moving)


def _choose() -> Filter:
    names = state_names()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            _("Find jobs"),
            key=FIND_KEY,
            placeholder=_("words of name, data, model, note; -without"),
            icon=":material/search:",
            type="search",
            persist_state="session",
            width="stretch",
        )
        states = st.multiselect(
            _("States"),
            list(names),
            key=STATES_KEY,
            format_func=lambda state: names[state],
            placeholder=_("all"),
            persist_state="session",
            width=240,
        )
        with st.popover(_("More"), icon=":material/tune:"):
            with_calibrations = st.toggle(
                _("Time estimates"),
                key=CALIBRATIONS_KEY,
                persist_state="session",
                help=_("Short runs that tell how long a training will take."),
            )
            with_archived = st.toggle(_("Archived jobs"), key=ARCHIVED_KEY, persist_state="session")
    return Filter(words, tuple(states), with_archived, with_calibrations)


def _show_jobs(jobs: JobService, chosen: Filter, was_moving: bool) -> None:
    """Queue and table as they are now."""
    actions.show_notice()
    everything = jobs.queue.list(archived=None if chosen.with_archived else False)
    live, queued = jobs.queue.live(), jobs.queue.queued()
    if bool(live or queued) != was_moving:
        dialogs.run_page()  # from now on it is drawn again, or need not be
    listed = filtered(everything, chosen)
    progress = {job.id: jobs.progress(job) for job in {job.id: job for job in (*live, *listed)}.values()}
    show_queue(jobs, live, queued, progress)
    if not listed:
        st.info(_("No job fits the filter."), icon=":material/filter_alt_off:")
        return
    hidden = len(everything) - len(listed)
    found = plural("{count} job", "{count} jobs", len(listed))
    if hidden:
        found += " · " + _("{count} not shown", count=hidden)
    st.caption(found)
    selected = _show_table(listed, build_rows(listed, [progress[job.id] for job in listed]))
    _show_actions(jobs, selected)


def table_key(listed: Sequence[Job]) -> str:
    """Of the element: selected are places, so a table of other jobs is another element."""
    return "jobs_table_" + str(hash(tuple(job.id for job in listed)) & 0xFFFFFF)


def _show_table(listed: Sequence[Job], rows: list[dict[str, object]]) -> list[Job]:
    """Draw it; gives the jobs whose rows are selected. A click on a name opens the job."""
    import pandas as pd

    key = table_key(listed)
    kept = st.session_state.get(SELECTED_KEY, ())
    places = [place for place, job in enumerate(listed) if job.id in kept]
    event = st.dataframe(
        pd.DataFrame(rows),
        key=key,
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": places}} if key not in st.session_state else None,
        column_config=build_columns(CLICKED_KEY),
    )
    clicked = st.session_state.get(CLICKED_KEY)
    if clicked is not None and 0 <= clicked["row"] < len(listed):
        open_job(listed[clicked["row"]].id)
    selected = [listed[place] for place in event.selection.rows if place < len(listed)]
    st.session_state[SELECTED_KEY] = tuple(job.id for job in selected)
    return selected


def _show_actions(jobs: JobService, selected: Sequence[Job]) -> None:
    """What can be done to the selected jobs."""
    if not selected:
        st.caption(_("Click a name to open a job; tick rows to stop, archive, delete or compare several."))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plural("**{count}** selected", "**{count}** selected", len(selected)), width="content")
        stoppable = [job for job in selected if actions.can_be_stopped(job)]
        if st.button(_("Stop"), icon=":material/stop_circle:", disabled=not stoppable, key="jobs_stop"):
            dialogs.ask(lambda: dialogs.stop_jobs(jobs, stoppable))
        is_archived = all(job.is_archived for job in selected)
        label = _("Out of the archive") if is_archived else _("Archive")
        if st.button(label, icon=":material/archive:", key="jobs_archive"):
            _archive(jobs, selected, not is_archived)
        if st.button(_("Delete"), icon=":material/delete:", key="jobs_delete"):
            dialogs.ask(lambda: dialogs.delete_jobs(jobs, selected))
        st.page_link(
            CURVES_PAGE,
            label=_("Compare curves"),
            icon=":material/monitoring:",
            query_params=curves_query(jobs.folder(job.id).path for job in selected),
        )


def _archive(jobs: JobService, selected: Sequence[Job], is_archived: bool) -> None:
    faults: list[GlmcoreError] = actions.for_each(
        selected, lambda job: actions.archive(jobs, job, is_archived)
    )
    actions.leave_notice(faults)
    st.rerun()  # whole, for the list may be empty now


def _show_nothing(services: Services) -> None:
    st.info(
        _("No job yet. The demo tunes the small embedded model on two hundred questions."),
        icon=":material/rocket_launch:",
    )
    with st.container(horizontal=True):
        if st.button(
            _("Begin with the demo"), type="primary", icon=":material/rocket_launch:", key="jobs_demo"
        ):
            templates = Templates(services.settings)
            if actions.tried(lambda: draft.fill(templates.read(DEMO).values, name=DEMO)):
                go(NEW)
            st.rerun()
        if st.button(_("New job"), icon=":material/add:", key="jobs_first"):
            go(NEW)
