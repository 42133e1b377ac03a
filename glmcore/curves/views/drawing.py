"""The curves of each chart of a view: one line a run, or one mean for each group.

How they look is not said here: the table of what is shown needs the same points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glmcore.curves.metric_names import Part
from glmcore.curves.numbers import FloatArray
from glmcore.curves.run import Run
from glmcore.curves.views.axes import Axis, run_start, x_values
from glmcore.curves.views.decimation import visible
from glmcore.curves.views.grouping import Group, GroupCurve, group_runs, mean_and_band
from glmcore.curves.views.lines import Line, draw_line
from glmcore.curves.views.metric_choice import CurveName, curves_by_base, default_metrics
from glmcore.curves.views.smoothing import smooth
from glmcore.curves.views.view import View

MAX_POINTS = 120_000  # of all curves of a view together
LEAST_OF_A_CURVE, MOST_OF_A_CURVE = 200, 4_000


@dataclass(frozen=True, slots=True, eq=False)
class GroupLine:
    """One metric of the runs of one group."""

    label: str
    metric: str
    part: Part
    curve: GroupCurve


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What one chart shows; `lines` or `groups` is empty.

    Attributes:
        num_points: logged inside the range of x.
        lacking: names of the runs that do not know the axis.
    """

    metric: str
    lines: tuple[Line, ...]
    groups: tuple[GroupLine, ...]
    num_points: int
    lacking: tuple[str, ...]


def draw(runs: Sequence[Run], view: View) -> list[Drawing]:
    """Choose the points of every chart of the view."""
    curves = curves_by_base(runs)
    chosen = default_metrics(runs) if view.metrics is None else dict.fromkeys(view.metrics)
    metrics = [metric for metric in chosen if metric in curves]
    max_points = points_of_a_curve(sum(len(curves[metric]) for metric in metrics), view)
    needs_start = view.axis is Axis.RELATIVE
    starts = {run.id: run_start(run) if needs_start else None for run in runs}
    if view.group_by is None:
        return [_draw_lines(metric, curves[metric], starts, view, max_points) for metric in metrics]
    groups = group_runs(runs, view.group_by)
    return [_draw_groups(metric, curves[metric], groups, starts, view, max_points) for metric in metrics]


def points_of_a_curve(num_lines: int, view: View) -> int:
    """How many points each may have, so that all together stay within what a browser draws at once."""
    has_raw = bool(view.smoothing.weight) and view.shows_raw
    num_curves = num_lines * (1 + has_raw + view.shows_superseded)
    wanted = min(view.points, MOST_OF_A_CURVE, MAX_POINTS // max(num_curves, 1))
    return max(wanted, LEAST_OF_A_CURVE)


def _draw_lines(
    metric: str, curves: list[CurveName], starts: dict[str, float | None], view: View, max_points: int
) -> Drawing:
    lines, lacking = [], []
    for run, name, part in curves:
        line = draw_line(run, name, part, starts[run.id], view, max_points)
        if line is None:
            lacking.append(run.name)
        else:
            lines.append(line)
    num_points = sum(len(line.all_values) for line in lines)
    return Drawing(metric, tuple(lines), (), num_points, tuple(dict.fromkeys(lacking)))


def _draw_groups(
    metric: str,
    curves: list[CurveName],
    groups: list[Group],
    starts: dict[str, float | None],
    view: View,
    max_points: int,
) -> Drawing:
    label_of = {run.id: group.label for group in groups for run in group.runs}
    members: dict[tuple[str, str, Part], list[tuple[FloatArray, FloatArray]]] = {
        (group.label, name, part): [] for group in groups for _, name, part in curves
    }
    lacking: list[str] = []
    num_points = 0
    for run, name, part in curves:
        series = run.curves[name]
        x = x_values(series, view.axis, starts[run.id])
        if x is None:
            lacking.append(run.name)
            continue
        shown = visible(x, view.x_range)
        y = smooth(x, series.values, view.smoothing)
        if view.log_y:
            y = np.where(y > 0.0, y, np.nan)
        members[label_of[run.id], name, part].append((x[shown], y[shown]))
        num_points += len(y[shown])
    lines = [
        GroupLine(label, name, part, curve)
        for (label, name, part), found in members.items()
        if (curve := mean_and_band(found, view.band, max_points)) is not None
    ]
    return Drawing(metric, (), tuple(lines), num_points, tuple(dict.fromkeys(lacking)))
