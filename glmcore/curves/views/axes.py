"""What a curve is drawn along: step, epoch, tokens, time since the start, clock time."""

from enum import StrEnum

import numpy as np

from glmcore.core.i18n import mark
from glmcore.curves.metric_names import EPOCH, TOKENS_SEEN
from glmcore.curves.numbers import FloatArray
from glmcore.curves.run import Run
from glmcore.curves.series import Series

CLOCK_FROM = 1e8  # seconds; smaller times are counted since a run's start (1973 and three years of training)
_LAST_CLOCK = 253_402_300_799.0  # the end of the year 9999: a browser knows no later date


class Axis(StrEnum):
    """What x means."""

    STEP = "step"
    EPOCH = "epoch"
    TOKENS = "tokens"
    RELATIVE = "relative"
    WALL = "wall"


_TITLES = {
    Axis.STEP: mark("Step"),
    Axis.EPOCH: mark("Epoch"),
    Axis.TOKENS: mark("Tokens seen"),
    Axis.RELATIVE: mark("Seconds since the start"),
    Axis.WALL: mark("Time of day"),
}


def axis_title(axis: Axis) -> str:
    """A text of the catalogue."""
    return _TITLES[axis]


def run_start(run: Run) -> float | None:
    """The time of a run's first point; None where it logs no times.

    Asked of the first metrics only: they are in the first rows of the log.
    """
    for _, name in zip(range(3), run.curves, strict=False):
        times = run.curves[name].times
        known = times[np.isfinite(times)]
        if len(known):
            return float(known.min())
    return None


def x_values(series: Series, axis: Axis, start: float | None) -> FloatArray | None:
    """The place of each point on the axis, NaN where unknown; None where the run does not know it at all.

    Args:
        start: see `run_start`; the series' own first time where None.

    Returns:
        Shape (N,): steps, epochs, tokens, seconds since the start, or for WALL milliseconds since 1970.
    """
    if axis is Axis.STEP:
        return series.steps
    if axis in (Axis.EPOCH, Axis.TOKENS):
        along = series.along.get(EPOCH if axis is Axis.EPOCH else TOKENS_SEEN)
        return along if along is not None and bool(np.isfinite(along).any()) else None
    known = series.times[np.isfinite(series.times)]
    if not len(known):
        return None
    is_clock = float(known.max()) >= CLOCK_FROM
    if axis is Axis.WALL:
        possible = (series.times >= CLOCK_FROM) & (series.times <= _LAST_CLOCK)
        return np.where(possible, series.times, np.nan) * 1000.0 if possible.any() else None
    # A log can hold both kinds, one of each program that wrote to it.
    times = np.where((series.times >= CLOCK_FROM) == is_clock, series.times, np.nan)
    if start is None or (start >= CLOCK_FROM) != is_clock:
        start = float(np.nanmin(times))
    with np.errstate(over="ignore", invalid="ignore"):
        return times - start
