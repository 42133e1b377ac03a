"""The training page: which of its views is open, by the address."""

import streamlit as st

from glmcore.ui.services import services
from glmcore.ui.session import JOB_PARAM
from glmcore.ui.style import WIDE_STYLE
from glmcore.ui.text import _
from glmcore.ui.training.evaluate import page as evaluation
from glmcore.ui.training.jobs import job_page, table
from glmcore.ui.training.jobs.address import EVALUATE, JOBS, NEW
from glmcore.ui.training.new_job import page as new_job
from glmcore.ui.views import open_view

SHOWN_KEY = "training_view"


def show() -> None:
    st.html(WIDE_STYLE)
    shared = services()
    names = {JOBS: _("Jobs"), NEW: _("New job"), EVALUATE: _("Evaluate")}
    view, job_id = open_view(_("Training"), names, SHOWN_KEY), st.query_params.get(JOB_PARAM)
    if view == NEW:
        new_job.show(shared)
    elif view == EVALUATE:
        evaluation.show(shared)
    elif job_id:
        job_page.show(shared, job_id)
    else:
        table.show(shared)
