"""The table of runs: state, progress, best and last values, the settings in which they differ, findings."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import streamlit as st

from glmcore.curves.configs import differing_keys
from glmcore.curves.findings.finding import Severity
from glmcore.curves.findings.rules import RULES
from glmcore.curves.metric_names import Direction
from glmcore.curves.run import Run, RunState
from glmcore.curves.views.best import best_point, extremes, last_finite
from glmcore.server.curves import CurveServices
from glmcore.ui.text import _

MAX_CONFIG_COLUMNS = 30
ROW_PIXELS, MAX_HEIGHT = 35, 330
WORRYING = (Severity.PROBLEM, Severity.WARNING)


def state_names() -> dict[RunState, str]:
    return {
        RunState.PREPARING: _("preparing"),
        RunState.RUNNING: _("running"),
        RunState.STOPPED: _("stopped"),
        RunState.FAILED: _("failed"),
        RunState.FINISHED: _("finished"),
        RunState.LOST: _("lost"),
        RunState.UNKNOWN: "",
    }


def show_table(
    shared: CurveServices,
    runs: Sequence[Run],
    metrics: Sequence[str],
    directions: Mapping[str, Direction],
    colours: Mapping[str, str],
) -> tuple[str, ...]:
    """Draw the table; gives the ids of the rows that were selected."""
    import pandas as pd

    keys = differing_keys([run.config for run in runs])[:MAX_CONFIG_COLUMNS]
    states = state_names()
    rows = [_row(shared, run, metrics, directions, colours.get(run.id), keys, states) for run in runs]
    event = st.dataframe(
        pd.DataFrame(rows),
        key="curves_table_" + str(hash(tuple(run.id for run in runs)) & 0xFFFFFF),
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_columns(metrics, directions, keys),
    )
    return tuple(runs[place].id for place in event.selection.rows if place < len(runs))


def _row(
    shared: CurveServices,
    run: Run,
    metrics: Sequence[str],
    directions: Mapping[str, Direction],
    colour: str | None,
    keys: Sequence[str],
    states: Mapping[RunState, str],
) -> dict[str, Any]:
    worrying = {one.rule: None for one in shared.findings(run) if one.severity in WORRYING}
    titles = {rule.name: rule.title for rule in RULES}
    curves = {name: run.curves[name] for name in metrics if name in run.curves}
    last_step = max((float(curve.steps[-1]) for curve in curves.values() if len(curve)), default=None)
    row: dict[str, Any] = {
        "colour": _swatch(colour),
        "name": run.name,
        "state": states[run.status.state],
        "progress": 100 * last_step / run.status.total_steps
        if last_step and run.status.total_steps
        else None,
        "step": last_step,
        "findings": ", ".join(_(titles[rule]) for rule in worrying),
    }
    for name in metrics:
        curve = curves.get(name)
        best = best_point(curve, directions[name]) if curve is not None else None
        if directions[name] is not Direction.NEITHER:
            row[f"best {name}"] = best.value if best else None
            row[f"at {name}"] = best.step if best else None
        row[f"last {name}"] = last_finite(curve) if curve is not None else None
        least, greatest = (curve is not None and extremes(curve)) or (None, None)
        row |= {f"min {name}": least, f"max {name}": greatest}
    row["changed"] = (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(run.status.changed_at))
        if run.status.changed_at
        else ""
    )
    for key in keys:
        value = run.config.get(key)
        row[f"config {key}"] = "" if value is None else str(value)
    return row


def _columns(
    metrics: Sequence[str], directions: Mapping[str, Direction], keys: Sequence[str]
) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    columns: dict[str, Any] = {
        "colour": st.column_config.ImageColumn("", width=24, pinned=True),
        "name": st.column_config.TextColumn(_("Run"), pinned=True, width="medium"),
        "state": st.column_config.TextColumn(_("State"), width=80),
        "progress": st.column_config.ProgressColumn(
            _("Progress"), format="%d %%", min_value=0, max_value=100, width=90
        ),
        "step": number(_("Step"), format="%d", width=70),
        "findings": st.column_config.TextColumn(
            _("Warnings"), width=150, help=_("By the names of the rules; in words below the charts.")
        ),
        "changed": st.column_config.TextColumn(_("Last written"), width=130),
    }
    arrows = {Direction.LOWER: "↓", Direction.HIGHER: "↑", Direction.NEITHER: ""}
    for name in metrics:
        label = f"{name} {arrows[directions[name]]}"
        columns[f"best {name}"] = number(_("Best {metric}", metric=label), format="%.5g", width=110)
        columns[f"at {name}"] = number(_("at step"), format="%d", width=70)
        columns[f"last {name}"] = number(_("Last {metric}", metric=name), format="%.5g", width=110)
        columns[f"min {name}"] = number(_("Min {metric}", metric=name), format="%.5g", width=110)
        columns[f"max {name}"] = number(_("Max {metric}", metric=name), format="%.5g", width=110)
    for key in keys:
        columns[f"config {key}"] = st.column_config.TextColumn(key)
    return columns


def _swatch(colour: str | None) -> str | None:
    """A run's colour as a small picture; empty for a run that is not drawn."""
    if colour is None:
        return None
    picture = f'<circle cx="10" cy="10" r="7" fill="{colour}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{picture}</svg>'
    return "data:image/svg+xml," + quote(svg)
