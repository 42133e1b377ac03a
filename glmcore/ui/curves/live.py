"""The charts of the curves page, which are drawn again while runs go on."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st

from glmcore.core.notes import Note
from glmcore.curves.metric_names import Direction, direction_of, split_part
from glmcore.curves.run import Run
from glmcore.curves.views.axes import Axis, axis_title, run_start, x_values
from glmcore.curves.views.charts import build_charts
from glmcore.curves.views.colours import assign_colours
from glmcore.curves.views.grouping import group_runs
from glmcore.curves.views.metric_choice import curves_by_base, default_metrics
from glmcore.curves.views.names import short_name
from glmcore.curves.views.smoothing import Smoothing
from glmcore.curves.views.view import StepMark, View
from glmcore.server.curves import CurveServices
from glmcore.ui.curve_charts.element import Picked, charts_state, show_charts
from glmcore.ui.curves.address import PageState
from glmcore.ui.curves.state import keep_zoom
from glmcore.ui.markdown import plain
from glmcore.ui.text import _

CHARTS_KEY = "curves_charts"
CHART_HEIGHT = 280
DEFAULT_WIDTH = 600  # pixels of a chart, until the browser has said it


@dataclass(frozen=True, slots=True)
class Pick:
    """A point that was clicked."""

    run_id: str
    step: float


def view_of(state: PageState, shared: CurveServices, runs: Sequence[Run]) -> View:
    """What is to be drawn."""
    marks = [
        StepMark(run.id, mark.step, mark.text) for run in runs for mark in shared.remarks.of(run.id).marks
    ]
    return View(
        metrics=state.metric or tuple(default_metrics(runs)),
        axis=state.axis,
        smoothing=Smoothing(state.method, state.smooth),
        log_y=state.log,
        clip=state.clip,
        shows_raw=state.raw,
        shows_superseded=state.old,
        shows_best=state.best,
        x_range=state.zoom,
        group_by=state.group or None,
        band=state.band,
        points=2 * (charts_state(CHARTS_KEY).width or DEFAULT_WIDTH),
        marks=tuple(marks),
        directions=chosen_directions(state),
    )


def directions_of(state: PageState, runs: Sequence[Run]) -> dict[str, Direction]:
    """Which way each metric is better: by its name, unless the reader said otherwise."""
    names = {name for run in runs for name in run.curves}
    return {name: direction_of(name) for name in names} | dict(chosen_directions(state))


def chosen_directions(state: PageState) -> tuple[tuple[str, Direction], ...]:
    lower = tuple((name, Direction.LOWER) for name in state.lower)
    return lower + tuple((name, Direction.HIGHER) for name in state.higher)


def show_live_charts(
    runs: Sequence[Run], view: View, colours: Mapping[str, str], state: PageState
) -> Pick | None:
    """Draw the charts; a new range is kept, so that its detail is sent in the same run.

    Returns:
        The point that was clicked just now.
    """
    charts = build_charts(runs, view, colours)
    footnotes = {chart.id: [_(note.template, **note.values) for note in chart.footnotes] for chart in charts}
    seen = show_charts(
        charts,
        key=CHARTS_KEY,
        labels=chart_labels(_("Drag to zoom in, double click to zoom out, click a point to mark it.")),
        x_range=state.zoom,
        height=CHART_HEIGHT,
        is_date_axis=state.axis is Axis.WALL,
        x_title=_(axis_title(state.axis)),
        footnotes=footnotes,
        on_change=_range_changed,
    )
    if seen.picked is None:
        return None
    titles = {chart.id: chart.title for chart in charts}
    return pick_of(seen.picked, titles.get(seen.picked.chart, ""), runs, state.axis)


def pick_of(picked: Picked, title: str, runs: Sequence[Run], axis: Axis) -> Pick | None:
    """The run and the step of a point, which the browser gives by its place on the axis."""
    run = next((run for run in runs if run.id == picked.run), None)
    if run is None:
        return None
    nearest: list[tuple[float, float]] = []  # distance and step, in each curve of the chart
    for name in run.curves:
        if short_name(split_part(name)[0]) != title:
            continue
        series = run.curves[name]
        x = x_values(series, axis, run_start(run))
        if x is not None and np.isfinite(x).any():
            place = int(np.nanargmin(np.abs(x - picked.x)))
            nearest.append((abs(float(x[place]) - picked.x), float(series.steps[place])))
    return Pick(run.id, min(nearest)[1]) if nearest else None


def group_colours(runs: Sequence[Run], key: str) -> tuple[dict[str, str], dict[str, str]]:
    """The colour of each value of the setting, and the same for each run."""
    groups = group_runs(runs, key)
    colours = assign_colours(group.label for group in groups)
    return colours, {run.id: colours[group.label] for group in groups for run in group.runs}


def show_group_legend(key: str, colours: Mapping[str, str]) -> None:
    named = ((escape(short_name(name)), colour) for name, colour in colours.items())
    entries = (f'<span style="color:{colour}">●</span> {name}' for name, colour in named)
    st.html(f"<div>{escape(short_name(key))}: {' &nbsp; '.join(entries)}</div>")


def _range_changed() -> None:
    keep_zoom(charts_state(CHARTS_KEY).x_range)


def show_notes(notes: Sequence[Note]) -> None:
    for note in notes:
        st.caption(f":material/info: {plain(_(note.template, **note.values))}")


def show_clock(runs: Sequence[Run]) -> None:
    live = sum(run.status.is_live for run in runs)
    now = time.strftime("%H:%M:%S")
    st.caption(_("{count} runs, {live} of them live · looked at {now}", count=len(runs), live=live, now=now))


def metrics_of(runs: Sequence[Run], view: View, most: int = 4) -> list[str]:
    """The metrics that the table has columns for: those of the first charts, evaluation first."""
    curves = curves_by_base(runs)
    names = (sorted({name for _, name, _ in curves.get(base, ())}) for base in view.metrics or ())
    return [name for several in names for name in several][:most]


def chart_labels(use: str) -> dict[str, str]:
    """The texts of the charts; `use` says what can be done with them here."""
    return {
        "png": _("Save as PNG"),
        "svg": _("Save as SVG"),
        "enlarge": _("Enlarge"),
        "shrink": _("Shrink"),
        "use": use,
        "more": _("{count} more"),
        "failed": _("The charts cannot be drawn: their program did not arrive. Reload the page."),
    }
