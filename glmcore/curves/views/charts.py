"""The charts of a view: what the page's element draws with Plotly, bounded however long the runs are.

Titles of axes are left to the page (`axes.axis_title`), which knows its reader's language.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.metric_names import Part
from glmcore.curves.numbers import FloatArray
from glmcore.curves.run import Run
from glmcore.curves.views.axes import Axis
from glmcore.curves.views.colours import assign_colours
from glmcore.curves.views.drawing import Drawing, draw
from glmcore.curves.views.lines import Line
from glmcore.curves.views.names import encodable, short_name
from glmcore.curves.views.outliers import PADDING, Range, bottom, y_range
from glmcore.curves.views.traces import (
    Trace,
    best_trace,
    group_traces,
    line_traces,
    lost_trace,
    note_trace,
)
from glmcore.curves.views.view import StepMark, View

SHOWN_OF = mark("Showing {shown} of {total} points.")
NOT_FINITE = mark("Points that are NaN or infinite: {count}; marked by a cross: {drawn}.")
NOT_POSITIVE = mark("Points without a place on a logarithmic scale, because they are not positive: {count}.")
OUTSIDE = mark("Points outside of the range shown: {count}.")
LACKING = mark("Runs whose logs do not have this x axis: {count} ({names}).")

MAX_LOST_MARKS = 200  # a chart
_NO_COLOUR = "#888888"


@dataclass(frozen=True, slots=True)
class Chart:
    """One metric of all runs.

    Attributes:
        id: the same for the same metric.
        title: the metric's base name; not trusted.
        footnotes: what the picture does not show.
        revision: changes with the content.
    """

    id: str
    title: str
    traces: list[Trace]
    layout: dict[str, Any]
    footnotes: tuple[Note, ...]
    revision: str


def build_charts(runs: Sequence[Run], view: View, colours: Mapping[str, str]) -> list[Chart]:
    """Draw a view.

    Args:
        colours: run id -> colour; groups get colours of their own.
    """
    marks: dict[str, list[StepMark]] = {}
    for step_mark in view.marks:
        marks.setdefault(step_mark.run_id, []).append(step_mark)
    return [_chart(drawing, view, colours, marks) for drawing in draw(runs, view)]


def _chart(
    drawing: Drawing, view: View, colours: Mapping[str, str], marks: Mapping[str, list[StepMark]]
) -> Chart:
    shown, num_outside = _shown_range(drawing, view)
    lowest = bottom(shown, view.log_y)
    if drawing.groups:
        traces = _group_traces(drawing, lowest if view.log_y else -np.inf)
    else:
        traces = list(_line_traces(drawing, view, colours, marks, lowest))
    notes = tuple(_footnotes(drawing, view, num_outside))
    layout = _layout(view, shown)
    name = encodable(drawing.metric)
    content = (name, traces, layout, [(note.template, dict(note.values)) for note in notes])
    return Chart(_hash(name), short_name(name), traces, layout, notes, _hash(content))


def _shown_range(drawing: Drawing, view: View) -> tuple[Range | None, int]:
    """The range of y from what is in the picture, and how many points outliers are clipped at it."""
    if drawing.groups:
        curves = [line.curve for line in drawing.groups]
        return y_range((a for c in curves for a in (c.mean, c.low, c.high)), view.log_y, view.clip)
    if view.clip and (view.shows_raw or not view.smoothing.weight):
        return y_range((line.all_values for line in drawing.lines), view.log_y, True)
    return y_range((array for line in drawing.lines for array in _drawn(line, view)), view.log_y, view.clip)


def _drawn(line: Line, view: View) -> Iterator[FloatArray]:
    """The curves of a line, inside the range of x."""
    points = line.points
    low, high = view.x_range or (-np.inf, np.inf)
    inside = (points.x >= low) & (points.x <= high)
    if points.smoothed is not None:
        yield points.smoothed[inside]
    if points.smoothed is None or view.shows_raw:
        yield points.values[inside]


def _layout(view: View, shown: Range | None) -> dict[str, Any]:
    x: dict[str, Any] = {"type": "date" if view.axis is Axis.WALL else "linear"}
    y: dict[str, Any] = {"type": "log" if view.log_y else "linear"}
    if view.x_range is not None:
        x["range"] = list(view.x_range)
    # Plotly would also count the points just outside of the range of x, and would choose -1 to 1 for a
    # constant curve.
    is_flat = shown is not None and shown[1] - shown[0] <= 3 * PADDING * max(map(abs, shown))
    if shown is not None and (view.clip or view.x_range is not None or is_flat):
        y["range"] = list(shown)
    return {"xaxis": x, "yaxis": y}


def _line_traces(
    drawing: Drawing,
    view: View,
    colours: Mapping[str, str],
    marks: Mapping[str, list[StepMark]],
    lowest: float,
) -> Iterator[Trace]:
    # Where a run was evaluated, its best is what the evaluation says.
    evaluated = {line.run.id for line in drawing.lines if line.part is Part.EVAL}
    limit = _lost_limit(drawing)
    tops: list[Trace] = []  # above all lines
    for line in drawing.lines:
        colour = colours.get(line.run.id, _NO_COLOUR)
        yield from line_traces(line, colour, view.shows_raw)
        if len(line.lost_x):
            tops.append(lost_trace(line, colour, lowest, limit))
        if line.best is not None and (line.part is Part.EVAL or line.run.id not in evaluated):
            tops.append(best_trace(line, colour))
        if line.run.id in marks and len(line.points):
            tops.append(_note_trace(line, colour, marks[line.run.id], view.axis))
    yield from tops


def _lost_limit(drawing: Drawing) -> int:
    """Marks of values that are no numbers, for each line that has some."""
    return max(1, MAX_LOST_MARKS // max(1, sum(len(line.lost_x) > 0 for line in drawing.lines)))


def _note_trace(line: Line, colour: str, marks: list[StepMark], axis: Axis) -> Trace:
    """On the line where there is one, at the height of the next point that is drawn."""
    steps = np.array([step_mark.step for step_mark in marks])
    points = line.points
    places = np.minimum(np.searchsorted(points.steps, steps), len(points) - 1)
    y = points.values if points.smoothed is None else points.smoothed
    x = steps if axis is Axis.STEP else np.interp(steps, points.steps, points.x)
    return note_trace(line, colour, x, y[places], [step_mark.text for step_mark in marks])


def _group_traces(drawing: Drawing, lowest: float) -> list[Trace]:
    colours = assign_colours(line.label for line in drawing.groups)
    return [trace for line in drawing.groups for trace in group_traces(line, colours[line.label], lowest)]


def _footnotes(drawing: Drawing, view: View, num_outside: int) -> Iterator[Note]:
    shown = sum(len(line.points) for line in drawing.lines) + sum(len(g.curve.x) for g in drawing.groups)
    yield Note(SHOWN_OF, {"shown": shown, "total": drawing.num_points})
    if num_lost := sum(len(line.lost_x) for line in drawing.lines):
        limit = _lost_limit(drawing)
        drawn = sum(min(limit, len(line.lost_x)) for line in drawing.lines)
        yield Note(NOT_FINITE, {"count": num_lost, "drawn": drawn})
    if num_not_positive := sum(line.num_not_positive for line in drawing.lines):
        yield Note(NOT_POSITIVE, {"count": num_not_positive})
    if view.clip and num_outside:
        yield Note(OUTSIDE, {"count": num_outside})
    if drawing.lacking:
        names = ", ".join(short_name(name) for name in drawing.lacking[:3])
        more = ", …" if len(drawing.lacking) > 3 else ""
        yield Note(LACKING, {"count": len(drawing.lacking), "names": names + more})


def _hash(content: Any) -> str:
    import orjson

    return hashlib.blake2b(orjson.dumps(content), digest_size=8).hexdigest()
