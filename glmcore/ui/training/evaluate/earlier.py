"""The evaluations made before: their scores in a table, and over the steps of the checkpoints as a chart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from glmcore.curves.views.colours import PALETTE
from glmcore.curves.views.names import plotly_text
from glmcore.jobs.job import Job, JobKind
from glmcore.jobs.predictions import BASE, PredictionSet, list_predictions, newest_pair
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM
from glmcore.ui.text import _
from glmcore.ui.training.evaluate.scores import score_texts
from glmcore.ui.training.jobs.address import EVALUATE, go
from glmcore.ui.training.jobs.words import moment_text, state_names

PREFIX = "evaluate_"
CLICKED_KEY, SCORE_KEY = PREFIX + "clicked", PREFIX + "chart_score"
MOST_SHOWN = 100
ROW_PIXELS, MAX_HEIGHT = 35, 400
IN_TABLE = ("bleu-4", "rouge-l", "chrf", "loss")
HOW = ("data", "answers", "max_new_tokens", "num_rows")  # scores of another kind are no curve together


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A job, and what came of it so far."""

    job: Job
    source: str
    checkpoint: str
    tuned: PredictionSet | None
    base: PredictionSet | None


def show_earlier(services: Services) -> None:
    jobs = services.jobs.queue.list(kinds=[JobKind.PREDICT])[:MOST_SHOWN]
    if not jobs:
        return
    names = {job.id: job.name for job in services.jobs.queue.list(archived=None, kinds=[JobKind.TRAIN])}
    found = [_look(services, job, names) for job in jobs]
    st.subheader(_("Evaluations so far"), anchor=False)
    _show_chart(found)
    _show_table(found)


def _look(services: Services, job: Job, names: Mapping[str, str]) -> Evaluation:
    tuned, base = newest_pair(list_predictions(services.jobs.folder(job.id)))
    source = names.get(job.parent_id or "", "") or job.base_model
    return Evaluation(job, source, Path(str(job.options.get("checkpoint", BASE))).name, tuned, base)


def _show_table(found: Sequence[Evaluation]) -> None:
    import pandas as pd

    texts, states = score_texts(), state_names()
    rows = [_row(one, states[one.job.state]) for one in found]
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    columns: dict[str, Any] = {
        "name": st.column_config.ButtonColumn(
            _("Evaluation"), key=CLICKED_KEY, type="tertiary", alignment="left", pinned=True, width="medium"
        ),
        "source": text(_("Training job")),
        "checkpoint": text(_("Checkpoint")),
        "data": text(_("Data")),
        "state": text(_("State")),
        "rows": number(_("Rows"), format="%d", width=70),
        "made": text(_("Created"), width=130),
    }
    for name in IN_TABLE:
        columns[name] = number(texts[name].title, format="%.4g", width=90, help=texts[name].meaning)
        columns[f"{name} change"] = number(_("to the base"), format="%+.3g", width=90)
    st.dataframe(
        pd.DataFrame(rows),
        key=PREFIX + "earlier",
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        column_config=columns,
    )
    clicked = st.session_state.get(CLICKED_KEY)
    if clicked is not None and 0 <= clicked["row"] < len(found):
        go(EVALUATE, **{JOB_PARAM: found[clicked["row"]].job.id})


def _row(one: Evaluation, state: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": one.job.name or one.job.id,
        "source": one.source,
        "checkpoint": one.checkpoint,
        "data": one.job.data,
        "state": state,
        "rows": one.tuned.num_rows if one.tuned else None,
    }
    for name in IN_TABLE:
        ours, theirs = (each.score(name) if each else None for each in (one.tuned, one.base))
        row[name] = ours
        row[f"{name} change"] = None if ours is None or theirs is None else ours - theirs
    return row | {"made": moment_text(one.job.created_at)}


def _show_chart(found: Sequence[Evaluation]) -> None:
    """A score over the steps, where checkpoints of one job answered the same rows in the same way."""
    groups = _groups(found)
    if not groups:
        return
    import plotly.graph_objects as go

    texts = score_texts()
    score = str(
        st.selectbox(
            _("Score by checkpoint"),
            list(texts),
            index=list(texts).index("rouge-l"),
            key=SCORE_KEY,
            format_func=lambda name: texts[name].title,
            width=280,
        )
    )
    figure = go.Figure()
    for number, members in enumerate(groups):
        colour = PALETTE[number % len(PALETTE)]
        title = plotly_text(f"{members[0].source} · {members[0].job.data}")
        points = [(one.tuned.step, one.tuned.score(score)) for one in members if one.tuned]
        figure.add_scatter(
            x=[step for step, _score in points],
            y=[value for _step, value in points],
            mode="lines+markers",
            name=title,
            line_color=colour,
        )
        base = next((one.base.score(score) for one in members if one.base and one.base.results), None)
        if base is not None and math.isfinite(base):
            label = _("base")
            figure.add_hline(y=base, line_dash="dot", line_width=1, line_color=colour, annotation_text=label)
    figure.update_layout(
        height=260,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis_title=_("Step"),
        yaxis_title=texts[score].title,
        showlegend=len(groups) > 1,
    )
    st.plotly_chart(figure, key=PREFIX + "chart", config={"displaylogo": False})


def _groups(found: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Evaluations that can stand in one curve, by step; of one step the newest."""
    groups: dict[str, dict[int, Evaluation]] = {}
    for one in found:  # the newest first
        if one.tuned is None or not one.tuned.results or one.tuned.step is None:
            continue
        kind = repr((one.job.parent_id, [one.tuned.results.get(name) for name in HOW]))
        groups.setdefault(kind, {}).setdefault(one.tuned.step, one)
    return [[steps[step] for step in sorted(steps)] for steps in groups.values() if len(steps) > 1]
