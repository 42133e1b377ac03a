"""The evaluations that were made of a job's checkpoints, with their scores."""

from pathlib import Path
from typing import Any

import streamlit as st

from glmcore.jobs.job import Job, JobKind
from glmcore.jobs.predictions import list_predictions, newest_pair
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import SCORES
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM
from glmcore.ui.text import _
from glmcore.ui.training.jobs.address import EVALUATE, go
from glmcore.ui.training.jobs.words import moment_text, state_names

CLICKED_KEY = "job_evaluation_clicked"
ROW_PIXELS, MAX_HEIGHT = 35, 400


def show_predictions(services: Services, job: Job) -> None:
    jobs = services.jobs
    made = [child for child in jobs.queue.children(job.id) if child.kind is JobKind.PREDICT]
    if st.button(_("New evaluation"), icon=":material/grading:", key="job_new_evaluation"):
        go(EVALUATE, **{JOB_PARAM: job.id})
    if not made:
        st.info(
            _("None of its checkpoints was asked test questions yet."),
            icon=":material/grading:",
        )
        return
    _show_table([_row(jobs, one) for one in made], made)


def _row(jobs: JobService, made: Job) -> dict[str, Any]:
    checkpoint = str(made.options.get("checkpoint", ""))
    row: dict[str, Any] = {
        "name": made.name or made.id,
        "checkpoint": Path(checkpoint).name,
        "data": made.data,
        "state": state_names()[made.state],
        "made": moment_text(made.created_at),
    }
    return row | {f"score {name}": value for name, value in scores_of(jobs, made).items()}


def scores_of(jobs: JobService, made: Job) -> dict[str, float]:
    """What the answers were worth, those of a checkpoint rather than those of the base beside it."""
    answers, _base = newest_pair(list_predictions(jobs.folder(made.id)))
    if answers is None:
        return {}
    found = {name: answers.score(name) for name in SCORES}
    return {name: score for name, score in found.items() if score is not None}


def _show_table(rows: list[dict[str, Any]], made: list[Job]) -> None:
    import pandas as pd

    names = [name for name in SCORES if any(f"score {name}" in row for row in rows)]
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows),
        key="job_evaluations",
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        column_config={
            "name": st.column_config.ButtonColumn(
                _("Evaluation"), key=CLICKED_KEY, type="tertiary", alignment="left", pinned=True
            ),
            "checkpoint": text(_("Checkpoint")),
            "data": text(_("Data")),
            "state": text(_("State")),
            "made": text(_("Created"), width=130),
            **{f"score {name}": number(name, format="%.4g", width=80) for name in names},
        },
    )
    clicked = st.session_state.get(CLICKED_KEY)
    if clicked is not None and 0 <= clicked["row"] < len(made):
        go(EVALUATE, **{JOB_PARAM: made[clicked["row"]].id})
