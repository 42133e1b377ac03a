"""One job: its state and what can be done to it, and in tabs all that its folder tells."""

from collections.abc import Callable

import streamlit as st

from glmcore.core.errors import GlmcoreError, NotFoundError
from glmcore.jobs.job import Job, JobKind
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text
from glmcore.ui.training.jobs import dialogs
from glmcore.ui.training.jobs.address import JOBS, go
from glmcore.ui.training.jobs.charts import show_charts_of
from glmcore.ui.training.jobs.checkpoints_panel import show_checkpoints
from glmcore.ui.training.jobs.config_panel import show_config
from glmcore.ui.training.jobs.data_panel import show_data
from glmcore.ui.training.jobs.facts_panel import show_facts
from glmcore.ui.training.jobs.header import show_header
from glmcore.ui.training.jobs.log_panel import show_log
from glmcore.ui.training.jobs.predictions_panel import show_predictions
from glmcore.ui.training.jobs.probe_panel import show_probe

LIVE_SECONDS, ENDED_SECONDS = 2.0, 10.0  # somebody else may resume or delete an ended one

Panel = Callable[[Services, Job], None]


def show(services: Services, job_id: str) -> None:
    """The view with a job in the address; one that is gone is said."""
    dialogs.open_asked()
    if st.button(_("All jobs"), icon=":material/arrow_back:", type="tertiary", key="job_back"):
        go(JOBS)
    try:
        job = services.jobs.queue.get(job_id)
    except NotFoundError:
        st.info(
            _("This job does not exist (any more): somebody deleted it, or the address is not whole."),
            icon=":material/search_off:",
        )
        return
    every = ENDED_SECONDS if job.state.has_ended else LIVE_SECONDS
    st.fragment(show_header, run_every=every)(services, job)
    _show_tabs(services, job)


def _show_tabs(services: Services, job: Job) -> None:
    """Only the open one is drawn."""
    panels = _panels(services, job)
    tabs = st.tabs(list(panels), key=f"job_tabs_{job.kind}_{len(panels)}", on_change="rerun")
    for tab, panel in zip(tabs, panels.values(), strict=True):
        with tab:
            if not tab.open:
                continue
            try:
                panel(services, job)
            except GlmcoreError as error:  # of one panel; the others still show what they have
                st.error(error_text(error), icon=":material/error:")


def _panels(services: Services, job: Job) -> dict[str, Panel]:
    """The tabs that this kind of job has something for."""
    panels: dict[str, Panel] = {}
    if job.kind is not JobKind.PREDICT:
        panels[_("Curves")] = show_charts_of
    panels |= {_("Log"): show_log, _("Config"): show_config}
    if job.kind is JobKind.TRAIN:
        panels |= {
            _("Checkpoints"): show_checkpoints,
            _("Evaluations"): show_predictions,
            _("Data"): show_data,
        }
        if services.jobs.folder(job.id).probe.is_file():
            panels[_("Forgetting")] = show_probe
    return panels | {_("Facts"): show_facts}
