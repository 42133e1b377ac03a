"""Smoothing of a curve: TensorBoard's debiased exponential average, and one weighted by the distance on x.

Both are the same recursion: what was seen before counts `decay` times as much at each new point, and the sum
of the values is divided by the sum of their weights, so that the first points are not drawn towards zero. The
time-weighted form is the one of Weights & Biases: the decay follows the distance between two points as a part
of the range of x, so that runs that log often and runs that log seldom are smoothed alike.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from glmcore.core.errors import ConfigError
from glmcore.curves.numbers import FloatArray, as_floats

VIEWPORT_SCALE = 1000.0  # the range of x counts as so many points
STRONGEST = 0.999  # the largest decay over one of them
_CHUNK = 1 << 18  # points worked on at once: what fits the processor's cache
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
    values = y if usable.all() else y[usable]
    if smoothing.weight == 0.0 or len(values) < 2 or bool(np.all(values == values[0])):
        return y.copy()
    peak = max(abs(float(values.min())), abs(float(values.max())))
    scale = 2.0**-64 if peak > _LARGE else 1.0
    if smoothing.method is SmoothingMethod.TIME_WEIGHTED:
        decay = _decay_by_distance(x if len(values) == len(y) else x[usable], smoothing.weight)
    else:
        decay = np.full(len(values), smoothing.weight)
    with np.errstate(over="ignore"):  # the largest double, rounded up
        average = _average(decay, values if scale == 1.0 else values * scale)
        average = average if scale == 1.0 else average / scale
    if len(values) == len(y):
        return average
    smoothed = y.copy()
    smoothed[usable] = average
    return smoothed


def _decay_by_distance(x: FloatArray, weight: float) -> FloatArray:
    halves = x / 2  # so that no distance overflows
    span = float(halves.max() - halves.min())
    if span == 0.0:
        return np.ones(len(x))
    forward = np.maximum(np.diff(halves, prepend=halves[:1]), 0.0) / span
    strength = min(np.sqrt(weight), STRONGEST)
    return as_floats(np.exp(forward * (VIEWPORT_SCALE * np.log(strength))))


def _average(decay: FloatArray, values: FloatArray) -> FloatArray:
    """Divide the decaying sum of the values by that of their weights. Both arrays have shape (N,)."""
    averages = np.empty(len(values))
    before = np.zeros(2)  # the two sums at the point before the chunk
    for first in range(0, len(values), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        sums = _decaying_sums(decay[chunk], values[chunk], before)
        np.divide(sums[0], sums[1], out=averages[chunk])
        before = sums[:, -1].copy()
    return averages


def _decaying_sums(decay: FloatArray, values: FloatArray, before: FloatArray) -> FloatArray:
    """`sum[i] = sum[i - 1] * decay[i] + value[i]` of the values and of ones; shape (2, N).

    The points are cut into blocks that go through the recursion side by side, each from zero; then each gets
    what the block before it left, decayed by the product of its decays so far.
    """
    width = int(np.sqrt(len(values))) + 1
    blocks = -(-len(values) // width)
    padding = (0, width * blocks - len(values))
    decays = np.ascontiguousarray(np.pad(decay, padding).reshape(blocks, width).T)  # (width, blocks)
    sums = np.ones((width, 2, blocks))
    sums[:, 0] = np.pad(values, padding).reshape(blocks, width).T
    for row in range(1, width):
        sums[row] += sums[row - 1] * decays[row]
        decays[row] *= decays[row - 1]
    carried = np.empty((2, blocks))
    for block in range(blocks):
        carried[:, block] = before
        before = before * decays[-1, block] + sums[-1, :, block]
    sums += carried * decays[:, None, :]
    return sums.transpose(1, 2, 0).reshape(2, -1)[:, : len(values)]
