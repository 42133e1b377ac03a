"""Smoothing of a curve: TensorBoard's debiased exponential average, and one weighted by the distance on x.

Both are the same recursion: what was seen before counts `decay` times as much at each new point, and the sum
of the values is divided by the sum of their weights, so that the first points are not drawn towards zero. The
time-weighted form is the one of Weights & Biases: the decay follows the distance between two points as a part
of the range of x, so that runs that log often and runs that log seldom are smoothed alike.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from glmcore.core.errors import ConfigError
from glmcore.curves.numbers import FloatArray, as_floats

VIEWPORT_SCALE = 1000.0  # the range of x counts as so many points
STRONGEST = 0.999  # the largest decay over one of them
_TICKS, _LAST_TICK = 1e15, 9e18
_LARGE = 1e280  # sums of larger values could overflow


class SmoothingMethod(StrEnum):
    """How much what came before counts."""

    EXPONENTIAL = "exponential"
    TIME_WEIGHTED = "time_weighted"


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How strongly a curve is smoothed: weight 0 leaves it as it is."""

    method: SmoothingMethod = SmoothingMethod.EXPONENTIAL
    weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.weight < 1.0:
            raise ConfigError(
                "The smoothing is {weight}; expected 0 or more and less than 1.", weight=self.weight
            )


def smooth(x: FloatArray, y: FloatArray, smoothing: Smoothing) -> FloatArray:
    """The smoothed curve at the same points.

    NaN and infinities stay where they are and leave the average untouched; a constant curve stays as it is.

    Args:
        x: shape (N,); used by the time-weighted method only. Going backwards counts as no distance.
        y: shape (N,).
    """
    usable = np.isfinite(y)
    if smoothing.method is SmoothingMethod.TIME_WEIGHTED:
        usable &= np.isfinite(x)
    values = y[usable]
    smoothed = y.copy()
    if smoothing.weight == 0.0 or len(values) < 2 or bool(np.all(values == values[0])):
        return smoothed
    scale = 2.0**-64 if max(abs(float(values.min())), abs(float(values.max()))) > _LARGE else 1.0
    with np.errstate(over="ignore"):  # the largest double, rounded up
        if smoothing.method is SmoothingMethod.EXPONENTIAL:
            average = _exponential(values * scale, smoothing.weight)
        else:
            average = _time_weighted(x[usable], values * scale, smoothing.weight)
        smoothed[usable] = average / scale
    return smoothed


def _exponential(values: FloatArray, weight: float) -> FloatArray:
    import pandas as pd

    return as_floats(pd.Series(values).ewm(alpha=1.0 - weight, adjust=True).mean())


def _time_weighted(x: FloatArray, values: FloatArray, weight: float) -> FloatArray:
    import pandas as pd

    halves = x / 2  # so that no distance overflows
    span = float(halves.max() - halves.min())
    forward = np.maximum(np.diff(halves, prepend=halves[:1]), 0.0) / (span or 1.0)
    # pandas weighs by clock times; the range of x is a clock of so many nanoseconds, counted in whole ones.
    ticks = np.rint(np.minimum(np.cumsum(forward) * _TICKS, _LAST_TICK))
    clock = ticks.astype(np.int64).view("datetime64[ns]")
    strength = min(math.sqrt(weight), STRONGEST)
    half_life = round(_TICKS / VIEWPORT_SCALE * math.log(0.5) / math.log(strength))
    weighted = pd.Series(values).ewm(halflife=pd.Timedelta(half_life, unit="ns"), times=clock)
    return as_floats(weighted.mean())
