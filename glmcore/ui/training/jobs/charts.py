"""The curves of one job, drawn again while it is live, and what they say in words."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from glmcore.curves.library import CurveLibrary
from glmcore.curves.run import Run, run_id
from glmcore.curves.views.axes import Axis, axis_title
from glmcore.curves.views.charts import build_charts
from glmcore.curves.views.colours import assign_colours
from glmcore.curves.views.metric_choice import default_metrics
from glmcore.curves.views.smoothing import Smoothing
from glmcore.curves.views.view import View
from glmcore.jobs.job import Job
from glmcore.ui.curve_charts.element import charts_state, show_charts
from glmcore.ui.curves.findings_panel import show_findings
from glmcore.ui.curves.live import chart_labels, show_notes
from glmcore.ui.services import Services
from glmcore.ui.session import CURVES_PAGE
from glmcore.ui.text import _
from glmcore.ui.training.jobs.address import curves_query

LIVE_SECONDS = 2.0
READ_SECONDS = 1.5  # of reading before something is drawn; the rest is read at the next look
SMOOTH_KEY = "job_smooth"
MAX_LIBRARIES = 32  # jobs that are looked at; each is read on from where it was left
CHART_HEIGHT, DEFAULT_WIDTH = 260, 600  # pixels; the width until the browser has said it


def show_charts_of(services: Services, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state.setdefault(SMOOTH_KEY, 0.6)
        weight = st.slider(
            _("Smoothing"), 0.0, 0.99, step=0.01, key=SMOOTH_KEY, persist_state="session", width=220
        )
        st.page_link(
            CURVES_PAGE,
            label=_("Open in curves"),
            icon=":material/monitoring:",
            query_params=curves_query([services.jobs.folder(job.id).path]),
        )
    every = None if job.state.has_ended else LIVE_SECONDS
    st.fragment(_draw, run_every=every)(services, job, float(weight))


@st.cache_resource(show_spinner=False, max_entries=MAX_LIBRARIES)
def library_of(folder: str, cache: str) -> CurveLibrary:
    """What was read of one job, for all sessions."""
    return CurveLibrary(Path(cache))


def read_job_run(services: Services, job: Job) -> Run | None:
    """The run in a job's folder under the job's name; None before it has written something."""
    folder = services.jobs.folder(job.id).path
    if not folder.is_dir():
        return None
    library = library_of(str(folder), str(services.settings.home / "curves" / "cache"))
    runs, _notes = library.look([folder], READ_SECONDS)
    run = next((run for run in runs if run.id == run_id(folder)), None)
    return replace(run, name=job.name) if run is not None else None


def _draw(services: Services, job: Job, weight: float) -> None:
    run = read_job_run(services, job)
    if run is None or not run.curves:
        waits = _("Its curves appear here as soon as it has begun to learn.")
        st.info(
            _("It has written no curves.") if job.state.has_ended else waits, icon=":material/monitoring:"
        )
        return
    key = f"job_charts_{job.id}"
    zoom = charts_state(key).x_range
    view = View(
        metrics=tuple(default_metrics([run])),
        smoothing=Smoothing(weight=weight),
        x_range=zoom,
        points=2 * (charts_state(key).width or DEFAULT_WIDTH),
    )
    colours = services.curves.colours(0)
    charts = build_charts([run], view, colours if run.id in colours else assign_colours([run.id]))
    show_charts(
        charts,
        key=key,
        labels=chart_labels(_("Drag to zoom in, double click to zoom out.")),
        x_range=zoom,
        height=CHART_HEIGHT,
        is_date_axis=False,
        x_title=_(axis_title(Axis.STEP)),
        footnotes={
            chart.id: [_(note.template, **note.values) for note in chart.footnotes] for chart in charts
        },
    )
    show_notes(run.problems)
    show_findings(services.curves, [run])
