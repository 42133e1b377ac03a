"""What is drawn of one metric of one run: the points chosen, and what could not be drawn."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from glmcore.curves.metric_names import Direction, Part
from glmcore.curves.numbers import AnyArray, FloatArray
from glmcore.curves.run import Run
from glmcore.curves.series import Series
from glmcore.curves.views.axes import x_values
from glmcore.curves.views.best import best_place
from glmcore.curves.views.decimation import decimate, visible
from glmcore.curves.views.smoothing import smooth
from glmcore.curves.views.view import View

KEPT_LINES = 256
SMOOTHED_FROM = 25  # points; an evaluation has few, and its average would lag far behind them


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points to be joined by a line.

    Attributes:
        x, steps, values: shape (K,), all finite.
        smoothed: shape (K,); None where no smoothing was asked for.
        breaks: shape (K,), true where the line is interrupted after a point.
    """

    x: FloatArray
    steps: FloatArray
    values: FloatArray
    smoothed: FloatArray | None
    breaks: AnyArray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One metric of one run inside the range of x.

    Attributes:
        all_values: every logged value of the range, drawn or not; shape (N,).
        lost_x, lost_values: where and what the values are that are no numbers.
        num_not_positive: left out on a log scale.
        superseded: what a resume computed again, where that was asked for.
        best: x and value of the best point; None where it is outside or nothing is better.
    """

    run: Run
    metric: str
    part: Part
    points: Points
    all_values: FloatArray
    lost_x: FloatArray
    lost_values: FloatArray
    num_not_positive: int
    superseded: Points | None
    best: tuple[float, float] | None
    direction: Direction


def draw_line(
    run: Run, metric: str, part: Part, start: float | None, view: View, max_points: int
) -> Line | None:
    """Choose what to draw; None where the run does not know the axis.

    The last lines of runs that do not grow are kept, since they are drawn again whenever another one grows.

    Args:
        start: of the run, see `axes.run_start`.
        max_points: of one curve.
    """
    draw = _draw_line if run.status.is_live else _kept_line
    return draw(run, metric, part, start, view, max_points)


def _draw_line(
    run: Run, metric: str, part: Part, start: float | None, view: View, max_points: int
) -> Line | None:
    series = run.curves[metric]
    x = x_values(series, view.axis, start)
    if x is None:
        return None
    is_smoothed = view.smoothing.weight and len(series) >= SMOOTHED_FROM
    smoothed = smooth(x, series.values, view.smoothing) if is_smoothed else None
    chosen = visible(x, view.x_range)
    values, here = series.values[chosen], x[chosen]
    known = np.isfinite(here)
    lost = known & ~np.isfinite(values)
    num_not_positive = int(np.count_nonzero(known & (values <= 0.0) & ~lost)) if view.log_y else 0
    points = _points(
        here,
        series.steps[chosen],
        values,
        None if smoothed is None else smoothed[chosen],
        view.log_y,
        max_points,
    )
    superseded = _superseded(series, start, view, max_points) if view.shows_superseded else None
    best = _best(x, series, metric, view)
    return Line(
        run,
        metric,
        part,
        points,
        values,
        here[lost],
        values[lost],
        num_not_positive,
        superseded,
        best,
        view.direction(metric),
    )


_kept_line = lru_cache(maxsize=KEPT_LINES)(_draw_line)


def _points(
    x: FloatArray,
    steps: FloatArray,
    values: FloatArray,
    smoothed: FloatArray | None,
    is_log: bool,
    max_points: int,
) -> Points:
    drawable = np.isfinite(x) & np.isfinite(values)
    if is_log:
        drawable &= values > 0.0
    places = np.flatnonzero(drawable)
    ranks = decimate(x[places], values[places], max_points)
    kept = places[ranks]
    # Between two points that are kept: others that were merely not chosen, and others that cannot be drawn.
    # The line is interrupted where the latter are more; without decimation that is at each of them.
    left_out = np.diff(ranks) - 1
    missing = np.diff(kept) - 1 - left_out
    breaks = np.append(missing > left_out, True) if len(kept) else np.zeros(0, bool)
    return Points(x[kept], steps[kept], values[kept], None if smoothed is None else smoothed[kept], breaks)


def _superseded(series: Series, start: float | None, view: View, max_points: int) -> Points | None:
    old = series.superseded
    x = None if old is None else x_values(old, view.axis, start)
    if old is None or x is None:
        return None
    chosen = visible(x, view.x_range)
    points = _points(x[chosen], old.steps[chosen], old.values[chosen], None, view.log_y, max_points)
    if len(points):  # one part for each resume
        points.breaks[:-1] |= points.steps[1:] < points.steps[:-1]
    return points


def _best(x: FloatArray, series: Series, metric: str, view: View) -> tuple[float, float] | None:
    place = best_place(series.values, view.direction(metric)) if view.shows_best else None
    if place is None:
        return None
    at, value = float(x[place]), float(series.values[place])
    low, high = view.x_range or (-np.inf, np.inf)
    return (at, value) if np.isfinite(at) and low <= at <= high and (value > 0 or not view.log_y) else None
