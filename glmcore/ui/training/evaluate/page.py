"""The view "Evaluate": one evaluation, or the form of a new one above those made before."""

import streamlit as st

from glmcore.core.errors import NotFoundError
from glmcore.jobs.job import Job, JobKind
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM
from glmcore.ui.text import _
from glmcore.ui.training.evaluate.earlier import show_earlier
from glmcore.ui.training.evaluate.form import begin_anew, show_form
from glmcore.ui.training.evaluate.result import show_result
from glmcore.ui.training.jobs.address import CHECKPOINT_PARAM


def show(services: Services) -> None:
    """The job in the address is an evaluation to show, or a training whose checkpoint is chosen."""
    job = _named_job(services)
    if job is not None and job.kind is JobKind.PREDICT:
        begin_anew()
        show_result(services, job)
        return
    show_form(services, job, st.query_params.get(CHECKPOINT_PARAM))
    show_earlier(services)


def _named_job(services: Services) -> Job | None:
    job_id = st.query_params.get(JOB_PARAM)
    if job_id is None:
        return None
    try:
        return services.jobs.queue.get(job_id)
    except NotFoundError:
        st.info(
            _("This job does not exist (any more): somebody deleted it, or the address is not whole."),
            icon=":material/search_off:",
        )
        return None
