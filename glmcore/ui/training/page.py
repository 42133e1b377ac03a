"""The training page: which of its views is open, by the address."""

import streamlit as st

from glmcore.ui.services import services
from glmcore.ui.session import JOB_PARAM, VIEW_PARAM
from glmcore.ui.style import WIDE_STYLE
from glmcore.ui.text import _
from glmcore.ui.training.evaluate import page as evaluation
from glmcore.ui.training.jobs import job_page, table
from glmcore.ui.training.jobs.address import EVALUATE, JOBS, NEW
from glmcore.ui.training.new_job import page as new_job

SHOWN_KEY = "training_view"


def show() -> None:
    st.html(WIDE_STYLE)
    shared = services()
    view, job_id = _open_view(), st.query_params.get(JOB_PARAM)
    if view == NEW:
        new_job.show(shared)
    elif view == EVALUATE:
        evaluation.show(shared)
    elif job_id:
        job_page.show(shared, job_id)
    else:
        table.show(shared)


def _open_view() -> str:
    """The view of the address; the switch above follows it, and leads to another one."""
    names = {JOBS: _("Jobs"), NEW: _("New job"), EVALUATE: _("Evaluate")}
    named = st.query_params.get(VIEW_PARAM, JOBS)
    view = named if named in names else JOBS
    st.session_state[SHOWN_KEY] = view
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title(_("Training"), width="stretch")
        st.segmented_control(
            _("View"),
            list(names),
            key=SHOWN_KEY,
            format_func=names.__getitem__,
            label_visibility="collapsed",
            required=True,
            on_change=_go,
        )
    return view


def _go() -> None:
    """To a view from its beginning: what else the address says belongs to the one that is left."""
    st.query_params.from_dict({VIEW_PARAM: st.session_state[SHOWN_KEY]})
