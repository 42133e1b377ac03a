"""The view "Replay": saved conversations asked again as a job, and the two answers side by side."""

from pathlib import Path

import streamlit as st

from glmcore.core.errors import NotFoundError
from glmcore.jobs.job import Job, JobKind
from glmcore.jobs.predictions import BASE, list_predictions, newest_pair
from glmcore.ui.history.address import REPLAY, go
from glmcore.ui.history.replay_form import begin_anew, show_form
from glmcore.ui.history.replay_result import ALIKE, show_result
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM, OWNER
from glmcore.ui.text import _
from glmcore.ui.training.jobs.words import moment_text, share_done, state_names

PREFIX = "replay"
CLICKED_KEY = PREFIX + "_clicked"
MOST_SHOWN = 100
ROW_PIXELS, MAX_HEIGHT = 35, 400


def show(shared: Services) -> None:
    job_id = st.query_params.get(JOB_PARAM)
    job = _find(shared, job_id) if job_id else None
    if job is not None:
        begin_anew()
        show_result(shared, job)
        return
    if job_id:
        st.info(
            _("This replay does not exist (any more): somebody deleted it, or the address is not whole."),
            icon=":material/search_off:",
        )
    show_form(shared)
    _show_earlier(shared)


def _find(shared: Services, job_id: str) -> Job | None:
    try:
        job = shared.jobs.queue.get(job_id)
    except NotFoundError:
        return None
    return job if job.owns_data and job.owner == OWNER else None


def _show_earlier(shared: Services) -> None:
    import pandas as pd

    jobs = shared.jobs.queue.list(kinds=[JobKind.PREDICT])
    replays = [job for job in jobs if job.owns_data and job.owner == OWNER][:MOST_SHOWN]
    if not replays:
        return
    st.subheader(_("Replays so far"), anchor=False)
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    rows = [_row(shared, job) for job in replays]
    st.dataframe(
        pd.DataFrame(rows),
        key=PREFIX + "_earlier",
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        column_config={
            "name": st.column_config.ButtonColumn(
                _("Replay"), key=CLICKED_KEY, type="tertiary", alignment="left", pinned=True, width="large"
            ),
            "checkpoint": text(_("Checkpoint")),
            "state": text(_("State"), width=90),
            "progress": st.column_config.ProgressColumn(
                _("Progress"), format="%d %%", min_value=0, max_value=100, width=110
            ),
            "alike": number(
                _("Alike"), format="%.0f", width=80, help=_("Mean of the answers; 100 is the same answer.")
            ),
            "made": text(_("Created"), width=130),
        },
    )
    clicked = st.session_state.get(CLICKED_KEY)
    if clicked is not None and 0 <= clicked["row"] < len(replays):
        go(REPLAY, None, **{JOB_PARAM: replays[clicked["row"]].id})


def _row(shared: Services, job: Job) -> dict[str, object]:
    share = share_done(shared.jobs.progress(job))
    answers, _base = newest_pair(list_predictions(shared.jobs.folder(job.id)))
    return {
        "name": job.name,
        "checkpoint": Path(str(job.options.get("checkpoint", BASE))).name,
        "state": state_names()[job.state],
        "progress": None if share is None else 100 * share,
        "alike": answers.score(ALIKE) if answers else None,
        "made": moment_text(job.created_at),
    }
