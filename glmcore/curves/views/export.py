"""Tables to take away: the points that are drawn, all points of the runs, and the settings that differ."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glmcore.curves.metric_names import EPOCH, TOKENS_SEEN
from glmcore.curves.numbers import AnyArray, FloatArray
from glmcore.curves.run import Run
from glmcore.curves.series import Series
from glmcore.curves.views.drawing import Drawing, draw
from glmcore.curves.views.lines import Line, Points
from glmcore.curves.views.names import cell
from glmcore.curves.views.view import View

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 50_000
ALL_COLUMNS = ("run", "metric", "step", EPOCH, TOKENS_SEEN, "time", "value", "superseded")
SHOWN_COLUMNS = ("run", "metric", "part", "step", "x", "value", "smoothed", "superseded")
GROUP_COLUMNS = ("group", "metric", "part", "x", "mean", "low", "high", "runs")

_Cells = str | int | AnyArray | None  # the same in all rows, or one for each


def iter_all_csv(runs: Sequence[Run]) -> Iterator[str]:
    """Every point of every metric, in pieces; of each metric what a resume replaced comes last."""
    yield _header(ALL_COLUMNS)
    for run in runs:
        for metric in run.curves:
            series = run.curves[metric]
            yield from _series_csv(run.name, metric, series, 0)
            if series.superseded is not None:
                yield from _series_csv(run.name, metric, series.superseded, 1)


def iter_shown_csv(runs: Sequence[Run], view: View) -> Iterator[str]:
    """The points that the charts of this view draw, as logged and smoothed; of groups their means and bands.

    Crosses for what is no number are no points; they are among all points.
    """
    yield _header(SHOWN_COLUMNS if view.group_by is None else GROUP_COLUMNS)
    for drawing in draw(runs, view):
        if view.group_by is not None:
            yield from _groups_csv(drawing)
            continue
        for line in drawing.lines:
            yield from _points_csv(line, line.points, 0)
            if line.superseded is not None:
                yield from _points_csv(line, line.superseded, 1)


def _series_csv(run: str, metric: str, series: Series, superseded: int) -> Iterator[str]:
    for first in range(0, len(series), ROWS_AT_ONCE):
        part = series.part(slice(first, first + ROWS_AT_ONCE))
        columns: dict[str, _Cells] = {
            "run": run,
            "metric": metric,
            "step": part.steps,
            EPOCH: _known(part.along.get(EPOCH)),
            TOKENS_SEEN: _known(part.along.get(TOKENS_SEEN)),
            "time": _known(part.times),
            "value": part.values,
            "superseded": superseded,
        }
        yield _csv(columns, len(part))


def _points_csv(line: Line, points: Points, superseded: int) -> Iterator[str]:
    columns: dict[str, _Cells] = {
        "run": line.run.name,
        "metric": line.metric,
        "part": str(line.part),
        "step": points.steps,
        "x": points.x,
        "value": points.values,
        "smoothed": points.smoothed,
        "superseded": superseded,
    }
    yield _csv(columns, len(points))


def _groups_csv(drawing: Drawing) -> Iterator[str]:
    for group in drawing.groups:
        curve = group.curve
        columns: dict[str, _Cells] = {
            "group": group.label,
            "metric": group.metric,
            "part": str(group.part),
            "x": curve.x,
            "mean": curve.mean,
            "low": curve.low,
            "high": curve.high,
            "runs": curve.num_runs,
        }
        yield _csv(columns, len(curve.x))


def _known(values: FloatArray | None) -> "pa.Array | None":
    """Empty cells for what is not known; NaN is left to values, which a run really logged."""
    import pyarrow as pa

    return None if values is None else pa.array(values, mask=~np.isfinite(values))


def _header(columns: Sequence[str]) -> str:
    return ",".join(columns) + "\n"


def _csv(columns: Mapping[str, Any], num_rows: int) -> str:
    import pyarrow as pa
    from pyarrow import csv

    if not num_rows:
        return ""
    arrays = {}
    for name, cells in columns.items():
        if cells is None:
            arrays[name] = pa.nulls(num_rows, pa.float64())
        elif isinstance(cells, (str, int)):
            arrays[name] = pa.repeat(cell(cells) if isinstance(cells, str) else cells, num_rows)
        else:
            arrays[name] = pa.array(cells)
    written = io.BytesIO()
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    csv.write_csv(pa.table(arrays), written, options)
    return written.getvalue().decode("utf-8")
